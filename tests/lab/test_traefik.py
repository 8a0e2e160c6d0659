"""Merged rates and counts equal the log's lines, through rotations, an exporter's restart, a node's loss.

A stand-in on each node writes the log; SWARMSTEAD_TRAEFIK=/path/to/traefik puts a real Traefik in its place.
"""

import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from demo.parts import deploy_stack
from lab import Lab
from tests.lab.test_monitoring import Prometheus, _for_the_lab, _wait

ROOT = Path(__file__).parents[2]
PER_SECOND = 50  # stand_in_traefik.PER_SECOND
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
    folder = lab.node(node).docker("volume", "inspect", "--format", "{{.Mountpoint}}", "traefik-log").strip()
    out = lab.node(node).exec(["sh", "-c", f"cat {folder}/access.json* | wc -l"])
    return int(out)


@pytest.fixture(scope="module")
def prometheus(exporters_image: str, module_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    lab = module_lab
    folder = tmp_path_factory.mktemp("traefik")
    image = lab.load_base("prometheus")
    build_stand_in(lab, folder / "stand-in")
    lab.docker("network", "create", "--driver", "overlay", "--attachable", "monitoring")
    lab.docker("node", "update", "--label-add", "monitoring=true", "n1")
    for node in NODES:
        lab.docker("node", "update", "--label-add", "edge=true", node)
    files = [_for_the_lab(name, folder) for name in ("traefik-exporter.yml", "monitoring.yml")]
    deploy_stack(lab, "monitoring", *files, variables={
        "EXPORTERS_IMAGE": exporters_image, "PROMETHEUS_IMAGE": image, "PROMETHEUS_HEALTHCHECK": "true",
        "PROMETHEUS_USER": "0:0", "ALERTMANAGER_IMAGE": image, "ALERTMANAGER_HEALTHCHECK": "true",
        "ALERTMANAGER_BINARY": "prometheus-alertmanager",
    })  # fmt: skip
    deploy_stack(lab, "edge", stand_in_stack(folder))
    return Prometheus(lab.node("n1").address)


def counted(prometheus: Prometheus) -> float:
    return prometheus.value('sum(traefik_rate_requests_total{source="log"})') or 0


def stop_writers(lab: Lab) -> None:
    lab.docker("service", "rm", "edge_traefik")
    time.sleep(6)


def test_rates_and_counts_are_the_logs_own(prometheus: Prometheus, module_lab: Lab) -> None:
    lab = module_lab
    up = 'up{job="traefik-exporter"}'
    _wait(lambda: prometheus.values(up) == [1, 1, 1], 60, "three exporters up")
    merged = 'max(sum by (instance) (traefik_rate_cluster_requests_per_second{window="1m"}))'
    _wait(lambda: all(lines(lab, node) > 0 for node in NODES), 60, "three writers")
    written = sum(lines(lab, node) for node in NODES)
    begun = time.monotonic()
    time.sleep(66)
    pace = (sum(lines(lab, node) for node in NODES) - written) / (time.monotonic() - begun)
    _wait(lambda: abs((prometheus.value(merged) or 0) / pace - 1) < 0.02, 30, f"the merged rate is {pace}")
    summed = prometheus.value('sum(traefik_rate_requests_per_second{window="1m"})') or 0
    assert summed == pytest.approx(pace, rel=0.02)

    # An exporter restarts, and goes on where it was.
    lab.docker(
        "service", "update", "--force", "--detach", "--update-parallelism", "0", "monitoring_traefik-exporter"
    )
    time.sleep(3)
    _wait(lambda: prometheus.values(up)[-3:] == [1, 1, 1], 60, "three exporters up again")

    # A node is lost, and comes back with the data that the loss left.
    lab.node("n3").kill()
    time.sleep(20)
    survivors = prometheus.value(merged) or 0
    assert survivors < pace
    lab.node("n3").start()
    lab.wait_ready()
    _wait(lambda: prometheus.values(up)[-3:] == [1, 1, 1], 90, "three exporters up after the loss")

    stop_writers(lab)
    total = sum(lines(lab, node) for node in NODES)
    assert total > PER_SECOND * 3 * 60
    _wait(lambda: abs(counted(prometheus) / total - 1) < 0.01, 60, f"counts within 1 % of {total}")
    assert (prometheus.value("sum(traefik_rate_log_rotations_total)") or 0) > 3
    assert prometheus.value("sum(traefik_rate_log_errors_total)") == 0
