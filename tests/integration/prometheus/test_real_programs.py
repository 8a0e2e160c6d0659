"""Real Prometheus, Alertmanager, node-exporter: they take our files and have the metrics our rules read."""

import json
import re
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

from tests.support.programs import free_port, need
from tests.support.promql import foreign

ROOT = Path(__file__).parents[3]
_PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")


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
    need(*_PROGRAMS, package=" ".join(_PROGRAMS))
    folder = tmp_path_factory.mktemp("prometheus")
    ports = {program: free_port() for program in _PROGRAMS}
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


def _alertmanager(prometheus: int) -> str:
    (manager,) = _get(prometheus, "/api/v1/alertmanagers")["activeAlertmanagers"]
    return str(manager["url"].removesuffix("/alerts"))


def test_an_alert_reaches_alertmanager(prometheus: int) -> None:
    api = _alertmanager(prometheus)

    def arrived() -> list[Any]:
        with urllib.request.urlopen(f"{api}/alerts/groups", timeout=3) as answer:
            groups = json.load(answer)
        return [group for group in groups if group["labels"]["alertname"] == "Watchdog"]

    (group,) = _until(arrived)
    assert group["receiver"]["name"] == "dead-mans-switch"


@pytest.mark.parametrize(
    ("cause", "held_back", "still_told"),
    [
        (
            {"alertname": "SwarmNodeDown", "hostname": "n3"},
            [
                {"alertname": "SwarmServiceReplicasMismatch", "service": "shop_web"},
                {"alertname": "SwarmExporterMissing", "hostname": "n3"},
                {"alertname": "HostDiskFull", "hostname": "n3"},
            ],
            [
                {"alertname": "SwarmServiceDown", "service": "db"},
                {"alertname": "SwarmExporterMissing", "hostname": "n2"},
                {"alertname": "SwarmQuorumAtRisk"},
            ],
        ),
        (
            {"alertname": "SwarmQuorumLost"},
            [{"alertname": "SwarmNoLeader"}, {"alertname": "SwarmServiceDown", "service": "x"}],
            [{"alertname": "SiteNoServer", "host": "a"}, {"alertname": "SwarmEngineDown", "hostname": "n1"}],
        ),
        (
            {"alertname": "SwarmTaskPending", "service": "shop_web", "stack": "shop"},
            [{"alertname": "SwarmServiceReplicasMismatch", "service": "shop_web", "stack": "shop"}],
            [{"alertname": "SwarmServiceReplicasMismatch", "service": "blog_web", "stack": "blog"}],
        ),
    ],
    ids=lambda each: each["alertname"] if isinstance(each, dict) else "",
)
def test_one_cause_one_message(
    prometheus: int, cause: dict[str, str], held_back: list[dict[str, str]], still_told: list[dict[str, str]]
) -> None:
    api = _alertmanager(prometheus)
    test = {"case": cause["alertname"]}
    all_of_them = [{"labels": each | test} for each in (cause, *held_back, *still_told)]

    def post(ends_at: str | None) -> None:
        body = [each | ({"endsAt": ends_at} if ends_at else {}) for each in all_of_them]
        request = urllib.request.Request(
            f"{api}/alerts", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=3).close()

    def state(labels: dict[str, str]) -> str:
        asked = [("filter", f'{name}="{value}"') for name, value in (labels | test).items()]
        with urllib.request.urlopen(f"{api}/alerts?{urllib.parse.urlencode(asked)}", timeout=3) as answer:
            (alert,) = json.load(answer)
        return str(alert["status"]["state"])

    post(None)
    try:
        _until(lambda: [each for each in held_back if state(each) == "suppressed"])
        assert {each["alertname"]: state(each) for each in held_back} == {
            each["alertname"]: "suppressed" for each in held_back
        }
        assert [state(each) for each in still_told] == ["active"] * len(still_told)
    finally:
        post("2020-01-01T00:00:00Z")  # over, so that it holds nothing of the next case back


def _until(found: Callable[[], list[Any]], seconds: float = 40) -> list[Any]:
    end = time.monotonic() + seconds
    while not (rows := found()):
        assert time.monotonic() < end, f"nothing within {seconds} s"
        time.sleep(0.3)
    return rows
