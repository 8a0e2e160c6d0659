"""The exporter learns names and hosts from a living manager, through the edge's read-only proxy."""

import json
from pathlib import Path

import pytest
import yaml

from demo.parts import deploy_stack, make_network
from lab import Lab
from tests.lab.test_monitoring import _for_the_lab, _wait
from tests.lab.test_stacks import _edge_without_traefik

ROOT = Path(__file__).parents[2]
_PAGE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9324/metrics').read().decode())"


def _app(folder: Path, image: str, name: str, host: str) -> Path:
    """Return a stack whose service bears the name `web` in Traefik."""
    labels = {
        "traefik.enable": "true",
        f"traefik.http.routers.{name}.rule": f"Host(`{host}`)",
        "traefik.http.services.web.loadbalancer.server.port": "8080",
    }
    service = {
        "image": image,
        "command": ["sleep", "1d"],
        "stop_grace_period": "1s",
        "networks": ["monitoring"],
        "deploy": {"endpoint_mode": "dnsrr", "labels": labels},
    }
    networks = {"monitoring": {"external": True}}
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump({"version": "3.8", "services": {"site": service}, "networks": networks}))
    return path


def _address(lab: Lab, service: str) -> str:
    """Return the address of a service's one task, as the engine tells it."""
    ask = ("service", "ps", "--filter", "desired-state=running", "-q", service)
    task = lab.docker(*ask).strip()
    (attachment,) = json.loads(lab.docker("inspect", "--type", "task", task))[0]["NetworksAttachments"]
    return str(attachment["Addresses"][0].partition("/")[0])


@pytest.fixture
def folder(lab: Lab, exporters_image: str, tmp_path: Path) -> Path:
    """The edge's proxy, the exporter on n1, and two apps that share a name in Traefik."""
    base = lab.load_base("base")
    make_network(lab, "monitoring")
    lab.docker("node", "update", "--label-add", "edge=true", "n1")
    images = {"HAPROXY_IMAGE": lab.load_base("haproxy"), "BUSYBOX_IMAGE": base}
    deploy_stack(lab, "edge", _edge_without_traefik(tmp_path), variables=images)
    for name in ("shop", "blog"):
        deploy_stack(lab, name, _app(tmp_path, base, name, f"{name}.example.com"))
    files = [
        _for_the_lab("traefik-exporter.yml", tmp_path),
        ROOT / "stacks/merge/traefik-exporter-engine.yml",
    ]
    deploy_stack(lab, "monitoring", *files, variables={"EXPORTERS_IMAGE": exporters_image})
    return tmp_path


def test_a_living_manager_tells_names_hosts_and_whose_a_shared_name_is(lab: Lab, folder: Path) -> None:
    node = lab.node("n1")

    def page() -> str:
        containers = node.docker("ps", "-q", "--filter", "name=monitoring_traefik-exporter").split()
        return node.docker("exec", containers[0], "python3", "-c", _PAGE) if containers else ""

    def shows(*texts: str) -> bool:
        shown = page()
        return all(text in shown for text in texts)

    _wait(lambda: shows('traefik_rate_learn_up{from="engine"} 1'), 60, "the engine answers through the proxy")
    _wait(lambda: shows('traefik_rate_service_collision{name="web"} 1'), 60, "the shared name is flagged")
    record = {
        "DownstreamStatus": 200, "RouterName": "x@swarm", "ServiceName": "web@swarm", "entryPointName": "web",
    }  # fmt: skip
    servers = {name: f"{_address(lab, f'{name}_site')}:8080" for name in ("shop", "blog")}
    requests = [
        record | {"RequestHost": f"{name}.example.com", "ServiceAddr": servers[name]}
        for name in ("shop", "blog", "blog")
    ]
    requests.append(record | {"RequestHost": "forged.example.com", "RouterName": ""})
    lines = "".join(json.dumps(each) + "\n" for each in requests)
    where = lab.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "traefik-log").strip()
    node.exec(["sh", "-c", f"cat >>{where}/access.json"], stdin=lines.encode())
    labels = (
        '{{source="log",host="{0}.example.com",service="{0}_site",entrypoint="web",code_class="2xx"}} {1}'
    )
    counted = [labels.format("shop", 1), labels.format("blog", 2)]
    _wait(lambda: shows(*counted), 60, "each request under the service that served it")
    assert "forged" not in page()
