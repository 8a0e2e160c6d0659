"""What the stack files promise, on a real Swarm: the door to the engine only reads, images are kept."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.parts import deploy_stack
from lab import CommandFailed, Lab

ROOT = Path(__file__).parents[2]


def _wait(holds: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.3)


def _running(lab: Lab, service: str) -> int:
    rows = lab.node("n1").docker_json("service", "ps", service)
    return sum(row["CurrentState"].startswith("Running") for row in rows)


# The edge without Traefik; test_edge.py has it whole


def _edge_without_traefik(folder: Path) -> Path:
    stack: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / "edge.yml").read_text())
    del stack["services"]["traefik"]
    reader = stack["services"]["docker-read"]
    reader["deploy"]["endpoint_mode"] = "dnsrr"  # the lab's kernel has no IPVS
    del reader["healthcheck"]  # the lab's image has no wget
    for network in ("edge", "monitoring"):
        del stack["networks"][network]
    stack["networks"]["control"]["attachable"] = True  # to ask from a container of ours
    del stack["configs"]["traefik"], stack["volumes"]["letsencrypt"]
    stack["configs"]["docker_read"]["file"] = str(ROOT / "stacks" / "docker-read-edge.cfg")
    path = folder / "edge.yml"
    path.write_text(yaml.safe_dump(stack))
    return path


_ASK = """
import sys, urllib.request, urllib.error
for line in sys.argv[1:]:
    method, path = line.split()
    request = urllib.request.Request("http://docker-read:2375" + path, method=method)
    try:
        print(urllib.request.urlopen(request, timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


_READ = ("/_ping", "/version", *(f"/v1.41/{what}" for what in ("services", "tasks", "networks", "nodes")))
_SECRET = ("/v1.41/secrets", "/v1.41/configs", "/v1.41/swarm", "/v1.41/containers/json",
           "/v1.41/services/x/logs", "/v1.41/services/../secrets", "/v1.41/nodes/x/y")  # fmt: skip


def test_traefiks_door_to_the_engine_only_reads(lab: Lab, tmp_path: Path) -> None:
    python = lab.load_base("python")
    images = {"HAPROXY_IMAGE": lab.load_base("haproxy"), "BUSYBOX_IMAGE": lab.load_base("base")}
    lab.docker("node", "update", "--label-add", "edge=true", "n2")
    deploy_stack(lab, "edge", _edge_without_traefik(tmp_path), variables=images)
    _wait(lambda: _running(lab, "edge_docker-read") == 1, 30, "docker-read on the one manager")
    _wait(lambda: _running(lab, "edge_log-rotation") == 1, 30, "log-rotation on the one edge node")
    wanted = {
        **dict.fromkeys((f"GET {path}" for path in _READ), "200"),
        f"GET /v1.41/nodes/{lab.docker('info', '--format', '{{.Swarm.NodeID}}').strip()}": "200",
        **dict.fromkeys((f"GET {path}" for path in _SECRET), "403"),
        **dict.fromkeys((f"POST {path}" for path in _READ), "403"),
        "DELETE /v1.41/services/edge_docker-read": "403", "POST /v1.41/containers/create": "403",
    }  # fmt: skip
    said = lab.node("n1").docker(
        "run", "--rm", "--network", "edge_control", python, "python3", "-c", _ASK, *wanted
    )
    assert dict(zip(wanted, said.split(), strict=True)) == wanted


# Housekeeping


def _image(lab: Lab, name: str) -> None:
    """Make an image of one file on n1; each is another."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo(name.replace("/", "_").replace(":", "_"))
        archive.addfile(entry)
    lab.node("n1").docker("import", "--change", 'CMD ["/x"]', "-", name, stdin=content.getvalue())


def _names(lab: Lab) -> set[str]:
    listed = lab.node("n1").docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    return {name for name in listed.split() if name.startswith(("app", "reg.example.com"))}


def _clean(lab: Lab, **settings: str) -> str:
    words = [f"{name}={value}" for name, value in settings.items()]
    return lab.node("n1").exec(["env", *words, "sh", str(ROOT / "stacks" / "housekeeping.sh")])


@pytest.fixture
def images(lab: Lab) -> set[str]:
    names = [*(f"app:{number}" for number in range(1, 5)), *(f"reg.example.com:5000/x/y:{n}" for n in "abc")]
    for name in names:
        _image(lab, name)
        time.sleep(0.01)  # later than the one before
    node = lab.node("n1")
    node.docker("create", "--name", "old-task", "app:1")
    node.docker("volume", "create", "kept")
    node.docker("network", "create", "kept")
    time.sleep(1.1)  # the age is told in whole seconds
    return set(names)


def test_housekeeping_keeps_what_runs_and_what_a_rollback_needs(lab: Lab, images: set[str]) -> None:
    assert _clean(lab) == ""  # nothing is a week old
    assert _names(lab) == images
    would = _clean(lab, OLDER_THAN_DAYS="0", DRY_RUN="1")
    assert _names(lab) == images
    assert {"old and unused: app:2", "old and unused: reg.example.com:5000/x/y:a"} <= set(would.splitlines())
    _clean(lab, OLDER_THAN_DAYS="0")
    assert _names(lab) == images - {"app:2", "reg.example.com:5000/x/y:a"}
    node = lab.node("n1")
    assert "kept" in node.docker("volume", "ls", "-q").split()
    assert "kept" in node.docker("network", "ls", "--format", "{{.Name}}").split()
    assert json.loads(node.docker("inspect", "old-task"))[0]["State"]["Status"] == "created"


def test_housekeeping_says_when_docker_does_not_answer(lab: Lab) -> None:
    with pytest.raises(CommandFailed):
        _clean(lab, DOCKER_HOST="unix:///nowhere.sock")
