"""`migrate cache status|evict|warm|check`, beside a cache that serves, as a person runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import World

_SERVE = ("--max-size", "1MB", "--min-free", "0", "--drain", "2")


class Shell:
    """A running cache and its folder, and what runs `migrate cache` beside it."""

    def __init__(self, world: World) -> None:
        self.world, self.folder = world, world.folder / "k" / "up"
        self.remote = f"file://{world.folder}/cloud"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, remote: str = "") -> None:
        socket = self.folder.parent / "c.sock"
        self.folder.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "migrate", "cache", "serve", "--remote", remote or self.remote]
        command += ["--dir", str(self.folder), "--socket", str(socket), *_SERVE]
        self.process = subprocess.Popen(command)
        end = time.monotonic() + 20
        while self.run("status")[0] != 0:
            assert self.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def run(self, what: str, *words: str, remote: bool = False, stdin: str = "") -> tuple[int, str, str]:
        command = [sys.executable, "-m", "migrate", "cache", what, "--dir", str(self.folder), *words]
        command += ["--remote", self.remote] if remote else []
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, check=False, env=os.environ
        )
        return done.returncode, done.stdout, done.stderr

    def json(self, what: str, *words: str, **more: Any) -> Any:
        code, out, said = self.run(what, *words, "--json", **more)
        assert code == 0, said
        return json.loads(out)

    def until(self, key: str, value: object) -> None:
        end = time.monotonic() + 15
        while (found := self.json("status")[key]) != value:
            assert time.monotonic() < end, f"{key} stays {found}"
            time.sleep(0.05)


@pytest.fixture
def shell(world: World) -> Iterator[Shell]:
    one = Shell(world)
    yield one
    one.stop(signal.SIGKILL)


def test_warm_fetches_evict_lets_go_and_status_tells(shell: Shell) -> None:
    for number in range(3):
        shell.world.put(f"p/{number}.jpg", b"%d" % number * 1000)
    shell.start()
    assert shell.json("warm", "p/0.jpg", "p/none.jpg") == {
        "here": [], "fetched": ["p/0.jpg"], "absent": ["p/none.jpg"], "not_kept": [], "failed": [],
    }  # fmt: skip
    assert shell.json("warm", stdin="p/0.jpg\np/1.jpg\n\n")["fetched"] == ["p/1.jpg"]
    assert (shell.folder / "p/1.jpg").read_bytes() == b"1" * 1000
    status = shell.json("status")
    assert (status["files"], status["bytes"], status["limit_bytes"]) == (2, 2000, 1_000_000)
    assert (status["queued"], status["remote_up"]) == (0, True)
    assert shell.json("evict", "p/0.jpg", "p/2.jpg") == {"evicted": ["p/0.jpg"], "kept": ["p/2.jpg"]}
    assert not (shell.folder / "p/0.jpg").exists()
    assert shell.world.stored("p/0.jpg") == b"0" * 1000, "evicting is no deleting"
    code, out, _ = shell.run("status")
    assert code == 0
    assert "files" in out
    assert "remote up" in out


def test_what_the_cloud_lacks_is_kept_though_somebody_evicts_it(shell: Shell) -> None:
    shell.start(remote=f"file://{shell.world.folder}/cloud")
    cloud = shell.world.folder / "cloud"
    cloud.rename(cloud.with_name("away"))
    (shell.folder / "mine.jpg").write_bytes(b"mine")
    shell.until("queued", 1)
    assert shell.json("evict", "mine.jpg") == {"evicted": [], "kept": ["mine.jpg"]}
    assert (shell.folder / "mine.jpg").read_bytes() == b"mine"
    cloud.with_name("away").rename(cloud)
    shell.until("queued", 0)
    assert shell.world.stored("mine.jpg") == b"mine"


def test_check_marks_every_difference_and_exits_with_4(shell: Shell) -> None:
    names = ("same", "rotten", "deleted", "replaced")
    for name in names:
        shell.world.put(name, name.encode())
    shell.start()
    assert len(shell.json("warm", *names)["fetched"]) == 4
    code, out, said = shell.run("check", remote=True)
    assert (code, out) == (0, "4 files are the same\n"), said
    shell.stop()
    (shell.folder / "new\nline").write_bytes(b"not sent")
    (shell.world.folder / "cloud" / "deleted").unlink()
    shell.world.put("replaced", b"another.")
    rotten = shell.folder / "rotten"
    times = rotten.stat()
    with rotten.open("r+b") as file:  # a disk changes bytes, not times
        file.write(b"R")
    os.utime(rotten, ns=(times.st_atime_ns, times.st_mtime_ns))
    code, out, said = shell.run("check", remote=True)
    assert code == 4
    assert sorted(out.splitlines()) == [
        "* 'replaced'", "* 'rotten'", "+ 'new\\nline'", "- 'deleted'", "1 files are the same",
    ]  # fmt: skip
    assert "not all files here are what the remote has" in said
    code, out, _ = shell.run("check", "--json", remote=True)
    assert code == 4
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1] == {"event": "end", "counts": {"=": 1, "*": 2, "+": 1, "-": 1, "!": 0}}


def test_an_upload_that_a_kill_left_behind_is_read_whole_and_can_be_removed(shell: Shell) -> None:
    """rclone #9876: such a file read as empty, and came back after it was removed."""
    shell.start()
    cloud = shell.world.folder / "cloud"
    cloud.rename(cloud.with_name("away"))
    (shell.folder / "a.jpg").write_bytes(b"a" * 5000)
    shell.until("queued", 1)
    shell.stop(signal.SIGKILL)
    cloud.with_name("away").rename(cloud)
    shell.start()
    assert (shell.folder / "a.jpg").read_bytes() == b"a" * 5000
    shell.until("queued", 0)
    assert shell.world.stored("a.jpg") == b"a" * 5000
    (shell.folder / "a.jpg").unlink()
    end = time.monotonic() + 15
    while shell.world.stored("a.jpg") is not None:
        assert time.monotonic() < end
        time.sleep(0.05)
    shell.stop(signal.SIGKILL)
    shell.start()
    assert shell.json("warm", "a.jpg")["absent"] == ["a.jpg"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("status",), 5, "no cache runs on this folder"),
        (("evict", "a"), 5, "no cache runs on this folder"),
        (("evict",), 2, "NAMES"),
        (("check",), 2, "no remote"),
    ],
)
def test_without_a_cache_it_says_what_to_do(
    shell: Shell, words: tuple[str, ...], code: int, says: str
) -> None:
    shell.folder.mkdir(parents=True)
    found, _, said = shell.run(*words)
    assert (found, says in said) == (code, True), said


def test_check_where_no_cache_was(shell: Shell) -> None:
    shell.folder.mkdir(parents=True)
    code, _, said = shell.run("check", remote=True)
    assert (code, "no cache has been here" in said) == (5, True), said


def test_a_folder_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    code, _, said = shell.run("status")
    assert code == 5
    assert "no such folder" in said
