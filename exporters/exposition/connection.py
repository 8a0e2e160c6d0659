"""One client of the server: its bytes in, its bytes out, and how long it may take."""

import selectors
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from exporters.exposition.request import MOST_HEAD, BadRequest, Request, parse_head
from exporters.exposition.transport import Transport, Wait

__all__ = ["Connection"]

_HEAD_SECONDS: Final = 15.0
_ANSWER_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 120.0
_READ: Final = 16 * 1024
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}

Answer: TypeAlias = "Callable[[Connection, Request | BadRequest], None]"


class Connection:
    """A client. `go` does what can be done now and says what to wait for."""

    def __init__(self, transport: Transport, now: float) -> None:
        self.socket = transport.socket
        self.overdue = now + _HEAD_SECONDS
        self.held: Request | None = None
        self._transport = transport
        self._shaken = False
        self._in = bytearray()
        self._out: list[memoryview] = []
        self._keep = True

    @property
    def sending(self) -> bool:
        """Return whether an answer is under way."""
        return bool(self._out) or self.held is not None

    def go(self, answer: Answer) -> int | None:
        """Go on; return the events to wait for, or None when the connection is done. Raises OSError."""
        try:
            if not self._shaken:
                self._transport.handshake()
                self._shaken = True
            while True:
                self._send()
                if not self._keep:
                    return None
                if self.held is not None:
                    return selectors.EVENT_READ  # its end, if it leaves; the checker wakes us else
                request = self._next_request()
                if request is None:
                    return None
                answer(self, request)
        except Wait as wait:
            return wait.mask

    def _next_request(self) -> Request | BadRequest | None:
        """Return the next request, or None when the client closed. Raises Wait."""
        while (end := self._in.find(b"\r\n\r\n")) < 0:
            if len(self._in) > MOST_HEAD:
                return BadRequest(431)
            came = self._transport.receive(_READ)
            if not came:
                return None
            if not self._in:
                self.overdue = time.monotonic() + _HEAD_SECONDS
            self._in += came
        head = bytes(self._in[:end])
        del self._in[: end + 4]
        try:
            return parse_head(head.lstrip(b"\r\n"))
        except BadRequest as bad:
            return bad

    def _send(self) -> None:
        while self._out:
            sent = self._transport.send(self._out[0])
            if sent == len(self._out[0]):
                del self._out[0]
                if not self._out:
                    self.overdue = time.monotonic() + _IDLE_SECONDS
            else:
                self._out[0] = self._out[0][sent:]

    def hold(self, request: Request) -> None:
        """Keep a request until it is known whether it may be answered."""
        self.held = request
        self.overdue = time.monotonic() + _ANSWER_SECONDS

    def reply(
        self,
        status: int,
        body: bytes,
        *,
        kind: str = "text/plain; charset=utf-8",
        keep: bool,
        head_only: bool = False,
        more: tuple[str, ...] = (),
    ) -> None:
        """Take the answer to send; `keep` says whether the connection stays open after it."""
        lines = [
            f"HTTP/1.1 {status} {_REASONS.get(status, '')}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            *more,
            *(() if keep else ("Connection: close",)),
        ]
        self.held = None
        self._keep = keep
        self._out.append(memoryview(("\r\n".join(lines) + "\r\n\r\n").encode()))
        if body and not head_only:
            self._out.append(memoryview(body))
        self.overdue = time.monotonic() + _ANSWER_SECONDS

    def close(self) -> None:
        """Close it."""
        self._out.clear()
        self._transport.close()
