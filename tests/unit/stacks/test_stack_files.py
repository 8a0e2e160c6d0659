"""Every stack file deploys as it is written, and asks for no more than it needs.

Docker itself drops or warns about much of what a Compose file may hold (docker/cli, cli/compose/loader), so
what it would not do is refused here.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporters.traefik.check import advise, read_configuration
from stacks.rehash import rehash

STACKS = Path(__file__).parents[3] / "stacks"
FILES = sorted(STACKS.glob("*.yml"))
SERVICES = [(path, name) for path in FILES for name in yaml.safe_load(path.read_text())["services"]]
# Ignored by `docker stack deploy`, with a warning or without (docker/cli types.UnsupportedProperties).
IGNORED = {
    "build", "cgroup_parent", "container_name", "depends_on", "devices", "domainname", "expose",
    "external_links", "ipc", "links", "mac_address", "network_mode", "pid", "privileged", "restart",
    "security_opt", "shm_size", "tmpfs", "userns_mode",
}  # fmt: skip
DEPLOY = {"mode", "replicas", "labels", "update_config", "rollback_config", "resources", "restart_policy",
          "placement", "endpoint_mode"}  # fmt: skip
# Whoever can talk to the engine's socket owns the host, so it is said here who may, and why.
SOCKET = {
    ("edge.yml", "docker-read"): "lets nothing but GET through",
    ("swarm-exporter-proxy.yml", "docker-read"): "lets nothing but GET through",
    ("swarm-exporter.yml", "swarm-exporter"): "only reads; the -proxy file takes even that power away",
    ("housekeeping.yml", "images"): "removes images",
    ("portainer.yml", "agent"): "is there to control the engine",
}
OPEN_PORTS = {("edge.yml", "traefik")}
OUR_IMAGES = ("swarmstead/",)  # their Dockerfiles hold the health check


def _variables() -> dict[str, str]:
    """Return a value for each variable that a stack file asks for."""
    text = "".join(path.read_text() for path in FILES)
    return dict.fromkeys(re.findall(r"\$\{(\w+):\?", text), "value.example.com")


def _service(path: Path, name: str) -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load(path.read_text())["services"][name]
    return service


each_service = pytest.mark.parametrize(("path", "name"), SERVICES, ids=[f"{p.stem}-{n}" for p, n in SERVICES])
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def _docker() -> str:
    """Return a docker client that has `stack config` (23.0 and later), or skip."""
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("the docker client is not installed")
    said = subprocess.run([docker, "--version"], capture_output=True, text=True, check=True).stdout
    major = re.search(r"version (\d+)", said)
    if major is None or int(major[1]) < 23:
        pytest.skip(f"`docker stack config` came with 23.0; here is {said.strip()}")
    return docker


@pytest.mark.parametrize(
    "files",
    [[path.name] for path in FILES]
    + [
        ["monitoring.yml", "swarm-exporter.yml", "node-exporter.yml", "grafana.yml"],
        ["traefik-exporter.yml", "merge/traefik-exporter-engine.yml"],
    ],
    ids=" ".join,
)
def test_docker_takes_it(files: list[str], tmp_path: Path) -> None:
    docker = _docker()
    environment = {**os.environ, **_variables(), "DOCKER_CONFIG": str(tmp_path)}
    words = [word for file in files for word in ("-c", file)]
    done = subprocess.run(
        [docker, "stack", "config", *words],
        cwd=STACKS, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@each_file
def test_it_is_of_a_version_that_old_and_new_clients_take(path: Path) -> None:
    """20.10 needs the line and knows no later one; 25 and later ignore it."""
    stack = yaml.safe_load(path.read_text())
    assert stack["version"] == "3.8"
    assert set(stack) <= {"version", "services", "networks", "volumes", "configs", "secrets", "x-logging"}
    for name, network in stack.get("networks", {}).items():
        assert network.get("driver") == "overlay" or network.get("external"), f"{name}: overlay or external"


@each_service
def test_docker_does_all_that_stands_there(path: Path, name: str) -> None:
    service = _service(path, name)
    assert set(service) & IGNORED == set()
    deploy = service["deploy"]
    assert set(deploy) <= DEPLOY
    assert deploy.get("mode", "replicated") in {"replicated", "global", "replicated-job", "global-job"}
    for config in (deploy.get("update_config", {}), deploy.get("rollback_config", {})):
        assert config.get("failure_action", "pause") in {"pause", "continue", "rollback"}
        assert config.get("order", "stop-first") in {"stop-first", "start-first"}


@each_service
def test_it_is_a_good_neighbour(path: Path, name: str) -> None:
    """On a machine of 1 GB every service has a limit, and a broken update takes itself back."""
    service = _service(path, name)
    deploy = service["deploy"]
    assert re.fullmatch(r"\d+M", deploy["resources"]["limits"]["memory"])
    assert int(deploy["resources"]["limits"]["memory"][:-1]) <= 512
    assert deploy["update_config"]["failure_action"] == "rollback"
    assert "stop_grace_period" in service
    image = service["image"]
    assert "healthcheck" in service or any(ours in image for ours in OUR_IMAGES), "no health check"
    tag = image.rpartition(":")[2].rstrip("}")
    assert tag not in {"latest", ""}, f"no fixed tag: {image}"


@each_service
def test_it_has_no_more_power_than_it_needs(path: Path, name: str) -> None:
    service = _service(path, name)
    key = (path.name, name)
    sources = [
        str(mount if isinstance(mount, str) else mount["source"]) for mount in service.get("volumes", [])
    ]
    assert any("docker.sock" in source for source in sources) == (key in SOCKET)
    if key not in {("portainer.yml", "agent"), ("portainer.yml", "portainer")}:  # its makers' own settings
        assert service["cap_drop"] == ["ALL"]
    if service.get("user", "0:0").startswith("0"):
        assert "root" in path.read_text(), "says why it is root"
    assert bool(service.get("ports")) == (key in OPEN_PORTS)
    for port in service.get("ports", []):
        assert port["mode"] == "host"  # the routing mesh would hide the clients' addresses


@each_service
def test_no_secret_stands_in_it(path: Path, name: str) -> None:
    environment = _service(path, name).get("environment", {})
    assert isinstance(environment, dict)
    for variable, value in environment.items():
        if re.search(r"PASSWORD|SECRET|TOKEN|(?<!_ID)_KEY(?!_ID)|CREDENTIAL", variable):
            assert str(value).startswith("/run/secrets/"), variable


@each_file
def test_its_secrets_and_outer_networks_are_made_by_hand(path: Path) -> None:
    stack = yaml.safe_load(path.read_text())
    assert all(secret.get("external") for secret in stack.get("secrets", {}).values())
    outer = {name for name, network in stack.get("networks", {}).items() if network.get("external")}
    assert outer <= {"monitoring", "edge", "bridge"}, "docs/deploy.md makes the first two"


@each_file
def test_configs_are_named_by_their_content(path: Path) -> None:
    text = path.read_text()
    assert rehash(text, STACKS) == text, "run: python3 stacks/rehash.py"
    for name, config in yaml.safe_load(text).get("configs", {}).items():
        assert re.search(r"-[0-9a-f]{8}$", config["name"]), name


def test_a_changed_file_is_a_new_config(tmp_path: Path) -> None:
    text = "configs:\n  a: {name: a.yml-00000000, file: ./a.yml}\n  b: {name: b.cfg-00000000, file: b.cfg}\n"
    (tmp_path / "a.yml").write_text("one")
    (tmp_path / "b.cfg").write_text("two")
    first = rehash(text, tmp_path)
    assert rehash(first, tmp_path) == first
    assert first.replace("\n", " ").count("00000000") == 0
    (tmp_path / "a.yml").write_text("other")
    second = rehash(first, tmp_path)
    assert second.splitlines()[1] != first.splitlines()[1]
    assert second.splitlines()[2] == first.splitlines()[2]
    (tmp_path / "b.cfg").unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.cfg"):
        rehash(first, tmp_path)


def test_prometheus_gets_every_rule_file() -> None:
    stack = yaml.safe_load((STACKS / "monitoring.yml").read_text())
    used = {each["source"] for each in stack["services"]["prometheus"]["configs"]}
    shipped = {(STACKS / stack["configs"][name]["file"]).resolve() for name in used}
    rules = STACKS.parent / "prometheus" / "rules"
    assert shipped >= set(rules.glob("*.yml"))


def test_prometheus_asks_names_and_ports_that_are_deployed() -> None:
    """tasks.NAME must be a service of some stack file, on a network that Prometheus is in."""
    config = yaml.safe_load((STACKS.parent / "prometheus" / "prometheus.yml").read_text())
    deployed = {name: _service(path, name) for path, name in SERVICES if "proxy" not in path.name}
    deployed.setdefault("redis-exporter", {"networks": ["monitoring"]})
    for job in config["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            (name,) = found["names"]
            assert name.startswith("tasks.")
            if name.removeprefix("tasks.") in deployed:
                assert "monitoring" in deployed[name.removeprefix("tasks.")]["networks"], name


def test_the_edges_log_gives_true_figures() -> None:
    """What `traefik-exporter check stacks/edge.yml` says: nothing is missing."""
    (options,) = read_configuration(STACKS / "edge.yml").values()
    assert advise("edge", options) == []


def test_exporter_and_traefik_share_one_log() -> None:
    edge, exporter = (
        yaml.safe_load((STACKS / name).read_text()) for name in ("edge.yml", "traefik-exporter.yml")
    )
    command = " ".join(edge["services"]["traefik"]["command"])
    log = exporter["services"]["traefik-exporter"]["environment"]["SWARMSTEAD_LOG"]
    assert f"--accesslog.filepath={log}" in command
    assert edge["volumes"]["traefik-log"] == exporter["volumes"]["traefik-log"] == {"name": "traefik-log"}
    where = {each["services"][name]["deploy"]["placement"]["constraints"][0]
             for each, name in ((edge, "traefik"), (exporter, "traefik-exporter"))}  # fmt: skip
    assert len(where) == 1


def test_what_names_services_by_the_engine_asks_the_edges_own_proxy() -> None:
    edge, more = (
        yaml.safe_load((STACKS / name).read_text())
        for name in ("edge.yml", "merge/traefik-exporter-engine.yml")
    )
    (service,) = more["services"].values()
    host = service["environment"]["SWARMSTEAD_LEARN_ENGINE"].removeprefix("tcp://").removesuffix(":2375")
    assert edge["services"][host]["networks"] == ["control"]
    assert edge["networks"]["control"].get("name") is None  # so it is the stack's name before it
    assert more["networks"]["control"] == {"external": True, "name": "edge_control"}
    assert "control" in service["networks"]
