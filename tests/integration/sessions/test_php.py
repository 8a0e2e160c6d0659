"""PHP's files to phpredis under load, and back: the logins, counters and logouts of real PHP."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.sessions import (
    PhpFiles,
    RedisTarget,
    State,
    copy_pass,
    late_pass,
    php_switch_lines,
    reverse,
    verify,
)
from tests.support.programs import free_port, need

from .conftest import APPS, RedisServer
from .load import Gate, Load, Person

Spawn = Callable[..., object]


def serve(spawn: Spawn, lines: list[str], folder: Path) -> int:
    """Start PHP's own server with these ini lines and 24 workers."""
    port = free_port()
    conf = folder / f"php-{port}.d"
    conf.mkdir()
    (conf / "sessions.ini").write_text("\n".join([*lines, "session.gc_probability = 0"]) + "\n")
    # An empty last element keeps Debian's own directory (phpredis is loaded there).
    environment = {"PHP_CLI_SERVER_WORKERS": "24", "PHP_INI_SCAN_DIR": f":{conf}", "PATH": "/usr/bin:/bin"}
    spawn([need("php"), "-S", f"127.0.0.1:{port}", str(APPS / "php" / "index.php")], port, env=environment)
    return port


@pytest.fixture
def old_host(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[list[str], Path, int]:
    serializer, depth = getattr(request, "param", ("php", 0))
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o700)
    if depth:
        letters = "0123456789abcdefghijklmnopqrstuvwxyz"
        for a in letters:
            for b in letters:
                (folder / a / b).mkdir(parents=True)
    save_path = f"{depth};{folder}" if depth else str(folder)
    lines = [f'session.save_path = "{save_path}"', f"session.serialize_handler = {serializer}"]
    return lines, folder, depth


def parallel_increments(port: int, count: int = 20) -> str:
    """Log in, hit twice, then `count` times at once; return what the session says then."""
    person = Person("p", Gate(port))
    person.get("/login?user=p")
    for _ in range(2):
        person.get("/hit")
    threads = [
        threading.Thread(target=Person("p", person.gate, dict(person.cookies)).get, args=("/hit?work=20000",))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return person.get("/")


@pytest.mark.parametrize(
    "old_host",
    [("php", 0), ("php_binary", 2), ("php_serialize", 0), ("igbinary", 0)],
    indirect=True,
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def test_nobody_is_logged_out_there_and_back(
    old_host: tuple[list[str], Path, int],
    tmp_path: Path,
    spawn: Spawn,
    redis_server: RedisServer,
    redis: RedisTarget,
    state: State,
) -> None:
    lines, folder, depth = old_host
    gate = Gate(serve(spawn, lines, tmp_path))
    source = PhpFiles(folder, depth=depth)
    load = Load(gate, 60)
    load.login()
    load.start()
    load.run_for(0.5)
    copy_pass(source, redis, state)
    for _ in range(3):
        load.run_for(0.3)
        copy_pass(source, redis, state)
    gate.hold()
    last = copy_pass(source, redis, state)
    proof = verify(source, redis, state)
    assert last.locked == 0
    assert proof.proved, proof.as_dict()
    new = [*php_switch_lines("127.0.0.1", redis_server.port), lines[1]]
    gate.release(serve(spawn, new, tmp_path))
    late_pass(source, redis, state)
    load.run_for(1.0)
    # The way back, under the same load.
    gate.hold()
    reverse(redis, source, state)
    gate.release(serve(spawn, lines, tmp_path))
    load.run_for(0.5)
    load.stop()
    assert load.faults == []
    assert load.out, "somebody logs out on the way"
    assert load.resurrected() == []
    assert load.requests > 200


def test_parallel_requests_lose_no_write_after_the_switch(
    tmp_path: Path, spawn: Spawn, redis_server: RedisServer
) -> None:
    locked = serve(spawn, php_switch_lines("127.0.0.1", redis_server.port), tmp_path)
    assert parallel_increments(locked) == "p 22"
    bare = php_switch_lines("127.0.0.1", redis_server.port)[:2]
    lost = parallel_increments(serve(spawn, bare, tmp_path))
    assert lost != "p 22", "without the locking lines writes are lost: the lines are what keeps them"
