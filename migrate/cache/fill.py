"""Misses: one GET at the origin for any number of waiters, who all read along while it arrives.

What arrives is written to a file without a name, from which every waiter reads at its own pace. The last
bytes are held back until the hash is right, so nobody ever gets a whole answer that is wrong.
"""

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Protocol, TypeVar

from migrate.cache.store import Store, Temporary
from migrate.remotes import Body, Stored
from swarmstead.errors import Corrupt, Exhausted, SwarmsteadError, Unreachable

__all__ = ["Fill", "Filler", "Source"]

log = logging.getLogger("cache")

_HOLD_BYTES = 16 * 1024
_READ_BYTES = 256 * 1024
_MD5 = re.compile(r"[0-9a-f]{32}")
_T = TypeVar("_T")


class Source(Protocol):
    """Where objects come from: a remote, or peers and then a remote."""

    def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AbstractContextManager[Body | None]:
        """Open an object, or its bytes from `start` up to (not with) `end`; None where there is none."""


class Fill:
    """One object on its way into the cache.

    stored: what the remote says it is, None while unknown or absent. kept: False where it is not to be kept;
    then nothing is read, and whoever wants it asks the origin on its own.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stored: Stored | None = None
        self.kept = False
        self.opened = asyncio.Event()
        self.done = asyncio.Event()
        self.outdated = False
        self.error: SwarmsteadError | None = None
        self.written = 0
        self.temporary: Temporary | None = None
        self._more: asyncio.Future[None] | None = None
        self.waiters = 0

    def wake(self) -> None:
        """Let the waiters see that there is more, or that it is over."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        self._more = None

    async def _wait(self) -> None:
        if self._more is None:
            self._more = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._more)

    def _readable(self) -> int:
        if self.done.is_set() or self.stored is None:
            return self.written
        return min(self.written, self.stored.size - _HOLD_BYTES)

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Give the bytes from `start` up to `end` as they arrive. Raises the fill's error."""
        if self.temporary is None:
            raise Unreachable("the fill is over", subject=self.name)
        while start < end:
            if self.error is not None:
                raise self.error
            ready = min(self._readable(), end)
            if ready > start:
                chunk = os.pread(self.temporary.file, min(_READ_BYTES, ready - start), start)
                start += len(chunk)
                yield chunk
            elif self.done.is_set():
                raise Corrupt("it is shorter than was promised", subject=self.name)
            else:
                await self._wait()

    def release(self) -> None:
        """Stop waiting: the last one to leave a fill that is over closes its file."""
        self.waiters -= 1
        self.close()

    def close(self) -> None:
        """Let go of the file when the fill is over and nobody waits."""
        if self.done.is_set() and self.waiters <= 0 and self.temporary is not None:
            os.close(self.temporary.file)
            self.temporary = None


class _Work:
    """The blocking half of a fill: runs in a thread, one step at a time."""

    def __init__(self, source: Source, store: Store, name: str, expected: str) -> None:
        self._source, self._store, self._name, self._expected = source, store, name, expected
        self._stack = ExitStack()
        self._body: Body | None = None
        self._sha1, self._md5 = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        self._count = 0

    def open(self) -> tuple[Stored | None, Temporary | None]:
        self._body = self._stack.enter_context(self._source.get(self._name))
        if self._body is None:
            return None, None
        try:
            return self._body.stored, self._store.reserve(self._name, self._body.stored.size)
        except OSError as error:
            raise _no_room(error, self._name) from None

    def step(self, temporary: Temporary) -> int:
        """Write the next chunk; return its length, 0 at the end."""
        if self._body is None:
            return 0
        chunk = next(self._body.chunks, b"")
        while chunk == b"":
            chunk = next(self._body.chunks, None) or b""
            if not chunk:
                return 0
        self._count += len(chunk)
        if self._count > temporary.size:
            raise Corrupt("the origin sends more than it promised", subject=self._name)
        self._sha1.update(chunk)
        self._md5.update(chunk)
        try:
            view = memoryview(chunk)
            while view:
                view = view[os.write(temporary.file, view) :]
        except OSError as error:
            raise _no_room(error, self._name) from None
        return len(chunk)

    def finish(self, temporary: Temporary, stored: Stored, fill: Fill) -> None:
        """Check what arrived, and put it under its name, unless the name has changed meanwhile."""
        digest = self._sha1.hexdigest()
        wrong = self._count != stored.size or (stored.sha1 and stored.sha1 != digest)
        if not stored.sha1 and _MD5.fullmatch(stored.tag):
            wrong = wrong or stored.tag != self._md5.hexdigest()
        if wrong or (self._expected and self._expected != digest):
            raise Corrupt("the origin sent other bytes than it promised", subject=self._name)
        try:
            self._store.enter(
                temporary,
                sha1=digest,
                tag=stored.tag,
                mtime_ns=stored.mtime_ns,
                wanted=lambda: not fill.outdated,
            )
        except OSError as error:
            raise _no_room(error, self._name) from None

    def close(self) -> None:
        self._stack.close()


def _no_room(error: OSError, name: str) -> SwarmsteadError:
    return Exhausted(f"cannot write into the cache: {os.strerror(error.errno or 0)}", subject=name)


class Filler:
    """Runs fills, one for each name at a time.

    workers: fills at once; waiting: fills that may wait for one. expected: the hash that a name must have by
    what other nodes told lately, "" where they told nothing.
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        *,
        workers: int = 16,
        waiting: int = 64,
        expected: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._expected = expected
        self._store, self._source, self._most = store, source, workers + waiting
        self._pool = ThreadPoolExecutor(workers, "fill")
        self._room = asyncio.Semaphore(workers)
        self._fills: dict[str, Fill] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.joined = 0
        self.origin_gets = 0
        self.origin_bytes = 0
        self.failures = 0

    def __len__(self) -> int:
        return len(self._fills)

    async def _run(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *arguments))

    def changed(self, name: str) -> None:
        """Do not keep what is being fetched under this name: it is another's, or nobody's, by now."""
        if (fill := self._fills.get(name)) is not None:
            fill.outdated = True

    def fill(self, name: str) -> Fill:
        """Return the fill of a name, one under way or a new one; whoever takes it must release it.

        Raises Unreachable when too many wait.
        """
        if (fill := self._fills.get(name)) is not None:
            self.joined += 1
            fill.waiters += 1
            return fill
        if len(self._fills) >= self._most:
            raise Unreachable("too many objects are on their way already", subject=name)
        fill = self._fills[name] = Fill(name)
        fill.waiters = 1
        task = asyncio.create_task(self._fill(fill))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return fill

    async def _fill(self, fill: Fill) -> None:
        async with self._room:
            work = _Work(self._source, self._store, fill.name, self._expected(fill.name))
            try:
                await self._carry(fill, work)
            except SwarmsteadError as error:
                self.failures += 1
                fill.error = error
            except Exception as error:
                log.warning("a fill broke off", exc_info=error)
                self.failures += 1
                fill.error = Unreachable(f"the fill broke off ({type(error).__name__})", subject=fill.name)
            finally:
                if fill.error is not None and fill.temporary is not None:
                    self._store.abandon(fill.temporary)
                del self._fills[fill.name]
                fill.opened.set()
                fill.done.set()
                fill.wake()
                fill.close()
                await self._run(work.close)

    async def _carry(self, fill: Fill, work: _Work) -> None:
        self.origin_gets += 1
        fill.stored, fill.temporary = await self._run(work.open)
        fill.kept = fill.temporary is not None
        if fill.stored is None or fill.temporary is None:
            return
        fill.opened.set()
        while count := await self._run(work.step, fill.temporary):
            fill.written += count
            self.origin_bytes += count
            fill.wake()
        await self._run(work.finish, fill.temporary, fill.stored, fill)

    async def straight(self, name: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Give bytes of an object that is not kept, straight from the origin. Raises the origin's error."""
        self.origin_gets += 1
        stack = ExitStack()
        try:
            async with self._room:
                body = await self._run(stack.enter_context, self._source.get(name, start=start, end=end))
                if body is None:
                    raise Unreachable("it vanished at the origin", subject=name)
                while chunk := await self._run(next, body.chunks, b""):
                    self.origin_bytes += len(chunk)
                    yield chunk
        finally:
            await self._run(stack.close)

    async def close(self) -> None:
        """Stop all fills; what is half there is forgotten."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        self._pool.shutdown(wait=False, cancel_futures=True)
