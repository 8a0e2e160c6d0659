"""`./run lab` puts the Traefik that SWARMSTEAD_TRAEFIK names before the Swarm.

Without one a stand-in of v3 answers for it: then the labels' way to the app is not shown, all else is.
"""

import urllib.error
import urllib.request
from pathlib import Path

import yaml

from demo.parts import deploy_stack
from lab import Lab, entry
from tests.lab.test_monitoring import _wait

_STAND_IN = r"""#!/usr/bin/python3
import http.server, pathlib, sys
if sys.argv[1:] == ["version"]:
    print("Version:      3.7.9")
    sys.exit()
log = next(flag.partition("=")[2] for flag in sys.argv if flag.startswith("--accesslog.filepath="))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pathlib.Path(log).write_text("{}\n")
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\n".join(sys.argv).encode())
http.server.ThreadingHTTPServer(("", 80), Answer).serve_forever()
"""


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
    real = entry.given()
    stand_in = tmp_path / "traefik"
    stand_in.write_text(_STAND_IN, encoding="utf-8")
    stand_in.chmod(0o755)
    url = entry.deploy(lab, real or stand_in, base="base" if real else "python")
    deploy_stack(lab, "shop", _app(tmp_path, lab.load_base("python")))
    request = urllib.request.Request(url, headers={"Host": "shop.example.com"})

    def answer() -> str:
        try:
            with urllib.request.urlopen(request, timeout=3) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:  # no router yet
            return str(error.code)

    expected = "Directory listing" if real else "--providers.swarm.network=edge"
    _wait(lambda: expected in answer(), 60, f"{url} answers for shop.example.com")
    where = lab.docker("volume", "inspect", "--format", "{{.Mountpoint}}", "traefik-log").strip()
    _wait(lambda: lab.node("n1").exec(["cat", f"{where}/access.json"]) != "", 10, "the access log")

    # Another one, named later, takes its place.
    containers = ("ps", "-q", "--filter", f"name={entry.SERVICE}.")
    before = lab.node("n1").docker(*containers).split()
    assert entry.deploy(lab, real or stand_in, base="base" if real else "python") == url

    def replaced() -> bool:
        now = lab.node("n1").docker(*containers).split()
        return len(now) == 1 and now != before and expected in answer()

    _wait(replaced, 60, "the second entry answers, and it alone")
