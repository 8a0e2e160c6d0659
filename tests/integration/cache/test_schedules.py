"""Random schedules against a model: writes, reads, deletes, kills, outages, evictions, in any order.

Whatever happens: no acknowledged byte is lost, no wrong byte is served, what is fetched never passes the
bound. `SWARMSTEAD_TEST_LONG=1` runs 500 schedules, else some.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from aiohttp import ClientPayloadError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrate.cache.node import Node
from swarmstead.errors import SwarmsteadError

from .conftest import Running, World

NAMES = ["a", "b", "d/c", "d/e/f", "g"]
BOUND = 40_000
LONG = "SWARMSTEAD_TEST_LONG" in os.environ

_names = st.sampled_from(NAMES)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), _names, st.integers(1, 15_000)),
        st.tuples(st.just("rename_over"), _names, st.integers(1, 15_000)),
        st.tuples(st.just("append"), _names, st.integers(1, 500)),
        st.tuples(st.just("delete"), _names, st.just(0)),
        st.tuples(st.just("read"), _names, st.just(0)),
        st.tuples(st.just("range"), _names, st.integers(0, 15_000)),
        st.tuples(st.just("evict"), _names, st.just(0)),
        st.tuples(st.just("other_node"), _names, st.integers(1, 15_000)),
        st.tuples(st.sampled_from(["down", "up", "confirm", "kill", "restart"]), st.just(""), st.just(0)),
    ),
    min_size=4,
    max_size=25,
)


class Schedule:
    """The model beside the real thing. wanted: what a name must be by the last write, None for absent."""

    def __init__(self, world: World) -> None:
        self.world, self.turn = world, 0
        self.wanted: dict[str, bytes | None] = {}
        self.acknowledged: dict[str, bytes | None] = {}
        self.lost_deletes: set[str] = set()

    def data(self, size: int) -> bytes:
        self.turn += 1
        return (b"%06d" % self.turn) * (size // 6 + 1)

    async def run(self, steps: list[tuple[str, str, int]]) -> None:
        at = 0
        while at < len(steps):
            async with self.world.node(max_bytes=BOUND, max_share=1.0, wait=0.2, drain=0.0) as node:
                await asyncio.sleep(0.01)
                while at < len(steps):
                    what, name, size = steps[at]
                    at += 1
                    if what in {"kill", "restart"}:
                        self.unsure(node, killed=what == "kill")
                        break
                    await getattr(self, "do_" + what)(node, name, size)
                    self.check_bound(node)
                if at == len(steps):
                    await self.end(node)
                elif steps[at - 1][0] == "kill":
                    await kill(node.node)

    def unsure(self, node: Running, *, killed: bool) -> None:
        """A deletion that nobody acknowledged may be forgotten when the process ends: the file comes back."""
        del killed
        for name, data in self.wanted.items():
            if data is None and self.acknowledged.get(name) is not None:
                self.lost_deletes.add(name)

    def write(self, path: Path, name: str, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.wanted[name] = data
        self.lost_deletes.discard(name)

    async def do_write(self, node: Running, name: str, size: int) -> None:
        self.write(node.root / name, name, self.data(size))

    async def do_rename_over(self, node: Running, name: str, size: int) -> None:
        part = node.root / f"{self.turn}.part"
        data = self.data(size)
        part.write_bytes(data)
        (node.root / name).parent.mkdir(parents=True, exist_ok=True)
        part.rename(node.root / name)
        self.wanted[name] = data
        self.lost_deletes.discard(name)

    async def do_append(self, node: Running, name: str, size: int) -> None:
        path = node.root / name
        if path.exists():
            with path.open("ab") as file:
                file.write(b"+" * size)
            self.wanted[name] = path.read_bytes()

    async def do_delete(self, node: Running, name: str, size: int) -> None:
        path = node.root / name
        if path.exists():
            if node.node.store.index.get(name) is None:
                # Written and removed before anybody looked: it never was; another node's may stand there.
                self.lost_deletes.add(name)
            path.unlink()
            self.wanted[name] = None

    async def do_confirm(self, node: Running, name: str, size: int) -> None:
        """As the barrier: when it says safe, all that was written is acknowledged."""
        if await node.node.safe(-1, 0.5 if self.world.cloud.down else 10):
            for each, data in self.wanted.items():
                if each not in self.lost_deletes:
                    assert self.world.stored(each) == data, each
                    self.acknowledged[each] = data
        else:
            assert self.world.cloud.down

    async def do_read(self, node: Running, name: str, size: int) -> None:
        before = self.known(name)
        try:
            status, body, _ = await node.get(name)
        except ClientPayloadError:
            return
        self.check_bytes(name, status, body, before)

    async def do_range(self, node: Running, name: str, size: int) -> None:
        before = self.known(name)
        try:
            status, body, _ = await node.get(name, Range=f"bytes={size}-{size + 99}")
        except ClientPayloadError:
            return  # replaced while it was sent: cut off, and so not taken for whole
        if status == 206:
            known = before | self.known(name)
            assert body in {(one or b"")[size : size + 100] for one in known}

    def known(self, name: str) -> set[bytes | None]:
        known = {self.wanted.get(name)}
        if name in self.lost_deletes or self.wanted.get(name) is None:
            known |= {self.acknowledged.get(name), self.world.stored(name)}
        return known

    def check_bytes(self, name: str, status: int, body: bytes, before: set[bytes | None]) -> None:
        """before: what it might have been when it was asked for: the cloud's may have changed since."""
        known = before | self.known(name)
        if status == 200:
            assert body in known, name
        elif status == 404:
            assert None in known, name
        else:
            assert status == 503
            assert self.world.cloud.down

    async def do_evict(self, node: Running, name: str, size: int) -> None:
        if await asyncio.to_thread(node.node.store.evict, name):
            assert self.world.stored(name) is not None

    async def do_other_node(self, node: Running, name: str, size: int) -> None:
        """Another node writes a name that this one has not, and tells it."""
        if not (node.root / name).exists() and self.wanted.get(name) is None and not len(node.node.queue):
            await node.node.safe(-1, 0.5)
            if (node.root / name).exists() or len(node.node.queue) or self.wanted.get(name) is not None:
                return
            data = self.data(size)
            self.world.put(name, data)
            self.wanted[name] = self.acknowledged[name] = data
            self.lost_deletes.discard(name)
            node.node._heard(name, __import__("hashlib").sha1(data).hexdigest())

    async def do_down(self, node: Running, name: str, size: int) -> None:
        self.world.cloud.down = True

    async def do_up(self, node: Running, name: str, size: int) -> None:
        self.world.cloud.down = False

    def check_bound(self, node: Running) -> None:
        """What the cloud has confirmed and what is being fetched stays within the bound."""
        store = node.node.store
        unsent = sum(row.size for row in store.index.queued())
        assert store.used - unsent <= max(BOUND, 0)

    async def end(self, node: Running) -> None:
        self.world.cloud.down = False
        assert await node.node.safe(-1, 20)
        await node.node.queue.reconcile(deletions=False)
        assert await node.node.safe(-1, 20)
        for name, data in self.wanted.items():
            if name not in self.lost_deletes:
                assert self.world.stored(name) == data, name
            status, body, _ = await node.get(name)
            self.check_bytes(name, status, body, set())
        assert node.node.store.used <= BOUND


async def kill(node: Node) -> None:
    """End as kill -9 does, as far as one process can: nothing is finished, nothing is sent any more."""
    node.queue._closed = True
    for task in [*node.queue._tasks]:
        task.cancel()


@settings(
    max_examples=500 if LONG else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not LONG,
)
@given(steps=_steps)
def test_no_acknowledged_byte_is_lost_and_no_wrong_one_is_served(steps: list[tuple[str, str, int]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="s"))
    try:
        asyncio.run(Schedule(World(folder)).run(steps))
    except SwarmsteadError as error:
        raise AssertionError(str(error)) from error
    finally:
        shutil.rmtree(folder)
