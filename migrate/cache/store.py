"""The cache's folder: what is in it, what may leave it, and a bound that is never passed by what we fetch.

The folder is at once what nginx serves, what the app writes into and what the cache fills. So a file's own
state (inode, size, time) beside the index's row says whether its bytes are those that the remote confirmed.
Whatever differs is the app's work and stays until the remote has it.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from migrate.cache.eviction import Age, Policy
from migrate.cache.folder import Folder, same
from migrate.cache.index import Index, Row, State
from migrate.cache.names import OWN, sendable

__all__ = ["Counts", "Store", "Temporary"]


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
        free: Callable[[], int] | None = None,
    ) -> None:
        self.root, self.max_bytes, self.counts = root, max_bytes, Counts()
        self._policy, self._share, self._min_free, self._clock = policy, max_share, min_free, clock
        self._lock = threading.RLock()
        self.folder = Folder(root)
        self._free = free or self.folder.free_bytes
        self.index = Index(self.folder.own / "index.db")
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
                status = self.folder.status(row.name)
                if status is not None and same(row, status):
                    self.index.put(replace(row, state=State.HERE))
                else:
                    self.index.drop(row.name)
        self.folder.clear()

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
        self.folder.close()

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

    def hits(self, names: Iterable[str]) -> None:
        """Learn what was asked for."""
        now = self._clock()
        with self._lock:
            for name in names:
                self._policy.hit(name, now)

    # Fetching

    def reserve(self, name: str, size: int) -> Temporary | None:
        """Set room aside for an object and open a file for it; None where it is not to be kept.

        It is not kept when it would take too large a share, when the policy would evict it first, when there
        is no room because too much waits to be sent, or when the name is known: then what the app did with
        it counts.
        """
        with self._lock:
            known = name in self._filling or self.index.get(name) is not None
            if known or size > self.max_bytes * self._share:
                self.counts.refused += 1
                return None
            self._policy.add(name, size, self._clock())
            self._filling[name] = size
            if not self._evict(candidate=name) or not self._disk_has(size):
                self._release(name)
                self.counts.refused += 1
                return None
        path = self.folder.new_path()
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

    def enter(
        self,
        temporary: Temporary,
        *,
        sha1: str,
        tag: str,
        mtime_ns: int,
        wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Put a file that is whole and right under its name; False where the app wrote one meanwhile.

        wanted: asked at the last moment whether it still is.
        """
        if mtime_ns:
            os.utime(temporary.file, ns=(mtime_ns, mtime_ns))
        os.fsync(temporary.file)
        status = os.fstat(temporary.file)
        row = Row(
            temporary.name, status.st_size, status.st_mtime_ns, status.st_ino, sha1, tag, State.ENTERING,
            self._clock(), *self._policy.memory(temporary.name),
        )  # fmt: skip
        with self._lock:
            taken = (
                self.folder.status(temporary.name) is not None or self.index.get(temporary.name) is not None
            )
            entered = wanted() and not taken
            if entered:
                self.index.put(row)
                entered = self.folder.link(temporary.path, temporary.name)
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

    # Writing, by the app or through us

    def look(self, name: str) -> State | None:
        """Compare a file with its row; return DIRTY or GONE where the remote is to be told, else None.

        It looks at what is now, so it may be called late, early or twice.
        """
        with self._lock:
            if not sendable(name) or name.split("/", 1)[0] == OWN:
                return None
            status, row = self.folder.status(name), self.index.get(name)
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

    def removed(self, name: str) -> bool:
        """Return whether the app removed a name, which the remote is still to be told."""
        row = self.index.get(name)
        return row is not None and row.state is State.GONE

    def forget(self, name: str) -> None:
        """Drop the row of a file that vanished while nobody watched: what the remote has is left alone."""
        with self._lock:
            row = self.index.get(name)
            if row is not None and row.state is State.HERE and self.folder.status(name) is None:
                self._missing(row)
                self.index.drop(name)

    def confirm(self, name: str, status: os.stat_result, *, sha1: str, tag: str) -> bool:
        """Record that the remote has the bytes of this stat; False where the file is another by now."""
        with self._lock:
            row, now = self.index.get(name), self.folder.status(name)
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
            self.folder.set_aside(name)
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
        while self._free() < size + self._min_free:
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
        if not self.folder.remove(
            row, readers=readers, gone=lambda: self.index.drop(name), back=lambda: self.index.put(row)
        ):
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
