"""Reads: one GET for all, nothing wrong ever whole, hits without a cloud."""

import asyncio
import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.programs import free_port

from .conftest import Running, World, until


def test_a_miss_is_pulled_once_and_then_served_without_the_cloud(world: World) -> None:
    world.put("a/b c.jpg", b"picture")

    async def play() -> None:
        async with world.node() as node:
            status, body, headers = await node.get("a/b%20c.jpg")
            assert (status, body, headers["Content-Type"]) == (200, b"picture", "image/jpeg")
            assert (node.root / "a/b c.jpg").read_bytes() == b"picture"
            world.cloud.down = True
            again = await node.get("a/b%20c.jpg")
            assert again[:2] == (200, b"picture")
            assert again[2]["ETag"] == headers["ETag"]  # what a miss and a hit say is the same
            assert world.cloud.gets == ["a/b c.jpg"]

    asyncio.run(play())


def test_fifty_clients_of_a_slow_cold_object_cost_one_get_and_all_see_its_first_bytes_at_once(
    world: World,
) -> None:
    data = os.urandom(2_000_000)
    world.put("big.bin", data)
    world.cloud.chunk, world.cloud.delay = 100_000, 0.05

    async def one(node: Running) -> tuple[float, str]:
        started = time.monotonic()
        async with node.http.get("http://cache/big.bin") as answer:
            first = await answer.content.readany()
            took = time.monotonic() - started
            return took, hashlib.sha1(first + await answer.content.read()).hexdigest()

    async def play() -> None:
        async with world.node() as node:
            answers = await asyncio.gather(*(one(node) for _ in range(50)))
            assert {digest for _, digest in answers} == {hashlib.sha1(data).hexdigest()}
            assert max(took for took, _ in answers) < 0.9  # the whole takes more than a second
            assert world.cloud.gets == ["big.bin"]

    asyncio.run(play())


def test_a_waiter_that_leaves_harms_nobody(world: World) -> None:
    world.put("x.bin", b"x" * 1_000_000)
    world.cloud.chunk, world.cloud.delay = 100_000, 0.03

    async def play() -> None:
        async with world.node() as node:
            other = asyncio.create_task(node.get("x.bin"))
            async with node.http.get("http://cache/x.bin") as answer:
                await answer.content.readany()
                answer.close()
            assert (await other)[:2] == (200, b"x" * 1_000_000)
            await until((node.root / "x.bin").exists)

    asyncio.run(play())


@pytest.mark.parametrize("how", ["lie", "break"])
def test_a_fill_that_fails_poisons_nothing(world: World, how: str) -> None:
    """ImageX filled the final path in place: a failed copy was served for ever."""
    data = os.urandom(1_000_000)
    world.put("p.bin", data)
    world.cloud.chunk = 100_000
    world.cloud.lie, world.cloud.break_after = how == "lie", 500_000 if how == "break" else -1

    async def play() -> None:
        async with world.node() as node:
            with pytest.raises(Exception, match=r"(?i)payload|disconnected|reset|length"):
                await node.get("p.bin")
            assert not (node.root / "p.bin").exists()
            assert node.node.store.used == 0
            world.cloud.lie, world.cloud.break_after = False, -1
            assert (await node.get("p.bin"))[:2] == (200, data)

    asyncio.run(play())


def test_a_small_lie_is_never_sent_at_all(world: World) -> None:
    world.put("p.txt", b"truth")
    world.cloud.lie = True

    async def play() -> None:
        async with world.node() as node:
            status, _, headers = await node.get("p.txt")
            assert status == 503
            assert int(headers["Retry-After"]) > 0

    asyncio.run(play())


def test_an_outage_answers_at_once_and_what_is_absent_is_not_asked_for_again_and_again(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:
            for _ in range(20):
                assert (await node.get("none.jpg"))[0] == 404
            assert world.cloud.gets == ["none.jpg"]
            world.cloud.down = True
            started = time.monotonic()
            assert (await node.get("other.jpg"))[0] == 503
            assert time.monotonic() - started < 1

    asyncio.run(play())


def test_an_origin_that_never_answers_is_a_503_and_no_hang(world: World) -> None:
    world.put("slow.jpg", b"x")
    world.cloud.open_gate.clear()

    async def play() -> None:
        async with world.node() as node:
            node.node.reads._first = 0.3
            started = time.monotonic()
            assert (await node.get("slow.jpg"))[0] == 503
            assert time.monotonic() - started < 2
            world.cloud.open_gate.set()
            await until((node.root / "slow.jpg").exists)  # the fill went on

    asyncio.run(play())


def test_a_range_of_a_huge_file_does_not_fetch_the_whole(world: World) -> None:
    data = os.urandom(900_000)
    world.put("film.mp4", data)

    async def play() -> None:
        async with world.node(max_bytes=1_000_000, max_share=0.5) as node:
            status, body, headers = await node.get("film.mp4", Range="bytes=1000-1999")
            assert (status, body) == (206, data[1000:2000])
            assert headers["Content-Range"] == "bytes 1000-1999/900000"
            assert node.node.filler.origin_bytes == 1000
            assert not (node.root / "film.mp4").exists()
            assert (await node.get("film.mp4"))[:2] == (200, data)

    asyncio.run(play())


def test_a_range_of_a_cold_file_is_answered_before_the_whole_is_there(world: World) -> None:
    data = os.urandom(1_000_000)
    world.put("a.mp4", data)
    world.cloud.chunk, world.cloud.delay = 100_000, 0.1

    async def play() -> None:
        async with world.node() as node:
            started = time.monotonic()
            assert (await node.get("a.mp4", Range="bytes=0-99"))[:2] == (206, data[:100])
            assert time.monotonic() - started < 0.6
            await until((node.root / "a.mp4").exists)

    asyncio.run(play())


def test_conditions_and_head(world: World) -> None:
    world.put("a.png", b"12345")

    async def play() -> None:
        async with world.node() as node:
            async with node.http.head("http://cache/a.png") as answer:
                assert (answer.status, answer.headers["Content-Length"]) == (200, "5")
            tag = (await node.get("a.png"))[2]["ETag"]
            assert (await node.get("a.png", If_None_Match=tag))[:2] == (304, b"")
            assert (await node.get("a.png", Range="bytes=9-"))[0] == 416
            assert (await node.get("a.png", Range="bytes=-2", If_Range=tag))[1] == b"45"
            assert (await node.get("a.png", Range="bytes=-2", If_Range='"other"'))[1] == b"12345"

    asyncio.run(play())


def on_disk(root: Path) -> int:
    """Sum up a folder that files leave meanwhile."""
    held = 0
    for path in root.glob("*.bin"):
        with suppress(FileNotFoundError):
            held += path.stat().st_size
    return held


def test_the_bound_holds_while_many_are_pulled_and_what_does_not_fit_is_still_served(world: World) -> None:
    for number in range(60):
        world.put(f"{number}.bin", bytes([number]) * 50_000)

    async def play() -> None:
        async with world.node(max_bytes=500_000) as node:
            most = 0

            async def one(number: int) -> None:
                nonlocal most
                assert (await node.get(f"{number}.bin"))[1] == bytes([number]) * 50_000
                held = on_disk(node.root)
                most = max(most, held, node.node.store.used)

            await asyncio.gather(*map(one, range(60)))
            assert 0 < most <= 500_000

    asyncio.run(play())


def test_another_node_is_asked_before_the_cloud(world: World) -> None:
    world.put("a.bin", b"a" * 100_000)
    port = free_port()

    async def play() -> None:
        async with world.node(1, listen=("127.0.0.1", port)) as first:
            await first.get("a.bin")
            async with world.node(2, peers=f"127.0.0.1:{port}") as second:
                world.cloud.down = True
                assert (await second.get("a.bin"))[:2] == (200, b"a" * 100_000)
                assert second.node.peers is not None
                assert second.node.peers.gets == 1
                assert (await second.get("b.bin"))[0] == 503
            world.cloud.url, world.cloud.down = "file:///another-app/", False
            async with world.node(3, peers=f"127.0.0.1:{port}") as stranger:
                await stranger.get("a.bin")
                assert stranger.node.peers is not None
                assert stranger.node.peers.gets == 0  # another app's file of that name is not ours

    asyncio.run(play())


def test_a_dead_peer_costs_a_moment_once(world: World) -> None:
    world.put("a.bin", b"a")
    world.put("b.bin", b"b")

    async def play() -> None:
        async with world.node(1, peers=f"127.0.0.1:{free_port()}") as node:
            assert (await node.get("a.bin"))[1] == b"a"
            started = time.monotonic()
            assert (await node.get("b.bin"))[1] == b"b"
            assert time.monotonic() - started < 0.4

    asyncio.run(play())
