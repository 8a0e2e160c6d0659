"""A small whole world for a move: sessions, uploads, a remote folder, a real Redis, an entry in a file."""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from migrate.app import Home, Move, Parts, Plan, Rollback
from migrate.app import plan as plans
from migrate.app.file_mover import FileMover
from migrate.app.gate import CommandGate
from migrate.app.movers import SessionMover
from migrate.app.plan import Cache, Deploy, Entry, Files, Image, Sessions
from migrate.app.ports import Mover, Report
from migrate.sessions import RedisTarget
from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

__all__ = ["LocalDeployer", "World", "in_child"]

_SESSIONS, _FILES = 30, 12
_PATIENCE_SECONDS = 20


def in_child(work: Callable[[], None], *, kill_after: float | None = None) -> int:
    """Run `work` in a child; return its wait status. kill_after: SIGKILL it after so many seconds."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent is to see it, whatever it is
            sys.stderr.write(f"child: {type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


class LocalDeployer:
    """Writes down what was deployed: a Swarm is not what these tests are about (tests/lab has a real one)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self) -> Report:
        return {}

    def write(self) -> Report:
        (self._folder / "written").touch()
        return {}

    def build(self) -> Report:
        assert (self._folder / "written").exists()
        return {}

    def give(self) -> Report:
        return {}

    def deploy(self, stop: Stop, reporter: Reporter) -> Report:
        (self._folder / "deployed").touch()
        return {}


class World:
    """One app, in a folder."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder, self.redis_url = folder, redis_url
        self.sessions, self.uploads = folder / "sessions", folder / "www" / "uploads"
        self.remote = folder / "remote"
        self.side_file = folder / "side"
        self.home = Home(folder / "state")
        for path in (self.sessions, self.uploads, self.remote):
            path.mkdir(parents=True)
        self.side_file.write_text("old")
        (self.folder / "www" / "index.php").write_text("<?php session_start();")
        for number in range(_SESSIONS):
            self.write_session(number, b"first")
        for number in range(_FILES):
            self.upload(f"{number}.jpg", b"\xff\xd8" + bytes([number]) * 1000)
        plans.save(self.plan(), self.home.plan_path)

    # What the app does

    def identity(self, number: int) -> str:
        return f"{number:026d}"

    def session_path(self, number: int) -> Path:
        return self.sessions / f"sess_{self.identity(number)}"

    def write_session(self, number: int, value: bytes) -> None:
        """Write a session on the old host as PHP does: in place, under a lock."""
        with self.session_path(number).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(b'user|s:3:"zo\xc3";\0' + value)

    def upload(self, name: str, data: bytes) -> None:
        (self.uploads / name).write_bytes(data)

    def key(self, number: int) -> bytes:
        return b"PHPREDIS_SESSION:" + self.identity(number).encode()

    def write_in_redis(self, number: int, value: bytes) -> None:
        """Write a session as a replica does."""
        with RedisTarget(self.redis_url) as redis:
            redis.call(b"SET", self.key(number), value, b"EX", 1000)

    def in_redis(self, number: int) -> bytes | None:
        with RedisTarget(self.redis_url) as redis:
            value = redis.call(b"GET", self.key(number))
        assert value is None or isinstance(value, bytes)
        return value

    @property
    def side(self) -> str:
        return self.side_file.read_text()

    # The move

    def plan(self) -> Plan:
        to = ["sh", "-c", 'printf %s "$2" >"$1.part" && mv "$1.part" "$1"', "_", str(self.side_file)]
        return Plan(
            name="photos",
            path=str(self.folder / "www"),
            kind="php",
            code="",
            sessions=Sessions(folder=str(self.sessions), redis=self.redis_url),
            files=[
                Files(
                    folder=str(self.uploads),
                    inside="uploads",
                    web_path="/uploads",
                    remote=f"file://{self.remote}",
                )
            ],
            image=Image(name="photos"),
            cache=Cache(),
            deploy=Deploy(stack="photos"),
            entry=Entry(hold=[*to, "hold"], to_new=[*to, "new"], to_old=[*to, "old"]),
        )

    def parts(self) -> Parts:
        plan, _ = self.home.load_plan()
        assert plan.sessions is not None
        movers: list[Mover] = [
            SessionMover(plan.sessions, self.home.folder),
            FileMover(plan.files[0], self.home.folder, 0),
        ]
        return Parts(CommandGate(plan.entry), LocalDeployer(self.folder), movers)

    def move(self, observe: Callable[[str], None] = lambda _moment: None) -> None:
        plan, digest = self.home.load_plan()
        with self.home.ledger() as ledger:
            Move(
                plan, digest, ledger, self.parts(), stop=Stop(), reporter=QuietReporter(), observe=observe
            ).run()

    def roll_back(self, observe: Callable[[str], None] = lambda _moment: None) -> None:
        plan, _ = self.home.load_plan()
        with self.home.ledger() as ledger:
            Rollback(plan, ledger, self.parts(), stop=Stop(), reporter=QuietReporter(), observe=observe).run()

    def verify(self, *, after_switch: bool) -> bool:
        proofs = [
            mover.verify(Stop(), QuietReporter(), after_switch=after_switch) for mover in self.parts().movers
        ]
        return all(proof.proved for proof in proofs)

    def wait_for_guard(self) -> None:
        """Wait until a guard that a killed run left behind has done its work."""
        end = time.monotonic() + _PATIENCE_SECONDS
        with (self.home.folder / "app.ledger.lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    assert time.monotonic() < end, "the guard does not end"
                    time.sleep(0.01)
                else:
                    return
