"""The queue of what the remote is to be told, and the promise that it was.

It lives in the index, so a kill -9 or days without a cloud lose nothing. A name is sent as it is at that
moment. It counts as confirmed when the remote has the bytes that were read *and* the file is still the same
one; else it is sent again.
"""

import asyncio
import hashlib
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from migrate.cache.index import State
from migrate.cache.names import OWN
from migrate.cache.store import Store
from migrate.cache.watch import walk
from migrate.remotes import Remote
from swarmstead.errors import SwarmsteadError, Throttled

__all__ = ["Queue", "QueueCounts"]

log = logging.getLogger("cache")

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 30.0


@dataclass(slots=True)
class QueueCounts:
    """What was confirmed since the start, and how often the remote did not take something."""

    sent: int = 0
    sent_bytes: int = 0
    deleted: int = 0
    failures: int = 0
    already_there: int = 0


@dataclass(slots=True)
class _Job:
    """A name under way. order: the newest change that it stands for. again: changed while it was sent."""

    order: int
    since: float
    done: "asyncio.Future[None]" = field(repr=False)
    again: bool = False
    running: bool = False
    compare: bool = False
    waiting: "asyncio.TimerHandle | None" = None


class Queue:
    """Sends names to the remote, several at once; all methods run on the event loop.

    told: awaited with (name, sha1) after the remote has confirmed, sha1 "" for a deletion.
    """

    def __init__(
        self,
        store: Store,
        remote: Remote,
        *,
        workers: int = 4,
        told: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        self._store, self._remote, self._told = store, remote, told
        self._pool = ThreadPoolExecutor(workers, "send")
        self._room = asyncio.Semaphore(workers)
        self._jobs: dict[str, _Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._order = 0
        self._closed = False
        self.counts = QueueCounts()

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, name: str) -> bool:
        return name in self._jobs

    @property
    def oldest_seconds(self) -> float:
        """Return for how long the oldest name has been waiting."""
        now = time.monotonic()
        return now - min((job.since for job in self._jobs.values()), default=now)

    @property
    def order(self) -> int:
        """Return the number of the newest change: what comes later has a greater one."""
        return self._order

    def changed(self, name: str, *, compare: bool = False) -> None:
        """Look at a name and send what differs. compare: ask first whether the remote has it already."""
        job = self._jobs.get(name)
        if job is not None and job.running:
            job.again, self._order = True, self._order + 1
            job.order = self._order
            return
        try:
            state = self._store.look(name)
        except OSError as error:
            log.warning("cannot look at a file: %s", os.strerror(error.errno or 0))
            return
        if state is None:
            if job is not None:
                self._finish(name)
            return
        self._order += 1
        if job is None:
            job = _Job(self._order, time.monotonic(), asyncio.get_running_loop().create_future())
            self._jobs[name] = job
        job.order, job.compare = self._order, compare
        self._start(name, job)

    def folder_gone(self, prefix: str) -> None:
        """Look at every name that was known below a folder."""
        for name in [*self._store.index.names(prefix)]:
            self.changed(name)

    def resume(self) -> None:
        """Take up what an earlier process left."""
        for row in self._store.index.queued():
            self.changed(row.name)

    async def reconcile(self, *, deletions: bool) -> None:
        """Look at every file and every row.

        deletions: whether a row without a file means that the app removed it. Only while we have watched
        all the time: after a start it may as well be a disk that lost files, and then the remote keeps them.
        """
        seen = 0
        for name, folder in walk(self._store.root):
            if not folder:
                known = self._store.index.get(name) is not None
                self.changed(name, compare=not known)
                seen += 1
                if seen % 200 == 0:
                    await asyncio.sleep(0)
        for name in self._store.index.names():
            if deletions:
                self.changed(name)
            else:
                self._store.forget(name)
            seen += 1
            if seen % 200 == 0:
                await asyncio.sleep(0)

    async def safe(self, since: int, seconds: float) -> bool:
        """Wait until the remote has confirmed all that changed after `since`; False when late."""
        mine = {name: job.done for name, job in self._jobs.items() if job.order > since}
        if not mine:
            return True
        _, late = await asyncio.wait(mine.values(), timeout=max(0.0, seconds))
        return not late

    async def close(self, seconds: float) -> None:
        """Send what is queued for so many seconds more; the rest waits for the next process."""
        await self.safe(-1, seconds)
        self._closed = True
        for job in self._jobs.values():
            if job.waiting:
                job.waiting.cancel()
            job.done.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, name: str, job: _Job) -> None:
        if self._closed:
            return
        if job.waiting:
            job.waiting.cancel()
            job.waiting = None
        job.running = True
        task = asyncio.create_task(self._work(name, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, name: str, job: _Job) -> None:
        wait = _FIRST_WAIT
        while not self._closed:
            job.again = False
            try:
                async with self._room:
                    loop = asyncio.get_running_loop()
                    sha1 = await loop.run_in_executor(self._pool, self._send, name, job.compare)
            except SwarmsteadError as error:
                self.counts.failures += 1
                log.warning("the remote did not take a file: %s", error.what)
                pause = max(wait, error.wait_seconds) if isinstance(error, Throttled) else wait
                wait = min(_LONGEST_WAIT, wait * 2)
                await asyncio.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311
                continue
            except OSError as error:
                self.counts.failures += 1
                log.warning("a file cannot be read: %s", os.strerror(error.errno or 0))
                await asyncio.sleep(wait)
                wait = min(_LONGEST_WAIT, wait * 2)
                continue
            if sha1 is not None and self._told:
                await self._told(name, sha1)
            if not job.again and self._store.look(name) is None:
                break
        if not self._closed:
            self._finish(name)

    def _finish(self, name: str) -> None:
        job = self._jobs.pop(name)
        if not job.done.done():
            job.done.set_result(None)

    def _send(self, name: str, compare: bool) -> str | None:  # noqa: FBT001 - run_in_executor gives no names
        """Bring one name to the remote as it is now; return its hash, "" for deleted, None for nothing."""
        state = self._store.look(name)
        if state is State.GONE:
            self._remote.delete(name)
            self._store.deleted(name)
            self.counts.deleted += 1
            return ""
        file = self._store.folder.open(name) if state is State.DIRTY else None
        if file is None:
            return None
        with os.fdopen(file, "rb") as source:
            before = os.fstat(source.fileno())
            sha1 = hashlib.file_digest(source, "sha1").hexdigest()
            source.seek(0)
            stored = self._remote.head(name) if compare else None
            if stored is not None and stored.sha1 != sha1 and stored.mtime_ns > before.st_mtime_ns:
                # Written before the remote's was, and we do not know it: not to be put over the newer one.
                log.warning("a file older than the remote's is set aside in %s/aside", OWN)
                self._store.set_aside(name)
                return None
            if stored is not None and (stored.size, stored.sha1) == (before.st_size, sha1):
                self.counts.already_there += 1
            else:
                stored = self._remote.put(
                    name, source, size=before.st_size, sha1=sha1, mtime_ns=before.st_mtime_ns
                )
                self.counts.sent += 1
                self.counts.sent_bytes += before.st_size
            after = os.fstat(source.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            return None
        self._store.confirm(name, before, sha1=sha1, tag=stored.tag)
        return sha1
