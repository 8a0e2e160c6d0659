"""Hits without ceremony: a plain GET of a file that is here is answered in the protocol, by sendfile(2).

aiohttp spends most of a small hit on its parser, its request object and its headers. What is not plain (a
condition, a range, a body, a pipeline, a file that is not here) goes its usual way, so there is one place
that knows HTTP and one that is quick.
"""

import asyncio
import logging
import os
import re
import socket
import stat
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from migrate.cache.http import File, answer, http_date
from migrate.cache.names import safe_name

__all__ = ["FastServer", "Hit"]

_HEAD = re.compile(
    rb"(GET|HEAD) (/[!-~]{0,2048}) HTTP/1\.1\r\n"
    rb"(?:[!#-'*+\-.^_`|~0-9A-Za-z]{1,128}:[\t !-~\x80-\xff]{0,4096}\r\n){1,64}\r\n"
)
_BODY = re.compile(rb"\r\n(?:content-length|transfer-encoding|upgrade|expect)[: ]", re.IGNORECASE)
_SPECIAL = re.compile(
    rb"\r\n(?:if-|range:|x-swarmstead|connection:(?![ \t]*keep-alive[ \t]*\r))", re.IGNORECASE
)
_LONGEST_HEAD = 16 * 1024
_MOST_BYTES = 1024 * 1024
_KEEPALIVE_SECONDS = 75

_SILENT = logging.getLogger("cache.requests")
_SILENT.setLevel(logging.WARNING)  # no line per request

Hit = Callable[[str], int | None]
"""Return an open file for a name that may be shown at once, None where it may not."""

_name = lru_cache(8192)(safe_name)


@lru_cache(8192)
def _headers(name: str, size: int, mtime_ns: int, max_age: int) -> bytes:
    how = answer({}, File(name, size, mtime_ns), max_age=max_age)
    lines = [f"{key}: {value}\r\n" for key, value in how.headers.items()]
    return f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{''.join(lines)}".encode()


@lru_cache(1)
def _date(second: int) -> bytes:
    return f"Date: {http_date(second * 1_000_000_000)}\r\n\r\n".encode()


class FastServer(web.Server):
    """A server that asks `hit` first.

    sent: called with (name, bytes) after a hit. stall: seconds that a client may take nothing of its answer.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        hit: Hit,
        sent: Callable[[str, int], None],
        *,
        max_age: int = 0,
        stall: float = 30.0,
    ) -> None:
        super().__init__(handler, access_log=None, keepalive_timeout=_KEEPALIVE_SECONDS)
        self.hit, self.sent, self.max_age, self.stall = hit, sent, max_age, stall

    def __call__(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        return _FastHandler(self, asyncio.get_running_loop())


class _FastHandler(RequestHandler):
    __slots__ = ("_aside", "_fast", "_raw", "_stalled")

    def __init__(self, server: FastServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, access_log=_SILENT, keepalive_timeout=_KEEPALIVE_SECONDS)
        self._fast = server
        self._aside = False  # aiohttp's parser may hold a part of a message
        self._raw: socket.socket | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        shared = transport.get_extra_info("socket")
        if shared is not None:
            self._raw = socket.socket(fileno=shared.fileno())

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._raw is not None:
            self._raw.detach()  # the transport closes it
            self._raw = None
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._aside:
            head = _HEAD.fullmatch(data) if len(data) <= _LONGEST_HEAD else None
            if head is None or _BODY.search(data):
                self._aside = True
            elif head[1] == b"GET" and not _SPECIAL.search(data) and self._idle() and self._hit(head[2]):
                return
        super().data_received(data)

    def _idle(self) -> bool:
        return (
            self._waiter is not None
            and not self._waiter.done()
            and not self._messages
            and not self._close
            and not self._force_close
            and self.transport is not None
            and self.transport.get_write_buffer_size() == 0
        )

    def _hit(self, path: bytes) -> bool:
        name = _name(path.decode("ascii"))
        if name is None or self._raw is None:
            return False
        file = self._fast.hit(name)
        if file is None:
            return False
        try:
            status = os.fstat(file)
            size = status.st_size
            if size > _MOST_BYTES or not size or not stat.S_ISREG(status.st_mode):
                return False
            head = _headers(name, size, status.st_mtime_ns, self._fast.max_age) + _date(int(time.time()))
            self._send(self._raw, head, file, size)
        finally:
            os.close(file)
        self._fast.sent(name, size)
        return True

    def _send(self, raw: socket.socket, head: bytes, file: int, size: int) -> None:
        transport = self.transport
        if transport is None:
            return
        left, at = head, 0
        try:
            left = head[raw.send(head, socket.MSG_MORE) :]
            while not left and at < size and (count := os.sendfile(raw.fileno(), file, at, size - at)):
                at += count
        except BlockingIOError:
            pass  # the rest goes when the client has taken what is under way
        except OSError:
            transport.abort()
            return
        if at < size:
            transport.write(left + os.pread(file, size - at, at))
            self._watch()

    def _watch(self) -> None:
        """Break off when the client takes nothing for a while."""
        before = self.transport.get_write_buffer_size() if self.transport else 0

        def look() -> None:
            self._stalled = None
            now = self.transport.get_write_buffer_size() if self.transport else 0
            if self.transport is None or not now:
                return
            if now >= before:
                self.transport.abort()
            else:
                self._watch()

        if before:
            self._stalled = asyncio.get_running_loop().call_later(self._fast.stall, look)
