"""Many passes over a store that lives: each copies what changed and no more, whatever came before."""

import random
import time
from pathlib import Path

import pytest

from migrate.sessions import PhpFiles, RedisTarget, State, copy_pass, late_pass, verify


@pytest.mark.parametrize("helpers", [1, 2])
def test_passes_stay_exact_over_many_changes(
    helpers: int, tmp_path: Path, redis: RedisTarget, state: State
) -> None:
    chance = random.Random(helpers)
    folder = tmp_path / "sessions"
    folder.mkdir()
    for n in range(4000):
        (folder / f"sess_{n:026d}").write_bytes(b"n|i:%d;" % n)
    source = PhpFiles(folder)
    time.sleep(1.1)
    copy_pass(source, redis, state, helpers=helpers)
    fresh = 4000
    for _ in range(4):
        names = sorted(folder.iterdir())
        ended = chance.sample(names, 150)
        for path in ended:
            path.unlink()
        changed = chance.sample([name for name in names if name not in set(ended)], 400)
        for path in changed:
            path.write_bytes(b"n|i:%d;" % chance.randrange(10**9))
        for _ in range(100):
            (folder / f"sess_{fresh:026d}").write_bytes(b"new|i:1;")
            fresh += 1
        time.sleep(1.1)
        report = copy_pass(source, redis, state)
        assert (report.copied, report.removed) == (500, 150)
        assert report.unchanged == report.seen - 500
    proof = verify(source, redis, state)
    assert proof.proved
    assert proof.same == len(list(folder.iterdir()))
    again = copy_pass(source, redis, state)
    assert (again.copied, again.removed) == (0, 0)
    late = late_pass(source, redis, state)
    assert (late.copied, late.kept, late.unchanged) == (0, 0, again.unchanged)


def test_after_the_switch_only_the_absent_and_the_empty_are_set(
    tmp_path: Path, redis: RedisTarget, state: State
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    for name in ("livelivelive", "endedended12", "emptyempty12"):
        (folder / f"sess_{name}").write_bytes(b"n|i:1;")
    source = PhpFiles(folder)
    copy_pass(source, redis, state)
    key = b"PHPREDIS_SESSION:"
    redis.call(b"SET", key + b"livelivelive", b"n|i:2;", b"EX", 100)
    redis.call(b"DEL", key + b"endedended12")
    redis.call(b"SET", key + b"emptyempty12", b"", b"EX", 100)
    redis.call(b"SET", key + b"missedmissed", b"", b"EX", 100)
    for name in ("livelivelive", "endedended12", "emptyempty12", "freshfresh12", "missedmissed"):
        (folder / f"sess_{name}").write_bytes(b"n|i:9;")
    report = late_pass(source, redis, state)
    assert (report.copied, report.kept) == (3, 2)
    assert redis.call(b"GET", key + b"livelivelive") == b"n|i:2;"
    assert redis.call(b"GET", key + b"endedended12") is None, "a logout after the switch stays a logout"
    assert redis.call(b"GET", key + b"emptyempty12") == b"n|i:9;"
    assert redis.call(b"GET", key + b"missedmissed") == b"n|i:9;"
