"""HTTP/1.1 to one server over kept connections: just what a PUT, GET and HEAD of an object need.

One answer to one request at a time, a deadline for the whole answer's head (not for each read, so that a
server which drips bytes is noticed), file bodies by sendfile(2) on plain connections.
"""

import io
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from migrate.remotes.base import CHUNK_BYTES, Source
from swarmstead.errors import InputError, Unreachable

__all__ = ["Answer", "Wire"]

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_HEAD_SECONDS = 60.0
_LONGEST_HEAD = 64 * 1024
_LONGEST_ERROR = 64 * 1024
_SAFE = ("GET", "HEAD")
_IDLE_SECONDS = 20.0
"""A connection unused for longer is not trusted: the server may have closed it."""


class _Connection:
    """A socket and what was read from it beyond the last answer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.rest, self.used_at = sock, b"", time.monotonic()

    @property
    def closed(self) -> bool:
        """Return whether the server has closed it; also where it sent what nobody asked for."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def receive(self) -> bytes:
        data = self.sock.recv(CHUNK_BYTES)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    def head(self, deadline: float) -> bytes:
        """Read up to the empty line."""
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _LONGEST_HEAD:
                raise ConnectionError("no end of the headers")
            if time.monotonic() > deadline:
                raise TimeoutError("the answer crawls")
            data += self.receive()
        self.rest = data[end + 4 :]
        return data[:end]

    def exactly(self, length: int) -> Iterator[bytes]:
        """Read so many bytes, in pieces as they come."""
        while length:
            data, self.rest = (self.rest, b"") if self.rest else (self.receive(), b"")
            data, self.rest = data[:length], data[length:]
            length -= len(data)
            yield data

    def chunked(self) -> Iterator[bytes]:
        """Read a body in HTTP's chunks."""
        while size := int(self._line().split(b";")[0], 16):
            yield from self.exactly(size)
            self._line()
        while self._line():
            pass

    def _line(self) -> bytes:
        while (end := self.rest.find(b"\r\n")) < 0:
            if len(self.rest) > _LONGEST_HEAD:
                raise ConnectionError("no end of the line")
            self.rest += self.receive()
        line, self.rest = self.rest[:end], self.rest[end + 2 :]
        return line


@dataclass
class Answer:
    """An answer, its body unread. headers: lower-case names. bodiless: there is nothing (more) to read."""

    status: int
    headers: dict[str, str]
    _connection: _Connection
    _wire: "Wire"
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))
    bodiless: bool = False

    def chunks(self) -> Iterator[bytes]:
        """Give the body as it comes; raises OSError where it breaks."""
        try:
            yield from self.body
        except ValueError:
            raise ConnectionError("no HTTP in the body") from None
        self.bodiless = True

    def text(self) -> str:
        """Read a short body to its end."""
        body = b""
        for chunk in self.chunks():
            body += chunk
            if len(body) > _LONGEST_ERROR:
                break
        return body.decode(errors="replace")

    def close(self) -> None:
        """Give the connection back where the body was read, else close it."""
        if self.bodiless and self.headers.get("connection", "").lower() != "close":
            self._wire.give_back(self._connection)
        else:
            self._connection.sock.close()


class Wire:
    """Connections to one server. endpoint: ``https://HOST[:PORT]``. Raises InputError for another URL."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise InputError(
                "not the URL of an S3 server",
                subject=endpoint,
                hint="Write https://HOST, or http://HOST:PORT.",
            )
        self.endpoint = endpoint
        self.tls = parts.scheme == "https"
        self._address = parts.hostname, parts.port or (443 if self.tls else 80)
        default = parts.port in (None, 443 if self.tls else 80)
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.host = name if default else f"{name}:{parts.port}"
        self._context = (
            ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None) if self.tls else None
        )
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def take(self) -> tuple[_Connection, bool]:
        """Return a connection, and whether it was used before."""
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if time.monotonic() - connection.used_at < _IDLE_SECONDS and not connection.closed:
                    return connection, True
                connection.sock.close()
        sock: socket.socket = socket.create_connection(self._address, _CONNECT_SECONDS)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_SILENCE_SECONDS)
            if self._context:
                sock = self._context.wrap_socket(sock, server_hostname=self._address[0])
        except BaseException:
            sock.close()
            raise
        return _Connection(sock), False

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection for the next request."""
        connection.used_at = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            for connection in self._idle:
                connection.sock.close()
            self._idle.clear()

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        *,
        body: Source | bytes = b"",
        size: int = 0,
        subject: str = "",
    ) -> Callable[[], Answer]:
        """Send a request with `size` bytes of `body`; return what waits for its answer, its body unread.

        That is to be called once, and is what a caller with several requests under way calls later. Both
        raise Unreachable.
        """
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        head = "\r\n".join(lines).encode()
        return _Request(self, method, head, body, size, subject or self.endpoint)


class _Request:
    """A request that was sent; called, it waits for the answer.

    A kept connection that turns out to be dead is replaced, as long as the request did not go out whole. One
    that did may have been acted upon: it is asked again only where that changes nothing.
    """

    def __init__(
        self, wire: Wire, method: str, head: bytes, body: Source | bytes, size: int, subject: str
    ) -> None:
        self._wire, self._method, self._subject = wire, method, subject
        self._head, self._body, self._size = head, body, size
        self._start = 0 if isinstance(body, bytes) else body.tell()
        self._connection, self._kept = self._sent()

    def __call__(self) -> Answer:
        while True:
            try:
                return self._answer()
            except (OSError, ValueError) as error:
                if self._whole and self._method not in _SAFE:
                    self._kept = False
                self._give_up(error)
            self._connection, self._kept = self._sent()

    def _sent(self) -> tuple[_Connection, bool]:
        """Send it; return the connection, and whether it was used before."""
        while True:
            try:
                self._connection, self._kept = self._wire.take()
            except OSError as error:
                raise _unreachable(error, self._wire.endpoint) from None
            try:
                self._send()
            except OSError as error:
                self._give_up(error)
            else:
                return self._connection, self._kept

    def _give_up(self, error: Exception) -> None:
        """Close the connection. Raises Unreachable, unless it was a kept one that had died."""
        self._connection.sock.close()
        if not (self._kept and isinstance(error, ConnectionError)):
            raise _unreachable(error, self._subject) from None

    def _send(self) -> None:
        sock, body, self._whole = self._connection.sock, self._body, False
        if isinstance(body, bytes):
            sock.sendall(self._head + body)
            self._whole = True
            return
        body.seek(self._start)
        sock.sendall(self._head)
        try:
            sent = _send_body(sock, body, self._size)
        except ConnectionError:
            # The server may have refused the request before its end: its answer says more than our error.
            return
        if sent != self._size:
            # The file became shorter: the request cannot be completed.
            raise OSError(f"the source ended after {sent} of {self._size} bytes")
        self._whole = True

    def _answer(self) -> Answer:
        connection, deadline = self._connection, time.monotonic() + _HEAD_SECONDS
        status, headers = 100, dict[str, str]()
        while status < 200:  # noqa: PLR2004 - 1xx: the answer proper follows
            first, *lines = connection.head(deadline).decode("latin-1").split("\r\n")
            status = int(first.split(" ", 2)[1]) if first.startswith("HTTP/1.") else int("no HTTP")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
        answer = Answer(status, headers, connection, self._wire)
        if self._method == "HEAD" or status in {204, 304}:
            answer.bodiless = True
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            answer.body = connection.chunked()
        else:
            answer.body = connection.exactly(int(headers.get("content-length", "0")))
        return answer


def _send_body(sock: socket.socket, body: Source, size: int) -> int:
    """Send so many bytes; return how many there were."""
    if isinstance(body, io.BufferedReader) and size:
        return sock.sendfile(body, body.tell(), size)
    sent = 0
    while sent < size and (chunk := body.read(min(CHUNK_BYTES, size - sent))):
        sock.sendall(chunk)
        sent += len(chunk)
    return sent


def _unreachable(error: Exception, subject: str) -> Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(f"its certificate is not valid: {error.verify_message}", subject=subject)
    what = (
        "no answer in time"
        if isinstance(error, TimeoutError)
        else f"no answer ({str(error) or type(error).__name__})"
    )
    return Unreachable(what, subject=subject, hint="Is the endpoint right, and the network up?")
