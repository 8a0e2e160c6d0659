"""The HTTP side of the test servers: one request in, one reply out, faults in between."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from migrate.remotes.testkit.faults import Fault, Faults

__all__ = ["Reply", "Request", "serving"]

_SLOW_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """A request, its body read. target: as on the wire. headers: lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. length: of the body that a HEAD answer does not have."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


Answering = Callable[[Request], Reply]
Refusing = Callable[[Fault], Reply]


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Answering, refuse: Refusing, faults: Faults) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer, self.refuse, self.faults = answer, refuse, faults

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that left is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def handle_any(self) -> None:
        """Answer a request, whatever its method."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fault = self.server.faults.take(self.command, self.path)
        kind = fault.kind if fault else ""
        if kind == "drop":
            self.close_connection = True
            return
        if fault and kind == "status":
            self._send(self.server.refuse(fault), "")
            return
        if kind == "flip" and body:
            body, kind = _flipped(body), ""
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.answer(Request(self.command, self.path, headers, body))
        if kind == "lost":
            self.close_connection = True
            return
        self._send(reply, kind)

    def _send(self, reply: Reply, kind: str) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        length = len(reply.body) if reply.length is None else reply.length
        self.send_header("content-length", str(length))
        self.end_headers()
        self._send_body(reply.body if self.command != "HEAD" else b"", kind)

    def _send_body(self, body: bytes, kind: str) -> None:
        if kind == "flip":
            body = _flipped(body)
        if kind == "torn":
            body = body[: len(body) // 2]
            self.close_connection = True
        if kind != "slow":
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            time.sleep(_SLOW_SECONDS)


for _method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)


@contextmanager
def serving(answer: Answering, refuse: Refusing, faults: Faults, *, port: int = 0) -> Iterator[str]:
    """Serve on the loopback; give the server's URL."""
    server = _Server(port, answer, refuse, faults)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
