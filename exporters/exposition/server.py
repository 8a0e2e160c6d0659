"""The HTTP server: one thread, any number of clients, none of whom can make another one wait.

It serves ``/metrics`` (bytes made before), ``/healthz`` (judged when asked) and a line at ``/``. It never
blocks on a client: a slow reader keeps its own place in a buffer, a broken request gets its status and is
closed, and what lasts too long is dropped.
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from exporters.exposition.connection import Connection
from exporters.exposition.negotiate import choose
from exporters.exposition.page import Page
from exporters.exposition.request import BadRequest, Request
from exporters.exposition.transport import Plain, Tls, Transport
from exporters.exposition.webconfig import WebConfig
from swarmstead.errors import Refused

__all__ = ["Health", "Server"]

_MOST_CONNECTIONS: Final = 512
_TICK_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the exporter does its work, and a line that says why (not)."""

    good: bool
    words: str


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; an empty host means every address, of both families where there are two."""
    try:
        if not host and socket.has_dualstack_ipv6():
            listener = socket.create_server(
                ("::", port), family=socket.AF_INET6, backlog=128, dualstack_ipv6=True
            )
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise Refused(
            f"cannot listen: {error.strerror or error}",
            subject=f"{host}:{port}",
            hint="Choose another address or port with --listen.",
        ) from None
    listener.settimeout(0)
    return listener


class Server:
    """Serves the page that was published last.

    health: asked at each ``/healthz``, from the server's thread; it must not block.
    Raises Refused when the address cannot be bound.
    """

    def __init__(
        self, host: str, port: int, health: Callable[[], Health], web: WebConfig | None = None
    ) -> None:
        self._web = web or WebConfig()
        self._health = health
        self._page = Page()
        self._listener = _listen(host, port)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.settimeout(0)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)
        self._connections: dict[socket.socket, Connection] = {}
        self._checked: list[tuple[Connection, bool]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self.scrapes = 0

    @property
    def port(self) -> int:
        """Return the port, also when it was given as 0."""
        return int(self._listener.getsockname()[1])

    def publish(self, page: Page) -> None:
        """Serve this page from now on."""
        self._page = page.follow(self._page)

    def start(self) -> None:
        """Start serving, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop: answers under way are sent for up to two seconds, nothing new is taken."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(5)

    def _wake(self) -> None:
        with suppress(OSError):  # it has stopped already
            self._wake_in.send(b"\0")

    def _run(self) -> None:
        end = float("inf")
        while time.monotonic() < end:
            for key, _ in self._selector.select(_TICK_SECONDS if end == float("inf") else 0.1):
                self._ready(key.fileobj, key.data)
            self._drop_overdue()
            if self._stopping.is_set():
                if end == float("inf"):
                    end = time.monotonic() + 2
                    self._selector.unregister(self._listener)
                    self._listener.close()
                if not any(c.sending for c in self._connections.values()):
                    break
        for connection in list(self._connections.values()):
            self._close(connection)
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _ready(self, source: Any, connection: Connection | None) -> None:
        if connection is not None:
            self._serve(connection)
        elif source is self._listener:
            self._accept()
        else:
            self._take_checked()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # it left again, or descriptors ran out: those that are open go on
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._close(min(self._connections.values(), key=lambda c: c.overdue))
        try:
            context = self._web.tls_context()
            transport: Transport = Plain(client) if context is None else Tls(client, context)
        except (OSError, ValueError) as error:
            _log.warning("a connection could not be set up: %s", error)
            client.close()
            return
        connection = Connection(transport, time.monotonic())
        self._connections[connection.socket] = connection
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        """Let a connection go on as far as it can."""
        try:
            mask = connection.go(self._answer)
        except OSError:  # TLS errors are OSErrors too
            mask = None
        if mask is None:
            self._close(connection)
        elif connection.socket in self._connections:
            self._selector.modify(connection.socket, mask, connection)

    def _close(self, connection: Connection) -> None:
        if self._connections.pop(connection.socket, None) is not None:
            self._selector.unregister(connection.socket)
            connection.close()

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        for connection in [c for c in self._connections.values() if c.overdue <= now]:
            self._close(connection)

    def _answer(self, connection: Connection, request: Request | BadRequest) -> None:
        """Give a connection the answer to its request, at once or after its password was checked."""
        if isinstance(request, BadRequest):
            connection.reply(request.status, b"", keep=False)
        elif self._web.users and request.path != "/healthz":
            known = self._web.check(
                request.headers.get("authorization", ""), lambda good: self._have_checked(connection, good)
            )
            if known is not None:
                self._reply(connection, request, allowed=known)
            else:
                connection.hold(request)
        else:
            self._reply(connection, request, allowed=True)

    def _have_checked(self, connection: Connection, good: bool) -> None:  # noqa: FBT001 - a callback
        """Take a password's check, from the checker's thread."""
        self._checked.append((connection, good))
        self._wake()

    def _take_checked(self) -> None:
        self._wake_out.recv(4096)
        while self._checked:
            connection, good = self._checked.pop(0)
            request = connection.held
            if request is not None and connection.socket in self._connections:
                self._reply(connection, request, allowed=good)
                self._serve(connection)

    def _reply(self, connection: Connection, request: Request, *, allowed: bool) -> None:
        send = connection.reply
        head_only, keep = request.method == "HEAD", request.keep_alive
        if not allowed:
            send(401, b"Unauthorized\n", keep=keep, more=('WWW-Authenticate: Basic realm="swarmstead"',))
        elif request.method not in ("GET", "HEAD"):
            send(405, b"", keep=False, more=("Allow: GET, HEAD",))
        elif request.path == "/metrics":
            self.scrapes += 1
            form = choose(request.headers.get("accept", ""), request.headers.get("accept-encoding", ""))
            more = ("Vary: Accept, Accept-Encoding", *(("Content-Encoding: gzip",) if form.gzip else ()))
            body = self._page.body(form)
            send(200, body, kind=form.content_type, keep=keep, head_only=head_only, more=more)
        elif request.path == "/healthz":
            health = self._health()
            send(200 if health.good else 503, f"{health.words}\n".encode(), keep=keep, head_only=head_only)
        elif request.path == "/":
            page = b'<!doctype html><title>swarmstead</title><a href="/metrics">Metrics</a>\n'
            send(200, page, kind="text/html; charset=utf-8", keep=keep, head_only=head_only)
        else:
            send(404, b"Not found\n", keep=keep, head_only=head_only)
