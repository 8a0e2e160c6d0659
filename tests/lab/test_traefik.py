"""Merged rates and counts equal the log's lines, through rotations, an exporter's restart, a node's loss.

A stand-in on each node writes the log; SWARMSTEAD_TRAEFIK=/path/to/traefik puts a real Traefik in its place.
"""

import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from demo.parts import deploy_stack, make_network
from lab import CommandFailed, Lab
from tests.lab.test_monitoring import Prometheus, _for_the_lab, _wait

ROOT = Path(__file__).parents[2]
STAND_IN = "test/traefik:1"
NODES = ("n1", "n2", "n3")


def build_stand_in(lab: Lab, folder: Path) -> str:
    folder.mkdir()
    base = lab.load_base("python")
    shutil.copy(ROOT / "tests" / "lab" / "stand_in_traefik.py", folder)
    copies = ["COPY stand_in_traefik.py /stand_in_traefik.py"]
    real = os.environ.get("SWARMSTEAD_TRAEFIK")
    if real:
        shutil.copy(real, folder / "traefik")
        copies.append("COPY traefik /traefik")
    lines = [f"FROM {base}", *copies, 'CMD ["python3", "/stand_in_traefik.py"]', ""]
    (folder / "Dockerfile").write_text("\n".join(lines))
    lab.build(folder, STAND_IN)
    return STAND_IN


def stand_in_stack(folder: Path) -> Path:
    service = {
        "image": STAND_IN,
        "user": "0:0",
        "stop_grace_period": "2s",
        "networks": ["monitoring"],
        "volumes": ["traefik-log:/var/log/traefik"],
        "deploy": {"mode": "global", "endpoint_mode": "dnsrr"},
    }
    stack = {
        "version": "3.8",
        "services": {"traefik": service},
        "networks": {"monitoring": {"external": True}},
        "volumes": {"traefik-log": {"name": "traefik-log"}},
    }
    path = folder / "traefik.yml"
    path.write_text(yaml.safe_dump(stack))
    return path


def lines(lab: Lab, node: str) -> int:
    """Count the lines of all log files of a node, independently of the exporter."""
    try:
        where = lab.node(node).docker("volume", "inspect", "--format", "{{.Mountpoint}}", "traefik-log")
    except CommandFailed:  # no writer was there yet
        return 0
    folder = where.strip()
    out = lab.node(node).exec(["sh", "-c", f"cat {folder}/access.json* 2>/dev/null | wc -l"])
    return int(out)


@pytest.fixture
def prometheus(exporters_image: str, lab: Lab, tmp_path: Path) -> Prometheus:
    image = lab.load_base("prometheus")
    build_stand_in(lab, tmp_path / "stand-in")
    make_network(lab, "monitoring")
    lab.docker("node", "update", "--label-add", "monitoring=true", "n1")
    for node in NODES:
        lab.docker("node", "update", "--label-add", "edge=true", node)
    deploy_stack(lab, "edge", stand_in_stack(tmp_path))
    files = [_for_the_lab(name, tmp_path) for name in ("traefik-exporter.yml", "monitoring.yml")]
    deploy_stack(lab, "monitoring", *files, variables={
        "EXPORTERS_IMAGE": exporters_image, "PROMETHEUS_IMAGE": image, "PROMETHEUS_HEALTHCHECK": "true",
        "PROMETHEUS_USER": "0:0", "ALERTMANAGER_IMAGE": image, "ALERTMANAGER_HEALTHCHECK": "true",
        "ALERTMANAGER_BINARY": "prometheus-alertmanager",
    })  # fmt: skip
    return Prometheus(lab.node("n1").address)


def written(lab: Lab) -> int:
    return sum(lines(lab, node) for node in NODES)


def test_rates_and_counts_are_the_logs_own(prometheus: Prometheus, lab: Lab) -> None:
    def all_up() -> bool:
        return prometheus.values('up{job="traefik-exporter"}')[-3:] == [1, 1, 1]

    def merged() -> float:
        every = 'sum by (instance) (traefik_rate_cluster_requests_per_second{window="1m"})'
        return prometheus.value(f"max({every})") or 0

    def summed() -> float:
        return prometheus.value('sum(traefik_rate_requests_per_second{source="log", window="1m"})') or 0

    _wait(lambda: all(lines(lab, node) > 0 for node in NODES), 60, "three writers")
    _wait(all_up, 60, "three exporters up")

    # A minute of logs that are rotated every 20 s, and in its middle all exporters restart.
    before, begun = written(lab), time.monotonic()
    time.sleep(20)
    lab.docker(
        "service", "update", "--force", "--detach", "--update-parallelism", "0", "monitoring_traefik-exporter"
    )
    time.sleep(3)
    _wait(all_up, 60, "three exporters up again")
    time.sleep(max(0.0, begun + 66 - time.monotonic()))
    pace = (written(lab) - before) / (time.monotonic() - begun)
    _wait(lambda: abs(merged() / pace - 1) < 0.01, 30, f"the merged rate is {pace}")
    _wait(lambda: abs(summed() / pace - 1) < 0.01, 30, f"the rates' sum is {pace}")

    # A node is lost, and comes back with the data that the loss left.
    lab.node("n3").kill()
    _wait(lambda: 0 < merged() < 0.9 * pace, 60, "a lost node's requests leave the merged rate")
    lab.node("n3").start()
    lab.wait_ready()
    _wait(all_up, 90, "three exporters up after the loss")

    lab.docker("service", "rm", "edge_traefik")
    time.sleep(3)  # until the last writer has stopped
    total = written(lab)
    assert total > 0.8 * pace * 60

    def counted() -> float:
        return prometheus.value('sum(traefik_rate_requests_total{source="log"})') or 0

    _wait(lambda: abs(counted() / total - 1) < 0.01, 60, f"counts within 1 % of {total}")
    assert (prometheus.value("sum(traefik_rate_log_rotations_total)") or 0) > 3
    assert prometheus.value("sum(traefik_rate_log_errors_total)") == 0
