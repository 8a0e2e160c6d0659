"""GET and HEAD: from the folder, else from what is on its way, else 404 or a quick 503."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from migrate.cache.fill import Fill, Filler
from migrate.cache.folder import same
from migrate.cache.http import Answer, File, answer
from migrate.cache.index import State
from migrate.cache.names import safe_name
from migrate.cache.store import Store
from migrate.remotes import Stored
from swarmstead.errors import SwarmsteadError

__all__ = ["NODE", "PEER", "ReadCounts", "Reads"]

NODE = "X-Swarmstead-Node"
"""Header of the answer to a peer: which node it was."""

PEER = "X-Swarmstead-Peer"
"""A request with this header comes from another node's cache: it is answered from the folder alone.

Its value names the remote, hashed: the caches of two apps may share a network, and a name, but not files.
"""

_AT_ONCE_BYTES = 512 * 1024
_CHUNK_BYTES = 256 * 1024
_REMEMBERED = 10_000


@dataclass(slots=True)
class ReadCounts:
    """Requests by how they were answered."""

    hits: int = 0
    fills: int = 0
    straight: int = 0
    absent: int = 0
    unavailable: int = 0
    bytes: int = 0


class _Memory:
    """What was found out about names a moment ago; the oldest are forgotten."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most, self._known = most, OrderedDict[str, tuple[float, Stored | None]]()

    def put(self, name: str, stored: Stored | None, seconds: float) -> None:
        self._known[name] = time.monotonic() + seconds, stored
        self._known.move_to_end(name)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def get(self, name: str) -> tuple[float, Stored | None] | None:
        found = self._known.get(name)
        return found if found and found[0] > time.monotonic() else None

    def drop(self, name: str) -> None:
        self._known.pop(name, None)


class Reads:
    """Answers reads.

    max_age: seconds a browser may keep a file unasked. absent_seconds: how long a 404 is remembered.
    first_byte_seconds: how long a miss may take to begin. stall_seconds: how long a client may take none of
    its answer. fresh: asked before a hit of our own server whether the file may still be shown. pending:
    learns what the app has just done in the folder; True where the remote is still to hear of a name's
    change. group: what peers must name.
    """

    def __init__(
        self,
        store: Store,
        filler: Filler,
        *,
        max_age: int = 0,
        absent_seconds: float = 1.0,
        first_byte_seconds: float = 10.0,
        stall_seconds: float = 30.0,
        fresh: Callable[[str], "asyncio.Future[None] | None"] | None = None,
        pending: Callable[[str], bool] = lambda _: False,
        group: str = "",
    ) -> None:
        self._store, self._filler, self._fresh, self._pending = store, filler, fresh, pending
        self._max_age, self._absent_seconds = max_age, absent_seconds
        self._first, self._stall = first_byte_seconds, stall_seconds
        self._absent, self._large = _Memory(), _Memory()
        self.group = group
        self.seen: list[str] = []  # hits since the last batch
        self.counts = ReadCounts()

    def forget(self, name: str) -> None:
        """Forget that a name was absent, or how large it was."""
        self._absent.drop(name)
        self._large.drop(name)

    def quick(self, name: str) -> int | None:
        """Open a file that may be shown unasked; None where it is not here, or may be stale."""
        if self._fresh is not None and self._fresh(name) is not None:
            return None
        return self._store.folder.open(name)

    def sent(self, name: str, size: int) -> None:
        """Count a hit that was answered elsewhere."""
        self.counts.hits += 1
        self.counts.bytes += size
        self.seen.append(name)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        name = safe_name(request.raw_path)
        if name is None:
            self.counts.absent += 1
            return _plain(404)
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        peer = PEER in request.headers
        if peer and request.headers[PEER] != self.group:
            return _plain(404)
        if self._fresh is not None and not peer and (asked := self._fresh(name)) is not None:
            await asyncio.wait([asked], timeout=self._first)
        file = self._store.folder.open(name)
        pending = False
        if file is None:
            # The app may have removed it, or put it there, a moment ago; what it removed stays so.
            pending = self._pending(name) or self._store.removed(name)
            file = self._store.folder.open(name)
        if file is not None:
            self.counts.hits += 1
            self.seen.append(name)
            return await self._hit(request, name, file, peer=peer)
        if peer or pending or self._absent.get(name):
            self.counts.absent += 1
            return _plain(404)
        try:
            self._store.forget(name)
            return await self._miss(request, name)
        except SwarmsteadError:
            self.counts.unavailable += 1
            return _plain(503, {"Retry-After": "5"})

    # Hits

    async def _hit(self, request: web.BaseRequest, name: str, file: int, *, peer: bool) -> web.StreamResponse:
        try:
            status = os.fstat(file)
            how = answer(
                request.headers, File(name, status.st_size, status.st_mtime_ns), max_age=self._max_age
            )
            if peer and not self._confirmed(name, status, how.headers):
                return _plain(404)
            length = how.end - how.start
            if request.method == "HEAD" or how.status not in {200, 206}:
                return _head(how)
            if length <= _AT_ONCE_BYTES:
                # Read here and now: a thread would cost more than the read of what is in the page cache.
                body = os.pread(file, length, how.start)
                if len(body) == length:
                    self.counts.bytes += length
                    return web.Response(status=how.status, headers=how.headers, body=body)
            return await self._stream(request, how, _from_file(file, how.start, how.end))
        finally:
            os.close(file)

    def _confirmed(self, name: str, status: os.stat_result, headers: dict[str, str]) -> bool:
        """Tell a peer what the file is; False where the remote has not confirmed it."""
        row = self._store.index.get(name)
        if row is None or row.state is not State.HERE or not same(row, status):
            return False
        headers["X-Swarmstead-Sha1"], headers["X-Swarmstead-Tag"] = row.sha1, quote(row.tag)
        headers["X-Swarmstead-Mtime"] = str(row.mtime_ns)
        return True

    # Misses

    async def _miss(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        if known := self._large.get(name):
            return await self._found(request, name, known[1], None)
        fill = self._filler.fill(name)
        try:
            return await self._found(request, name, await self._opened(fill), fill)
        finally:
            fill.release()

    async def _found(
        self, request: web.BaseRequest, name: str, stored: Stored | None, fill: Fill | None
    ) -> web.StreamResponse:
        if stored is None:
            self._absent.put(name, None, self._absent_seconds)
            self.counts.absent += 1
            return _plain(404)
        how = answer(request.headers, File(name, stored.size, stored.mtime_ns), max_age=self._max_age)
        if request.method == "HEAD" or how.status not in {200, 206}:
            return _head(how)
        if fill is not None and fill.kept:
            self.counts.fills += 1
            return await self._stream(request, how, fill.read(how.start, how.end))
        self._large.put(name, stored, 60)
        self.counts.straight += 1
        return await self._stream(request, how, self._filler.straight(name, how.start, how.end))

    async def _opened(self, fill: Fill) -> Stored | None:
        try:
            async with asyncio.timeout(self._first):
                await fill.opened.wait()
        except TimeoutError:
            raise SwarmsteadError("the origin did not begin to answer in time", subject=fill.name) from None
        if fill.error is not None and not fill.written:
            raise fill.error
        return fill.stored

    # Sending

    async def _stream(
        self, request: web.BaseRequest, how: Answer, chunks: AsyncGenerator[bytes, None]
    ) -> web.StreamResponse:
        """Send an answer in pieces. Raises the chunks' error while nothing is sent; later it breaks off."""
        async with aclosing(chunks):
            try:
                async with asyncio.timeout(self._first):
                    first = await anext(chunks, b"")
            except TimeoutError:
                raise SwarmsteadError("the origin does not send") from None
            return await self._send(request, how, first, chunks)

    async def _send(
        self, request: web.BaseRequest, how: Answer, first: bytes, chunks: AsyncGenerator[bytes, None]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=how.status, headers=how.headers)
        response.content_length = how.end - how.start
        await response.prepare(request)
        try:
            async with asyncio.timeout(self._stall) as limit:
                await response.write(first)
                self.counts.bytes += len(first)
                async for chunk in chunks:
                    limit.reschedule(asyncio.get_running_loop().time() + self._stall)
                    await response.write(chunk)
                    self.counts.bytes += len(chunk)
                await response.write_eof()
        except (SwarmsteadError, TimeoutError):
            # The length was promised: to close is the only way to say that this is not the whole.
            if request.transport is not None:
                request.transport.abort()
        return response


async def _from_file(file: int, start: int, end: int) -> AsyncGenerator[bytes, None]:
    while start < end and (chunk := os.pread(file, min(_CHUNK_BYTES, end - start), start)):
        start += len(chunk)
        yield chunk


def _plain(status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, headers={"Cache-Control": "no-store"} | (headers or {}))


def _head(how: Answer) -> web.Response:
    """Return an answer without a body; for HEAD with the length that GET would have."""
    headers = dict(how.headers)
    if how.status in {200, 206}:
        headers["Content-Length"] = str(how.end - how.start)
    return web.Response(status=how.status, headers=headers)
