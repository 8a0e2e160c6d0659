"""The cache's folder on the disk: opened, filled and emptied so that no name leads out of it.

It is the process's own while it runs: a second one is refused.
"""

import fcntl
import os
import secrets
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from migrate.cache.index import Row
from migrate.cache.names import OWN, open_below, open_folder, parent_of
from swarmstead.errors import Busy

__all__ = ["Folder", "same"]


def same(row: Row, status: os.stat_result) -> bool:
    """Return whether a file is the one that a row tells of."""
    return (row.inode, row.size, row.mtime_ns) == (status.st_ino, status.st_size, status.st_mtime_ns)


class Folder:
    """A folder of files, and below it `own`: what is the cache's alone. Raises Busy where it is another's."""

    def __init__(self, root: Path) -> None:
        self.root, self.own = root, root / OWN
        root.mkdir(parents=True, exist_ok=True)
        self._temporary, self._trash = self.own / "tmp", self.own / "trash"
        for folder in (self.own, self._temporary, self._trash):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._locked = _lock(self.own / "lock")
        self.descriptor = open_folder(str(root))

    def clear(self) -> None:
        """Remove what a killed process left half done."""
        for folder in (self._temporary, self._trash):
            for left in folder.iterdir():
                left.unlink()

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)
        os.close(self._locked)

    def free_bytes(self) -> int:
        """Return how many bytes are free on its disk."""
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    def open(self, name: str) -> int | None:
        """Open a file; return its descriptor, None where there is none."""
        try:
            file = open_below(self.descriptor, name)
        except OSError:
            return None
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        return None

    def status(self, name: str) -> os.stat_result | None:
        """Return what stands under a name; None where nothing does."""
        try:
            folder, last = parent_of(self.descriptor, name)
        except OSError:
            return None
        try:
            return os.stat(last, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None
        finally:
            os.close(folder)

    def new_path(self) -> str:
        """Return a path for a file that is not there under its name yet."""
        return str(self._temporary / secrets.token_hex(8))

    def link(self, path: str, name: str) -> bool:
        """Put a file under its name; False where something stands there, or where a folder should."""
        try:
            folder, last = parent_of(self.descriptor, name, make=True)
        except OSError:
            return False  # a file or a symbolic link stands where a folder should
        try:
            os.link(path, last, dst_dir_fd=folder)
        except FileExistsError:
            return False
        finally:
            os.close(folder)
        return True

    def set_aside(self, name: str) -> None:
        """Move a file out of the way; nothing is deleted."""
        aside = self.own / "aside"
        aside.mkdir(mode=0o700, exist_ok=True)
        (self.root / name).rename(aside / f"{secrets.token_hex(4)}-{name.rsplit('/', 1)[-1][-200:]}")

    def remove(self, row: Row, *, readers: bool, gone: Callable[[], None], back: Callable[[], None]) -> bool:
        """Remove a file of which nobody holds a descriptor and whose bytes are the confirmed ones.

        The kernel's lease says whether somebody has it open, and whether somebody opens it while we work:
        then it is put back. Where leases are not to be had (another owner's file), the look before counts.
        gone: called before it leaves its name. back: called where it is put back, or another stands there.
        """
        lease = fcntl.F_WRLCK if readers else fcntl.F_RDLCK  # refused while anybody, or a writer, has it open
        try:
            folder, last = parent_of(self.descriptor, row.name)
        except OSError:
            return False
        try:
            file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            try:
                return self._remove_open(row, folder, last, file, lease=lease, gone=gone, back=back)
            finally:
                os.close(file)
        except FileNotFoundError:
            return False
        except OSError:
            return False
        finally:
            os.close(folder)

    def _remove_open(
        self,
        row: Row,
        folder: int,
        last: str,
        file: int,
        *,
        lease: int,
        gone: Callable[[], None],
        back: Callable[[], None],
    ) -> bool:
        try:
            # A broken lease sends SIGIO, which would end us; SIGURG is ignored where nobody asks for it.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(file, fcntl.F_SETLEASE, lease)
            leased = True
        except BlockingIOError:
            return False
        except OSError:
            leased = False
        if not same(row, os.fstat(file)):
            return False
        trash = self._trash / secrets.token_hex(8)
        gone()
        os.rename(last, trash, src_dir_fd=folder)
        disturbed = leased and fcntl.fcntl(file, fcntl.F_GETLEASE) != lease
        if disturbed or not same(row, trash.stat()):
            back()
            with suppress(FileExistsError):  # the app wrote another: that one counts
                os.link(trash, last, dst_dir_fd=folder)
            trash.unlink()
            return False
        trash.unlink()
        return True


def _lock(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise Busy(
            "another process keeps this folder",
            subject=str(path.parent.parent),
            hint="One cache per folder: stop the other, or give this one a folder of its own.",
        ) from None
    return file
