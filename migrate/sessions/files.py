"""Sessions in files: one folder (or a tree of a set depth), one file per session.

Session files are credentials in a folder that others may write to: every one is opened by its folder's
descriptor with O_NOFOLLOW, must be a plain file, and must belong to the app or to root (the rule of PHP's
own ext/session/mod_files.c). Nothing is written here but by `restore` and `set_aside`, for a rollback.
"""

import errno
import fcntl
import os
import stat
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

from swarmstead.errors import InputError

from .records import Entry, Read, Record, Skip, Skipped

__all__ = ["FileFormat", "FileSource"]

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LARGEST = 64 << 20
_SETTLED_NS = 1_000_000_000
_ASIDE = ".swarmstead-ended"
_SAMPLE = 500
_ROOT = 0
_REFUSALS = {errno.ELOOP: "a symbolic link", errno.ENXIO: "not a plain file", errno.EISDIR: "a folder"}


class FileFormat(Protocol):
    """How a framework names its files and what stands in them: pure functions."""

    @property
    def title(self) -> str:
        """Return the store's name."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what its keys in Redis begin with."""

    @property
    def locked(self) -> bool:
        """Return whether the framework holds flock(LOCK_EX) while it writes."""

    def key_of(self, name: str) -> bytes | None:
        """Return the Redis key of a file's name; None for a file that is no session."""

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return folders and file name of a Redis key; None for a key that is no session."""

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the session for Redis; `modified` is the file's mtime in Unix seconds."""

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return content and mtime of the file for a session from Redis. Raises InputError if it has none."""


class FileSource:
    """One store of session files.

    root: the folder. depth: levels of folders below it that hold the files.
    owner: uid the files must have, besides root; None: that of most of them.
    """

    def __init__(self, root: Path, form: FileFormat, *, depth: int = 0, owner: int | None = None) -> None:
        self.root, self.form, self.depth = root, form, depth
        self._owner = owner
        self._folders: list[Path] = []
        self._allowed: set[int] = set()
        self._open = self._descriptor = -1
        self._flags = _FLAGS | os.O_NOATIME

    @property
    def title(self) -> str:
        """Return the store's name and folder."""
        return f"{self.form.title} in {self.root}"

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what its keys in Redis begin with."""
        return self.form.prefixes

    @property
    def owner(self) -> int:
        """Return the uid that the files must have, besides root's."""
        if self._owner is None:
            self._owner = self._usual_owner()
        return self._owner

    def _usual_owner(self) -> int:
        owners: Counter[int] = Counter()
        for folder in self._list_folders():
            with os.scandir(folder) as listing:
                for entry in islice(listing, _SAMPLE - owners.total()):
                    if self.form.key_of(entry.name) is not None:
                        owners[entry.stat(follow_symlinks=False).st_uid] += 1
            if owners.total() >= _SAMPLE:
                break
        return owners.most_common(1)[0][0] if owners else self.root.stat().st_uid

    def canonical(self, key: bytes) -> bytes:
        """Return the key itself."""
        return key

    def close(self) -> None:
        """Close the folder that is open for reading."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._open = -1, -1

    def _list_folders(self) -> list[Path]:
        """Return the folders that hold files."""
        try:
            level = [self.root.resolve(strict=True)]
            for _ in range(self.depth):
                level = [Path(entry.path) for path in level for entry in _subfolders(path)]
            os.close(os.open(level[0] if level else self.root, os.O_RDONLY | os.O_DIRECTORY))
        except OSError as error:
            raise _unlistable(error, self.root) from None
        return level

    def _enter(self, folder: int) -> int:
        """Return a descriptor of the folder to read files in."""
        if folder != self._open:
            self.close()
            self._descriptor = os.open(self._folders[folder], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._open = folder
        return self._descriptor

    def entries(self, *, stamps: bool = True) -> Iterator[Entry]:
        """Yield every file, folder by folder, in the folder's own order."""
        self.close()
        self._folders = self._list_folders()
        self._allowed = {self.owner, _ROOT}
        for folder, path in enumerate(self._folders):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise _unlistable(error, path) from None
            try:
                # By descriptor each look costs one component of a path, not all of them.
                with os.scandir(descriptor) as listing:
                    yield from _look(listing, folder) if stamps else _names(listing, folder)
            finally:
                os.close(descriptor)

    def count(self) -> int:
        """Return how many files there are, sessions or not."""
        count = 0
        for folder in self._list_folders():
            try:
                with os.scandir(folder) as listing:
                    count += sum(1 for _ in listing)
            except OSError as error:
                raise _unlistable(error, folder) from None
        return count

    def read(self, entry: Entry, now: float) -> Read:
        """Read one file under the lock that its framework asks for."""
        place, _, name, folder = entry
        key = self.form.key_of(name)
        if key is None:
            return place, 0, Skipped(Skip.IGNORED, b"")
        try:
            descriptor = os.open(name, self._flags, dir_fd=self._enter(folder))
        except PermissionError:
            return self._read_with_access_time(entry, key, now)
        except OSError as error:
            return place, 0, _skipped(key, error)
        try:
            if self.form.locked:
                # A shared lock that is refused means a request is at work on it: torn reads otherwise.
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            found = os.fstat(descriptor)
            size = found.st_size
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in self._allowed or size > _LARGEST:
                return place, 0, Skipped(Skip.REFUSED, key, self._problem(found))
            data = os.read(descriptor, size + 1)
            if len(data) != size:
                return place, 0, Skipped(Skip.LOCKED, key, "written while it was read")
        except BlockingIOError:
            return place, 0, Skipped(Skip.LOCKED, key)
        except OSError as error:
            return place, 0, _skipped(key, error)
        finally:
            os.close(descriptor)
        stamp = found.st_ctime_ns
        if now * 1e9 - stamp < _SETTLED_NS:
            stamp = 0
        return found.st_ino, stamp, self.form.record(key, data, found.st_mtime, now)

    def _read_with_access_time(self, entry: Entry, key: bytes, now: float) -> Read:
        """Read without O_NOATIME, which is for the owner and root only, from now on."""
        if not self._flags & os.O_NOATIME:
            return entry[0], 0, Skipped(Skip.UNREADABLE, key, "permission denied")
        self._flags &= ~os.O_NOATIME
        return self.read(entry, now)

    def _problem(self, found: os.stat_result) -> str:
        if not stat.S_ISREG(found.st_mode):
            return "not a plain file"
        if found.st_uid not in self._allowed:
            return f"belongs to uid {found.st_uid}"
        return "too large for a session"

    def _path(self, key: bytes) -> Path:
        parts = self.form.path_of(key)
        if parts is None:
            raise InputError("a key in Redis is no session of this store", subject=self.title)
        return self.root.joinpath(*parts)

    def holds(self, key: bytes) -> bool:
        """Return whether the file of this Redis key is there."""
        try:
            return self._path(key).lstat() is not None
        except (FileNotFoundError, NotADirectoryError, InputError):
            return False

    def restore(self, record: Record) -> bool:
        """Write the file, whole or not at all, with the owner and the mtime that its framework needs."""
        path = self._path(record.key)
        data, modified = self.form.file(record)
        owner = self.owner
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".swarmstead-{path.name}"[:200])
        if self._stands(path, data, modified):
            return False
        temporary.unlink(missing_ok=True)
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == _ROOT:
                os.fchown(descriptor, owner, path.parent.stat().st_gid if owner else 0)
            file.write(data)
            file.flush()
            os.utime(descriptor, (modified, modified))
        temporary.replace(path)
        return True

    @staticmethod
    def _stands(path: Path, data: bytes, modified: float) -> bool:
        """Return whether the file is there, byte for byte, its age right to the second."""
        try:
            found = path.lstat()
            right_age = abs(found.st_mtime - modified) < 1
            return stat.S_ISREG(found.st_mode) and right_age and path.read_bytes() == data
        except OSError:
            return False

    def set_aside(self, key: bytes) -> bool:
        """Move the file of an ended session into a folder that no framework looks into."""
        path = self._path(key)
        aside = self.root / _ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        try:
            path.rename(aside / path.name)
        except FileNotFoundError:
            return False
        return True


def _subfolders(path: Path) -> list["os.DirEntry[str]"]:
    with os.scandir(path) as listing:
        found = [one for one in listing if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")]
    return sorted(found, key=lambda one: one.name)


def _names(listing: "Iterator[os.DirEntry[str]]", folder: int) -> Iterator[Entry]:
    for entry in listing:
        yield entry.inode(), 0, entry.name, folder


def _look(listing: "Iterator[os.DirEntry[str]]", folder: int) -> Iterator[Entry]:
    for entry in listing:
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield found.st_ino, found.st_ctime_ns, entry.name, folder


def _unlistable(error: OSError, path: Path) -> InputError:
    return InputError(
        f"the session folder cannot be listed: {error.strerror}",
        subject=str(error.filename or path),
        hint="Run as root: session folders are readable by root only.",
    )


def _skipped(key: bytes, error: OSError) -> Skipped:
    if isinstance(error, FileNotFoundError):
        return Skipped(Skip.GONE, key)
    if error.errno in _REFUSALS:
        return Skipped(Skip.REFUSED, key, _REFUSALS[error.errno])
    return Skipped(Skip.UNREADABLE, key, error.strerror or "cannot be read")
