"""Real Prometheus, Alertmanager, node-exporter: they take our files and have the metrics our rules read."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promql import foreign

ROOT = Path(__file__).parents[3]
_PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _get(port: int, path: str, **query: str) -> Any:
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=3) as answer:
        return json.load(answer)["data"]


def _collectors() -> list[str]:
    """Return the collectors that stacks/node-exporter.yml turns on."""
    stack = yaml.safe_load((ROOT / "stacks" / "node-exporter.yml").read_text())
    words: list[str] = stack["services"]["node-exporter"]["entrypoint"]
    return [word.replace("$$", "$") for word in words if word.startswith("--collector")]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Our configuration, its targets on loopback; the port of Prometheus."""
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            says = f"{program} is not installed (apt-get install {program})"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(says)
    folder = tmp_path_factory.mktemp("prometheus")
    ports = {program: _free_port() for program in _PROGRAMS}
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    for name, program in zip(("prometheus", "alertmanager", "node-exporter"), _PROGRAMS, strict=True):
        jobs[name].pop("dns_sd_configs", None)
        jobs[name]["static_configs"] = [{"targets": [f"127.0.0.1:{ports[program]}"]}]
        jobs[name] |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config["global"]["evaluation_interval"] = "1s"
    config["rule_files"] = [f"{folder}/*.rules"]
    for path in (ROOT / "prometheus" / "rules").glob("*.yml"):  # judged every second, so that nobody waits
        (folder / f"{path.stem}.rules").write_text(re.sub(r"interval: \w+", "interval: 1s", path.read_text()))
    config["alerting"] = {
        "alertmanagers": [
            {"static_configs": [{"targets": [f"127.0.0.1:{ports['prometheus-alertmanager']}"]}]}
        ]
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    commands = {
        "prometheus": [
            f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            "--rules.alert.resend-delay=1s",  # the first one may come before Alertmanager listens
        ],
        "prometheus-alertmanager": [
            f"--config.file={ROOT}/prometheus/alertmanager.yml", f"--storage.path={folder}/alerts",
            f"--web.listen-address=127.0.0.1:{ports['prometheus-alertmanager']}",
            "--cluster.listen-address=",
        ],
        "prometheus-node-exporter": [
            f"--web.listen-address=127.0.0.1:{ports['prometheus-node-exporter']}", *_collectors(),
        ],
    }  # fmt: skip
    with ExitStack() as stack:
        for program, words in commands.items():
            log = stack.enter_context((folder / f"{program}.log").open("wb"))
            process = stack.enter_context(subprocess.Popen([program, *words], stdout=log, stderr=log))
            stack.callback(process.terminate)
        _wait_for_scrapes(ports["prometheus"], folder)
        yield ports["prometheus"]


def _wait_for_scrapes(port: int, folder: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if len(_get(port, "/api/v1/query", query="up == 1")["result"]) == 3:
                return
        except OSError:
            pass
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    pytest.fail(f"not all of {_PROGRAMS} were scraped within 30 s\n{logs}")


@pytest.mark.parametrize("program", ["prometheus", "alertmanager", "node-exporter"])
def test_the_metrics_our_rules_read_are_there(prometheus: int, program: str) -> None:
    there = set(_get(prometheus, "/api/v1/label/__name__/values"))
    lacking = foreign(program) - there - {"ALERTS"}
    if not Path("/proc/pressure/memory").exists():  # kernels without PSI
        lacking -= {"node_pressure_memory_waiting_seconds_total"}
    assert lacking == set()


def test_the_machine_gets_its_name(prometheus: int) -> None:
    """What stacks/node-exporter.yml says by `hostname:` reaches the recorded series as a label."""
    rows = _until(
        lambda: _get(prometheus, "/api/v1/query", query="host:node_memory_available:ratio")["result"]
    )
    assert rows[0]["metric"]["hostname"] == socket.gethostname()
    assert 0 < float(rows[0]["value"][1]) < 1


def test_an_alert_reaches_alertmanager(prometheus: int) -> None:
    def arrived() -> list[Any]:
        (manager,) = _get(prometheus, "/api/v1/alertmanagers")["activeAlertmanagers"]
        with urllib.request.urlopen(manager["url"].replace("/alerts", "/alerts/groups"), timeout=3) as answer:
            groups = json.load(answer)
        return [group for group in groups if group["labels"]["alertname"] == "Watchdog"]

    (group,) = _until(arrived)
    assert group["receiver"]["name"] == "dead-mans-switch"


def _until(found: Callable[[], list[Any]], seconds: float = 40) -> list[Any]:
    end = time.monotonic() + seconds
    while not (rows := found()):
        assert time.monotonic() < end, f"nothing within {seconds} s"
        time.sleep(0.3)
    return rows
