"""stacks/redis.yml on a real Swarm: sessions outlive a kill, and the exporter shows what the rules need."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from demo.parts import MONITORING, deploy_stack, make_network
from lab import CommandFailed, Lab
from migrate.cli.sessions import command
from tests.support.programs import need

ROOT = Path(__file__).parents[2]
_SERVER, _EXPORTER = "test/redis:1", "test/redis-exporter:1"
_PASSWORDS = {"photos": "the app's", "mover": "the mover's", "exporter": "the exporter's"}
_ASK_EXPORTER = """
import urllib.request as u
print(u.urlopen("http://redis-exporter:9121/metrics", timeout=5).read().decode())
"""
_NAME = re.compile(r"redis_[a-z_]+")
_REDIS_CLI = ("redis-cli", "--no-auth-warning", "-h", "redis")


def _acl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the ACL file as the head of redis.yml says to make it."""
    lines = ""
    for user, words in (
        ("photos", ["--user", "photos"]),
        ("mover", ["--append", "--mover", "--user", "mover"]),
        ("exporter", ["--append", "--exporter"]),
    ):
        file = tmp_path / f"{user}.password"
        file.write_text(_PASSWORDS[user])
        monkeypatch.setenv("SWARMSTEAD_REDIS_PASSWORD_FILE", str(file))
        made = CliRunner().invoke(command, ["acl", *words], catch_exceptions=False)
        assert made.exit_code == 0, made.output
        lines += made.output
    return lines


def _stack(folder: Path) -> Path:
    """Return redis.yml as it stands, but for what the lab lacks: IPVS, IPsec, and wget in its images."""
    stack = yaml.safe_load((ROOT / "stacks" / "redis.yml").read_text())
    stack["services"]["redis"]["deploy"]["endpoint_mode"] = "dnsrr"
    stack["services"]["redis-exporter"]["deploy"]["endpoint_mode"] = "dnsrr"
    stack["services"]["redis"]["healthcheck"]["interval"] = "1s"
    del stack["services"]["redis-exporter"]["healthcheck"]
    del stack["networks"]["sessions"]["driver_opts"]
    stack["configs"]["redis_conf"]["file"] = str(ROOT / "stacks" / "redis.conf")
    path = folder / "redis.yml"
    path.write_text(yaml.safe_dump(stack))
    return path


def _until(holds: Callable[[], bool], what: Callable[[], str], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what()}")
        time.sleep(0.3)


def _image(lab: Lab, folder: Path, tag: str, base: str, line: str) -> str:
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {base}\n{line}\n")
    lab.build(folder, tag)
    return tag


@pytest.fixture
def redis(
    migrate_image: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Deploy the stack; return what runs a command in a container on its network."""
    need("prometheus-redis-exporter")
    base = lab.load_base("redis")
    # As the official images are: a folder of the server's own, and the exporter as entry point.
    image = _image(lab, tmp_path / "server", _SERVER, base, "RUN mkdir /data && chown 999:999 /data")
    _image(lab, tmp_path / "exporter", _EXPORTER, base, 'ENTRYPOINT ["/usr/bin/prometheus-redis-exporter"]')
    make_network(lab, MONITORING)
    lab.docker("node", "update", "--label-add", "sessions=true", "n2")
    lab.docker("secret", "create", "redis_acl", "-", stdin=_acl(tmp_path, monkeypatch).encode())
    password = json.dumps({"redis://redis:6379": _PASSWORDS["exporter"]})
    lab.docker("secret", "create", "redis_exporter_password", "-", stdin=password.encode())
    variables = {"REDIS_IMAGE": image, "REDIS_EXPORTER_IMAGE": _EXPORTER}
    deploy_stack(lab, "redis", _stack(tmp_path), variables=variables)

    def run(*words: str, user: str = "", image: str = image) -> str:
        secret = f"--env=REDISCLI_AUTH={_PASSWORDS.get(user, '')}"
        ours = f"--env=SWARMSTEAD_REDIS_PASSWORD={_PASSWORDS.get(user, '')}"
        return lab.node("n1").docker("run", "--rm", "--network=sessions", secret, ours, image, *words)

    def running() -> bool:
        rows = lab.node("n1").docker_json("service", "ps", "--filter", "desired-state=running", "redis_redis")
        return [(row["Node"], row["CurrentState"].startswith("Running")) for row in rows] == [("n2", True)]

    _until(running, lambda: lab.docker("service", "ps", "--no-trunc", "redis_redis"))
    return run


def test_sessions_outlive_a_kill_and_each_user_does_its_own_work(
    redis: Callable[..., str], lab: Lab, migrate_image: str
) -> None:
    def app(*words: str) -> str:
        return redis(*_REDIS_CLI, "--user", "photos", *words, user="photos").strip()

    assert redis(*_REDIS_CLI, "get", "PHPREDIS_SESSION:a").strip().startswith("NOAUTH")
    assert app("setex", "PHPREDIS_SESSION:a", "600", "n|i:1;") == "OK"
    assert app("set", "other", "x").startswith("NOPERM")
    assert app("flushall").startswith("NOPERM")

    # `migrate sessions` looks at it first, and finds nothing to refuse or to warn of but the room.
    words = "migrate sessions copy --from php:/tmp --to redis://mover@redis:6379 --json --state-file /tmp/s"
    said = redis(*words.split(), user="mover", image=migrate_image)
    levels = {one["name"]: one["level"] for one in map(json.loads, said.splitlines()) if "level" in one}
    assert levels.pop("memory") in {"ok", "warn"}
    assert set(levels.values()) == {"ok"}, levels

    time.sleep(1.2)  # appendfsync everysec
    [container] = lab.node("n2").docker("ps", "-q", "--filter", "name=redis_redis").split()
    lab.node("n2").docker("kill", "--signal=KILL", container)
    _until(lambda: _alive(redis, "n|i:1;"), lambda: "the session after a kill")
    assert 0 < int(app("ttl", "PHPREDIS_SESSION:a")) <= 600


def _alive(redis: Callable[..., str], value: str) -> bool:
    said = redis(*_REDIS_CLI, "--user", "photos", "get", "PHPREDIS_SESSION:a", user="photos")
    return said.strip() == value


def test_the_exporter_shows_what_the_rules_ask_for(
    redis: Callable[..., str], lab: Lab, migrate_image: str
) -> None:
    page = ""

    def up() -> bool:
        nonlocal page
        try:
            page = redis("python3", "-c", _ASK_EXPORTER, image=migrate_image)
        except CommandFailed as failed:  # it does not listen yet
            page = str(failed)
        return "redis_up 1" in page

    _until(up, lambda: page[-2000:])
    names = {line.partition("{")[0].partition(" ")[0] for line in page.splitlines() if line[:1] != "#"}
    groups = yaml.safe_load((ROOT / "prometheus" / "rules" / "redis.yml").read_text())["groups"]
    asked = {
        name
        for group in groups
        for rule in group["rules"]
        for name in re.findall(r"redis_[a-z_]+", rule["expr"])
    }
    assert asked <= names
