"""The files of a move go to B2's own API, through its faults, and what is written there comes back."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from migrate.app.file_mover import FileMover
from migrate.app.plan import Plan
from migrate.remotes import Remote, open_remote
from migrate.remotes.testkit import B2Server, Fault
from swarmstead.errors import SwarmsteadError
from swarmstead.progress import QuietReporter
from swarmstead.stop import Stop

from .world import World


class _B2World(World):
    """The same world, its files at B2."""

    b2: B2Server

    def plan(self) -> Plan:
        plan = super().plan()
        for name, text in (("key-id", self.b2.key.id), ("key", self.b2.key.key)):
            path = self.folder / name
            path.write_text(text)
            path.chmod(0o600)
        files = replace(
            plan.files[0],
            remote="b2://pictures/uploads",
            endpoint=self.b2.url,
            key_id_file=str(self.folder / "key-id"),
            key_file=str(self.folder / "key"),
        )
        return replace(plan, files=[files])

    def at_b2(self) -> Remote:
        return open_remote(
            "b2://pictures/uploads", endpoint=self.b2.url, key_id=self.b2.key.id, key=self.b2.key.key
        )


@pytest.fixture
def at_b2(folder: Path, redis_url: str) -> Iterator[_B2World]:
    with B2Server.running("pictures") as server:
        _B2World.b2 = server
        yield _B2World(folder, redis_url)


def test_there_and_back_with_a_server_that_fails(at_b2: _B2World) -> None:
    server, remote = at_b2.b2, at_b2.at_b2()
    server.faults.add(
        Fault("status", status=429, code="too_many_requests", retry_after="1"),
        Fault("status", path="/upload/", status=503, code="service_unavailable", times=2),
        Fault("status", path="/upload/", status=401, code="expired_auth_token"),
        Fault("flip", path="/upload/"),
        Fault("lost", path="/upload/"),
    )
    at_b2.move()
    assert server.faults.shown == 6
    assert at_b2.side == "new"
    assert at_b2.verify(after_switch=False)
    there = {stored.name: stored.sha1 for stored in remote.list()}
    here = {path.name: hashlib.sha1(path.read_bytes()).hexdigest() for path in at_b2.uploads.iterdir()}
    assert there == here

    late = b"written while the Swarm served"
    remote.put("late.jpg", io.BytesIO(late), size=len(late), sha1=hashlib.sha1(late).hexdigest())
    at_b2.roll_back()
    assert at_b2.side == "old"
    assert (at_b2.uploads / "late.jpg").read_bytes() == late
    kept = [path for path in at_b2.home.folder.rglob("*") if path.is_file()]
    assert kept
    assert not any(server.key.key.encode() in path.read_bytes() for path in kept)


def test_a_stop_ends_the_wait_that_a_server_asks_for(at_b2: _B2World) -> None:
    at_b2.b2.faults.add(Fault("status", path="/upload/", status=503, retry_after="60", times=1000))
    stop = Stop()
    soon = threading.Timer(0.7, stop.request)
    soon.start()
    mover = FileMover(at_b2.plan().files[0], at_b2.folder, 1)
    began = time.monotonic()
    with pytest.raises(SwarmsteadError):
        mover.copy(stop, QuietReporter())
    soon.join()
    assert at_b2.b2.faults.shown, "the server asked for patience"
    assert time.monotonic() - began < 10
