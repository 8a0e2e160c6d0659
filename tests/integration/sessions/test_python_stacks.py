"""Real Django and Flask-Session: the same load, through copy, cut-over, claims and back."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrate.sessions import (
    DjangoFiles,
    DjangoRows,
    FlaskFiles,
    RedisTarget,
    Source,
    State,
    copy_pass,
    late_pass,
    reverse,
    sqlite,
    verify,
)
from tests.support.programs import free_port

from .conftest import APPS, RedisServer
from .load import Gate, Load

Spawn = Callable[..., object]
SECRET = "a-secret-of-the-test"


def serve(spawn: Spawn, app: str, *arguments: str) -> int:
    port = free_port()
    spawn([sys.executable, str(APPS / app), str(port), *arguments], port)
    return port


def move(
    gate: Gate,
    source: Source,
    redis: RedisTarget,
    state: State,
    new: Callable[[], int],
    old: Callable[[], int],
) -> Load:
    """Bulk, deltas, cut-over, and back, under load."""
    load = Load(gate, 50, threads=4)
    load.login()
    load.start()
    load.run_for(0.4)
    for _ in range(3):
        copy_pass(source, redis, state)
        load.run_for(0.3)
    port = new()
    gate.hold()
    copy_pass(source, redis, state)
    proof = verify(source, redis, state)
    assert proof.proved, proof.as_dict()
    assert proof.same > 40
    gate.release(port)
    late_pass(source, redis, state)
    load.run_for(0.8)
    port = old()
    gate.hold()
    reverse(redis, source, state)
    gate.release(port)
    load.run_for(0.5)
    load.stop()
    assert load.faults == []
    assert load.resurrected() == []
    assert load.out
    return load


@pytest.mark.parametrize("store", ["file", "db"])
def test_django_keeps_every_login(
    store: str, tmp_path: Path, spawn: Spawn, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    folder = tmp_path / "django"
    folder.mkdir()

    def old() -> int:
        return serve(spawn, "django_app.py", store, str(folder), SECRET)

    def new() -> int:
        return serve(spawn, "django_app.py", "cache", redis_server.url, SECRET)

    gate = Gate(old())
    source: Source = (
        DjangoFiles(folder, [SECRET])
        if store == "file"
        else DjangoRows(sqlite(folder / "db.sqlite3"), [SECRET])
    )
    move(gate, source, redis, state, new, old)


@pytest.mark.parametrize("hash_name", ["sha256", "md5"])
def test_flask_session_is_staged_and_claimed(
    hash_name: Any, tmp_path: Path, spawn: Spawn, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    folder = tmp_path / "flask"
    folder.mkdir()

    def old() -> int:
        return serve(spawn, "flask_app.py", "file", str(folder), hash_name)

    def new() -> int:
        return serve(spawn, "flask_app.py", "redis", redis_server.url, hash_name)

    gate = Gate(old())
    move(gate, FlaskFiles(folder, hash_name=hash_name), redis, state, new, old)
