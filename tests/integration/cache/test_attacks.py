"""Attacks: a client, or an app that was taken over, must not read, write or stop what is not its own."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.support.programs import free_port

from .conftest import World, until


async def raw(port: int, data: bytes, seconds: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(65536)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/a/..%5c..%5csecret",
        "/%c0%ae%c0%ae/secret",
        "//secret",
        "/.swarmstead/index.db",
        "/%2Eswarmstead/lock",
        "/link",
        "/dir/secret",
        "/%00secret",
        "/sub/../../secret",
    ],
)
def test_traversal(world: World, path: str) -> None:
    (world.folder / "secret").write_bytes(b"top secret")
    (world.folder / "n1").mkdir()
    (world.folder / "n1" / "secret").write_bytes(b"top secret")
    port = free_port()

    async def play() -> None:
        async with world.node(listen=("127.0.0.1", port)) as node:
            (node.root / "link").symlink_to(world.folder / "secret")
            (node.root / "dir").symlink_to(world.folder)
            for method in (b"GET", b"HEAD"):
                head = method + b" " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"
                answer = await raw(port, head)
                assert answer.split()[1] in {b"404", b"400"}
                assert b"top secret" not in answer

    asyncio.run(play())


def test_a_symbolic_link_swapped_in_while_files_enter_leads_nowhere(world: World) -> None:
    outside = world.folder / "outside"
    outside.mkdir()
    for number in range(100):
        world.put(f"d/{number}.jpg", b"x" * 100)

    async def play() -> None:
        async with world.node() as node:
            going = True

            def swap() -> None:
                folder = node.root / "d"
                while going:
                    try:
                        if folder.is_symlink():
                            folder.unlink()
                        elif folder.is_dir():
                            folder.rename(node.root / f"was{time.monotonic_ns()}")
                        folder.symlink_to(outside)
                    except OSError:
                        continue

            swapping = asyncio.create_task(asyncio.to_thread(swap))
            await asyncio.gather(*(node.get(f"d/{number}.jpg") for number in range(100)))
            going = False
            await swapping
            assert not [*outside.iterdir()]

    asyncio.run(play())


def test_the_app_cannot_make_the_queue_send_a_file_from_elsewhere(world: World) -> None:
    secret = world.folder / "secret"
    secret.write_bytes(b"top secret")

    async def play() -> None:
        async with world.node() as node:
            (node.root / "link.jpg").symlink_to(secret)
            (node.root / "d").symlink_to(world.folder)
            os.mkfifo(node.root / "pipe")
            (node.root / "a.jpg").write_bytes(b"a")
            await node.settled()
            await asyncio.sleep(1.6)
            await node.settled()
            assert world.cloud.puts == ["a.jpg"]

    asyncio.run(play())


def test_giant_ranges_and_header_bombs_cost_nothing(world: World) -> None:
    world.put("a.bin", b"x" * 1000)
    port = free_port()

    async def play() -> None:
        async with world.node(listen=("127.0.0.1", port)) as node:
            await node.get("a.bin")
            many = b"bytes=" + b",".join(b"%d-" % number for number in range(1000))
            assert (await node.get("a.bin", Range=many.decode()))[:2] == (200, b"x" * 1000)
            assert (await node.get("a.bin", Range="bytes=0-99999999999999999999999999999"))[0] == 200
            assert (await node.get("a.bin", Range="bytes=0-999999999999999999"))[0] == 206
            start = b"GET /a.bin HTTP/1.1\r\nHost: x\r\n"
            assert b" 400 " in await raw(port, start + b"A: " + b"b" * 100_000 + b"\r\n\r\n")
            assert b" 400 " in await raw(
                port, start + b"".join(b"X%d: y\r\n" % n for n in range(5000)) + b"\r\n"
            )
            assert b" 400 " in await raw(port, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            both = (
                b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n"
            )
            assert b" 200 OK" not in await raw(port, b"POST /a.bin HTTP/1.1\r\nHost: x\r\n" + both)
            assert (await node.get("a.bin"))[0] == 200

    asyncio.run(play())


def test_a_pipeline_is_answered_in_order(world: World) -> None:
    for name in "abc":
        world.put(f"{name}.txt", name.encode() * 10)
    port = free_port()

    async def play() -> None:
        async with world.node(listen=("127.0.0.1", port)) as node:
            await node.get("a.txt")
            asked = b"".join(b"GET /%c.txt HTTP/1.1\r\nHost: x\r\n\r\n" % ord(name) for name in "abcab")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asked)
            writer.write(b"GET /c.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            bodies = [part.partition(b"HTTP/1.1")[0] for part in answer.split(b"\r\n\r\n")[1:]]
            assert bodies == [name.encode() * 10 for name in "abcabc"]

    asyncio.run(play())


def test_slow_readers_are_let_go_and_do_not_hold_others_up(world: World) -> None:
    world.put("big.bin", b"x" * 3_000_000)
    world.put("mid.bin", b"y" * 900_000)
    port = free_port()

    async def play() -> None:
        async with world.node(listen=("127.0.0.1", port)) as node:
            await node.get("big.bin")
            await node.get("mid.bin")
            node.node.reads._stall = 0.5
            slow = []
            for name in (b"big", b"mid"):
                for _ in range(20):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                    writer.write(b"GET /%s.bin HTTP/1.1\r\nHost: x\r\n\r\n" % name)
                    slow.append((reader, writer))
            started = time.monotonic()
            assert (await node.get("mid.bin"))[0] == 200
            assert time.monotonic() - started < 2
            await until(lambda: node.node.store.evict("big.bin"), 10)  # nobody holds it open any more
            for _, writer in slow:
                writer.transport.abort()

    asyncio.run(play())


def test_a_name_that_becomes_a_folder_and_back(world: World) -> None:
    world.put("x", b"file")

    async def play() -> None:
        async with world.node() as node:
            assert (await node.get("x"))[1] == b"file"
            await node.settled()
            (node.root / "x").unlink()
            (node.root / "x").mkdir()
            (node.root / "x" / "y.jpg").write_bytes(b"y")
            await node.settled()
            assert (await node.get("x"))[0] in {404, 200}
            assert (node.root / "x" / "y.jpg").read_bytes() == b"y"

    asyncio.run(play())


def test_the_control_socket_is_its_user_s_alone(world: World) -> None:
    async def play() -> Path:
        async with world.node() as node:
            return node.root

    assert (asyncio.run(play()) / ".swarmstead").stat().st_mode & 0o077 == 0
