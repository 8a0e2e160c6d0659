"""What other nodes changed: told by a Redis stream where there is one, else asked of the remote again."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from migrate.cache.index import Row, State
from migrate.cache.store import Store
from migrate.remotes import Remote, Stored
from swarmstead.errors import SwarmsteadError

__all__ = ["Expected", "Freshness", "Stream", "still"]

log = logging.getLogger("cache")

_Entry = tuple[bytes, dict[bytes, bytes]]

_STREAM_LENGTH = 10_000
_REMEMBERED = 100_000


class Expected:
    """The hash a name must have, as told lately: until all nodes have heard, a peer may hold the old one."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._told: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def put(self, name: str, sha1: str) -> None:
        """Remember what was told."""
        self._told[name] = time.monotonic() + self._seconds, sha1
        self._told.move_to_end(name)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    def __call__(self, name: str) -> str:
        """Return the hash, or "" where nothing was told."""
        until, sha1 = self._told.get(name, (0.0, ""))
        return sha1 if until > time.monotonic() else ""


class Stream:
    """A Redis stream that all nodes write to and read.

    heard: called with (name, sha1) of another node's change, sha1 "" for a deletion. missed: called when
    changes may have been missed: the stream was cut, or we were away.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        node: str,
        heard: Callable[[str, str], None],
        missed: Callable[[], None],
    ) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=10, socket_connect_timeout=3, health_check_interval=30
        )
        self._key, self._node, self._heard, self._missed = key, node, heard, missed
        self._last = b"$"
        self.connected = False

    async def tell(self, name: str, sha1: str) -> None:
        """Tell the others; where Redis is away they find out by themselves when they ask the remote again."""
        try:
            await self._redis.xadd(
                self._key,
                {"node": self._node, "name": name, "sha1": sha1},
                maxlen=_STREAM_LENGTH,
                approximate=True,
            )
        except (RedisError, OSError) as error:
            log.warning("cannot tell the other nodes of a change: %s", type(error).__name__)

    async def follow(self) -> None:
        """Hear what others tell, for ever."""
        while True:
            try:
                await self._newest()
                self.connected = True
                while True:
                    await self._read()
            except (RedisError, OSError) as error:
                self.connected = False
                log.warning("cannot hear of other nodes' changes: %s", type(error).__name__)
                self._missed()
                await asyncio.sleep(1)

    async def _newest(self) -> None:
        newest = cast("list[_Entry]", await self._redis.xrevrange(self._key, count=1))
        oldest = cast("list[_Entry]", await self._redis.xrange(self._key, count=1))
        if self._last == b"$":
            self._last = newest[0][0] if newest else b"0-0"
        elif oldest and _order(oldest[0][0]) > _order(self._last):
            self._missed()

    async def _read(self) -> None:
        answer = await self._redis.xread({self._key: self._last}, count=500, block=5000)
        for _, entries in cast("list[tuple[bytes, list[_Entry]]]", answer or []):
            for number, fields in entries:
                self._last = number
                if fields.get(b"node", b"").decode() != self._node:
                    self._heard(fields[b"name"].decode(), fields[b"sha1"].decode())

    async def close(self) -> None:
        """Hang up."""
        await self._redis.aclose()


def _order(number: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = number.partition(b"-")
    return int(milliseconds), int(sequence or 0)


def still(row: Row, stored: Stored) -> bool:
    """Return whether the remote has what we have: by its hash, or by its tag where it tells none."""
    by_hash = stored.sha1 == row.sha1 if stored.sha1 else stored.tag == row.tag or not row.tag
    return by_hash and stored.size == row.size


class Freshness:
    """Asks the remote again about a file that was not asked about for a while.

    seconds: 0 for never. dropped: called with a name whose file was stale and is gone.
    """

    def __init__(
        self,
        store: Store,
        remote: Remote,
        *,
        seconds: float,
        dropped: Callable[[str], None],
        at_once: int = 4,
    ) -> None:
        self._store, self._remote, self._seconds, self._dropped = store, remote, seconds, dropped
        self._room = asyncio.Semaphore(at_once)
        self._checked: OrderedDict[str, float] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._not_before = 0.0
        self.asked = 0
        self.stale = 0

    def all_doubtful(self) -> None:
        """Trust nothing that was checked before now."""
        self._not_before = time.time()
        self._checked.clear()

    def __call__(self, name: str) -> "asyncio.Task[None] | None":
        """Return a task to wait for before the file is shown, None where it was checked a short time ago."""
        if not self._seconds:
            return None
        now = time.time()
        if self._checked.get(name, 0.0) + self._seconds > now:
            return None
        if (asking := self._asking.get(name)) is not None:
            return asking
        row = self._store.index.get(name)
        if row is None or row.state is not State.HERE:
            return None
        if row.checked > self._not_before and row.checked + self._seconds > now:
            self._note(name, row.checked)
            return None
        task = self._asking[name] = asyncio.create_task(self._ask(name))
        task.add_done_callback(lambda _: self._asking.pop(name, None))
        return task

    def _note(self, name: str, when: float) -> None:
        self._checked[name] = when
        self._checked.move_to_end(name)
        while len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)

    async def _ask(self, name: str) -> None:
        async with self._room:
            self.asked += 1
            try:
                stored = await asyncio.to_thread(self._remote.head, name)
            except SwarmsteadError:
                # What is cached is served while the origin is away; it is asked again a little later.
                self._note(name, time.time() - self._seconds / 2)
                return
        row = self._store.index.get(name)
        if row is None or row.state is not State.HERE:
            return
        if stored is not None and still(row, stored):
            self._store.index.checked(name, time.time())
            self._note(name, time.time())
            return
        self.stale += 1
        await asyncio.to_thread(self._store.evict, name, stale=True)
        self._dropped(name)

    async def close(self) -> None:
        """Stop asking."""
        for task in self._asking.values():
            task.cancel()
