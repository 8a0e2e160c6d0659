"""Real servers for the tests: each starts on a port or socket of its own and ends with its test."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.sessions import RedisTarget, State
from tests.support.programs import free_port, need

APPS = Path(__file__).parent / "apps"


def wait_for_port(port: int, process: "subprocess.Popen[Any]", *, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on {port} after {seconds} s")


class RedisServer:
    """A real redis-server; `options` as on its command line."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder, self.options = folder, options
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = need("redis-server")
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec", *self.options]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for_port(self.port, self.process)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        folder = tmp_path / f"redis{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(folder, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)


@pytest.fixture
def redis_server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisTarget]:
    with RedisTarget(redis_server.url, retry_seconds=5) as target:
        yield target


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State(tmp_path / "state" / "sessions.ledger") as one:
        yield one


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a server in a process group of its own; it ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], port: int, **options: Any) -> "subprocess.Popen[bytes]":
        with (tmp_path / f"server{len(running)}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options)
        running.append(process)
        try:
            wait_for_port(port, process)
        except BaseException as error:
            written = (tmp_path / f"server{len(running) - 1}.log").read_text(errors="replace")
            error.add_note(written[-3000:])
            raise
        return process

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
