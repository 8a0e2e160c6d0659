"""What we copied, rclone reads, checks and finds unchanged: over S3 and over B2's native API."""

import os
import subprocess
from pathlib import Path

import pytest

from migrate.remotes.testkit import B2Server
from tests.integration.files.conftest import Place
from tests.support.s3servers import KEY, KEY_ID, Server, rclone_program


def rclone(*words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    program = rclone_program()
    assert program is not None
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "RCLONE_CONFIG": "/dev/null", **settings}
    return subprocess.run([program, *words], env=env, capture_output=True, text=True, timeout=60, check=False)


def agrees(place: Place, where: str, **settings: str) -> None:
    done = rclone("check", str(place.root), where, "--combined", "-", **settings)
    assert done.returncode == 0, done.stderr
    marks = done.stdout.splitlines()
    assert len(marks) == 40
    assert all(mark.startswith("= ") for mark in marks)
    # By size and time, too: a later rclone has nothing to do.
    dry = rclone("copy", str(place.root), where, "--dry-run", "-v", "--modify-window", "1ms", **settings)
    assert "Skipped copy" not in dry.stderr, dry.stderr


def test_over_s3(s3_place: Place, rclone_server: Server, tmp_path: Path) -> None:
    s3_place.tree(40)
    s3_place.copy()
    agrees(
        s3_place,
        f":s3:pictures/{tmp_path.name}",
        RCLONE_S3_PROVIDER="Rclone",
        RCLONE_S3_ENDPOINT=rclone_server.url,
        RCLONE_S3_ACCESS_KEY_ID=KEY_ID,
        RCLONE_S3_SECRET_ACCESS_KEY=KEY,
    )


def test_over_b2(b2_place: Place, b2: B2Server) -> None:
    if rclone_program() is None:
        pytest.skip("rclone is missing")
    b2_place.tree(40)
    b2_place.copy()
    agrees(
        b2_place,
        ":b2:pictures",
        RCLONE_B2_ENDPOINT=b2.url,
        RCLONE_B2_ACCOUNT=b2.key.id,
        RCLONE_B2_KEY=b2.key.key,
    )
