"""Sessions in real MariaDB and PostgreSQL: nobody is logged out, and faults are told."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from migrate.cli.sessions import command
from migrate.sessions import DjangoRows, LaravelRows, RedisTarget, State, copy_pass, reverse, verify
from swarmstead.errors import Denied, InputError, Unreachable, UsageError
from tests.support.programs import free_port, need

from .conftest import APPS, RedisServer
from .databases import PASSWORD, Served, served
from .load import Gate
from .test_python_stacks import SECRET, move, serve

Spawn = Callable[..., object]
pytestmark = pytest.mark.xdist_group("databases")
PREFIX = b"laravel_database_laravel_cache:"


@pytest.fixture(scope="module", params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as one:
        yield one


def test_django_keeps_every_login(
    server: Served, spawn: Spawn, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    address = {"NAME": "shop", "USER": "shop", "PASSWORD": PASSWORD, "HOST": "127.0.0.1", "PORT": server.port}

    def old() -> int:
        return serve(spawn, "django_app.py", f"db:{server.kind}", json.dumps(address), SECRET)

    def new() -> int:
        return serve(spawn, "django_app.py", "cache", redis_server.url, SECRET)

    source = DjangoRows(server.database(), [SECRET])
    move(Gate(old()), source, redis, state, new, old)


@pytest.mark.parametrize("encrypted", [False, True])
def test_laravel_keeps_every_login(
    server: Served,
    spawn: Spawn,
    redis_server: RedisServer,
    redis: RedisTarget,
    state: State,
    encrypted: bool,
) -> None:
    php = need("php")
    common = {**os.environ, "PHP_CLI_SERVER_WORKERS": "8", "ENCRYPT": "1" if encrypted else ""}

    def serve_laravel(**environment: str) -> int:
        port = free_port()
        page = [php, "-d", "error_reporting=0", "-S", f"127.0.0.1:{port}", str(APPS / "php" / "laravel.php")]
        spawn(page, port, env={**common, **environment})
        return port

    def old() -> int:
        where = {"port": server.port, "password": PASSWORD}
        return serve_laravel(LARAVEL=server.kind, WHERE=json.dumps(where))

    def new() -> int:
        return serve_laravel(LARAVEL="redis", WHERE=str(redis_server.port))

    source = LaravelRows(server.database(), PREFIX)
    move(Gate(old()), source, redis, state, new, old)


def fill(server: Served, count: int) -> LaravelRows:
    database = server.database()
    for table in ("sessions", "swarmstead_ended_sessions"):
        database.change((f"drop table if exists {table}", ()))
    columns = "id varchar(255) primary key, user_id bigint, payload text not null, last_activity integer"
    database.change((f"create table sessions ({columns})", ()))
    now = int(time.time())
    row = "insert into sessions (id, payload, last_activity) values (?, ?, ?)"
    database.change(*((row, (f"{n:040d}", "YTowOnt9", now)) for n in range(count)))
    return LaravelRows(database, PREFIX)


def test_a_delta_of_many_rows_takes_what_changed_and_what_ended(
    server: Served, redis: RedisTarget, state: State
) -> None:
    source = fill(server, 2_500)
    assert copy_pass(source, redis, state, helpers=2).copied == 2_500
    source.database.change(
        ("update sessions set payload = 'YToxOntpOjA7aTowO30=' where id = ?", (f"{7:040d}",))
    )
    source.database.change(("delete from sessions where id = ?", (f"{2_001:040d}",)))
    again = copy_pass(source, redis, state)
    assert (again.copied, again.unchanged, again.removed) == (1, 2_498, 1)
    assert verify(source, redis, state).proved
    ((value, _),) = redis.fetch([PREFIX + b"%040d" % 7])
    assert value == b's:14:"a:1:{i:0;i:0;}";'


def test_a_session_that_ended_on_redis_is_set_aside_on_the_way_back(
    server: Served, redis: RedisTarget, state: State
) -> None:
    source = fill(server, 3)
    copy_pass(source, redis, state)
    redis.remove([PREFIX + b"%040d" % 1])
    report = reverse(redis, source, state)
    assert report.unmoved == 0
    kept = source.database.rows("select id from swarmstead_ended_sessions")
    assert [row[0] for row in kept] == [f"{1:040d}"]
    assert not source.holds(PREFIX + b"%040d" % 1)
    assert source.holds(PREFIX + b"%040d" % 2)


def test_reading_cannot_change_the_old_store(server: Served) -> None:
    source = fill(server, 1)
    reader = server.database()
    with pytest.raises(InputError, match=r"(?i)read.only"):
        reader.rows("delete from sessions")
    assert source.database.rows("select count(*) from sessions") == [(1,)]


def test_a_restart_of_the_database_is_waited_out(server: Served, redis: RedisTarget, state: State) -> None:
    source = fill(server, 50)
    copy_pass(source, redis, state)
    server.stop()
    timer = threading.Timer(1.5, server.start)
    timer.start()
    assert copy_pass(source, redis, state).unchanged == 50
    timer.join()


def test_the_command_reads_the_password_from_its_file_alone(
    server: Served, tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(server, 12)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    monkeypatch.setenv("SWARMSTEAD_DATABASE_PASSWORD_FILE", str(secret))
    spec = f"laravel-db:{server.url}?prefix={PREFIX.decode()}"
    common = ["--to", redis_server.url, "--state-file", str(tmp_path / "ledger")]
    runner = CliRunner()

    def run(*arguments: str) -> Any:
        return runner.invoke(command, arguments, catch_exceptions=True)

    done = run("copy", "--from", spec, *common, "--no-preflight")
    assert done.exit_code == 0, done.output
    assert "12" in done.output
    assert PASSWORD not in done.output
    told = run("inspect", spec)
    assert told.exit_code == 0, told.output
    assert "12" in told.output
    # The socket, without TCP.
    done = run("verify", "--from", f"{spec}&socket={server.socket}", *common)
    assert done.exit_code == 0, (done.output, done.exception)
    monkeypatch.setenv("SWARMSTEAD_DATABASE_PASSWORD_FILE", "/dev/null")
    done = run("copy", "--from", spec, *common, "--no-preflight")
    assert isinstance(done.exception, Denied)
    done = run("copy", "--from", spec.replace("shop@", "shop:abc@"), *common, "--no-preflight")
    assert isinstance(done.exception, UsageError)
    assert "abc" not in str(done.exception)
    done = run("copy", "--from", spec.replace("/shop?", "/nothing?"), *common, "--no-preflight")
    assert isinstance(done.exception, Denied | InputError)
    monkeypatch.setenv("SWARMSTEAD_DATABASE_PASSWORD_FILE", str(secret))
    done = run("copy", "--from", f"{spec}&table=nothing", *common, "--no-preflight")
    assert isinstance(done.exception, InputError)
    assert "nothing" in str(done.exception)
    done = run("copy", "--from", spec.replace(str(server.port), str(free_port())), *common, "--no-preflight")
    assert isinstance(done.exception, Unreachable)
