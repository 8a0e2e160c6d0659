"""The `swarm-exporter` command as a user starts it: settings, signals, exit codes, what it imports."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.cli.probe import ask_health
from exporters.cli.swarm import command, split_listen
from swarmstead.command import run
from swarmstead.errors import UsageError
from tests.integration.engine.engine_server import EngineServer, engine_at
from tests.integration.swarm.test_exporter import _replies

PROGRAM = str(Path(sys.executable).with_name("swarm-exporter"))
PROBE = Path(__file__).parents[3] / "exporters" / "cli" / "probe.py"


@pytest.fixture
def engine() -> Iterator[tuple[EngineServer, str]]:
    with tempfile.TemporaryDirectory(prefix="sw") as folder, engine_at(Path(folder, "s")) as server:
        server.replies |= _replies("29/managers-idle")
        yield server, f"unix://{folder}/s"


def test_once_prints_a_page(engine: tuple[EngineServer, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, ["--once", "--engine", engine[1], "--disk-interval", "0"]) == 0
    page = capsys.readouterr().out
    assert 'swarm_service_running_replicas{service="rep6",stack="",mode="replicated"} 6\n' in page
    assert "swarm_exporter_cluster_source 1\n" in page


def test_once_without_an_engine_fails_and_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, ["--once", "--engine", "unix:///nowhere/docker.sock"]) == 6
    told = capsys.readouterr().err
    assert "/nowhere/docker.sock" in told
    assert "--engine" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "here"], "HOST:PORT"),
        (["--listen", ":99999"], "HOST:PORT"),
        (["--engine", "ssh://x"], "no address of an engine"),
        (["--service-label", "a.b", "--service-label", "a-b"], "same label"),
        (["--interval", "0"], "interval"),
        (["--no-such"], "no-such"),
    ],
)
def test_what_does_not_fit_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (":9323", ("", 9323)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:80", ("::1", 80)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_listen_addresses(text: str, parts: tuple[str, int]) -> None:
    assert split_listen(text) == parts


def test_listen_needs_a_port() -> None:
    with pytest.raises(UsageError):
        split_listen("localhost")


@pytest.fixture
def running(engine: tuple[EngineServer, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command on a free port; give the process and its port."""
    environment = {**os.environ, "SWARMSTEAD_ENGINE": engine[1], "SWARMSTEAD_LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen([PROGRAM], stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    words = ""
    while not (found := re.findall(r"port (\d+)", words)):  # a slow machine may warn first
        words = process.stderr.readline()
        assert words, "it ended before it served"
    port = int(found[0])
    yield process, port
    process.kill()
    process.wait()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_a_signal(
    running: tuple[subprocess.Popen[str], int], number: signal.Signals, code: int
) -> None:
    process, port = running
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    assert "swarm_exporter_build_info" in page
    process.send_signal(number)
    assert process.wait(5) == code


def test_the_probe_says_what_health_says(running: tuple[subprocess.Popen[str], int]) -> None:
    _, port = running
    asked = [sys.executable, "-S", "-E", str(PROBE), str(port)]
    words = ""
    for _ in range(50):
        words = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        if words.startswith("ok"):
            break
    assert words.startswith("ok: the engine answered")
    assert ask_health("", port)[0]
    good, words = ask_health("127.0.0.1", 1)
    assert not good
    assert "no exporter answers" in words


def test_the_process_imports_nothing_that_it_does_not_use() -> None:
    """Each of these costs a MiB or more of every node's memory."""
    heavy = {
        "requests",
        "rich",
        "jinja2",
        "yaml",
        "ssl",
        "hashlib",
        "bcrypt",
        "prometheus_client",
        "asyncio",
        "email",
    }
    script = f"import exporters.cli.swarm, sys; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"
