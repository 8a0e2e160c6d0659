"""A real Redis for the tests of whole moves."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.sessions import RedisTarget

from .world import World


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("redis-server is not installed (./run test installs it)")
        pytest.skip("redis-server is not installed (./run test installs it)")
    folder = tmp_path_factory.mktemp("redis")
    path = Path(f"/tmp/swarmstead-test-{os.getpid()}.sock")  # a socket's path must be short
    command = [program, "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    with (
        (folder / "redis.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        for _ in range(500):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    break
            time.sleep(0.01)
        yield f"unix://{path}"
        process.terminate()
        process.wait(10)
    path.unlink(missing_ok=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: the many ledgers' fsyncs would be most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def world(folder: Path, redis_url: str) -> World:
    with RedisTarget(redis_url) as redis:
        redis.call(b"FLUSHALL")
    return World(folder, redis_url)
