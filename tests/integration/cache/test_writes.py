"""Writes: what the app writes reaches the cloud, an answer means that it did, and nothing is lost."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector, web

from tests.support.programs import free_port

from .conftest import Running, World, until


@asynccontextmanager
async def app(
    folder: Path, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
) -> AsyncIterator[None]:
    """The app's own socket beside the barrier's."""
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.UnixSite(runner, str(folder / "web-1.sock")).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def post(node: Running, body: bytes = b"", path: str = "/upload.php?a=1") -> tuple[int, bytes]:
    connector = UnixConnector(str(node.node.options.barrier))
    async with ClientSession(connector=connector) as http:
        headers = {"X-Swarmstead-Upstream": "web-1.sock"}
        async with http.post(f"http://photos.example{path}", data=body, headers=headers) as answer:
            return answer.status, await answer.read()


def test_files_renames_and_deletes_of_the_app_reach_the_cloud(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:
            (node.root / "new/deep").mkdir(parents=True)
            (node.root / "new/deep/a.jpg").write_bytes(b"one")
            await node.settled()
            assert world.stored("new/deep/a.jpg") == b"one"
            (node.root / "tmp.part").write_bytes(b"two")
            (node.root / "tmp.part").rename(node.root / "new/deep/a.jpg")
            await node.settled()
            assert world.stored("new/deep/a.jpg") == b"two"
            assert world.stored("tmp.part") is None
            (node.root / "new").rename(node.root / "old")
            await node.settled()
            assert world.stored("old/deep/a.jpg") == b"two"
            assert world.stored("new/deep/a.jpg") is None
            (node.root / "old/deep/a.jpg").unlink()
            await node.settled()
            assert world.stored("old/deep/a.jpg") is None

    asyncio.run(play())


def test_an_upload_is_answered_when_the_cloud_has_it_and_not_before(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                assert (request.raw_path, request.host) == ("/upload.php?a=1", "photos.example")
                (node.root / "x.jpg").write_bytes(await request.read())
                return web.Response(status=303, headers={"Location": "/", "Set-Cookie": "a=b"})

            world.cloud.put_delay = 0.3
            async with app(node.root.parent, handle):
                connector = UnixConnector(str(node.node.options.barrier))
                async with ClientSession(connector=connector) as http:
                    started = time.monotonic()
                    async with http.post(
                        "http://photos.example/upload.php?a=1",
                        data=b"picture" * 100_000,
                        headers={"X-Swarmstead-Upstream": "web-1.sock"},
                        allow_redirects=False,
                    ) as answer:
                        assert answer.status == 303
                        assert (answer.headers["Location"], answer.headers["Set-Cookie"]) == ("/", "a=b")
                assert world.stored("x.jpg") == b"picture" * 100_000
                assert time.monotonic() - started > 0.3
                async with world.node(2) as other:  # and any other node has it at once
                    assert (await other.get("x.jpg"))[1] == b"picture" * 100_000

    asyncio.run(play())


@pytest.mark.parametrize(("late", "status"), [("refuse", 503), ("release", 200)])
def test_in_an_outage_the_answer_waits_only_so_long_and_the_file_stays_queued(
    world: World, late: str, status: int
) -> None:
    async def play() -> None:
        async with world.node(late=late, wait=0.5) as node:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                (node.root / "x.jpg").write_bytes(b"kept")
                return web.Response(text="saved")

            world.cloud.down = True
            async with app(node.root.parent, handle):
                assert (await post(node))[0] == status
                assert not node.node.store.evict("x.jpg")
                world.cloud.down = False
                await node.settled()
                assert world.stored("x.jpg") == b"kept"

    asyncio.run(play())


def test_a_request_that_writes_nothing_waits_for_nobody_else(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                return web.Response(text="ok")

            world.cloud.down = True
            (node.root / "stuck.jpg").write_bytes(b"x")
            await until(lambda: len(node.node.queue) == 1)
            async with app(node.root.parent, handle):
                started = time.monotonic()
                assert await post(node) == (200, b"ok")
                assert time.monotonic() - started < 1

    asyncio.run(play())


def test_a_large_body_and_a_large_answer_pass_whole(world: World) -> None:
    body = os.urandom(3_000_000)

    async def play() -> None:
        async with world.node() as node:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                got = b"".join([chunk async for chunk in request.content.iter_any()])
                return web.Response(body=got[::-1])

            async with app(node.root.parent, handle):
                assert await post(node, body) == (200, body[::-1])

    asyncio.run(play())


def test_an_app_that_is_away_is_a_502_and_a_strange_socket_a_400(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:
            assert (await post(node))[0] == 502
            connector = UnixConnector(str(node.node.options.barrier))
            async with ClientSession(connector=connector) as http:
                for name in ("../x.sock", "/run/docker.sock", "", "a"):
                    headers = {"X-Swarmstead-Upstream": name}
                    async with http.post("http://a/", headers=headers) as answer:
                        assert answer.status == 400

    asyncio.run(play())


def test_a_file_replaced_while_it_is_sent_is_sent_again(world: World) -> None:
    """rclone's #4293: a write-back that lost the newer bytes in silence."""

    async def play() -> None:
        async with world.node() as node:
            path, times = node.root / "a.txt", [0]

            def replace(name: str) -> None:
                if len(times) == 1:
                    times.append(1)
                    path.write_bytes(b"newer")

            world.cloud.before_put = replace
            path.write_bytes(b"older")
            await node.settled()
            assert world.stored("a.txt") == b"newer"
            assert world.cloud.puts[-1] == "a.txt"

    asyncio.run(play())


def test_a_file_that_is_still_open_counts_for_the_barrier(world: World) -> None:
    async def play() -> None:
        async with world.node() as node:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                file = (node.root / "log.txt").open("ab", buffering=0)
                file.write(b"line")
                request.app_file = file  # type: ignore[attr-defined]
                left.append(file)
                return web.Response(text="ok")

            left: list[object] = []
            async with app(node.root.parent, handle):
                assert (await post(node))[0] == 200
                assert world.stored("log.txt") == b"line"

    asyncio.run(play())


def test_put_and_delete_need_the_token_and_are_answered_when_confirmed(world: World) -> None:
    async def play() -> None:
        async with world.node(token="secret-token") as node:
            url, good = "http://cache/a/b.bin", {"Authorization": "Bearer secret-token"}
            async with node.http.put(url, data=b"x") as answer:
                assert answer.status == 401
            async with node.http.put(
                url, data=b"data", headers=good | {"X-Content-Sha1": "0" * 40}
            ) as answer:
                assert answer.status == 400
            async with node.http.put(url, data=b"data", headers=good) as answer:
                assert answer.status == 201
            assert world.stored("a/b.bin") == b"data"
            assert (await node.get("a/b.bin"))[1] == b"data"
            async with node.http.delete(url, headers=good) as answer:
                assert answer.status == 204
            assert world.stored("a/b.bin") is None
            assert (await node.get("a/b.bin"))[0] == 404
        async with world.node() as node, node.http.put("http://cache/x", data=b"x") as answer:
            assert answer.status == 405

    asyncio.run(play())


def _serve(world: World, remote: str, *more: str) -> "subprocess.Popen[bytes]":
    root = world.folder / "k"
    root.mkdir(exist_ok=True)
    ready = root / "up/.swarmstead/control.sock"
    ready.unlink(missing_ok=True)
    command = [
        "-m",
        "migrate",
        "cache",
        "serve",
        "--remote",
        remote,
        "--dir",
        str(root / "up"),
        "--drain",
        "2",
    ]
    command += ["--socket", str(root / "c.sock"), "--max-size", "1MB", "--min-free", "0", *more]
    keys = {"SWARMSTEAD_REMOTE_KEY_ID": "identity", "SWARMSTEAD_REMOTE_KEY": "not-a-key"}
    process = subprocess.Popen([sys.executable, *command], env=os.environ | keys)
    end = time.monotonic() + 20
    while not ready.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def test_kill_9_loses_nothing_that_was_written(world: World) -> None:
    """A killed process's queue is taken up by the next: also what nobody saw, also a half-sent file."""
    root = world.folder / "k" / "up"
    process = _serve(world, "s3://bucket/x", "--endpoint", f"http://127.0.0.1:{free_port()}")  # no such cloud
    try:
        for number in range(20):
            (root / f"{number}.jpg").write_bytes(b"%d" % number * 1000)
        time.sleep(0.3)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (root / "unseen.jpg").write_bytes(b"unseen")
    process = _serve(world, f"file://{world.folder}/cloud")
    try:
        end = time.monotonic() + 15
        while time.monotonic() < end and world.stored("unseen.jpg") is None:
            time.sleep(0.05)
        time.sleep(0.3)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert world.stored("unseen.jpg") == b"unseen"
    for number in range(20):
        assert world.stored(f"{number}.jpg") == b"%d" % number * 1000


def test_files_missing_after_a_restart_are_not_deleted_in_the_cloud(world: World) -> None:
    """A disk that lost files must not take the cloud's with it."""

    async def play() -> None:
        async with world.node() as node:
            (node.root / "a.jpg").write_bytes(b"a")
            await node.settled()
        (node.root / "a.jpg").unlink()
        async with world.node() as node:
            await asyncio.sleep(0.3)
            assert world.stored("a.jpg") == b"a"
            assert (await node.get("a.jpg"))[1] == b"a"

    asyncio.run(play())


def test_an_unknown_old_file_is_not_put_over_a_newer_one(world: World) -> None:
    world.put("a.jpg", b"newer")
    root = world.options().root
    root.mkdir(parents=True)
    (root / "a.jpg").write_bytes(b"older")
    os.utime(root / "a.jpg", (1, 1))
    (root / "b.jpg").write_bytes(b"b")

    async def play() -> None:
        async with world.node() as node:
            await until(lambda: world.stored("b.jpg") == b"b")
            await until(lambda: not (root / "a.jpg").exists())
            assert (await node.get("a.jpg"))[1] == b"newer"
            assert [path.read_bytes() for path in (root / ".swarmstead/aside").iterdir()] == [b"older"]

    asyncio.run(play())


def test_a_removal_is_one_though_somebody_asks_for_the_file_at_that_moment(world: World) -> None:
    """The read comes before the kernel's event is read: it must not fetch back what the app removed."""

    async def play() -> None:
        async with world.node() as node:
            (node.root / "a.jpg").write_bytes(b"a")
            await node.settled()
            for _ in range(20):
                (node.root / "a.jpg").write_bytes(b"a")
                await node.settled()
                (node.root / "a.jpg").unlink()
                status, body, _ = await node.get("a.jpg")
                assert (status, body) == (404, b"")
                await node.settled()
                assert world.stored("a.jpg") is None

    asyncio.run(play())


def test_what_the_app_writes_while_the_name_is_pulled_reaches_the_cloud(world: World) -> None:
    world.put("a.jpg", b"old" * 1000)
    world.cloud.chunk, world.cloud.delay = 300, 0.03

    async def play() -> None:
        async with world.node() as node:
            pulling = asyncio.create_task(node.get("a.jpg"))
            await until(lambda: node.node.store.used > 0)
            (node.root / "a.jpg").write_bytes(b"new")
            await pulling
            world.cloud.delay = 0.0
            await node.settled()
            assert (node.root / "a.jpg").read_bytes() == b"new"
            assert world.stored("a.jpg") == b"new"
            assert (await node.get("a.jpg"))[1] == b"new"

    asyncio.run(play())
