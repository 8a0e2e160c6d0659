"""Redis's protocol (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/), spoken directly.

redis-py packs about 35,000 commands a second on a small VPS, which is what limits a copy; one `%` of bytes
packs a million. So the sessions travel by this client: blocking, one socket, commands sent by the batch.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from swarmstead.errors import (
    Denied,
    Exhausted,
    Refused,
    SwarmsteadError,
    Unreachable,
    UsageError,
)

__all__ = ["Address", "Connection", "Reply", "error_of", "pack", "retrying"]

Reply: TypeAlias = "bytes | int | list[Reply] | None"
_T = TypeVar("_T")
_READ = 1 << 18
_SEND_ROOM = 1 << 22
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h; the socket module has no name for it
_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis is, and who we are there. The password is not in the repr."""

    host: str = "127.0.0.1"
    port: int = _DEFAULT_PORT
    path: str = ""
    database: int = 0
    user: str = ""
    tls: bool = False
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, *, password: str | None = None) -> Self:
        """Read ``redis[s]://[USER@]HOST[:PORT][/DATABASE]`` or ``unix://[USER@]/PATH[?db=N]``.

        Raises UsageError for anything else, and for a password inside the URL beside another one.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORT
            number = parts.path.strip("/") if parts.scheme != "unix" else parts.query.removeprefix("db=")
            database = int(number or 0)
        except ValueError:
            raise UsageError(
                "not an address of a Redis", subject="--to", hint="redis://HOST:PORT/0"
            ) from None
        if parts.scheme not in {"redis", "rediss", "unix"} or (parts.scheme == "unix" and not parts.path):
            raise UsageError(
                "not an address of a Redis", subject="--to", hint="redis://HOST:PORT/0 or unix:///PATH"
            )
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=port,
            path=parts.path if parts.scheme == "unix" else "",
            database=database,
            user=unquote(parts.username or ""),
            tls=parts.scheme == "rediss",
            password=password or unquote(parts.password or ""),
        )

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}/{self.database}"


def pack(*words: bytes | int) -> bytes:
    """Return one command as RESP."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = b"%d" % word if isinstance(word, int) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


_ERRORS: tuple[tuple[bytes, type[SwarmsteadError], str, str], ...] = (
    (b"OOM", Exhausted, "Redis is full", "Raise its maxmemory, then run the same command again."),
    (b"MISCONF", Exhausted, "Redis cannot write to its disk", "Free the disk of the Redis, then go on."),
    (b"READONLY", Refused, "this Redis is a read-only replica", "Give the address of the primary."),
    (b"NOAUTH", Denied, "Redis wants a password", "Set SWARMSTEAD_REDIS_PASSWORD_FILE."),
    (b"WRONGPASS", Denied, "Redis refused user or password", "Check SWARMSTEAD_REDIS_PASSWORD_FILE."),
    (b"NOPERM", Denied, "the Redis user may not do this", "Use the ACL of `migrate sessions acl`."),
    (b"LOADING", Unreachable, "Redis is still loading its data", "Wait; it is tried again."),
    (b"MASTERDOWN", Unreachable, "the replica lost its primary", "Give the address of the primary."),
    (b"CLUSTERDOWN", Unreachable, "the Redis cluster is down", "Bring it up first."),
    (b"MOVED", Refused, "this is a Redis Cluster", "Give the address of a plain Redis for sessions."),
    (b"ERR AUTH", Denied, "Redis knows no such password", "Check SWARMSTEAD_REDIS_PASSWORD_FILE."),
)


def error_of(line: bytes, where: str) -> SwarmsteadError:
    """Return the error that an error reply means. Its text may name a key, so only its code is kept."""
    for code, kind, what, hint in _ERRORS:
        if line.startswith(code):
            return kind(what, subject=where, hint=hint)
    code = line.split(b" ", 1)[0][:32]
    return SwarmsteadError(f"Redis answered {code.decode('ascii', 'replace')}", subject=where)


def _make_room(sock: socket.socket) -> None:
    """Let several batches wait in a Unix socket, so that who sends them goes on reading files meanwhile."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_ROOM)
    except PermissionError:  # only root may have more than net.core.wmem_max
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_ROOM)


class Connection:
    """One connection, opened at the first use.

    Raises Unreachable when the server does not answer within `timeout_seconds`; the connection is then
    closed, and the next command opens a new one.
    """

    def __init__(self, address: Address, *, timeout_seconds: float = 10.0) -> None:
        self.address = address
        self.timeout_seconds = timeout_seconds
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; replies under way are lost."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None
        self._buffer, self._at = b"", 0

    def _lost(self, error: OSError) -> Unreachable:
        self.close()
        reason = "did not answer in time" if isinstance(error, TimeoutError) else (error.strerror or "closed")
        return Unreachable(
            f"Redis: {reason}", subject=str(self.address), hint="Is it up, and is that its address?"
        )

    def _open(self) -> socket.socket:
        address = self.address
        try:
            if address.path:
                plain = socket.socket(socket.AF_UNIX)
                plain.settimeout(self.timeout_seconds)
                plain.connect(address.path)
                _make_room(plain)
            else:
                plain = socket.create_connection((address.host, address.port), self.timeout_seconds)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if address.tls:
                    plain = ssl.create_default_context().wrap_socket(plain, server_hostname=address.host)
        except OSError as error:
            raise self._lost(error) from None
        self._socket = plain
        if address.password:
            self.call(b"AUTH", *([address.user.encode()] if address.user else []), address.password.encode())
        if address.database:
            self.call(b"SELECT", address.database)
        return plain

    def send(self, data: bytes) -> None:
        """Send packed commands; the caller takes as many replies."""
        try:
            (self._socket or self._open()).sendall(data)
        except OSError as error:
            raise self._lost(error) from None

    def _fill(self) -> None:
        if self._socket is None:
            raise Unreachable("the connection is closed", subject=str(self.address))
        try:
            data = self._socket.recv(_READ)
        except OSError as error:
            raise self._lost(error) from None
        if not data:
            raise self._lost(ConnectionResetError("closed"))
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def take_exactly(self, expected: bytes) -> bool:
        """Take the replies if they are these very bytes; if not, take nothing and return False.

        Most batches end in so many ``+OK``: one comparison instead of as many parses.
        """
        size = len(expected)
        while True:
            have = self._buffer[self._at : self._at + size]
            if have == expected:
                self._at += size
                return True
            if not expected.startswith(have):
                return False
            self._fill()

    def _line(self) -> bytes:
        while True:
            end = self._buffer.find(b"\r\n", self._at)
            if end >= 0:
                line = self._buffer[self._at : end]
                self._at = end + 2
                return line
            self._fill()

    def _data(self, size: int) -> bytes:
        while len(self._buffer) - self._at < size + 2:
            self._fill()
        data = self._buffer[self._at : self._at + size]
        self._at += size + 2
        return data

    def take(self) -> "Reply | SwarmsteadError":
        """Take one reply; an error reply comes as the error, not raised."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return error_of(rest, str(self.address))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._data(int(rest)) if rest != b"-1" else None
        if kind != b"*":
            self.close()
            raise Refused("this is no Redis", subject=str(self.address), hint="Check host and port.")
        if rest == b"-1":
            return None
        replies: list[Reply] = []
        for _ in range(int(rest)):
            reply = self.take()
            if isinstance(reply, SwarmsteadError):
                raise reply
            replies.append(reply)
        return replies

    def call(self, *words: bytes | int) -> Reply:
        """Send one command, return its reply; raises the error that it answers."""
        self.send(pack(*words))
        reply = self.take()
        if isinstance(reply, SwarmsteadError):
            raise reply
        return reply

    def call_many(self, commands: Iterable[tuple[bytes | int, ...]]) -> list[Reply]:
        """Send several commands at once, return their replies; raises the first error among them."""
        packed = [pack(*command) for command in commands]
        self.send(b"".join(packed))
        replies: list[Reply] = []
        failed: SwarmsteadError | None = None
        for _ in packed:
            reply = self.take()
            if isinstance(reply, SwarmsteadError):
                failed = failed or reply
            else:
                replies.append(reply)
        if failed:
            raise failed
        return replies


def retrying(work: Callable[[], _T], *, seconds: float, wait: Callable[[float], object] = time.sleep) -> _T:
    """Do `work` until it no longer raises Unreachable, for so many seconds; `work` must bear repetition."""
    until, pause = time.monotonic() + seconds, 0.1
    while True:
        try:
            return work()
        except Unreachable:
            if time.monotonic() + pause > until:
                raise
            wait(pause)
            pause = min(pause * 2, 2.0)
