"""Killed with SIGKILL anywhere, run again: it ends in the same state, with one version of each file."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrate.remotes import open_remote
from migrate.remotes.testkit import B2Server, S3Proxy
from tests.integration.files.conftest import Place
from tests.support.s3servers import KEY, KEY_ID, moto_s3, s3_client

LONG = os.environ.get("SWARMSTEAD_TEST_LONG") == "1"


@dataclass(frozen=True)
class Target:
    """A server as a command is told of it. requests: what reached it, and grows. versions: of one name."""

    url: str
    endpoint: str
    key_id: str
    key: str
    requests: Sequence[object]
    versions: Callable[[str], int]

    @classmethod
    def of_b2(cls, b2: B2Server) -> "Target":
        return cls(
            "b2://pictures",
            b2.url,
            b2.key.id,
            b2.key.key,
            b2.faults.requests,
            lambda name: len(b2.versions(name)),
        )

    @classmethod
    @contextmanager
    def of_s3(cls) -> Iterator["Target"]:
        """Give a server that keeps versions, behind a proxy that counts."""
        with moto_s3() as moto, S3Proxy.running(moto.url) as proxy:
            client = s3_client(moto.url)

            def versions(name: str) -> int:
                found = client.list_object_versions(Bucket="pictures", Prefix=name).get("Versions", [])
                return sum(one["Key"] == name for one in found)

            yield cls("s3://pictures", proxy.url, KEY_ID, KEY, proxy.faults.requests, versions)


def command(place: Place, target: Target, *words: str) -> "subprocess.Popen[bytes]":
    env = {
        "PATH": os.environ["PATH"],
        "SWARMSTEAD_REMOTE_KEY_ID": target.key_id,
        "SWARMSTEAD_REMOTE_KEY": target.key,
        "SWARMSTEAD_ENDPOINT": target.endpoint,
    }
    program = [sys.executable, "-m", "migrate", "files", *words]
    program += [str(place.root), target.url, "--state-file", str(place.path), "--quiet"]
    return subprocess.Popen(program, env=env, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE)


def copy_with_kills(place: Place, target: Target, dice: random.Random) -> None:
    """Copy a tree, killed after some requests again and again; it must end whole, one version of each."""
    files = place.tree(150)
    kills = 0
    for attempt in range(12 if LONG else 5):
        asked = len(target.requests) + dice.randrange(1, 60 + 60 * attempt)
        process = command(place, target, "copy")
        end = time.monotonic() + 20
        while process.poll() is None and len(target.requests) < asked and time.monotonic() < end:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    last = command(place, target, "copy")
    assert last.communicate()[1] == b""
    assert last.returncode == 0
    assert kills >= 1
    assert place.there() == files
    assert place.verify(download=True)[0].proved
    assert [name for name in files if target.versions(name) != 1] == []


@pytest.mark.parametrize("seed", range(12 if LONG else 2))
def test_a_copy_killed_at_random_moments_ends_whole_with_one_version_each(
    b2_place: Place, b2: B2Server, seed: int
) -> None:
    copy_with_kills(b2_place, Target.of_b2(b2), random.Random(seed))


@pytest.mark.parametrize("seed", range(12 if LONG else 2))
def test_a_copy_killed_with_many_files_under_way_ends_whole_with_one_version_each(
    tmp_path: Path, seed: int
) -> None:
    with Target.of_s3() as target:
        remote = open_remote(target.url, endpoint=target.endpoint, key_id=KEY_ID, key=KEY)
        copy_with_kills(Place(tmp_path, remote), target, random.Random(seed))


def test_a_rollback_killed_at_random_moments_ends_whole(b2_place: Place, b2: B2Server) -> None:
    files = b2_place.tree(80)
    b2_place.copy()
    for path in b2_place.root.rglob("*.jpg"):
        path.unlink()
    dice = random.Random(7)
    for _ in range(6):
        asked = len(b2.faults.requests) + dice.randrange(3, 80)
        process = command(b2_place, Target.of_b2(b2), "rollback")
        while process.poll() is None and len(b2.faults.requests) < asked:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            break
    last = command(b2_place, Target.of_b2(b2), "rollback")
    assert last.communicate()[1] == b""
    found = {
        path.relative_to(b2_place.root).as_posix(): path.read_bytes()
        for path in b2_place.root.rglob("*")
        if path.is_file() and not path.name.startswith(".swarmstead-")
    }
    assert found == files


def test_a_stop_by_sigterm_is_clean_and_says_how_to_go_on(b2_place: Place, b2: B2Server) -> None:
    b2_place.tree(200)
    process = command(b2_place, Target.of_b2(b2), "copy")
    while process.poll() is None and len(b2.faults.requests) < 30:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143
    assert b"Run the same command again" in said
    assert b2_place.copy().whole
    assert b2_place.verify()[0].proved
