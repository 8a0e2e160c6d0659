"""Laravel 8.83, Symfony and Rails 6.1 as Debian has them."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.sessions import (
    LaravelFiles,
    PhpFiles,
    RailsFiles,
    RedisTarget,
    Source,
    State,
    copy_pass,
    reverse,
    verify,
)
from tests.support.programs import free_port, need

from .conftest import APPS, RedisServer
from .load import Gate
from .test_python_stacks import move

Spawn = Callable[..., object]


def debian(path: str, package: str) -> None:
    if not Path(path).exists():
        message = f"{package} is not installed: apt-get install --no-install-recommends {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def serve(spawn: Spawn, stack: str, store: str, where: str) -> int:
    port = free_port()
    stack, _, how = stack.partition("-")
    environment = {**os.environ, stack.upper(): store, "WHERE": where, "PHP_CLI_SERVER_WORKERS": "8"}
    environment["ENCRYPT"] = "1" if how == "encrypted" else ""
    ini = ["-d", "error_reporting=0", "-d", "session.gc_probability=0", "-d", "session.gc_maxlifetime=1440"]
    command = [need("php"), *ini, "-S", f"127.0.0.1:{port}", str(APPS / "php" / f"{stack}.php")]
    spawn(command, port, env=environment)
    return port


@pytest.mark.parametrize("stack", ["laravel", "laravel-encrypted", "symfony"])
def test_nobody_is_logged_out(
    stack: str, tmp_path: Path, spawn: Spawn, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    debian("/usr/share/php/Illuminate/Session", "php-laravel-framework")
    debian("/usr/share/php/Symfony/Component/HttpFoundation", "php-symfony-http-foundation")
    folder = tmp_path / "sessions"
    folder.mkdir()

    def old() -> int:
        return serve(spawn, stack, "file", str(folder))

    def new() -> int:
        return serve(spawn, stack, "redis", str(redis_server.port))

    source: Source = (
        LaravelFiles(folder, b"laravel_database_laravel_cache:")
        if stack.startswith("laravel")
        else PhpFiles(folder, key_prefix=b"sf_s")
    )
    move(Gate(old()), source, redis, state, new, old)


def serve_rails(spawn: Spawn, store: str, where: str) -> int:
    port = free_port()
    spawn([need("ruby"), str(APPS / "rails_app.rb"), str(port), store, where], port)
    return port


def test_nobody_is_logged_out_of_rails(
    tmp_path: Path, spawn: Spawn, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    debian("/usr/share/rubygems-integration/all/gems/actionpack-6.1.7.10", "ruby-actionpack")
    folder = tmp_path / "cache"

    def old() -> int:
        return serve_rails(spawn, "file", str(folder))

    def new() -> int:
        return serve_rails(spawn, "redis", str(redis_server.port))

    move(Gate(old()), RailsFiles(folder, lifetime=3600), redis, state, new, old)


def test_rails_reads_from_redis_what_it_wrote_to_files(
    tmp_path: Path, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    need("ruby", package="ruby-actionpack ruby-redis")
    script = str(APPS / "rails_store.rb")
    folder = tmp_path / "cache"
    subprocess.run(["ruby", script, "write", str(folder)], check=True)
    source = RailsFiles(folder)
    report = copy_pass(source, redis, state)
    assert report.copied == 50
    assert report.unmoved == 0
    assert verify(source, redis, state).proved
    key = b"_session_id:2::" + b"%064x" % 0
    assert source.holds(key), "the folders are those that Rails makes"
    ((_, expiry),) = redis.fetch([key])
    assert abs(expiry / 1000 - time.time() - 3600) < 60
    subprocess.run(["ruby", script, "read", str(redis_server.port)], check=True)
    assert reverse(redis, source, state).unmoved == 0
    assert source.holds(key)
