"""A real Prometheus, with the rules that ship, watches a real Swarm through tasks.swarm-exporter."""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.parts import deploy_stack
from lab import Lab

ROOT = Path(__file__).parents[2]
_PORT = 9090


class Prometheus:
    """What the Prometheus at a node's address answers."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}:{_PORT}"

    def get(self, path: str, **query: str) -> Any:
        """Return the `data` of an answer of its API."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=3) as answer:
            return json.load(answer)["data"]

    def values(self, expr: str) -> list[float]:
        """Return the values of an instant query, sorted."""
        return sorted(float(each["value"][1]) for each in self.get("query", query=expr)["result"])

    def value(self, expr: str) -> float | None:
        """Return the one value of an instant query, None where it has none."""
        found = self.values(expr)
        assert len(found) <= 1, expr
        return found[0] if found else None

    def alerts(self) -> dict[str, str]:
        """Return name -> state of the alerts that are pending or firing."""
        return {each["labels"]["alertname"]: each["state"] for each in self.get("alerts")["alerts"]}


def _wait(holds: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except OSError:  # not up yet
            pass
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.25)


def _for_the_lab(name: str, folder: Path) -> Path:
    """Return a copy of a stack file that asks for health every second and uses no VIP.

    The lab's kernel has no IPVS. Prometheus gets a port to ask it by.
    """
    stack = yaml.safe_load((ROOT / "stacks" / name).read_text())
    for service, what in stack["services"].items():
        what["deploy"]["endpoint_mode"] = "dnsrr"
        what.setdefault("healthcheck", {}).update({"interval": "1s"})
        if service == "prometheus":
            what["ports"] = [{"target": 9090, "published": _PORT, "mode": "host"}]
    for config in stack.get("configs", {}).values():
        source = (ROOT / "stacks" / config["file"]).resolve()
        if source.name == "prometheus.yml":  # looks names up more often, so that nobody waits
            eager = folder / source.name
            eager.write_text(re.sub(r"refresh_interval: \w+", "refresh_interval: 1s", source.read_text()))
            source = eager
        config["file"] = str(source)
    path = folder / name
    path.write_text(yaml.safe_dump(stack))
    return path


@pytest.fixture(scope="module")
def watched(exporters_image: str, module_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """Three nodes with exporter, Prometheus and Alertmanager on n1, and a service to watch."""
    lab = module_lab
    folder = tmp_path_factory.mktemp("monitoring")
    image = lab.load_base("prometheus")
    python = lab.load_base("python")
    lab.docker("network", "create", "--driver", "overlay", "--attachable", "monitoring")
    lab.docker("node", "update", "--label-add", "monitoring=true", "n1")
    files = [_for_the_lab(name, folder) for name in ("swarm-exporter.yml", "monitoring.yml")]
    deploy_stack(lab, "monitoring", *files, variables={
        "EXPORTERS_IMAGE": exporters_image,
        "PROMETHEUS_IMAGE": image, "PROMETHEUS_HEALTHCHECK": "true", "PROMETHEUS_USER": "0:0",
        "ALERTMANAGER_IMAGE": image, "ALERTMANAGER_HEALTHCHECK": "true",
        "ALERTMANAGER_BINARY": "prometheus-alertmanager",
    })  # fmt: skip
    lab.docker("service", "create", "-d", "--name", "web", "--mode", "global", "--endpoint-mode", "dnsrr",
               "--no-resolve-image", "--stop-grace-period", "1s", python, "sleep", "600")  # fmt: skip
    return Prometheus(lab.node("n1").address)


def test_three_exporters_one_truth(watched: Prometheus) -> None:
    _wait(lambda: watched.values('up{job="swarm-exporter"}') == [1, 1, 1], 40, "three exporters up")
    _wait(
        lambda: watched.value('service:swarm_service_verified_replicas:sum{service="web"}') == 3,
        20,
        "verified",
    )
    assert watched.value('service:swarm_service_desired_replicas:max{service="web"}') == 3
    assert watched.value('service:swarm_service_running_replicas:max{service="web"}') == 3
    assert watched.value("sum(swarm_exporter_cluster_source)") == 1
    assert watched.values("node:swarm_node_ready:max") == [1, 1, 1]
    assert watched.value("cluster:swarm_node_witnessed:ratio") == 1
    _wait(lambda: watched.values('up{job="alertmanager"}') == [1], 40, "Alertmanager up")
    assert len(watched.get("alertmanagers")["activeAlertmanagers"]) == 1
    rules = [rule for group in watched.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert {rule["lastError"] for rule in rules if "lastError" in rule} == set()
    _wait(
        lambda: set(watched.alerts()) == {"Watchdog"},
        40,
        f"a healthy Swarm raises nothing: {watched.alerts()}",
    )


def test_a_killed_node_is_told(watched: Prometheus, module_lab: Lab) -> None:
    module_lab.node("n3").kill()
    _wait(
        lambda: watched.value('service:swarm_service_verified_replicas:sum{service="web"}') == 2,
        15,
        "the engines confirm two, before the Swarm itself has noticed",
    )
    _wait(lambda: watched.values("node:swarm_node_ready:max == 0") == [0], 25, "n3 not ready")
    assert watched.value('service:swarm_service_running_replicas:max{service="web"}') == 2
    assert watched.value('service:swarm_service_desired_replicas:max{service="web"}') == 2
    _wait(lambda: "SwarmNodeDown" in watched.alerts(), 15, "SwarmNodeDown pending or firing")
    assert (
        "SwarmServiceReplicasMismatch" not in watched.alerts()
    )  # a global service lost a node, not a replica
