"""`migrate sessions` as a person runs it: inspect, copy, cut-over, verify, reverse, exit codes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrate.sessions import RedisTarget

from .conftest import RedisServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    sessions = tmp_path / "sessions"
    app.mkdir()
    sessions.mkdir()
    (app / "php.ini").write_text(f"session.save_path = {sessions}\n")
    (app / "index.php").write_text(
        "<?php\n$x = 1;\nsession_start();\nif ($_SESSION['ip'] != $_SERVER['REMOTE_ADDR']) die;\n"
    )
    for n in range(40):
        (sessions / f"sess_secretid{n:018d}").write_bytes(b"n|i:%d;" % n)
    (sessions / "sess_secretidempty").write_bytes(b"")
    old = sessions / "sess_secretidold"
    old.write_bytes(b"n|i:1;")
    os.utime(old, (time.time() - 9999, time.time() - 9999))
    return app


def run(*words: str, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "migrate", "sessions", *words],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "secretid" not in done.stdout + done.stderr, "no id is ever told"
    return done.stdout + done.stderr


def test_inspect_tells_place_counts_switch_and_dangers(app: Path) -> None:
    told = json.loads(run("inspect", str(app), "--json"))
    assert told["file"].endswith("index.php")
    assert told["line"] == 3
    assert (told["sessions"]["live"], told["sessions"]["empty"], told["sessions"]["expired"]) == (40, 1, 1)
    assert "redis.session.lock_retries = -1" in told["switch"]
    assert any("REMOTE_ADDR" in line or "address" in line for line in told["warnings"])
    assert "PHP: files" in run("inspect", str(app))


def test_the_whole_way_by_commands(
    app: Path, tmp_path: Path, redis_server: RedisServer, redis: RedisTarget
) -> None:
    common = ["--from", str(app), "--to", redis_server.url, "--state-file", str(tmp_path / "state"), "--json"]
    assert json.loads(run("copy", *common, "--dry-run").splitlines()[-1])["copied"] == 40
    assert redis.call(b"DBSIZE") == 0
    assert json.loads(run("copy", *common).splitlines()[-1])["copied"] == 40
    run("verify", *common)
    redis.call(b"SET", b"PHPREDIS_SESSION:secretid" + b"%018d" % 3, b"damaged")
    run("verify", *common, code=4)
    (tmp_path / "sessions" / f"sess_secretid{3:018d}").write_bytes(b"n|i:77;")
    steps = tmp_path / "steps"
    hooks = []
    for name in ("hold", "switch", "release"):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho {name} >> {steps}\n")
        script.chmod(0o755)
        hooks += [f"--{name}", str(script)]
    told = json.loads(run("cutover", *common, *hooks).splitlines()[-1])
    assert steps.read_text().split() == ["hold", "switch", "release"]
    assert told["proof"]["proved"]
    assert told["hold_seconds"] < 30
    run("copy", *common, code=5)
    run("verify", *common)
    redis.call(b"DEL", b"PHPREDIS_SESSION:secretid" + b"%018d" % 5)
    redis.call(b"SET", b"PHPREDIS_SESSION:secretid" + b"%018d" % 6, b"n|i:600;", b"EX", 900)
    told = json.loads(run("reverse", *common).splitlines()[-1])
    assert told["removed"] == 1
    assert not (tmp_path / "sessions" / f"sess_secretid{5:018d}").exists()
    assert (tmp_path / "sessions" / f"sess_secretid{6:018d}").read_bytes() == b"n|i:600;"


def test_a_copy_that_follows_takes_logins_changes_and_logouts(
    app: Path, tmp_path: Path, redis_server: RedisServer, redis: RedisTarget
) -> None:
    sessions = tmp_path / "sessions"

    def value(n: int) -> object:
        return redis.call(b"GET", b"PHPREDIS_SESSION:secretid%018d" % n)

    def until(n: int, expected: bytes | None) -> None:
        end = time.monotonic() + 20
        while value(n) != expected:
            assert time.monotonic() < end, f"session {n} is {value(n)!r}, not {expected!r}"
            time.sleep(0.05)

    words = ["copy", "--from", str(app), "--to", redis_server.url, "--state-file", str(tmp_path / "state")]
    following = subprocess.Popen(
        [sys.executable, "-m", "migrate", "sessions", *words, "--follow", "--every", "0.2"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        until(39, b"n|i:39;")
        (sessions / f"sess_secretid{7:018d}").write_bytes(b"n|i:700;")
        (sessions / f"sess_secretid{77:018d}").write_bytes(b"n|i:77;")
        (sessions / f"sess_secretid{8:018d}").unlink()
        until(7, b"n|i:700;")
        until(77, b"n|i:77;")
        until(8, None)
    finally:
        following.terminate()
        told, _ = following.communicate(timeout=20)
    assert following.returncode in {0, 143}, told
    assert "secretid" not in told
    assert "Traceback" not in told
    run("verify", *words[1:])


def test_a_switch_that_fails_releases_the_old_host(
    app: Path, tmp_path: Path, redis_server: RedisServer
) -> None:
    steps = tmp_path / "steps"
    release = tmp_path / "release"
    release.write_text(f"#!/bin/sh\necho release >> {steps}\n")
    release.chmod(0o755)
    common = ["--from", str(app), "--to", redis_server.url, "--state-file", str(tmp_path / "state")]
    run("cutover", *common, "--hold", "true", "--switch", "false", "--release", str(release), code=1)
    assert steps.read_text() == "release\n"
    run("copy", *common)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["inspect", "/nowhere"], 3),
        (["copy", "--from", "php:/nowhere", "--to", "redis://127.0.0.1:1", "--no-preflight"], 3),
        (["copy", "--from", "nothing:/x", "--to", "redis://127.0.0.1:1"], 2),
        (["claims", "--to", "redis://127.0.0.1:1", "--bind", "localhost"], 2),
        (["copy", "--from", "php:/x?dept=2", "--to", "redis://127.0.0.1:1"], 2),
        (["copy", "--from", "django:/tmp", "--to", "redis://127.0.0.1:1"], 2),
        (["acl"], 2),
    ],
)
def test_mistakes_have_their_exit_codes(words: list[str], code: int, tmp_path: Path) -> None:
    if words[0] == "copy":
        words = [*words, "--state-file", str(tmp_path / "state")]
    assert "error: " in run(*words, code=code)


def test_acl_prints_a_hash_and_shuts_out_the_nameless() -> None:
    told = run("acl", "--user", "photos", SWARMSTEAD_REDIS_PASSWORD="a-password-1")
    assert told.startswith("user default off\nuser photos on #")
    assert "a-password-1" not in told
