"""What a Redis does to people: away, full, read-only, wrong password, slow, cut in the middle of a batch."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.sessions import Entry, PhpFiles, RedisTarget, State, copy_pass, preflight, reverse, verify
from migrate.sessions.records import Read
from swarmstead.errors import Denied, Exhausted, Refused, SwarmsteadError, Unreachable
from tests.support.programs import free_port

from .conftest import RedisServer

StartRedis = Callable[..., RedisServer]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "sessions", 3000)


def make(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        (folder / f"sess_{n:026d}").write_bytes(b"n|i:%d;\0" % n + os.urandom(300))
    return folder


class CuttingProxy:
    """Passes bytes to Redis and cuts the connection once after so many; the number of connections it took."""

    def __init__(self, port: int, cut_after: int) -> None:
        self.target, self.left, self.connections = port, cut_after, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counted and self.left > 0:
                    self.left -= len(data)
                    if self.left <= 0:
                        target.sendall(data[: len(data) // 2])
                        break
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def test_a_cut_in_the_middle_of_a_batch_loses_nothing(
    folder: Path, redis_server: RedisServer, redis: RedisTarget, state: State
) -> None:
    proxy = CuttingProxy(redis_server.port, 500_000)
    with RedisTarget(f"redis://127.0.0.1:{proxy.port}", retry_seconds=10) as cut:
        report = copy_pass(PhpFiles(folder), cut, state)
    assert proxy.connections >= 2, "the proxy did cut"
    assert report.copied == 3000
    assert verify(PhpFiles(folder), redis, state).proved
    proxy.listener.close()


def test_a_restart_of_redis_is_waited_for(tmp_path: Path, start_redis: StartRedis, state: State) -> None:
    server = start_redis("--appendfsync", "always")
    source = PhpFiles(make(tmp_path / "many", 4000))
    with RedisTarget(server.url, retry_seconds=20) as target:
        target.call(b"PING")

        def restart() -> None:
            server.stop(signal.SIGKILL)
            time.sleep(0.3)
            server.start()

        thread = threading.Thread(target=restart)
        thread.start()
        report = copy_pass(source, target, state)
        thread.join()
        assert report.copied == 4000
        assert verify(source, target, state).proved


def test_full_is_told_and_goes_on_later(folder: Path, start_redis: StartRedis, state: State) -> None:
    server = start_redis("--maxmemory", "2mb", "--maxmemory-policy", "noeviction")
    with RedisTarget(server.url, retry_seconds=2) as target:
        with pytest.raises(Exhausted, match="Redis is full"):
            copy_pass(PhpFiles(folder), target, state)
        target.call(b"CONFIG", b"SET", b"maxmemory", b"100mb")
        report = copy_pass(PhpFiles(folder), target, state)
        assert report.copied + report.unchanged == 3000
        assert verify(PhpFiles(folder), target, state).proved


def test_read_only_wrong_password_and_nobody_there(
    folder: Path, start_redis: StartRedis, redis_server: RedisServer, state: State
) -> None:
    replica = start_redis("--replicaof", "127.0.0.1", str(redis_server.port))
    with RedisTarget(replica.url, retry_seconds=5) as target, pytest.raises(Refused, match="read-only"):
        copy_pass(PhpFiles(folder), target, state)
    guarded = start_redis("--requirepass", "right-password")
    with RedisTarget(guarded.url, retry_seconds=1) as target, pytest.raises(Denied, match="password"):
        copy_pass(PhpFiles(folder), target, state)
    with (
        RedisTarget(guarded.url, password="wrong-one", retry_seconds=1) as target,
        pytest.raises(Denied) as told,
    ):
        copy_pass(PhpFiles(folder), target, state)
    assert "wrong-one" not in str(told.value)
    nobody = RedisTarget(f"redis://127.0.0.1:{free_port()}", retry_seconds=0.3)
    with nobody, pytest.raises(Unreachable):
        copy_pass(PhpFiles(folder), nobody, state)


def test_a_server_that_never_answers_is_given_up(folder: Path, state: State) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        target = RedisTarget(f"redis://127.0.0.1:{port}", timeout_seconds=0.3, retry_seconds=0.5)
        with target, pytest.raises(Unreachable, match="in time"):
            copy_pass(PhpFiles(folder), target, state)


def test_kill_9_at_any_moment_and_it_goes_on(
    tmp_path: Path, redis_server: RedisServer, redis: RedisTarget
) -> None:
    folder = make(tmp_path / "many", 30_000)
    command = [sys.executable, "-m", "migrate", "sessions", "copy", "--from", f"php:{folder}", "--quiet"]
    command += ["--to", redis_server.url, "--state-file", str(tmp_path / "ledger"), "--no-preflight"]
    for delay in (0.9, 1.1, 1.3, 1.6):
        process = subprocess.Popen(command, cwd=ROOT)
        time.sleep(delay)
        process.kill()
        process.wait()
        (folder / f"sess_{int(delay * 10):026d}").unlink(missing_ok=True)
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with State(tmp_path / "ledger") as state:
        proof = verify(PhpFiles(folder), redis, state)
        assert proof.proved, proof.as_dict()
        assert proof.same == 30_000 - 4
        ledger = (tmp_path / "ledger").read_bytes()
    assert b"0000000000000000000012" not in ledger, "no id in the ledger"


def test_a_logout_during_the_move_stays_a_logout(folder: Path, redis: RedisTarget, state: State) -> None:
    source = PhpFiles(folder)
    time.sleep(1.1)  # what was written within the last second is looked at again
    copy_pass(source, redis, state)
    names = sorted(folder.iterdir())
    names[0].unlink()
    names[1].write_bytes(b"")  # session_unset
    names[2].write_bytes(b"n|i:99;")
    report = copy_pass(source, redis, state)
    assert report.removed == 2
    assert report.copied == 1
    assert report.unchanged == 2997
    assert verify(source, redis, state).proved
    assert redis.call(b"DBSIZE") == 2998


def test_a_vanished_folder_removes_nothing(folder: Path, redis: RedisTarget, state: State) -> None:
    source = PhpFiles(folder)
    copy_pass(source, redis, state)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(Refused, match="right folder"):
        copy_pass(source, redis, state)
    assert redis.call(b"DBSIZE") == 3000
    assert copy_pass(source, redis, state, many_ended=True).removed == 3000


def test_a_flushed_redis_sets_nothing_aside(folder: Path, redis: RedisTarget, state: State) -> None:
    source = PhpFiles(folder)
    copy_pass(source, redis, state)
    redis.call(b"FLUSHALL")
    with pytest.raises(Refused, match="none of the 3000"):
        reverse(redis, source, state)
    assert len(list(folder.glob("sess_*"))) == 3000


def test_links_and_strangers_files_are_refused(folder: Path, redis: RedisTarget, state: State) -> None:
    (folder / "sess_link").symlink_to("/etc/passwd")
    (folder / "sess_folder").mkdir()
    os.mkfifo(folder / "sess_fifo")
    if os.geteuid() == 0:
        (folder / "sess_stranger").write_bytes(b'user|s:5:"admin";')
        for path in folder.glob("sess_0*"):
            os.chown(path, 33, 33)
        os.chown(folder / "sess_stranger", 1234, 1234)
    report = copy_pass(PhpFiles(folder), redis, state)
    assert report.copied == 3000
    assert report.as_dict()["refused"] == (4 if os.geteuid() == 0 else 3)
    assert all("sess_" not in note and "link" not in note.split(":")[0] for note in report.notes)


def test_preflight_refuses_what_loses_sessions(start_redis: StartRedis) -> None:
    server = start_redis("--maxmemory", "3mb", "--maxmemory-policy", "volatile-ttl")
    with RedisTarget(server.url) as target:
        found = {
            check.name: check.level
            for check in preflight(target, (b"x:",), sessions=10_000, value_bytes=10**7)
        }
        assert found["eviction"] == "refuse"
        assert found["memory"] == "refuse"
        assert found["rights"] == "ok"
        target.call(b"CONFIG", b"SET", b"maxmemory-policy", b"volatile-lru")
        found = {check.name: check.level for check in preflight(target, (b"x:",))}
        assert found["eviction"] == "ok"


class Dying(PhpFiles):
    """A source whose reading process dies in the middle, as by the kernel's OOM killer."""

    def read(self, entry: Entry, now: float) -> Read:
        if entry[2].endswith("1500"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(entry, now)


def test_a_helper_that_is_killed_is_an_error_and_nothing_is_believed_done(
    folder: Path, redis: RedisTarget, state: State
) -> None:
    with pytest.raises(SwarmsteadError, match="helper ended"):
        copy_pass(Dying(folder), redis, state, helpers=2)
    report = copy_pass(PhpFiles(folder), redis, state)
    assert report.copied + report.unchanged == 3000
    assert verify(PhpFiles(folder), redis, state).proved


def test_one_process_or_two_give_the_same(folder: Path, redis: RedisTarget, tmp_path: Path) -> None:
    (folder / "sess_emptyemptyempty").touch()
    reports = []
    for helpers in (1, 2):
        with State(tmp_path / f"state{helpers}") as state:
            report = copy_pass(PhpFiles(folder), redis, state, helpers=helpers).as_dict()
            assert verify(PhpFiles(folder), redis, state).proved
        del report["seconds"]
        reports.append(report)
    assert reports[0] == reports[1]
    assert (reports[0]["copied"], reports[0]["empty"], reports[0]["seen"]) == (3000, 1, 3001)
