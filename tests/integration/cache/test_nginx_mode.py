"""nginx in front, with the configuration that `migrate cache nginx` prints."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from migrate.cache.nginx import Site, config
from tests.support.programs import free_port, need

from .conftest import World, until


@contextmanager
def nginx(folder: Path, site: Site) -> Iterator[str]:
    """Run a real nginx; yield its URL."""
    text = (
        config(site)
        .replace("/tmp/swarmstead-nginx", f"{folder}/ng")
        .replace("worker_processes auto", "worker_processes 1")
    )
    (folder / "nginx.conf").write_text(text)
    user = " user root;" if os.geteuid() == 0 else ""
    command = [need("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", f"daemon off;{user}"]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 10
        while not (folder / "ng.pid").exists():
            assert process.poll() is None, (folder / "nginx.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        yield f"http://127.0.0.1:{site.port}"
    finally:
        process.terminate()
        process.wait(10)


def site_of(world: World, web_path: str = "/uploads") -> Site:
    options = world.options()
    assert options.socket is not None
    return Site(options.root, options.socket, web_path, free_port(), world.folder / "hits.log")


async def ask(http: ClientSession, url: str, **headers: str) -> tuple[int, bytes, Any]:
    async with http.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()}) as answer:
        return answer.status, await answer.read(), answer.headers


def test_a_miss_is_pulled_a_hit_is_nginx_s_alone_and_both_say_the_same(world: World) -> None:
    names = ["a.jpg", "sub/grüße & co?.png", "100%.txt", "a+b.jpg"]
    for name in names:
        world.put(name, name.encode())

    async def play() -> None:
        site = site_of(world)
        log: dict[str, Any] = {"hits": site.log, "hits_prefix": "/uploads/"}
        async with world.node(1, **log) as node, ClientSession() as http:
            with nginx(world.folder, site) as base:
                for name in names:
                    url = str(URL(base) / "uploads" / name)
                    miss = await ask(http, url)
                    assert miss[:2] == (200, name.encode())
                    hit = await ask(http, url)
                    assert hit[:2] == (200, name.encode())
                    for header in ("ETag", "Last-Modified", "Cache-Control", "Accept-Ranges"):
                        assert hit[2][header] == miss[2][header], header
                    part = await ask(http, url, Range="bytes=1-2", If_Range=miss[2]["ETag"])
                    assert part[:2] == (206, name.encode()[1:3])
                    assert (await ask(http, url, If_None_Match=miss[2]["ETag"]))[0] == 304
                assert sorted(world.cloud.gets) == sorted(names)
                assert node.node.reads.counts.hits == 0
                await until(lambda: node.node.nginx_hits >= 3 * len(names))
                await until(lambda: node.node.store._policy.memory(names[1])[0] > 2)  # popularity is learnt

    asyncio.run(play())


def test_nothing_but_files_of_the_folder_is_served(world: World) -> None:
    for name in ("a.svg", "a.html", "a.xml"):
        world.put(name, b"<svg onload='alert(1)'/>")
    (world.folder / "secret").write_bytes(b"secret")

    async def play() -> None:
        site = replace(site_of(world, "/"), log=None)
        async with world.node() as node:
            (node.root / "link").symlink_to(world.folder / "secret")
            (node.root / "dir").symlink_to(world.folder)
            with nginx(world.folder, site):
                paths = [
                    "/.swarmstead/index.db",
                    "/%2eswarmstead/index.db",
                    "/link",
                    "/dir/secret",
                    "/../secret",
                    "/%2e%2e/secret",
                    "/..%2fsecret",
                    "/x/../.swarmstead/lock",
                    "//etc/passwd",
                    "/.%00",
                ]
                for path in paths:
                    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                    answer = await reader.read()
                    writer.close()
                    assert answer.split()[1] in {b"400", b"403", b"404", b"503"}, path
                    assert b"secret" not in answer
                async with ClientSession() as http:
                    for name in ("a.svg", "a.html", "a.xml") * 2:  # pulled, and then nginx's own
                        headers = (await ask(http, f"http://127.0.0.1:{site.port}/{name}"))[2]
                        assert headers["Content-Security-Policy"] == "sandbox"
                        assert headers["X-Content-Type-Options"] == "nosniff"

    asyncio.run(play())


def test_what_is_no_plain_file_is_answered_by_the_cache(world: World) -> None:
    for name in ("dir/index.html", "dir/x.jpg", "a.jpg"):
        world.put(name, b"x")

    async def play() -> None:
        site = site_of(world)
        async with world.node() as node, ClientSession() as http:
            for name in ("dir/index.html", "dir/x.jpg", "a.jpg"):
                await node.get(name)
            with nginx(world.folder, site) as base:
                for path in ("dir", "dir/", "a.jpg/", "a.jpg/b", "n" * 300, ""):
                    async with http.get(f"{base}/uploads/{path}", allow_redirects=False) as answer:
                        assert answer.status == 404, path
                for method in ("PUT", "POST", "DELETE"):
                    async with http.request(method, f"{base}/uploads/a.jpg", data=b"y") as answer:
                        assert answer.status in {401, 403, 405}, method
                assert (await ask(http, f"{base}/uploads/a.jpg"))[:2] == (200, b"x")

    asyncio.run(play())


def test_with_the_cache_s_process_gone_hits_go_on(world: World) -> None:
    world.put("a.jpg", b"a")

    async def play() -> None:
        site = site_of(world)
        async with ClientSession() as http:
            async with world.node() as node:
                await node.get("a.jpg")
            with nginx(world.folder, site) as base:
                assert (await ask(http, f"{base}/uploads/a.jpg"))[:2] == (200, b"a")
                assert (await ask(http, f"{base}/uploads/b.jpg"))[0] == 502

    asyncio.run(play())
