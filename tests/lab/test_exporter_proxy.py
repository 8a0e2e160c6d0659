"""The exporter behind a proxy that only reads, as its stack file deploys it, on a real Swarm."""

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from demo.parts import deploy_stack
from lab import Lab

ROOT = Path(__file__).parents[2]
_ASK = """
import http.client, socket, sys
for line in sys.argv[1:]:
    method, path = line.split()
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/docker-read/docker.sock")
    connection.request(method, path)
    print(connection.getresponse().status)
"""
_PAGE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9323/metrics').read().decode())"


def _wait(holds: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.5)


class _Deployed:
    """The stack on three nodes."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def inside(self, node: str, *command: str) -> str:
        """Run a command in a node's exporter container."""
        named = ("--filter", "name=watch_swarm-exporter")
        (container, *_) = self.lab.node(node).docker("ps", "-q", *named).split() or [""]
        return self.lab.node(node).docker("exec", container, *command) if container else ""

    def value(self, node: str, series: str) -> float | None:
        """Return the value of the one series on a node's page that begins so."""
        found = re.findall(rf"(?m)^{re.escape(series)}\S* (\S+)$", self.inside(node, "python3", "-c", _PAGE))
        return float(found[0]) if found else None

    def shows(self, node: str, series: str, value: float) -> bool:
        """Return whether a node's page says so."""
        return self.value(node, series) == value


@pytest.fixture(scope="module")
def deployed(exporters_image: str, module_lab: Lab) -> Iterator[_Deployed]:
    lab = module_lab
    images = {"EXPORTERS_IMAGE": exporters_image, "HAPROXY_IMAGE": lab.load_base("haproxy")}
    lab.node("n1").docker("network", "create", "--driver", "overlay", "--attachable", "monitoring")
    deploy_stack(lab, "watch", ROOT / "stacks" / "swarm-exporter-proxy.yml", variables=images)
    it = _Deployed(lab)
    for node in ("n1", "n2", "n3"):
        _wait(partial(it.shows, node, "swarm_engine_up", 1), 90, f"the exporter on {node} sees its engine")
    yield it
    lab.node("n1").docker("stack", "rm", "watch")


def test_all_of_it_works_through_the_proxy_as_nobody(deployed: _Deployed) -> None:
    assert deployed.inside("n1", "id", "-u").strip() == "65534"
    _wait(
        lambda: deployed.value("n1", "swarm_exporter_cluster_source") == 1, 30, "n1 answers for the cluster"
    )
    _wait(
        lambda: deployed.value("n1", 'swarm_service_running_replicas{service="watch_docker-read"') == 3,
        30,
        "3 run",
    )
    for node in ("n1", "n2", "n3"):
        _wait(partial(deployed.shows, node, "swarm_engine_witness_up", 1), 30, "the second witness")
        assert deployed.shows(node, "swarm_exporter_event_stream_up", 1)
    assert deployed.value("n2", "swarm_exporter_cluster_source") == 0
    errors = re.findall(
        r"(?m)^swarm_exporter_poll_errors_total.*http_403.*$", deployed.inside("n1", "python3", "-c", _PAGE)
    )
    assert errors == []


def test_the_proxy_lets_reading_through_and_nothing_else(deployed: _Deployed) -> None:
    allowed = [
        "GET /_ping",
        "GET /v1.41/info",
        "GET /nodes",
        "GET /v1.41/services",
        "GET /tasks",
        "GET /containers/json",
    ]
    denied = [
        "POST /containers/create",
        "POST /v1.41/services/create",
        "DELETE /containers/x",
        "GET /secrets",
        "GET /v1.41/configs",
        "GET /swarm",
        "GET /services/x/logs",
        "GET /containers/x/json",
        "GET /v1.41/images/json",
        "GET /system/df",
    ]
    answers = deployed.inside("n1", "python3", "-c", _ASK, *allowed, *denied).split()
    assert answers == ["200"] * len(allowed) + ["403"] * len(denied)
