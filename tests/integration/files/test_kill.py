"""Killed with SIGKILL anywhere, run again: it ends in the same state, with one version of each file."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrate.remotes.testkit import B2Server
from tests.integration.files.conftest import Place

LONG = os.environ.get("SWARMSTEAD_TEST_LONG") == "1"


def command(place: Place, b2: B2Server, *words: str) -> "subprocess.Popen[bytes]":
    env = {
        "PATH": os.environ["PATH"],
        "SWARMSTEAD_REMOTE_KEY_ID": b2.key.id,
        "SWARMSTEAD_REMOTE_KEY": b2.key.key,
        "SWARMSTEAD_ENDPOINT": b2.url,
    }
    program = [sys.executable, "-m", "migrate", "files", *words]
    program += [str(place.root), "b2://pictures", "--state-file", str(place.path), "--quiet"]
    return subprocess.Popen(program, env=env, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE)


@pytest.mark.parametrize("seed", range(12 if LONG else 2))
def test_a_copy_killed_at_random_moments_ends_whole_with_one_version_each(
    b2_place: Place, b2: B2Server, seed: int
) -> None:
    dice = random.Random(seed)
    files = b2_place.tree(150)
    kills = 0
    for attempt in range(12 if LONG else 5):
        asked = len(b2.faults.requests) + dice.randrange(1, 60 + 60 * attempt)
        process = command(b2_place, b2, "copy")
        end = time.monotonic() + 20
        while process.poll() is None and len(b2.faults.requests) < asked and time.monotonic() < end:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    last = command(b2_place, b2, "copy")
    assert last.communicate()[1] == b""
    assert last.returncode == 0
    assert kills >= 1
    assert b2_place.there() == files
    assert b2_place.verify(download=True)[0].proved
    twice = [name for name in files if b2.versions(name) != ["upload"]]
    assert twice == []


def test_a_rollback_killed_at_random_moments_ends_whole(b2_place: Place, b2: B2Server) -> None:
    files = b2_place.tree(80)
    b2_place.copy()
    for path in b2_place.root.rglob("*.jpg"):
        path.unlink()
    dice = random.Random(7)
    for _ in range(6):
        asked = len(b2.faults.requests) + dice.randrange(3, 80)
        process = command(b2_place, b2, "rollback")
        while process.poll() is None and len(b2.faults.requests) < asked:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            break
    last = command(b2_place, b2, "rollback")
    assert last.communicate()[1] == b""
    found = {
        path.relative_to(b2_place.root).as_posix(): path.read_bytes()
        for path in b2_place.root.rglob("*")
        if path.is_file() and not path.name.startswith(".swarmstead-")
    }
    assert found == files


def test_a_stop_by_sigterm_is_clean_and_says_how_to_go_on(b2_place: Place, b2: B2Server) -> None:
    b2_place.tree(200)
    process = command(b2_place, b2, "copy")
    while process.poll() is None and len(b2.faults.requests) < 30:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143
    assert b"Run the same command again" in said
    assert b2_place.copy().whole
    assert b2_place.verify()[0].proved
