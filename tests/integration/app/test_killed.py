"""SIGKILL at every step boundary and at random moments: the next run goes on and ends in the same state."""

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from migrate.app import plan as plans
from migrate.sessions import RedisTarget
from swarmstead.errors import Refused

from .world import World, in_child

_RANDOM_KILLS = 10


def killer(name: str) -> Callable[[str], None]:
    """Return an observer that kills the process at the moment of this name."""

    def observe(moment: str) -> None:
        if moment == name:
            os.kill(os.getpid(), signal.SIGKILL)

    return observe


def moments(job: Callable[[Callable[[str], None]], None]) -> list[str]:
    """Return the moments that a job goes through, each once, in order."""
    seen: list[str] = []
    job(seen.append)
    return list(dict.fromkeys(seen))


def users_go_on(world: World, number: int) -> bytes:
    """Let a user change a session and upload a file on the side that serves; return the session's value."""
    assert world.side in {"old", "new"}, "users are left waiting"
    value = b"after kill %d" % number
    if world.side == "old":
        world.write_session(0, value)
        world.upload("late.jpg", value)
        return world.session_path(0).read_bytes()
    world.write_in_redis(0, value)
    (world.remote / "late.jpg").write_bytes(value)
    return value


def fresh(folder: Path, redis_url: str, number: int) -> World:
    with RedisTarget(redis_url) as redis:
        redis.call(b"FLUSHALL")
    (folder / str(number)).mkdir()
    return World(folder / str(number), redis_url)


def assert_moved(world: World, value: bytes) -> None:
    assert world.side == "new"
    assert world.in_redis(0) == value, "a login's newest state was lost"
    for number in range(1, 30):
        assert world.in_redis(number) == world.session_path(number).read_bytes()
    assert (world.remote / "late.jpg").read_bytes() in value, "an upload was lost"
    for path in world.uploads.iterdir():
        assert (world.remote / path.name).read_bytes() == path.read_bytes()
    assert not (world.home.folder / "switch.committed").exists()


def test_killed_at_every_moment_of_the_move(folder: Path, redis_url: str) -> None:
    names = moments(fresh(folder, redis_url, 1000).move)
    assert {"holding", "held", "proved", "committed", "sent", "switch: recorded"} <= set(names)
    for at, name in enumerate(names):
        world = fresh(folder, redis_url, at)
        status = in_child(partial(world.move, killer(name)))
        assert os.WIFSIGNALED(status), name
        world.wait_for_guard()
        value = users_go_on(world, at)
        assert in_child(world.move) == 0, f"killed at {name!r}, it does not go on"
        assert_moved(world, value)


def test_killed_at_every_moment_of_the_way_back(folder: Path, redis_url: str) -> None:
    first = fresh(folder, redis_url, 1000)
    first.move()
    for at, name in enumerate(moments(first.roll_back)):
        world = fresh(folder, redis_url, at)
        world.move()
        world.write_in_redis(1, b"written on the Swarm")
        (world.remote / "new.jpg").write_bytes(b"uploaded on the Swarm")
        status = in_child(partial(world.roll_back, killer(name)))
        assert os.WIFSIGNALED(status), name
        world.wait_for_guard()
        assert world.side in {"old", "new"}, "users are left waiting"
        assert in_child(world.roll_back) == 0, f"killed at {name!r}, it does not go on"
        assert world.side == "old"
        assert world.session_path(1).read_bytes() == b"written on the Swarm"
        assert (world.uploads / "new.jpg").read_bytes() == b"uploaded on the Swarm"
        assert world.session_path(2).exists()


def test_killed_at_ten_random_moments(folder: Path, redis_url: str) -> None:
    world = fresh(folder, redis_url, 1000)
    started = time.monotonic()
    assert in_child(world.move) == 0
    lasts = time.monotonic() - started
    chance = random.Random(20261125)
    for at in range(_RANDOM_KILLS):
        world = fresh(folder, redis_url, at)
        in_child(world.move, kill_after=chance.uniform(0, lasts))
        if (world.home.folder / "app.ledger.lock").exists():
            world.wait_for_guard()
        value = users_go_on(world, at)
        assert in_child(world.move) == 0
        assert_moved(world, value)


def test_killed_while_the_hold_command_is_at_work(world: World) -> None:
    """A `hold` that takes effect after its caller died must not come after requests were sent back."""
    plan = world.plan()
    plan.entry.hold = ["sh", "-c", f"touch {world.folder}/began; sleep 1; printf hold >{world.side_file}"]
    plans.save(plan, world.home.plan_path)
    child = os.fork()
    if child == 0:
        world.move()
        os._exit(1)
    until = time.monotonic() + 20
    while not (world.folder / "began").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    world.wait_for_guard()
    time.sleep(1.2)
    assert world.side == "old", "users are left waiting"


def test_a_failing_proof_sends_users_back(world: World) -> None:
    """What fails while users wait must not leave them waiting."""

    def spoil(moment: str) -> None:
        if moment == "switch: sessions copied":
            world.write_in_redis(5, b"spoiled")

    status = in_child(lambda: world.move(spoil))
    assert os.WEXITSTATUS(status) == 1
    assert world.side == "old"


def test_moves_back_and_again(world: World) -> None:
    """After a way back the old host serves and changes things; a second move brings those over, too."""
    world.move()
    world.roll_back()
    assert world.side == "old"
    world.write_session(3, b"written after the way back")
    world.upload("again.jpg", b"again")
    world.session_path(4).unlink()
    world.move()
    assert world.side == "new"
    assert world.in_redis(3) == world.session_path(3).read_bytes()
    assert world.in_redis(4) is None, "a login that had ended came to life again"
    assert (world.remote / "again.jpg").read_bytes() == b"again"
    assert world.verify(after_switch=True)


def test_another_plan_is_refused_once_begun(world: World) -> None:
    in_child(partial(world.move, killer("bulk: recorded")))
    plan = world.plan()
    plan.deploy.replicas = 5
    plans.save(plan, world.home.plan_path)
    with pytest.raises(Refused, match="the plan was changed"):
        world.move()
    assert world.side == "old"


def test_the_old_host_stays_as_it_was(world: World) -> None:
    def old_host() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in (world.folder / "www").rglob("*") if p.is_file()} | {
            str(p): p.read_bytes() for p in world.sessions.iterdir()
        }

    before = old_host()
    world.move()
    assert old_host() == before
