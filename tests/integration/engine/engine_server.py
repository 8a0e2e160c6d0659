"""A small real HTTP server on a unix socket (or TCP with TLS) in an engine's place, to misbehave on demand.

It stands in where a real engine cannot be made to answer so: late, cut off, absurd, refused by a proxy. What
it serves well are the bodies of real engines (tests/golden/engine).
"""

import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_VERSION = re.compile(r"^/v[0-9.]+")


@dataclass
class Reply:
    """How a path is answered.

    delay: seconds before the head; drip: seconds between bytes of the body; keep: bytes of the body that are
    sent before the connection is cut; raw: bytes instead of HTTP; stream: the body stays open, lines come by
    `EngineServer.tell`.
    """

    status: int = 200
    body: bytes = b""
    delay: float = 0
    drip: float = 0
    keep: int | None = None
    raw: bytes | None = None
    chunked: bool = False
    stream: bool = False
    headers: dict[str, str] = field(default_factory=dict)


PING = Reply(body=b"OK", headers={"Api-Version": "1.41"})


class EngineServer:
    """Answers each path by its Reply, unknown ones by 404; counts what was asked."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.replies: dict[str, Reply] = {"/_ping": PING}
        self.asked: Counter[str] = Counter()
        self.paths: list[str] = []
        self._listener = listener
        self._context = context
        self._streams: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(self, line: bytes) -> None:
        """Send a line to every open stream."""
        with self._lock:
            for each in self._streams:
                with suppress(OSError):
                    each.sendall(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))

    def drop_streams(self) -> None:
        """Cut every open stream."""
        with self._lock:
            for each in self._streams:
                _shut(each)
            self._streams.clear()

    def drop_all(self) -> None:
        """Cut every open connection, as an engine does that dies."""
        self.drop_streams()
        for each in list(self._open):
            _shut(each)

    @property
    def streams(self) -> int:
        return len(self._streams)

    def stop(self) -> None:
        self._stopped.set()
        _shut(self._listener)
        self._listener.close()
        self.drop_all()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            self._open.add(client)
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    came = client.recv(65536)
                    if not came:
                        return
                    buffer += came
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                path = head.split(b" ")[1].decode()
                self.paths.append(path)
                plain = _VERSION.sub("", path).partition("?")[0]
                self.asked[plain] += 1
                if not self._answer(
                    client, self.replies.get(plain, Reply(404, b'{"message":"page not found"}'))
                ):
                    return
        except (OSError, ValueError):
            return
        finally:
            if client not in self._streams:
                self._open.discard(client)
                client.close()

    def _answer(self, client: socket.socket, reply: Reply) -> bool:
        if reply.delay:
            self._stopped.wait(reply.delay)
        if reply.raw is not None:
            client.sendall(reply.raw)
            return False
        framing = (
            "Transfer-Encoding: chunked"
            if reply.chunked or reply.stream
            else f"Content-Length: {len(reply.body)}"
        )
        lines = [f"HTTP/1.1 {reply.status} X", framing, *(f"{k}: {v}" for k, v in reply.headers.items())]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        if reply.stream:
            with self._lock:
                self._streams.append(client)
            while client in self._streams and client.recv(1):
                pass
            return False
        body = reply.body
        if reply.chunked:
            half = len(body) // 2
            parts = [part for part in (body[:half], body[half:]) if part]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        if reply.drip:
            for index in range(len(body)):
                client.sendall(body[index : index + 1])
                time.sleep(reply.drip)
        else:
            client.sendall(body if reply.keep is None else body[: reply.keep])
        return reply.keep is None


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def engine_at(path: Path) -> Iterator[EngineServer]:
    """Give a server on a unix socket."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    server = EngineServer(listener)
    try:
        yield server
    finally:
        server.stop()
