"""What lies below a folder: files to be moved, and all else, named. Nothing is skipped in silence."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from migrate.files.names import LIMITS, Limits, escaped, shown, trouble

__all__ = ["LINK_SUFFIX", "Found", "Links", "Odd", "OddNames", "open_below", "scan"]

Links = Literal["skip", "follow", "keep"]
OddNames = Literal["skip", "escape"]

LINK_SUFFIX = ".rclonelink"
"""A kept link is an object of this name that holds the target: rclone's own convention (--links)."""

_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class Found:
    """A file. name: of its object. path: below the root, as the file system has it. Times in ns.

    target: of a symbolic link that is kept as such, or followed (`followed`). links: hard links of the file.
    """

    name: str
    size: int
    mtime_ns: int
    path: bytes = b""
    ctime_ns: int = 0
    device: int = 0
    inode: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    links: int = 1
    blocks: int = 0
    target: bytes | None = None
    followed: bool = False

    @property
    def sparse(self) -> bool:
        """Return whether it has holes: it takes less room than it is long."""
        return self.blocks * _BLOCK_BYTES < self.size


@dataclass(frozen=True, slots=True)
class Odd:
    """Something that is not moved. name: escaped, fit to be shown. why: in words. kind: for scripts."""

    name: str
    why: str
    kind: str = "odd"


def open_below(root: Path, name: str | bytes) -> int:
    """Open a file below a folder for reading, through no symbolic link; return its descriptor.

    A named pipe in its place does not block. Raises OSError.
    """
    raw = name.encode() if isinstance(name, str) else name
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *folders, last = raw.split(b"/")
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def scan(
    root: Path, *, links: Links = "skip", odd_names: OddNames = "skip", limits: Limits = LIMITS
) -> Iterator[Found | Odd]:
    """Walk a folder in a stable order.

    links: what becomes of symbolic links: ``follow`` takes what they point at, also a folder; ``keep`` makes
    an object of the link itself. Raises nothing: what cannot be read is an Odd.
    """
    return _Walk(os.fsencode(root), links, odd_names, limits).run()


class _Walk:
    def __init__(self, root: bytes, links: Links, odd_names: OddNames, limits: Limits) -> None:
        self._root, self._links, self._odd_names, self._limits = root, links, odd_names, limits

    def run(self) -> Iterator[Found | Odd]:
        # Each folder with the identities of those it lies in, for the detection of links in a circle.
        stack: list[tuple[bytes, tuple[tuple[int, int], ...]]] = [(b"", ())]
        while stack:
            folder, above = stack.pop()
            try:
                status = os.stat(os.path.join(self._root, folder))  # noqa: PTH116, PTH118 - bytes
                with os.scandir(os.path.join(self._root, folder)) as entries:  # noqa: PTH118
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                yield Odd(shown(folder) or ".", f"cannot be read: {error.strerror}", "unreadable")
                continue
            here = (status.st_dev, status.st_ino)
            if here in above:
                yield Odd(shown(folder), "a link in a circle", "circle")
                continue
            inner: list[bytes] = []
            for entry in found:
                path = folder + b"/" + entry.name if folder else entry.name
                if entry.is_dir(follow_symlinks=False) or (
                    self._links == "follow" and _leads_to_folder(entry)
                ):
                    inner.append(path)
                else:
                    yield from self._look(entry, path)
            stack.extend((path, (*above, here)) for path in reversed(inner))

    def _look(self, entry: "os.DirEntry[bytes]", path: bytes) -> Iterator[Found | Odd]:
        target: bytes | None = None
        followed = False
        try:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(entry.path)  # noqa: PTH115 - bytes
                if self._links == "skip":
                    yield Odd(shown(path), f"a symbolic link to {shown(target)}", "link")
                    return
                if self._links == "follow":
                    status, followed = entry.stat(), True
        except FileNotFoundError:
            if target is not None:
                yield Odd(shown(path), f"a symbolic link to {shown(target)}, which is not there", "link")
            return
        except OSError as error:
            yield Odd(shown(path), f"cannot be read: {error.strerror}", "unreadable")
            return
        kept = target is not None and not followed
        if not kept and not stat.S_ISREG(status.st_mode):
            yield Odd(shown(path), _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file"), "special")
            return
        yield self._named(path, status, target, followed=followed)

    def _named(
        self, path: bytes, status: os.stat_result, target: bytes | None, *, followed: bool
    ) -> Found | Odd:
        kept = target is not None and not followed
        wanted = path + LINK_SUFFIX.encode() if kept else path
        why = trouble(wanted, self._limits)
        name = escaped(wanted) if why and self._odd_names == "escape" else wanted.decode(errors="replace")
        if why and (self._odd_names == "skip" or trouble(name.encode(), self._limits)):
            return Odd(shown(path), why, "name")
        return Found(
            name,
            len(target) if kept and target is not None else status.st_size,
            status.st_mtime_ns,
            path,
            status.st_ctime_ns,
            status.st_dev,
            status.st_ino,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_nlink,
            status.st_blocks,
            target,
            followed,
        )


def _leads_to_folder(entry: "os.DirEntry[bytes]") -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False
