"""What docker refuses, ignores or drops, and what costs requests."""

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.packaging import (
    FolderOnNode,
    ImageSpec,
    StackSpec,
    check_dockerfile,
    check_stack,
    read_stack,
    render_image,
    render_stack,
)
from swarmstead.errors import InputError

UPLOADS = FolderOnNode(volume="uploads", inside="uploads", web_path="/uploads")
STACK = StackSpec(
    app="photos",
    image="photos:1",
    replicas=3,
    networks=("edge",),
    uploads=(UPLOADS,),
    secrets={"redis_password": "photos_redis_password_ab12"},
    host="photos.example.com",
    cache_image="swarmstead/migrate:0.1.0",
    cache_command=("migrate", "cache", "serve"),
    cache_secrets={"remote_key": "photos_remote_key_cd34"},
)
GOOD: dict[str, Any] = {
    "version": "3.8",
    "services": {
        "web": {
            "image": "a:1",
            "deploy": {
                "replicas": 2,
                "resources": {"limits": {"memory": "1M"}},
                "update_config": {"failure_action": "rollback"},
            },
        }
    },
}


def with_(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    place: Any = document
    *way, last = path.split(".")
    for step in way:
        place = place.setdefault(step, {})
    place[last] = value
    return document


def test_what_is_good_has_no_problem() -> None:
    assert check_stack(GOOD) == []


def test_the_generated_stack_has_no_problem() -> None:
    assert check_stack(read_stack(render_stack(STACK, stack="photos"))) == []


@pytest.mark.parametrize(
    ("path", "value", "level"),
    [
        ("services.web.depends_on", {"db": {}}, "refused"),
        ("services.web.depends_on", ["db"], "dropped"),
        ("services.web.tmpfs", ["/tmp"], "dropped"),
        ("services.web.container_name", "x", "ignored"),
        ("services.web.build", ".", "ignored"),
        ("services.web.privileged", True, "ignored"),
        ("services.web.extends", {}, "refused"),
        ("services.web.mem_limit", "1g", "refused"),
        ("services.web.profiles", ["x"], "refused"),
        ("services.web.platform", "linux", "refused"),
        ("services.web.image", "", "refused"),
        ("services.web.secrets", ["none"], "refused"),
        ("services.web.volumes", ["data:/data"], "refused"),
        ("services.web.ports", [{"target": 80, "published": "8080"}], "refused"),
        ("services.web.environment", {"DB_PASSWORD": "x"}, "risk"),
        ("services.web.environment", ["API_KEY=x"], "risk"),
        ("services.web.deploy.replicas", "3", "refused"),
        ("services.web.deploy.mode", "replicate", "refused"),
        ("services.web.deploy.update_config.failure_action", "stop", "refused"),
        ("services.web.deploy.resources.limits.cpus", 0.5, "refused"),
        ("services.web.deploy.replicas", 1, "risk"),
        ("services.web.deploy.resources", {}, "risk"),
        ("name", "x", "refused"),
        ("services", {}, "refused"),
    ],
)
def test_each_fault_is_named(path: str, value: Any, level: str) -> None:
    problems = check_stack(with_(path, value))
    assert [problem.level for problem in problems] == [level], problems
    assert problems[0].where.split(".")[0] in path


def test_files_for_secrets_are_no_secrets() -> None:
    assert check_stack(with_("services.web.environment", {"DB_PASSWORD_FILE": "/run/secrets/db"})) == []


def test_broken_yaml_names_the_line() -> None:
    with pytest.raises(InputError, match=r"s\.yml:3"):
        read_stack("services:\n  a: [\n", name="s.yml")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("services.web.depends_on", {"db": {}}),
        ("services.web.extends", {"service": "x"}),
        ("services.web.mem_limit", "1g"),
        ("services.web.profiles", ["x"]),
        ("services.web.deploy.replicas", "three"),
        ("name", "x"),
        ("services.web.ports", [{"target": 80, "published": "8080"}]),
    ],
)
def test_docker_itself_agrees(path: str, value: Any, tmp_path: Path) -> None:
    """What we call refused, the docker client refuses; and it takes what we write."""
    assert docker_config(yaml.safe_dump(GOOD), tmp_path).returncode == 0
    assert docker_config(render_stack(STACK, stack="photos"), tmp_path).returncode == 0
    assert docker_config(yaml.safe_dump(with_(path, value)), tmp_path).returncode != 0
    assert "refused" in {problem.level for problem in check_stack(with_(path, value))}


def docker_config(text: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed (./run test installs it)")
    path = folder / "stack.yml"
    path.write_text(text)
    return subprocess.run(["docker", "stack", "config", "-c", str(path)], capture_output=True, check=False)


IMAGE = ImageSpec(
    app="photos",
    image="photos",
    base="debian:bookworm-slim",
    php="8.2",
    session_lines=("session.save_handler = redis",),
    uploads=(UPLOADS,),
    password_secret="redis_password",
    environment=("DB_HOST",),
)


def test_the_generated_dockerfile_has_no_problem() -> None:
    assert check_dockerfile(render_image(IMAGE)["Dockerfile"]) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("FROM a:1\nHEALTHCHECK CMD x\n", "USER"),
        ("FROM a:1\nUSER root\nHEALTHCHECK CMD x\n", "USER"),
        ("FROM a:1\nUSER 33\n", "HEALTHCHECK"),
        ("FROM a:1\nUSER 33\nHEALTHCHECK NONE\n", "HEALTHCHECK"),
        ("FROM a\nUSER 33\nHEALTHCHECK CMD x\n", "FROM a"),
        ("FROM a:latest\nUSER 33\nHEALTHCHECK CMD x\n", "FROM a:latest"),
        ("FROM a:1\nENV DB_PASSWORD=x\nUSER 33\nHEALTHCHECK CMD x\n", "ENV DB_PASSWORD"),
        ("FROM a:1\nCOPY .env /srv/\nUSER 33\nHEALTHCHECK CMD x\n", "COPY .env /srv/"),
    ],
)
def test_each_fault_of_a_dockerfile_is_named(text: str, where: str) -> None:
    assert [problem.where for problem in check_dockerfile(text)] == [where]


def test_no_secret_is_in_what_an_image_is_built_from() -> None:
    texts = render_image(IMAGE)
    assert "/run/secrets/redis_password" in texts["conf/start.sh"]
    assert "env[DB_HOST] = $DB_HOST" in texts["conf/fpm.conf"]
    assert "REDIS_PASSWORD" not in texts["conf/fpm.conf"], "the app would see Redis' password"


def test_an_image_without_uploads_needs_no_cache() -> None:
    texts = render_image(ImageSpec(app="a", image="a", base="b:1", php="8.2", session_lines=()))
    assert "barrier" not in texts["conf/nginx.conf"].replace("node's barrier", "")
    assert "@pull" not in texts["conf/site.conf"]


def test_updates_lose_no_request() -> None:
    """What the rollout table of docs/deploy.md asks for."""
    web = read_stack(render_stack(STACK, stack="photos"))["services"]["web"]
    assert web["deploy"]["update_config"]["order"] == "start-first"
    assert STACK.stop_seconds > STACK.drain_seconds >= 6
    assert web["deploy"]["labels"]["traefik.http.services.photos.loadbalancer.healthcheck.interval"] == "2s"
