"""The seed's panel shows what happened: its own query, asked of a real Prometheus, equals a count of the log.

An hour of two sites and two Traefiks is played in accelerated time: lines are appended, the exporters
read them by a clock of ours, and what they show every 15 seconds becomes Prometheus's data.
"""

import datetime as dt
import json
import random
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.exposition.page import Form
from exporters.traefik.exporter import Exporter, Options
from tests.support.programs import need

ROOT = Path(__file__).parents[3]
_BEGIN = int(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC).timestamp())
_SECONDS = 3600
_SCRAPE = 15
_SAMPLE = re.compile(r"^(traefik_rate_bucket_requests_per_second)\{(.+)\} (\S+)$", re.MULTILINE)
_HOSTS = ("shop.example.com", "blog.example.org")


def _line(second: float, host: str, status: int) -> str:
    moment = dt.datetime.fromtimestamp(second, dt.UTC)
    name = host.partition(".")[0]
    return json.dumps(
        {
            "StartUTC": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "time": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "RequestHost": host,
            "RequestMethod": "GET",
            "RequestPath": "/",
            "DownstreamStatus": status,
            "OriginStatus": status,
            "DownstreamContentSize": 100,
            "Duration": 1_000_000,
            "OriginDuration": 900_000,
            "RouterName": f"{name}@swarm",
            "ServiceName": f"{name}-web@swarm",
            "entryPointName": "websecure",
        }
    )


def _afternoon(rng: random.Random) -> list[tuple[float, str, int]]:
    """Return second, host and status of every request: bursts, quiet times, a site that begins late."""
    requests = []
    for host, begins in zip(_HOSTS, (20, 1500), strict=True):
        second: float = begins
        while second < _SECONDS - 10:
            requests.append((second, host, rng.choice([200, 200, 200, 404, 500])))
            second += rng.expovariate(rng.choice([8.0, 8.0, 2.0, 0.3]))
    return sorted(requests)


class _Node:
    """A Traefik's log, and the exporter beside it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.now = float(_BEGIN)
        folder.mkdir()
        self._log = folder / "access.json"
        self._log.touch()
        self._options = Options(log=(str(self._log),), state=folder / "state")
        self._exporter = self._start()

    def _start(self) -> Exporter:
        return Exporter(self._options, clock=lambda: self.now)

    def restart(self) -> None:
        """Close the exporter and start another, which goes on where this one was."""
        self._exporter.close()
        self._exporter = self._start()

    def write(self, lines: list[str]) -> None:
        """Append to the log."""
        with self._log.open("a") as log:
            log.writelines(f"{line}\n" for line in lines)

    def samples(self) -> Iterator[tuple[str, str, str]]:
        """Yield metric, labels and value of what a scrape would now find of the panel's metric."""
        self._exporter.read_all()
        body = self._exporter.show().body(Form(openmetrics=False, gzip=False)).decode()
        for metric, labels, value in _SAMPLE.findall(body):
            yield metric, f'instance="{self.name}",{labels}', value

    def close(self) -> None:
        """Close the exporter."""
        self._exporter.close()


def _play(folder: Path, requests: list[tuple[float, str, int]], rng: random.Random) -> list[str]:
    """Return an hour of scrapes as lines of OpenMetrics."""
    nodes = [_Node(folder / name, name) for name in ("a", "b")]
    waiting: dict[str, list[tuple[float, str]]] = {node.name: [] for node in nodes}
    for second, host, status in requests:
        waiting[rng.choice("ab")].append((second, _line(_BEGIN + second, host, status)))
    found = ["# TYPE traefik_rate_bucket_requests_per_second gauge"]
    for tick in range(7, _SECONDS + 400, _SCRAPE):
        for node in nodes:
            due = [line for second, line in waiting[node.name] if second <= tick]
            del waiting[node.name][: len(due)]
            node.write(due)
            node.now = _BEGIN + tick
            if tick == 7 + 100 * _SCRAPE:
                node.restart()
            for metric, labels, value in node.samples():
                found.append(f"{metric}{{{labels}}} {value} {_BEGIN + tick}")
                scraped = labels.replace('source="log"', 'source="scrape"')  # the same requests, seen twice
                found.append(f"{metric}{{{scraped}}} {value} {_BEGIN + tick}")
    for node in nodes:
        node.close()
    head, samples = found[0], found[1:]
    samples.sort(key=lambda sample: sample.rpartition("} ")[0])
    return [head, *samples, "# EOF"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, list[tuple[float, str, int]]]]:
    """A Prometheus that scraped that afternoon: its port, and the requests that were made."""
    need("prometheus", "promtool", package="prometheus")
    folder = tmp_path_factory.mktemp("seed")
    rng = random.Random(5)
    requests = _afternoon(rng)
    (folder / "scrapes.txt").write_text("\n".join(_play(folder, requests, rng)) + "\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "scrapes.txt", "data"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (folder / "prometheus.yml").write_text("{}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [
        "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as run,
    ):
        try:
            _wait_ready(port, folder / "log")
            yield port, requests
        finally:
            run.terminate()


def _wait_ready(port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(log.read_text()[-2000:])


@pytest.mark.parametrize(("place", "label"), [(0, "host"), (1, "service")])
def test_every_bar_is_the_count_of_its_five_minutes(
    played: tuple[int, list[tuple[float, str, int]]], place: int, label: str
) -> None:
    port, requests = played
    board = json.loads((ROOT / "grafana" / "dashboards" / "swarmstead-sites.json").read_text())
    panel = [each for each in board["panels"] if each["type"] != "row"][place]
    assert panel["interval"] == "5m"
    query = {
        "query": panel["targets"][0]["expr"].replace('"$host"', '".*"').replace('"$source"', '"log"'),
        "start": str(_BEGIN + 300), "end": str(_BEGIN + _SECONDS), "step": "300",  # as Grafana aligns it
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}/api/v1/query_range?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        result = json.load(answer)["data"]["result"]
    shown = {
        (row["metric"][label], int(at) - _BEGIN): round(float(value) * 300, 6)
        for row in result
        for at, value in row["values"]
    }
    names = (
        dict(zip(_HOSTS, _HOSTS, strict=True))
        if label == "host"
        else {h: h.split(".")[0] + "-web" for h in _HOSTS}
    )
    counted = Counter((names[host], int(second) // 300 * 300 + 300) for second, host, _ in requests)
    assert {key: value for key, value in shown.items() if value} == counted
    assert sum(counted.values()) == len(requests) > 1000
    # The late site's first bar is whole: a rate() would have lost its first requests.
    assert min(at for (name, at), value in shown.items() if value and name == names[_HOSTS[1]]) == 1800
