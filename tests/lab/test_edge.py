"""stacks/edge.yml whole, with a real Traefik: it serves an app, which the exporter counts by its name."""

import http.client
import shutil
import ssl
from pathlib import Path

import pytest
import yaml

from demo.parts import deploy_stack, make_network
from lab import Lab
from tests.lab.test_monitoring import _for_the_lab, _wait
from tests.support.traefik import find_traefik

ROOT = Path(__file__).parents[2]
_IMAGE = "test/real-traefik:1"
_SITE = "shop.example.com"
_PAGE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9324/metrics').read().decode())"


def _edge(folder: Path) -> Path:
    """Return edge.yml as it stands, but for what the lab lacks: IPVS, and wget in its images."""
    stack = yaml.safe_load((ROOT / "stacks" / "edge.yml").read_text())
    reader = stack["services"]["docker-read"]
    reader["deploy"]["endpoint_mode"] = "dnsrr"
    for service in (reader, stack["services"]["traefik"]):
        del service["healthcheck"]
    # Nor is there a certificate authority: Traefik's own certificate serves.
    command = [
        flag for flag in stack["services"]["traefik"]["command"] if "certificatesresolvers" not in flag
    ]
    asks = "--entrypoints.websecure.http.tls"
    stack["services"]["traefik"]["command"] = [
        f"{asks}=true" if flag.startswith(f"{asks}.certresolver") else flag for flag in command
    ]
    for config in stack["configs"].values():
        config["file"] = str(ROOT / "stacks" / config["file"])
    path = folder / "edge.yml"
    path.write_text(yaml.safe_dump(stack))
    return path


def _app(folder: Path, image: str) -> Path:
    labels = {
        "traefik.enable": "true",
        "traefik.http.routers.shop.rule": f"Host(`{_SITE}`)",
        "traefik.http.routers.shop.entrypoints": "websecure",
        "traefik.http.services.shop.loadbalancer.server.port": "8000",
    }
    service = {
        "image": image,
        "command": ["python3", "-m", "http.server", "8000"],
        "stop_grace_period": "1s",
        "networks": ["edge"],
        "deploy": {"endpoint_mode": "dnsrr", "labels": labels},
    }
    stack = {"version": "3.8", "services": {"web": service}, "networks": {"edge": {"external": True}}}
    path = folder / "shop.yml"
    path.write_text(yaml.safe_dump(stack))
    return path


@pytest.fixture
def deployed(lab: Lab, exporters_image: str, tmp_path: Path) -> Lab:
    base, python = lab.load_base("base"), lab.load_base("python")
    shutil.copy(find_traefik(), tmp_path / "traefik")
    (tmp_path / "Dockerfile").write_text(f'FROM {base}\nCOPY traefik /usr/bin/\nENTRYPOINT ["traefik"]\n')
    lab.build(tmp_path, _IMAGE)
    for network in ("edge", "monitoring"):
        make_network(lab, network)
    lab.docker("node", "update", "--label-add", "edge=true", "n1")
    variables = {
        "TRAEFIK_IMAGE": _IMAGE, "HAPROXY_IMAGE": lab.load_base("haproxy"), "BUSYBOX_IMAGE": base,
        "ACME_EMAIL": "me@example.com", "EXPORTERS_IMAGE": exporters_image,
    }  # fmt: skip
    deploy_stack(lab, "edge", _edge(tmp_path), variables=variables)
    deploy_stack(lab, "shop", _app(tmp_path, python))
    files = [
        _for_the_lab("traefik-exporter.yml", tmp_path),
        ROOT / "stacks/merge/traefik-exporter-engine.yml",
    ]
    deploy_stack(lab, "monitoring", *files, variables=variables)
    return lab


def _ask(lab: Lab, host: str = _SITE) -> int:
    """Return the status of a request over TLS; the certificate is Traefik's own: no authority is here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(lab.node("n1").address, timeout=5, context=context)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    except http.client.HTTPException:
        return 0
    finally:
        connection.close()


def test_the_edge_serves_an_app_and_its_requests_are_counted_by_the_swarms_name(deployed: Lab) -> None:
    node = deployed.node("n1")

    def page() -> str:
        containers = node.docker("ps", "-q", "--filter", "name=monitoring_traefik-exporter").split()
        return node.docker("exec", containers[0], "python3", "-c", _PAGE) if containers else ""

    def shows(text: str) -> bool:
        return text in page()

    _wait(lambda: _ask(deployed) == 200, 90, "the app behind Traefik")
    _wait(lambda: shows('traefik_rate_learn_up{from="engine"} 1'), 60, "names are learnt")
    counted = f'{{source="log",host="{_SITE}",service="shop_web",entrypoint="websecure",code_class="2xx"}} '
    _wait(lambda: shows(counted), 30, "the app's requests under its service's name")

    def number() -> int:
        return int(page().partition(f"traefik_rate_requests_total{counted}")[2].split(maxsplit=1)[0])

    before = number()
    assert [_ask(deployed) for _ in range(20)] == [200] * 20
    assert _ask(deployed, "forged.example.net") == 404
    _wait(lambda: number() == before + 20, 30, "20 requests more")
    _wait(lambda: shows('host="other",service="",outcome="unrouted"} 1'), 30, "one that no router took")
    assert "forged" not in page()
