"""The redis.conf and the ACL that we write, on a real Redis and with real phpredis."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.cache.changes import Stream
from migrate.sessions import (
    PhpFiles,
    RedisTarget,
    State,
    acl_line,
    changes_line,
    copy_pass,
    exporter_line,
    php_switch_lines,
    preflight,
    redis_conf,
    reverse,
    verify,
)
from swarmstead.errors import Denied

from .conftest import RedisServer
from .test_php import parallel_increments, serve

Spawn = Callable[..., object]
PREFIX = (b"PHPREDIS_SESSION:",)


@pytest.fixture
def guarded(tmp_path: Path, start_redis: Callable[..., RedisServer]) -> RedisServer:
    lines = [
        "user default off",
        acl_line("photos", "app-password", PREFIX),
        acl_line("mover", "mover-password", PREFIX, mover=True),
        exporter_line("exporter-password"),
        changes_line("photos-files", "files-password", "swarmstead:files:photos"),
    ]
    acl = tmp_path / "acl"
    acl.write_text("\n".join(lines) + "\n")
    conf = tmp_path / "redis.conf"
    conf.write_text(redis_conf(maxmemory_mib=64, aclfile=str(acl), folder=str(tmp_path)))
    # redis-server takes its file first, so the options of the fixture would be in the way: include it.
    return start_redis("--include", str(conf))


def test_the_mover_may_move_and_the_app_only_use(guarded: RedisServer, tmp_path: Path, state: State) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    (folder / "sess_abcdefghij").write_bytes(b"n|i:1;")
    address = guarded.url.removeprefix("redis://")
    with RedisTarget(f"redis://mover@{address}", password="mover-password") as mover:
        levels = {check.name: check.level for check in preflight(mover, PREFIX)}
        assert levels.pop("memory") in {"ok", "warn"}
        assert set(levels.values()) == {"ok"}, levels
        assert copy_pass(PhpFiles(folder), mover, state).copied == 1
        assert verify(PhpFiles(folder), mover, state).proved
        assert reverse(mover, PhpFiles(folder), state).unchanged == 1
        with pytest.raises(Denied):
            mover.call(b"FLUSHALL")
    with RedisTarget(f"redis://photos@{address}", password="app-password") as app:
        assert app.call(b"GET", b"PHPREDIS_SESSION:abcdefghij") == b"n|i:1;"
        for words in ((b"KEYS", b"*"), (b"SCAN", b"0"), (b"GET", b"other"), (b"CONFIG", b"GET", b"*")):
            with pytest.raises(Denied):
                app.call(*words)
    with RedisTarget(f"redis://exporter@{address}", password="exporter-password") as exporter:
        assert exporter.call(b"INFO")
        with pytest.raises(Denied):
            exporter.call(b"GET", b"PHPREDIS_SESSION:abcdefghij")
    with RedisTarget(guarded.url) as nameless, pytest.raises(Denied):
        nameless.call(b"GET", b"x")


def test_phpredis_locks_under_the_least_rights(guarded: RedisServer, tmp_path: Path, spawn: Spawn) -> None:
    lines = php_switch_lines("127.0.0.1", guarded.port, user="photos", password="app-password")
    assert parallel_increments(serve(spawn, lines, tmp_path)) == "p 22"


def test_the_shipped_configuration_is_the_one_we_print() -> None:
    shipped = (Path(__file__).parents[3] / "stacks" / "redis.conf").read_text()
    assert shipped == redis_conf(maxmemory_mib=256)


def test_a_password_stands_in_no_acl() -> None:
    line = acl_line("app", "the-password", PREFIX)
    assert "the-password" not in line
    assert hashlib.sha256(b"the-password").hexdigest() in line


def test_caches_may_tell_of_changes_and_touch_nothing_else(guarded: RedisServer) -> None:
    url = f"redis://photos-files:files-password@{guarded.url.removeprefix('redis://')}"

    async def talk() -> tuple[str, str]:
        heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        one, two = (
            Stream(
                url,
                "swarmstead:files:photos",
                node=node,
                heard=lambda *change: heard.put_nowait(change),
                missed=lambda: None,
            )
            for node in ("one", "two")
        )
        await one.tell("before.jpg", "1")
        following = asyncio.create_task(two.follow())
        async with asyncio.timeout(10):
            while not two.connected:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            await one.tell("a.jpg", "1234")
            found = await heard.get()
        following.cancel()
        await one.close()
        await two.close()
        return found

    assert asyncio.run(talk()) == ("a.jpg", "1234")
    address = guarded.url.removeprefix("redis://")
    with RedisTarget(f"redis://photos-files@{address}", password="files-password") as caches:
        for words in ((b"GET", b"PHPREDIS_SESSION:x"), (b"DEL", b"swarmstead:files:photos"), (b"KEYS", b"*")):
            with pytest.raises(Denied):
                caches.call(*words)
