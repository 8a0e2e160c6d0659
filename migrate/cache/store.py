"""The cache's folder: what is in it, what may leave it, and a bound that is never passed by what we fetch.

The folder is at once what nginx serves, what the app writes into and what the cache fills. So a file's own
state (inode, size, time) beside the index's row says whether its bytes are those that the remote confirmed.
Whatever differs is the app's work and stays until the remote has it.
"""

import fcntl
import os
import secrets
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from migrate.cache.eviction import Age, Policy
from migrate.cache.index import Index, Row, State
from migrate.cache.names import OWN, open_below, open_folder, parent_of, sendable
from swarmstead.errors import Busy

__all__ = ["Counts", "Store", "Temporary", "same"]


@dataclass(slots=True)
class Counts:
    """What happened since the start. spared: victims that were in use."""

    evicted: int = 0
    evicted_bytes: int = 0
    spared: int = 0
    refused: int = 0


@dataclass(slots=True)
class Temporary:
    """Room that was set aside, and the file that takes it until it enters under its name."""

    name: str
    size: int
    path: str
    file: int


def same(row: Row, status: os.stat_result) -> bool:
    """Return whether a file is the one that a row tells of."""
    return (row.inode, row.size, row.mtime_ns) == (status.st_ino, status.st_size, status.st_mtime_ns)


class Store:
    """All methods may be called from any thread, and none of them talks to the remote.

    max_bytes: of all files below the folder. max_share: of them that one object may take when it is fetched.
    min_free: bytes that stay free on the disk. Raises Busy where another process has the folder.
    """

    def __init__(
        self,
        root: Path,
        policy: Policy,
        *,
        max_bytes: int,
        max_share: float = 0.5,
        min_free: int = 0,
        clock: Callable[[], float] = time.time,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        self.root, self.max_bytes, self.counts = root, max_bytes, Counts()
        self._policy, self._share, self._min_free, self._clock = policy, max_share, min_free, clock
        self._free = free or _disk_free
        self._lock = threading.RLock()
        root.mkdir(parents=True, exist_ok=True)
        self._own = root / OWN
        self._temporary, self._trash = self._own / "tmp", self._own / "trash"
        for folder in (self._own, self._temporary, self._trash):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._locked = _lock(self._own / "lock")
        self.folder = open_folder(str(root))
        self.index = Index(self._own / "index.db")
        self._filling: dict[str, int] = {}
        self._loaded = threading.Event()
        self._clear()
        sums = self.index.sums()
        self._used = sum(sums[state][1] for state in (State.HERE, State.DIRTY) if state in sums)
        self._files = sum(sums[state][0] for state in (State.HERE, State.DIRTY) if state in sums)

    def _clear(self) -> None:
        """Finish what a killed process left half done."""
        for row in self.index.queued():
            if row.state is State.ENTERING:
                status = self._status(row.name)
                if status is not None and same(row, status):
                    self.index.put(replace(row, state=State.HERE))
                else:
                    self.index.drop(row.name)
        for folder in (self._temporary, self._trash):
            for left in folder.iterdir():
                left.unlink()

    def load(self) -> None:
        """Give the policy what is known of each file; evictions wait for it. Run once, in the background."""
        for row in self.index.here():
            with self._lock:
                now = self.index.get(row.name)
                if now is not None and now.state is State.HERE:
                    self._policy.restore(row.name, row.size, row.count, row.rank)
        self._loaded.set()
        self.make_room()

    @property
    def used(self) -> int:
        """Return the bytes that files take, with those set aside for what is being fetched."""
        with self._lock:
            return self._used + sum(self._filling.values())

    @property
    def files(self) -> int:
        """Return how many files are known."""
        return self._files

    @property
    def loaded(self) -> bool:
        """Return whether the policy knows all files."""
        return self._loaded.is_set()

    def has_room(self, size: int) -> bool:
        """Evict until so many bytes more would fit; False where what is left may not go."""
        with self._lock:
            self._filling[""] = size
            try:
                return self._evict() and self._disk_has(size)
            finally:
                del self._filling[""]

    def close(self) -> None:
        """Keep the policy's memory and let go of the folder."""
        self.remember()
        self.index.close()
        os.close(self.folder)
        os.close(self._locked)

    def remember(self) -> None:
        """Write the policy's memory to the index, a thousand names at a time."""
        if not self._loaded.is_set():
            return
        names = [*self.index.names()]
        for start in range(0, len(names), 1000):
            with self._lock:
                part = [(*self._policy.memory(name), name) for name in names[start : start + 1000]]
            self.index.remember(part)

    # Reading

    def open(self, name: str) -> int | None:
        """Open a file; return its descriptor, None where there is none."""
        try:
            file = open_below(self.folder, name)
        except OSError:
            return None
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        return None

    def _status(self, name: str) -> os.stat_result | None:
        try:
            folder, last = parent_of(self.folder, name)
        except OSError:
            return None
        try:
            return os.stat(last, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None
        finally:
            os.close(folder)

    def hits(self, names: Iterable[str]) -> None:
        """Learn what was asked for."""
        now = self._clock()
        with self._lock:
            for name in names:
                self._policy.hit(name, now)

    # Fetching

    def reserve(self, name: str, size: int) -> Temporary | None:
        """Set room aside for an object and open a file for it; None where it is not to be kept.

        It is not kept when it would take too large a share, when the policy would evict it first, or when
        there is no room because too much waits to be sent.
        """
        with self._lock:
            if size > self.max_bytes * self._share or name in self._filling:
                self.counts.refused += 1
                return None
            self._policy.add(name, size, self._clock())
            self._filling[name] = size
            if not self._evict(candidate=name) or not self._disk_has(size):
                self._release(name)
                self.counts.refused += 1
                return None
        path = str(self._temporary / secrets.token_hex(8))
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError:
            self.abandon(Temporary(name, size, path, -1))
            raise
        return Temporary(name, size, path, file)

    def _release(self, name: str) -> None:
        self._policy.remove(name)
        self._filling.pop(name, None)

    def abandon(self, temporary: Temporary) -> None:
        """Give the room back; the file stays open for those who read it."""
        Path(temporary.path).unlink(missing_ok=True)
        with self._lock:
            self._release(temporary.name)

    def enter(self, temporary: Temporary, *, sha1: str, tag: str, mtime_ns: int) -> bool:
        """Put a file that is whole and right under its name; False where the app wrote one meanwhile."""
        if mtime_ns:
            os.utime(temporary.file, ns=(mtime_ns, mtime_ns))
        os.fsync(temporary.file)
        status = os.fstat(temporary.file)
        row = Row(
            temporary.name, status.st_size, status.st_mtime_ns, status.st_ino, sha1, tag, State.ENTERING,
            self._clock(), *self._policy.memory(temporary.name),
        )  # fmt: skip
        with self._lock:
            entered = self._status(temporary.name) is None and self.index.get(temporary.name) is None
            if entered:
                self.index.put(row)
                entered = self._link(temporary)
                if entered:
                    self.index.put(replace(row, state=State.HERE))
                    self._used += row.size
                    self._files += 1
                else:
                    self.index.drop(temporary.name)
            self._filling.pop(temporary.name, None)
            if not entered:
                self._policy.remove(temporary.name)
        Path(temporary.path).unlink(missing_ok=True)
        return entered

    def _link(self, temporary: Temporary) -> bool:
        try:
            folder, last = parent_of(self.folder, temporary.name, make=True)
        except OSError:
            return False  # a file or a symbolic link stands where a folder should
        try:
            os.link(temporary.path, last, dst_dir_fd=folder)
        except FileExistsError:
            return False
        finally:
            os.close(folder)
        return True

    # Writing, by the app or through us

    def look(self, name: str) -> State | None:
        """Compare a file with its row; return DIRTY or GONE where the remote is to be told, else None.

        It looks at what is now, so it may be called late, early or twice.
        """
        with self._lock:
            if name in self._filling or not sendable(name) or name.split("/", 1)[0] == OWN:
                return None
            status, row = self._status(name), self.index.get(name)
            if status is None or stat.S_ISDIR(status.st_mode):
                return self._missing(row)
            if not stat.S_ISREG(status.st_mode):
                return None
            if row and row.state in {State.HERE, State.DIRTY} and same(row, status):
                return State.DIRTY if row.state is State.DIRTY else None
            known = row if row and row.state is not State.GONE else None
            self._used += status.st_size - (known.size if known else 0)
            self._files += known is None
            self._policy.remove(name)
            base = row or Row(name)
            self.index.put(
                replace(
                    base,
                    size=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    inode=status.st_ino,
                    state=State.DIRTY,
                )
            )
            return State.DIRTY

    def _missing(self, row: Row | None) -> State | None:
        if row is None or row.state is State.ENTERING:
            return None
        if row.state is not State.GONE:
            self._policy.remove(row.name)
            self._used -= row.size
            self._files -= 1
            self.index.put(replace(row, state=State.GONE))
        return State.GONE

    def forget(self, name: str) -> None:
        """Drop the row of a file that vanished while nobody watched: what the remote has is left alone."""
        with self._lock:
            row = self.index.get(name)
            if row is not None and row.state is State.HERE and self._status(name) is None:
                self._missing(row)
                self.index.drop(name)

    def confirm(self, name: str, status: os.stat_result, *, sha1: str, tag: str) -> bool:
        """Record that the remote has the bytes of this stat; False where the file is another by now."""
        with self._lock:
            row, now = self.index.get(name), self._status(name)
            if row is None or now is None or row.state is not State.DIRTY:
                return False
            if any(
                getattr(now, what) != getattr(status, what) for what in ("st_ino", "st_size", "st_mtime_ns")
            ):
                return False
            when = self._clock()
            self._used += now.st_size - row.size
            self._policy.add(name, now.st_size, when)
            self.index.put(
                replace(
                    row, size=now.st_size, mtime_ns=now.st_mtime_ns, inode=now.st_ino, sha1=sha1, tag=tag,
                    state=State.HERE, checked=when,
                )
            )  # fmt: skip
        self.make_room()
        return True

    def set_aside(self, name: str) -> None:
        """Move a file that is not to be sent out of the way; nothing is deleted."""
        with self._lock:
            row = self.index.get(name)
            aside = self._own / "aside"
            aside.mkdir(mode=0o700, exist_ok=True)
            (self.root / name).rename(aside / f"{secrets.token_hex(4)}-{name.rsplit('/', 1)[-1][-200:]}")
            if row is not None:
                self._missing(row)
                self.index.drop(name)

    def deleted(self, name: str) -> None:
        """Record that the remote has deleted a name."""
        with self._lock:
            row = self.index.get(name)
            if row is not None and row.state is State.GONE:
                self.index.drop(name)

    # Evicting

    def make_room(self) -> bool:
        """Evict until the folder is within its bound; False where what is left may not go."""
        with self._lock:
            if isinstance(self._policy, Age) and self._loaded.is_set():
                while (name := self._policy.overdue(self._clock())) is not None:
                    self._evict_one(name)
            return self._evict() and self._disk_has(0)

    def _evict(self, candidate: str | None = None) -> bool:
        """Evict until all fits, the candidate's room included; False where the candidate is the one to go."""
        tries = 0
        while self.used > self.max_bytes:
            name = self._next(tries)
            if name is None or name == candidate:
                return False
            tries += not self._evict_one(name)
        return True

    def _next(self, tries: int) -> str | None:
        """Return the next victim, None where there is none, or where too many were in use."""
        if not self._loaded.is_set() or tries > len(self._filling) + 1000:
            return None
        return self._policy.victim(self._clock())

    def _disk_has(self, size: int) -> bool:
        tries = 0
        while self._free(self.root) < size + self._min_free:
            name = self._next(tries)
            if name is None or name in self._filling:
                return False
            tries += not self._evict_one(name)
        return True

    def evict(self, name: str, *, stale: bool = False) -> bool:
        """Evict one name now; False where the remote has not confirmed it, or where it is in use.

        stale: because the remote has another by now; then only a writer stops us, a reader keeps what he has.
        """
        with self._lock:
            row = self.index.get(name)
            return row is not None and row.state is State.HERE and self._evict_one(name, readers=not stale)

    def _evict_one(self, name: str, *, readers: bool = True) -> bool:
        row = self.index.get(name)
        if name in self._filling or row is None or row.state is not State.HERE:
            self._spare(name)
            return False
        if not self._remove(row, readers=readers):
            self._spare(name)
            return False
        self._policy.remove(name, evicted=True)
        self._used -= row.size
        self._files -= 1
        self.counts.evicted += 1
        self.counts.evicted_bytes += row.size
        return True

    def _spare(self, name: str) -> None:
        self.counts.spared += 1
        self._policy.hit(name, self._clock())

    def _remove(self, row: Row, *, readers: bool) -> bool:
        """Remove a file of which nobody holds a descriptor and whose bytes are the confirmed ones.

        The kernel's lease says whether somebody has it open, and whether somebody opens it while we work:
        then it is put back. Where leases are not to be had (another owner's file), the look before counts.
        """
        lease = fcntl.F_WRLCK if readers else fcntl.F_RDLCK  # refused while anybody, or a writer, has it open
        try:
            folder, last = parent_of(self.folder, row.name)
        except OSError:
            return False
        try:
            file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            try:
                return self._remove_open(row, folder, last, file, lease=lease)
            finally:
                os.close(file)
        except FileNotFoundError:
            return False
        except OSError:
            return False
        finally:
            os.close(folder)

    def _remove_open(self, row: Row, folder: int, last: str, file: int, *, lease: int) -> bool:
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
        self.index.drop(row.name)
        os.rename(last, trash, src_dir_fd=folder)
        disturbed = leased and fcntl.fcntl(file, fcntl.F_GETLEASE) != lease
        if disturbed or not same(row, trash.stat()):
            self.index.put(row)
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


def _disk_free(root: Path) -> int:
    status = os.statvfs(root)
    return status.f_bavail * status.f_frsize
