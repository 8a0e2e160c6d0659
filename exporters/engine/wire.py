"""HTTP/1.1 as far as an engine speaks it: GET, one answer, within a deadline and a size.

A deadline is for the whole answer: a peer that drips a byte a second is late too, not alive. Each thread
has a Wire of its own; the connection is kept between calls.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exporters.engine.address import Address
from exporters.engine.errors import EngineError

__all__ = ["Answer", "Wire"]

_READ: Final = 256 * 1024
_MOST_HEAD: Final = 64 * 1024
_MOST_HEADERS: Final = 100
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: status, headers with lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: bytes | bytearray


class _Reader:
    """Bytes of a socket until a deadline (of time.monotonic), counted against a most."""

    def __init__(self, connection: socket.socket, subject: str, deadline: float, most: int) -> None:
        self._socket = connection
        self._subject = subject
        self._deadline = deadline
        self._most = most
        self._buffer = bytearray()
        self.began = False

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def _receive_into(self, view: memoryview) -> int:
        self._wait()
        return self._socket.recv_into(view)

    def _more(self) -> bool:
        self._wait()
        came = self._socket.recv(_READ)
        self.began = self.began or bool(came)
        self._buffer += came
        return bool(came)

    def _need(self) -> None:
        if not self._more():
            raise self._truncated()

    def _truncated(self) -> EngineError:
        return EngineError("truncated", "the answer ended before its end", subject=self._subject)

    def line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise EngineError(
                    "malformed", "the answer is no HTTP: an endless line", subject=self._subject
                )
            self._need()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def exactly(self, size: int, onto: bytearray | None = None) -> bytearray:
        """Return so many bytes, behind those of `onto`. A long answer is received in place, not copied."""
        self._allow(size)
        data = onto or bytearray(size)
        start = 0
        if onto:
            start = len(onto)
            data.extend(bytes(size))
        here = min(size, len(self._buffer))
        data[start : start + here] = self._buffer[:here]
        del self._buffer[:here]
        with memoryview(data) as view:
            at = start + here
            while at < start + size:
                came = self._receive_into(view[at : start + size])
                if not came:
                    raise self._truncated()
                at += came
        return data

    def _allow(self, size: int) -> None:
        self._most -= size
        if self._most < 0:
            raise EngineError("too_large", "the answer is larger than we take", subject=self._subject)

    def rest(self) -> bytes:
        while len(self._buffer) <= self._most and self._more():
            pass
        self._allow(len(self._buffer))
        return bytes(self._buffer)

    def extend_deadline(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def chunk(self, onto: bytearray | None = None) -> bytearray | None:
        """Return the next chunk, behind the bytes of `onto`; None for the last one (RFC 9112, 7.1)."""
        try:
            size = int(self.line().partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            raise EngineError(
                "malformed", "the answer is no HTTP: a chunk without size", subject=self._subject
            )
        if size == 0:
            while self.line():
                pass
            return None
        data = self.exactly(size, onto)
        if self.line():
            raise EngineError("malformed", "the answer is no HTTP: a chunk too long", subject=self._subject)
        return data


def _subject(path: str) -> str:
    return "GET " + path.partition("?")[0]


class Wire:
    """A kept connection to an engine.

    deadline: seconds for a whole answer. most: bytes of the largest body taken. Raises EngineError.
    """

    def __init__(self, address: Address, *, most: int = 256 * 1024 * 1024) -> None:
        self._address = address
        self._most = most
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the connection; the next call opens one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def shut(self) -> None:
        """End what another thread is reading, which sees the answer's end."""
        try:
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already

    def get(self, path: str, deadline: float) -> Answer:
        """Return the answer to a GET of this path, whatever its status."""
        subject = _subject(path)
        reused = self._socket is not None
        reader: _Reader | None = None
        try:
            reader = self._ask(path, deadline)
            status, headers = self._head(reader, subject)
            body = self._body(reader, headers)
        except (OSError, EngineError) as error:
            self.close()
            if reused and (reader is None or not reader.began) and not isinstance(error, TimeoutError):
                return self.get(path, deadline)  # the engine had closed the kept connection
            if isinstance(error, EngineError):
                raise
            raise self._failed(error, subject, deadline) from None
        bounded = "content-length" in headers or headers.get("transfer-encoding", "").lower() == "chunked"
        if not bounded or headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def stream(self, path: str, deadline: float, silence: float) -> Iterator[bytes]:
        """Yield the lines of an answer as they come.

        deadline: seconds for the head; silence: seconds without a byte after which it ends with a
        `timeout` error. It ends without an error only when the engine ends it in order.
        """
        subject = _subject(path)
        try:
            reader = self._ask(path, deadline)
            status, headers = self._head(reader, subject)
            if status != _OK:
                body = self._body(reader, headers)
                raise EngineError.of_status(status, body.decode("utf-8", "replace").strip(), subject)
            yield b""
            rest = b""
            while True:
                reader.extend_deadline(silence)
                data = reader.chunk()
                if data is None:
                    return
                *lines, rest = (rest + bytes(data)).split(b"\n")
                yield from (line for line in lines if line)
        except OSError as error:
            raise self._failed(error, subject, silence) from None
        finally:
            self.close()

    def _ask(self, path: str, deadline: float) -> _Reader:
        until = time.monotonic() + deadline
        if self._socket is None:
            self._socket = self._address.connect(deadline)
        self._socket.settimeout(max(0.001, until - time.monotonic()))
        host = self._address.host or "docker"
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: swarmstead\r\n\r\n".encode()
        )
        return _Reader(self._socket, _subject(path), until, self._most)

    def _head(self, reader: _Reader, subject: str) -> tuple[int, dict[str, str]]:
        try:
            version, status, *_ = reader.line().decode("latin-1").split(" ", 2)
            code = int(status) if version.startswith("HTTP/1.") else 0
        except ValueError:
            code = 0
        if not code:
            raise EngineError("malformed", "the answer is no HTTP", subject=subject)
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = reader.line()
            if not line:
                return code, headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raise EngineError("malformed", "the answer has no end of headers", subject=subject)

    def _body(self, reader: _Reader, headers: dict[str, str]) -> bytes | bytearray:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = bytearray()
            while (longer := reader.chunk(body)) is not None:
                body = longer
            return body
        length = headers.get("content-length")
        if length is None:
            return reader.rest()
        return reader.exactly(int(length)) if length.isdigit() else reader.rest()

    def _failed(self, error: OSError, subject: str, seconds: float) -> EngineError:
        if isinstance(error, TimeoutError):
            return EngineError("timeout", f"no whole answer within {seconds:g} s", subject=subject)
        hint = ""
        if isinstance(error, PermissionError):
            hint = "Give this process the group that owns the socket (stacks/swarm-exporter.yml says how)."
        elif isinstance(error, FileNotFoundError):
            hint = "Mount the engine's socket, or name another address with --engine."
        return EngineError(
            "refused", f"{self._address}: {error.strerror or error}", subject=subject, hint=hint
        )
