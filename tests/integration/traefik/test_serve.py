"""The real process beside a writer: killed, rotated under, asked while it reads; and over standard input."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import free_port

COMMAND = str(Path(sys.executable).with_name("traefik-exporter"))


def line(number: int, host: str = "shop.example.com") -> bytes:
    record = {
        "DownstreamContentSize": number % 100,
        "DownstreamStatus": 200,
        "Duration": 1_000_000,
        "OriginStatus": 200,
        "RequestHost": host,
        "RouterName": "shop@swarm",
        "ServiceName": "shop-web@swarm",
        "entryPointName": "web",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


class Serving:
    """An exporter process on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "access.json"
        self.port = free_port()
        self.arguments = [
            "serve", "--log", str(self.log), "--state", str(folder / "state"),
            "--listen", f"127.0.0.1:{self.port}",
            "--peers", f"127.0.0.1:{self.port}",
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([COMMAND, *self.arguments], stderr=subprocess.DEVNULL)

    def page(self, seconds: float = 20) -> str:
        until = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=2) as answer:
                    return str(answer.read().decode())
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def health(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        words = answer.read().decode()
        connection.close()
        return answer.status, words

    def requests(self) -> int:
        found = re.findall(r"^traefik_rate_requests_total\{.*\} (\d+)$", self.page(), re.MULTILINE)
        return sum(map(int, found))

    def wait_for(self, number: int, seconds: float = 20) -> int:
        until = time.monotonic() + seconds
        while (seen := self.requests()) < number and time.monotonic() < until:
            time.sleep(0.2)
        return seen


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    exporter = Serving(tmp_path)
    yield exporter
    exporter.process.kill()
    exporter.process.wait()


def test_kills_and_rotations_lose_nothing_and_no_counter_goes_back(serving: Serving) -> None:
    written = seen = 0
    for turn in range(6):
        with serving.log.open("ab") as file:
            for _ in range(50):
                written += 1
                file.write(line(written))
        if turn == 1:
            seen = max(seen, serving.wait_for(written))
            serving.process.send_signal(signal.SIGKILL)
            serving.process.wait()
            serving.start()
        elif turn == 2:
            serving.log.rename(serving.log.with_name("access.json.1"))
        elif turn == 4:
            serving.process.send_signal(signal.SIGKILL)
            serving.process.wait()
            serving.log.rename(serving.log.with_name("access.json.2"))
            serving.start()
        now = serving.requests()
        assert now >= seen
        seen = now
    assert serving.wait_for(written) == written
    time.sleep(2.5)
    assert serving.requests() == written
    page = serving.page()
    assert 'traefik_rate_peers{state="up"} 1\n' in page
    assert re.search(
        r"^traefik_rate_cluster_requests_per_second\{.*window=\"5m\"\} [0-9.]+$", page, re.MULTILINE
    )
    memory = re.search(r"^process_resident_memory_bytes (\d+)$", page, re.MULTILINE)
    assert memory is not None
    assert (
        int(memory[1]) < 34 * 1024 * 1024
    )  # 30 MiB is the goal, as the bench measures it; here with the server


def test_a_stop_by_the_runtime_is_clean(serving: Serving) -> None:
    serving.log.write_bytes(line(1))
    assert serving.wait_for(1) == 1
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(10) == 0


def test_healthz_tells_of_a_file_that_cannot_be_read(serving: Serving) -> None:
    serving.log.mkdir()
    serving.page()
    until = time.monotonic() + 10
    answer = serving.health()
    while answer[0] == 200 and time.monotonic() < until:
        time.sleep(0.2)
        answer = serving.health()
    assert answer[0] == 503
    assert "access.json" in answer[1]


def run(
    *arguments: str, data: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [COMMAND, *arguments],
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def test_standard_input() -> None:
    done = run("serve", "--log", "-", "--once", data=line(1) * 3 + line(2)[:-1])
    assert done.returncode == 0
    assert b'service="shop-web",entrypoint="web",code_class="2xx"} 4\n' in done.stdout


def test_top_as_json() -> None:
    done = run("top", "--log", "-", "--once", "--json", "--paths", data=line(1) * 3)
    answer = json.loads(done.stdout)
    assert answer["rows"][0]["host"] == "shop.example.com"
    assert set(answer) == {"time", "window", "rows", "paths", "clients"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["serve"], 2, b"--scrape tasks.traefik:8082"),
        (["serve", "--log", "a", "--log", "-"], 2, b"cannot be followed beside files"),
        (["serve", "--log", "a", "--state", "/dev/zero/x", "--once"], 3, b"/dev/zero/x"),
        (["check", "/nonexistent.yml"], 3, b"cannot be read"),
    ],
)
def test_errors_say_what_to_do(arguments: list[str], code: int, words: bytes) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
