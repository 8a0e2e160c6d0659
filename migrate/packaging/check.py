"""What is wrong with a stack file or a Dockerfile, beyond what `docker stack config` says: pure.

Rules are the docker client's own (cli/compose/types, cli/compose/loader, cli/compose/convert): what it
refuses, what it ignores with a warning, what it drops without a word; and what costs requests in a rollout.
The public Compose specification is another dialect: it accepts what `docker stack deploy` refuses.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from swarmstead.errors import InputError

__all__ = ["Problem", "check_dockerfile", "check_stack", "read_stack"]

Level = Literal["refused", "ignored", "dropped", "risk"]

_TOP = {"version", "services", "networks", "volumes", "secrets", "configs"}
_HONOURED = {
    "cap_add", "cap_drop", "command", "configs", "credential_spec", "deploy", "dns", "dns_search",
    "entrypoint", "env_file", "environment", "extra_hosts", "healthcheck", "hostname", "image", "init",
    "isolation", "labels", "logging", "networks", "oom_score_adj", "ports", "read_only", "secrets",
    "stdin_open", "stop_grace_period", "stop_signal", "sysctls", "tty", "ulimits", "user", "volumes",
    "working_dir",
}  # fmt: skip
_IGNORED = {
    "build", "cgroup_parent", "container_name", "devices", "domainname", "expose", "external_links",
    "ipc", "links", "mac_address", "network_mode", "pid", "privileged", "restart", "security_opt",
    "shm_size", "userns_mode", "cgroupns_mode",
}  # fmt: skip
_DROPPED = {"tmpfs": "use `volumes:` with `type: tmpfs`", "depends_on": "let the app wait for what it uses"}
_DEPLOY = {
    "mode", "replicas", "labels", "update_config", "rollback_config", "resources", "restart_policy",
    "placement", "endpoint_mode",
}  # fmt: skip
_MODES = {"replicated", "global", "replicated-job", "global-job"}
_FAILURE = {"update_config": {"pause", "continue", "rollback"}, "rollback_config": {"pause", "continue"}}
_SECRET_NAME = re.compile(r"(password|passwd|secret|token|api_?key|private_?key|access_?key)", re.IGNORECASE)
_INTEGERS = (("deploy", "replicas"), ("deploy", "update_config", "parallelism"))


@dataclass(frozen=True, slots=True)
class Problem:
    """level: ``refused`` by docker, ``ignored`` with a warning, ``dropped`` silently, or a ``risk``."""

    level: Level
    where: str
    what: str
    remedy: str = ""


def read_stack(text: str, *, name: str = "stack.yml") -> Mapping[str, Any]:
    """Parse a stack file. Raises InputError with the line."""
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(str(error.problem), subject=f"{name}:{line}") from None
    if not isinstance(document, dict):
        raise InputError("not a mapping", subject=name)
    return document


def check_stack(document: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a stack file that has been parsed and interpolated."""
    return list(_stack(document))


def _stack(document: Mapping[str, Any]) -> Iterator[Problem]:
    for key in document:
        if key not in _TOP and not str(key).startswith("x-"):
            yield Problem("refused", str(key), "not a key of a stack file")
    if "version" not in document:
        yield Problem(
            "refused", "version", "missing: docker then reads the file as version 1", 'version: "3.8"'
        )
    services = document.get("services")
    if not isinstance(services, dict) or not services:
        yield Problem("refused", "services", "no services")
        return
    for name, service in services.items():
        where = f"services.{name}"
        if not isinstance(service, dict):
            yield Problem("refused", where, "not a mapping")
            continue
        yield from _service_keys(where, service)
        yield from _values(where, service)
        yield from _references(where, service, document)
        yield from _deploy(where, service)
        yield from _plain_secrets(where, service)


def _service_keys(where: str, service: Mapping[str, Any]) -> Iterator[Problem]:
    if not service.get("image"):
        yield Problem(
            "refused", f"{where}.image", "missing: a stack is never built", "build and push, then name it"
        )
    for key, value in service.items():
        at = f"{where}.{key}"
        if key == "depends_on" and isinstance(value, dict):
            yield Problem("refused", at, "docker takes only a list here, and drops that too", _DROPPED[key])
        elif key in _DROPPED:
            yield Problem("dropped", at, "has no effect and no warning", _DROPPED[key])
        elif key in _IGNORED:
            yield Problem("ignored", at, "has no effect on a Swarm")
        elif key not in _HONOURED and not str(key).startswith("x-"):
            yield Problem("refused", at, "not a key that docker stack deploy knows")


def _values(where: str, service: Mapping[str, Any]) -> Iterator[Problem]:
    for path in _INTEGERS:
        value = _get(service, *path)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            yield Problem(
                "refused", f"{where}.{'.'.join(path)}", f"{value!r} is not a whole number", "no quotes"
            )
    for port in service.get("ports") or ():
        if isinstance(port, dict) and not isinstance(port.get("published", 0), int):
            yield Problem(
                "refused", f"{where}.ports", f"published {port['published']!r} is not a whole number"
            )
    for kind in ("limits", "reservations"):
        cpus = _get(service, "deploy", "resources", kind, "cpus")
        if cpus is not None and not isinstance(cpus, str):
            at = f"{where}.deploy.resources.{kind}.cpus"
            yield Problem("refused", at, "docker wants a text here", f'cpus: "{cpus}"')


def _references(where: str, service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Problem]:
    for kind in ("networks", "secrets", "configs"):
        known = document.get(kind) or {}
        for use in service.get(kind) or ():
            name = use.get("source") if isinstance(use, dict) else use
            if name not in known and not (kind == "networks" and name == "default"):
                yield Problem(
                    "refused", f"{where}.{kind}", f"{name} is not defined at the top", f"{kind}: {name}:"
                )
    volumes = document.get("volumes") or {}
    for mount in service.get("volumes") or ():
        if isinstance(mount, dict):
            source = mount.get("source") if mount.get("type") == "volume" else None
        else:
            source = mount.split(":")[0] if ":" in mount else None
        if source and not source.startswith(("/", ".", "~", "$")) and source not in volumes:
            yield Problem(
                "refused", f"{where}.volumes", f"{source} is not defined at the top", f"volumes: {source}:"
            )


def _deploy(where: str, service: Mapping[str, Any]) -> Iterator[Problem]:
    deploy = service.get("deploy") or {}
    for key in deploy:
        if key not in _DEPLOY:
            yield Problem("refused", f"{where}.deploy.{key}", "not a key that docker stack deploy knows")
    mode = deploy.get("mode", "replicated")
    if mode not in _MODES:
        yield Problem(
            "refused", f"{where}.deploy.mode", f"there is no mode {mode!r}", ", ".join(sorted(_MODES))
        )
    for section, actions in _FAILURE.items():
        action = _get(deploy, section, "failure_action")
        if action is not None and action not in actions:
            at = f"{where}.deploy.{section}.failure_action"
            yield Problem("refused", at, f"there is no action {action!r}", ", ".join(sorted(actions)))
    if mode == "replicated":
        yield from _rollout(where, service, deploy)


def _rollout(where: str, service: Mapping[str, Any], deploy: Mapping[str, Any]) -> Iterator[Problem]:
    update = deploy.get("update_config") or {}
    at = f"{where}.deploy.update_config"
    if deploy.get("replicas", 1) == 1 and update.get("order", "stop-first") == "stop-first":
        yield Problem(
            "risk", at, "one replica, stopped first: every update is an outage", "order: start-first"
        )
    host_ports = [p for p in service.get("ports") or () if isinstance(p, dict) and p.get("mode") == "host"]
    if host_ports and update.get("order") == "start-first":
        yield Problem("risk", at, "start-first cannot bind a host port that the old task still holds")
    if not update.get("failure_action"):
        yield Problem("risk", at, "an update that fails stays half done", "failure_action: rollback")
    if "limits" not in (deploy.get("resources") or {}):
        yield Problem("risk", f"{where}.deploy.resources", "no limit: one replica can take the node's memory")


def _plain_secrets(where: str, service: Mapping[str, Any]) -> Iterator[Problem]:
    environment = service.get("environment") or {}
    pairs = (
        environment.items()
        if isinstance(environment, dict)
        else (str(entry).partition("=")[::2] for entry in environment)
    )
    for name, value in pairs:
        if value and _SECRET_NAME.search(str(name)) and not str(name).upper().endswith("_FILE"):
            yield Problem(
                "risk", f"{where}.environment.{name}", "a secret that `docker inspect` shows", "a secret"
            )


def _get(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def check_dockerfile(text: str) -> list[Problem]:
    """Return what is wrong with a Dockerfile: root, no health check, secrets in layers, an open base."""
    joined = re.sub(r"\\\n", " ", text)
    lines = [
        line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    words = [(line.split(None, 1)[0].upper(), line.split(None, 1)[-1]) for line in lines]
    found = list(_layers(words))
    users = [rest for word, rest in words if word == "USER"]
    if not users or users[-1].split(":")[0] in {"root", "0"}:
        found.append(Problem("risk", "USER", "the container runs as root", "USER 33:33"))
    if not any(word == "HEALTHCHECK" and not rest.upper().startswith("NONE") for word, rest in words):
        found.append(Problem("risk", "HEALTHCHECK", "a replica counts as running before it can answer"))
    return found


def _layers(words: list[tuple[str, str]]) -> Iterator[Problem]:
    for word, rest in words:
        if word in {"ENV", "ARG"} and "=" in rest and _SECRET_NAME.search(rest.split("=")[0]):
            yield Problem("risk", f"{word} {rest.split('=')[0]}", "a secret in a layer", "a Docker secret")
        if word in {"COPY", "ADD"} and re.search(r"(^|[/\s])(\.env|id_rsa|.*\.pem)(\s|$)", rest):
            yield Problem("risk", f"{word} {rest}", "a secret in a layer", "a Docker secret")
        image = rest.split()[0] if rest else ""
        if word == "FROM" and (image.endswith(":latest") or not re.search(r"[:@$]", image)):
            yield Problem("risk", f"FROM {image}", "what it means changes without a word", "name a version")
