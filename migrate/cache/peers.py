"""Other nodes first: what one of them holds need not come from the cloud."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from urllib.parse import quote, unquote

from migrate.cache.reads import NODE, PEER
from migrate.remotes import Body, Remote, Stored
from swarmstead.errors import Unreachable, UsageError

__all__ = ["PeersFirst", "parse_peers"]

_ASK_SECONDS = 0.5
_READ_SECONDS = 5.0
_NAMES_SECONDS = 5.0
_REST_SECONDS = 10.0
_CHUNK_BYTES = 256 * 1024


def parse_peers(text: str) -> tuple[str, int]:
    """Return name and port of ``tasks.cache:9325``. Raises UsageError."""
    name, _, port = text.rpartition(":")
    if not name or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004
        raise UsageError("not a name and a port", subject=text, hint="Write tasks.cache:9325.")
    return name, int(port)


class PeersFirst:
    """A source of objects: the first peer that holds it, else the remote.

    node: this node's own mark, so that it does not ask itself. group: names the remote, hashed. expected: the
    hash a name must have by what was told lately, or "". A peer that does not answer in time rests for ten
    seconds.
    """

    def __init__(
        self,
        remote: Remote,
        name: str,
        port: int,
        *,
        node: str,
        group: str,
        expected: Callable[[str], str],
    ) -> None:
        self._group = group
        self._remote, self._name, self._port, self._node, self._expected = remote, name, port, node, expected
        self._lock = threading.Lock()
        self._known: tuple[float, list[str]] = 0.0, []
        self._resting: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(16, "peers")
        self.gets = 0
        self.bytes = 0

    def _addresses(self) -> list[str]:
        with self._lock:
            until, known = self._known
            if time.monotonic() < until:
                return [one for one in known if self._resting.get(one, 0.0) < time.monotonic()]
        try:
            found = socket.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
        except OSError:
            found = []
        with self._lock:
            self._known = time.monotonic() + _NAMES_SECONDS, sorted({str(where[4][0]) for where in found})
            return [one for one in self._known[1] if self._resting.get(one, 0.0) < time.monotonic()]

    def _rest(self, address: str, seconds: float) -> None:
        with self._lock:
            self._resting[address] = time.monotonic() + seconds

    def _ask(self, address: str, name: str) -> tuple[http.client.HTTPConnection, Body] | None:
        connection = http.client.HTTPConnection(address, self._port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", "/" + quote(name), headers={PEER: self._group})
            answer = connection.getresponse()
            if answer.getheader(NODE) == self._node:
                self._rest(address, 60.0)  # that is ourselves
            sha1 = answer.getheader("X-Swarmstead-Sha1", "")
            expected = self._expected(name)
            if answer.status != http.client.OK or not sha1 or (expected and expected != sha1):
                connection.close()
                return None
            if connection.sock is not None:
                connection.sock.settimeout(_READ_SECONDS)
            stored = Stored(
                name,
                int(answer.getheader("Content-Length", "0")),
                sha1,
                unquote(answer.getheader("X-Swarmstead-Tag", "")),
                int(answer.getheader("X-Swarmstead-Mtime", "0")),
            )
            return connection, Body(stored, self._chunks(answer, stored))
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            self._rest(address, _REST_SECONDS)
            return None

    def _chunks(self, answer: http.client.HTTPResponse, stored: Stored) -> Iterator[bytes]:
        left = stored.size
        while left:
            try:
                chunk = answer.read1(_CHUNK_BYTES)
            except (OSError, http.client.HTTPException):
                chunk = b""
            if not chunk:
                raise Unreachable("a peer broke off", subject=stored.name)
            left -= len(chunk)
            self.bytes += len(chunk)
            yield chunk

    @contextmanager
    def get(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[Body | None]:
        """Open an object at a peer that holds it whole, else at the remote."""
        found = self._first(name) if start == 0 and end is None else None
        if found is None:
            with self._remote.get(name, start=start, end=end) as body:
                yield body
            return
        connection, body = found
        self.gets += 1
        try:
            yield body
        finally:
            connection.close()

    def _first(self, name: str) -> tuple[http.client.HTTPConnection, Body] | None:
        asked = [self._pool.submit(self._ask, address, name) for address in self._addresses()]
        found = None
        with suppress(TimeoutError):
            for one in as_completed(asked, timeout=2 * _ASK_SECONDS):
                if (answer := one.result()) is not None:
                    found = answer
                    break
        for one in asked:
            one.add_done_callback(lambda done: _close_other(done.result(), found))
        return found


def _close_other(
    answer: tuple[http.client.HTTPConnection, Body] | None,
    taken: tuple[http.client.HTTPConnection, Body] | None,
) -> None:
    if answer is not None and answer is not taken:
        answer[0].close()
