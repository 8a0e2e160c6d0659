"""The barrier: a writing request is answered only when the remote has all that was written meanwhile.

It stands between nginx and the app. The request's body streams through; the app's answer is kept (in memory,
a long one on disk) until the folder's changes up to its end are confirmed. So an answer means that a node
may die now: nothing that it acknowledged is lost.
"""

import logging
import re
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, UnixConnector, web

__all__ = ["UPSTREAM", "Barrier", "BarrierCounts", "Late", "Writes"]

log = logging.getLogger("cache")

UPSTREAM = "X-Swarmstead-Upstream"
"""Header that names the socket of the replica the request is for, in the barrier's own folder."""

Late = Literal["refuse", "release"]

_SOCKET = re.compile(r"[a-z0-9-]{1,80}\.sock")
_HOP = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection",
     "proxy-authenticate", "proxy-authorization", "content-length", UPSTREAM.lower())
)  # fmt: skip
_MEMORY_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024


class Writes(Protocol):
    """What was written, and whether it is safe."""

    def mark(self) -> int:
        """Return the number of the newest change known."""

    async def safe(self, since: int, seconds: float) -> bool:
        """Learn all that was written until now, and wait for what came after `since`; False when late."""


@dataclass(slots=True)
class BarrierCounts:
    """Answers by how they were let go. held_seconds: over all, after the app's own answer was whole."""

    passed: int = 0
    late: int = 0
    unanswered: int = 0
    held_seconds: float = 0.0


class Barrier:
    """Passes requests on to the sockets of its folder.

    wait: seconds that an answer is held at most. late: then `refuse` answers 503, `release` lets the app's
    answer go; what was written stays queued either way.
    """

    def __init__(self, folder: Path, writes: Writes, *, wait: float = 20, late: Late = "refuse") -> None:
        self._folder, self._writes, self._wait, self._late = folder, writes, wait, late
        self.counts = BarrierCounts()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass one request on, and hold its answer."""
        socket = request.headers.get(UPSTREAM, "")
        if not _SOCKET.fullmatch(socket):
            return web.Response(status=400, text=f"{UPSTREAM} names no socket\n")
        since = self._writes.mark()
        timeout = ClientTimeout(total=None, sock_connect=5)
        connector = UnixConnector(str(self._folder / socket), force_close=True)
        async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as http:
            try:
                async with http.request(
                    request.method,
                    f"http://app{request.raw_path}",
                    headers=_passed(request),
                    data=_body(request) if request.body_exists else None,
                    allow_redirects=False,
                    skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                ) as answer:
                    return await self._answer(request, answer, since)
            except (ClientError, OSError) as error:
                self.counts.unanswered += 1
                log.warning("the app did not answer: %s", type(error).__name__)
                return web.Response(status=502)

    async def _answer(
        self, request: web.BaseRequest, answer: ClientResponse, since: int
    ) -> web.StreamResponse:
        with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as kept:
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                kept.write(chunk)
            started = time.monotonic()
            safe = await self._writes.safe(since, self._wait)
            self.counts.held_seconds += time.monotonic() - started
            if safe:
                self.counts.passed += 1
            else:
                self.counts.late += 1
                if self._late == "refuse":
                    return web.Response(
                        status=503,
                        text="What you sent is kept here and goes on being sent, but is not safe yet.\n",
                        headers={"Retry-After": "10", "Cache-Control": "no-store"},
                    )
            return await _send(request, answer, kept)


def _passed(request: web.BaseRequest) -> list[tuple[str, str]]:
    """Return the headers that go on, each as often as it came."""
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
    if request.content_length is not None:
        headers.append(("Content-Length", str(request.content_length)))
    return headers


async def _body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
        yield chunk


async def _send(request: web.BaseRequest, answer: ClientResponse, kept: "IO[bytes]") -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in _HOP:
            response.headers.add(name, value)
    bodiless = request.method == "HEAD" or answer.status in {204, 304}
    if not bodiless:
        response.content_length = kept.tell()
    kept.seek(0)
    await response.prepare(request)
    while not bodiless and (chunk := kept.read(_CHUNK_BYTES)):
        await response.write(chunk)
    await response.write_eof()
    return response
