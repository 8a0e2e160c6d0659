"""No stale picture after a replace: by a Redis stream at once, without one after a short time."""

import asyncio
import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import free_port, need

from .conftest import World, until


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [
        need("redis-server"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)


def test_other_nodes_learn_of_a_replace_and_of_a_delete_at_once(world: World, redis_url: str) -> None:
    async def play() -> None:
        async with world.node(1, redis=redis_url) as one, world.node(2, redis=redis_url) as two:
            await until(lambda: two.node.stream and two.node.stream.connected)
            (one.root / "a.jpg").write_bytes(b"old")
            await one.settled()
            assert (await two.get("a.jpg"))[1] == b"old"
            (one.root / "a.jpg").write_bytes(b"new picture")
            await one.settled()
            await until(lambda: not (two.root / "a.jpg").exists(), 2)
            assert (await two.get("a.jpg"))[1] == b"new picture"
            assert (await two.get("absent.jpg"))[0] == 404
            two.node.reads._absent_seconds = 60
            assert (await two.get("later.jpg"))[0] == 404
            (one.root / "later.jpg").write_bytes(b"later")
            await one.settled()
            await asyncio.sleep(0.2)
            assert (await two.get("later.jpg"))[1] == b"later"
            (one.root / "a.jpg").unlink()
            await one.settled()
            await until(lambda: not (two.root / "a.jpg").exists(), 2)
            assert (await two.get("a.jpg"))[0] == 404

    asyncio.run(play())


def test_a_peer_s_old_copy_is_not_taken_after_a_replace(world: World, redis_url: str) -> None:
    port = free_port()

    async def play() -> None:
        async with world.node(1, listen=("127.0.0.1", port)) as deaf:  # it does not hear of changes
            world.put("a.jpg", b"old")
            await deaf.get("a.jpg")
            async with (
                world.node(2, redis=redis_url) as writer,
                world.node(3, redis=redis_url, peers=f"127.0.0.1:{port}") as reader,
            ):
                await until(lambda: reader.node.stream and reader.node.stream.connected)
                assert (await reader.get("a.jpg"))[1] == b"old"
                (writer.root / "a.jpg").write_bytes(b"new")
                await writer.settled()
                await until(lambda: not (reader.root / "a.jpg").exists(), 2)
                assert (await reader.get("a.jpg"))[1] == b"new"

    asyncio.run(play())


def test_without_redis_a_hit_is_asked_about_again_after_a_while(world: World) -> None:
    async def play() -> None:
        async with world.node(fresh_seconds=0.5) as node:
            world.put("a.jpg", b"old")
            assert (await node.get("a.jpg"))[1] == b"old"
            world.put("a.jpg", b"new")
            assert (await node.get("a.jpg"))[1] == b"old"
            await asyncio.sleep(0.6)
            assert (await node.get("a.jpg"))[1] == b"new"
            world.cloud.down = True
            await asyncio.sleep(0.6)
            started = time.monotonic()
            assert (await node.get("a.jpg"))[1] == b"new"  # the cloud is away: what is here is served
            assert time.monotonic() - started < 1

    asyncio.run(play())


def test_redis_that_goes_away_and_comes_back_costs_no_write(world: World) -> None:
    async def play() -> None:
        async with world.node(redis=f"redis://127.0.0.1:{free_port()}/0") as node:
            (node.root / "a.jpg").write_bytes(b"a")
            await node.settled()
            assert world.stored("a.jpg") == b"a"

    asyncio.run(play())


def test_what_this_node_writes_after_another_s_change_is_what_it_expects(world: World) -> None:
    """What was told of a name is over once this node has written it."""

    async def play() -> None:
        async with world.node() as node:
            node.node._heard("a.jpg", hashlib.sha1(b"another's").hexdigest())
            (node.root / "a.jpg").write_bytes(b"mine")
            await node.settled()
            assert node.node.store.evict("a.jpg")
            status, body, _ = await node.get("a.jpg")
            assert (status, body) == (200, b"mine")

    asyncio.run(play())
