"""Redis as the place sessions go to: batches under way, removal, and what stands there now."""

import copy
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from swarmstead.errors import SwarmsteadError, Unreachable

from .records import Record
from .resp import Address, Connection, Reply, retrying

__all__ = ["RedisTarget", "Writer", "escape_glob"]

_T = TypeVar("_T")
_BATCH_RECORDS = 128
_BATCH_BYTES = 1 << 17  # less than a socket's buffer: sending a batch waits for nobody
_UNDER_WAY = 32
_SCAN_COUNT = 2000
_OK = b"+OK\r\n"

# Set a session only if Redis holds none, or an empty one: phpredis writes an empty value when an old cookie
# comes before its session (STRLEN 0), so SET NX would fail silently. One script, so nothing gets between.
# KEYS[1]; ARGV: value, Unix seconds of expiry, 1 if the session was copied before (then absent = ended).
_SET_IF_ABSENT = b"""
local length = redis.call('STRLEN', KEYS[1])
if length > 0 then return 0 end
if ARGV[3] == '1' and redis.call('EXISTS', KEYS[1]) == 0 then return 2 end
redis.call('SET', KEYS[1], ARGV[1], 'EXAT', ARGV[2])
return 1
"""


def escape_glob(text: bytes) -> bytes:
    """Return a pattern for SCAN's MATCH that means these very bytes."""
    return b"".join(b"\\" + bytes((c,)) if c in b"*?[]\\^-" else bytes((c,)) for c in text)


class RedisTarget:
    """A Redis that takes sessions.

    url: ``redis[s]://[USER@]HOST[:PORT][/DATABASE]`` or ``unix:///PATH``.
    password: better not in the URL, which others may see.
    retry_seconds: how long a lost connection is tried again before Unreachable is raised.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        timeout_seconds: float = 10.0,
        retry_seconds: float = 30.0,
    ) -> None:
        self.address = Address.parse(url, password=password)
        self.connection = Connection(self.address, timeout_seconds=timeout_seconds)
        self.retry_seconds = retry_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def another(self) -> Self:
        """Return the same target with a connection of its own, for another process."""
        other = copy.copy(self)
        other.connection = Connection(self.address, timeout_seconds=self.connection.timeout_seconds)
        return other

    def call(self, *words: bytes | int) -> Reply:
        """Run one command that bears repetition; a lost connection is tried again."""
        return retrying(lambda: self.connection.call(*words), seconds=self.retry_seconds)

    def call_many(self, commands: list[tuple[bytes | int, ...]]) -> list[Reply]:
        """Run commands that bear repetition in one trip; a lost connection is tried again."""
        return retrying(lambda: self.connection.call_many(commands), seconds=self.retry_seconds)

    def keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that begin so, in pages; a key may come twice (as SCAN says)."""
        cursor, pattern = b"0", escape_glob(prefix) + b"*"
        while True:
            reply = self.call(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _SCAN_COUNT)
            match reply:
                case [bytes() as cursor, list() as page]:
                    yield [key for key in page if isinstance(key, bytes)]
                case _:
                    raise SwarmsteadError("Redis answered SCAN in no known form", subject=str(self.address))
            if cursor == b"0":
                return

    def fetch(self, keys: list[bytes]) -> list[tuple[bytes | None, int]]:
        """Return value and expiry (Unix milliseconds; -1 for never, -2 for no such key) of each key.

        Server's and our clock may differ: the expiry is reckoned by the server's own.
        """
        commands: list[tuple[bytes | int, ...]] = [(b"TIME",)]
        for key in keys:
            commands += [(b"GET", key), (b"PTTL", key)]
        clock, *replies = self.call_many(commands)
        now_ms = 0
        match clock:
            case [bytes() as seconds, bytes() as micros]:
                now_ms = int(seconds) * 1000 + int(micros) // 1000
        found: list[tuple[bytes | None, int]] = []
        for value, ttl in zip(replies[::2], replies[1::2], strict=True):
            left = ttl if isinstance(ttl, int) else -2
            found.append((value if isinstance(value, bytes) else None, now_ms + left if left >= 0 else left))
        return found

    def remove(self, keys: list[bytes]) -> int:
        """Delete the keys; return how many there were."""
        if not keys:
            return 0
        reply = self.call(b"DEL", *keys)
        return reply if isinstance(reply, int) else 0

    def set_if_absent(self, record: Record, *, copied_before: bool) -> int:
        """Set the session if Redis holds none or an empty one.

        Returns 1 if it was set, 0 if Redis has a live one, 2 if it was copied before and has ended since.
        """
        reply = self.call(
            b"EVAL", _SET_IF_ABSENT, 1, record.key, record.value, record.expires_at, int(copied_before)
        )
        return reply if isinstance(reply, int) else 0


class Writer(Generic[_T]):
    """Writes sessions in batches, a few of them under way at once.

    acknowledged: called with the tokens of a batch once Redis has confirmed every one of its sessions;
        what is not confirmed is never called done. A lost connection is opened again and the batches under
        way are sent again, which bears repetition: SET of the same bytes.
    """

    def __init__(self, target: RedisTarget, acknowledged: Callable[[list[_T]], None]) -> None:
        self._target, self._acknowledged = target, acknowledged
        self._parts: list[bytes] = []
        self._tokens: list[_T] = []
        self._bytes = 0
        self._under_way: deque[tuple[bytes, list[_T]]] = deque()

    def add(self, key: bytes, value: bytes, expires_at: int, token: _T) -> None:
        """Queue one session; `expires_at` in Unix seconds."""
        # Ten digits from 2001 to 2286.
        self._parts.append(
            b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$4\r\nEXAT\r\n$10\r\n%010d\r\n"
            % (len(key), key, len(value), value, expires_at)
        )
        self._tokens.append(token)
        self._bytes += len(value)
        if len(self._tokens) >= _BATCH_RECORDS or self._bytes >= _BATCH_BYTES:
            self._send()

    def _send(self) -> None:
        if not self._tokens:
            return
        batch = (b"".join(self._parts), self._tokens)
        self._parts, self._tokens, self._bytes = [], [], 0
        self._under_way.append(batch)
        try:
            self._target.connection.send(batch[0])
            if len(self._under_way) >= _UNDER_WAY:
                self._take()
        except Unreachable:
            self._resend()

    def _take(self) -> None:
        """Take the replies of the oldest batch under way."""
        connection = self._target.connection
        _, tokens = self._under_way[0]
        if not connection.take_exactly(_OK * len(tokens)):
            for _ in tokens:
                reply = connection.take()
                if isinstance(reply, SwarmsteadError):
                    if not isinstance(reply, Unreachable):
                        connection.close()
                    raise reply
        self._under_way.popleft()
        self._acknowledged(tokens)

    def _resend(self) -> None:
        """Send again all that is under way, on a new connection, and take every reply."""

        def work() -> None:
            self._target.connection.close()
            for data, _ in list(self._under_way):
                self._target.connection.send(data)
                self._take()

        retrying(work, seconds=self._target.retry_seconds)

    def flush(self) -> None:
        """Send what is queued and wait until all is confirmed."""
        self._send()
        try:
            while self._under_way:
                self._take()
        except Unreachable:
            self._resend()
