"""The plan: a YAML file that a person may read and edit, and that apply executes as it is saved.

Unknown keys, wrong types and values that would break a generated file are refused, with the key's name.
A plan holds no secret: where one is needed it names the file that holds it.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from swarmstead.errors import InputError

__all__ = [
    "Cache",
    "Deploy",
    "Entry",
    "Files",
    "Image",
    "Plan",
    "Sessions",
    "digest",
    "dump",
    "load",
    "missing",
    "parse",
    "save",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_HEAD = """\
# How {name} moves to the Swarm. Edit what you like: `migrate app` applies what stands here, nothing else.
# Secrets do not belong in here; where one is needed, give the file that holds it.
"""


class Sessions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """folder: the live host's session folder. depth, max_lifetime (seconds): as its php.ini says.

    redis: from here. redis_in_swarm: host:port as the replicas reach it; empty: the same. user: ACL user.
    """

    folder: str
    redis: str
    redis_in_swarm: str = ""
    user: str = ""
    password_file: str = ""
    depth: int = 0
    max_lifetime: int = 1440
    expired: str = "skip"


class Files(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """folder: the live host's uploads. inside: their place below the app. web_path: as pages link to it.

    remote: ``s3://BUCKET[/PREFIX]``, ``b2://…`` or ``file:///FOLDER``. endpoint: of an S3 server that is not
    Amazon's. key_id_file, key_file: files that hold the key's id and the key.
    """

    folder: str
    inside: str
    web_path: str
    remote: str
    endpoint: str = ""
    region: str = ""
    key_id_file: str = ""
    key_file: str = ""


class Image(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """name: without a tag; with a registry's host where it is pushed. base: image to build on.

    give: how nodes get it: ``push`` to its registry, ``load`` into the engines of `nodes`, or ``none``.
    build_args: for `docker build`. code_without: patterns (as Path.match) that stay out of the image.
    """

    name: str
    base: str = "debian:bookworm-slim"
    php: str = "8.2"
    extensions: list[str] = []
    web_root: str = ""
    fallback: str = "=404"
    max_upload: str = "64M"
    workers: int = 8
    give: str = "push"
    nodes: list[str] = []
    build_args: dict[str, str] = {}
    code_without: list[str] = []


class Cache(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """image: that of `migrate` itself, which every node runs as cache. max_size: of its folder.

    changes_redis_file: a file with the URL of a Redis by which caches tell each other of changed files, as
    they reach it. Empty: that of the sessions, where it needs no ACL user. Without any, a file that changed
    is found out when it is asked for a minute later. networks: its own; empty: the app's.
    """

    image: str = "swarmstead/migrate:0.1.0"
    max_size: str = "2GB"
    memory: str = "128M"
    changes_redis_file: str = ""
    networks: list[str] = []
    environment: dict[str, str] = {}


class Deploy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """stack: its name. docker_host: a manager, as DOCKER_HOST; empty for the environment's.

    networks: overlay networks that exist. host: what Traefik routes here. endpoint_mode: vip or dnsrr.
    wait_seconds: how long replicas may take to become healthy.
    """

    stack: str
    docker_host: str = ""
    replicas: int = 3
    networks: list[str] = msgspec.field(default_factory=lambda: ["edge"])
    host: str = ""
    endpoint_mode: str = "vip"
    drain_seconds: int = 6
    stop_seconds: int = 20
    cpus: str = "1.0"
    memory: str = "256M"
    environment: dict[str, str] = {}
    wait_seconds: int = 180


class Entry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Commands, as lists of words, that change where requests go. Each may be run again.

    hold: keep new requests waiting and return when none is under way. to_new, to_old: send them, also those
    that wait, to the Swarm or to the old host. ready: may be left out; exits 0 once the entry itself sees
    healthy replicas, and is asked until it does. max_hold_seconds: what users may wait before it gives up.
    """

    hold: list[str]
    to_new: list[str]
    to_old: list[str]
    ready: list[str] = []
    max_hold_seconds: int = 30


class Plan(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One app's way to the Swarm. `accepted`: rules of detection whose ``blocks`` the person has solved."""

    version: int = 1
    name: str
    path: str
    kind: str
    code: str
    sessions: Sessions | None
    files: list[Files]
    image: Image
    cache: Cache
    deploy: Deploy
    entry: Entry
    accepted: list[str] = []
    findings: list[str] = []


def digest(data: bytes) -> str:
    """Return the name of a saved plan: SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()


def dump(plan: Plan) -> bytes:
    """Return the plan as YAML."""
    text = yaml.safe_dump(msgspec.to_builtins(plan), sort_keys=False, allow_unicode=True, width=110)
    return (_HEAD.format(name=plan.name) + text).encode()


def save(plan: Plan, path: Path) -> None:
    """Write the plan, whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(dump(plan))
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)


def load(path: Path) -> tuple[Plan, str]:
    """Read a plan; return it with its digest. Raises InputError, naming the line or the key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=str(path)) from None
    return parse(data, name=str(path)), digest(data)


def parse(data: bytes, *, name: str) -> Plan:
    """Return the plan that the bytes hold. Raises InputError, naming the line or the key."""
    try:
        document: Any = yaml.safe_load(data)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"not YAML: {error.problem}", subject=f"{name}:{line}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not YAML: {error}", subject=name) from None
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        raise InputError(str(error), subject=name, hint="`migrate app --replan` writes a new plan.") from None
    _check(plan, name)
    return plan


_PATTERNS = {
    "name": _NAME.pattern,
    "deploy.stack": _NAME.pattern,
    "deploy.endpoint_mode": "vip|dnsrr",
    "deploy.host": "[A-Za-z0-9.-]*",
    "image.give": "push|load|none",
    "image.name": "[a-z0-9][a-z0-9./:_-]*",
    "image.base": "[A-Za-z0-9][A-Za-z0-9./:@_-]*",
    "image.php": r"\d+\.\d+",
    "image.web_root": r"(/[\w.-]+)*",
    "image.fallback": r"=\d{3}|/[\w./?$=&-]*",
    "image.max_upload": r"\d+[KMG]?",
    "sessions.expired": "skip|grace",
}
"""What the values of a plan look like, where a wrong one would mean something else in a generated file."""


def _value(plan: Plan, key: str) -> str:
    value: Any = plan
    for name in key.split("."):
        value = getattr(value, name)
    return str(value)


def _check(plan: Plan, name: str) -> None:
    """Refuse values that would not mean in a generated file what they say here."""

    def want(key: str, value: object, wanted: str, *, holds: object) -> None:
        if not holds:
            raise InputError(f"{key} is {value!r}, which is not {wanted}", subject=name)

    want("version", plan.version, "1, the only one this program knows", holds=plan.version == 1)
    for key, pattern in _PATTERNS.items():
        if key.startswith("sessions.") and plan.sessions is None:
            continue
        value = _value(plan, key)
        want(key, value, f"of the form {pattern}", holds=re.fullmatch(pattern, value, re.ASCII))
    for at, files in enumerate(plan.files):
        inside = re.fullmatch(r"[\w.-]+(/[\w.-]+)*", files.inside) and ".." not in files.inside.split("/")
        want(f"files.{at}.inside", files.inside, "a folder below the app", holds=inside)
        path = re.fullmatch(r"(/[\w.-]+)+", files.web_path)
        want(f"files.{at}.web_path", files.web_path, "a path as /uploads", holds=path)
    deploy = plan.deploy
    want("deploy.replicas", deploy.replicas, "at least 1", holds=deploy.replicas >= 1)
    longer = deploy.stop_seconds > deploy.drain_seconds
    want("deploy.stop_seconds", deploy.stop_seconds, "above deploy.drain_seconds", holds=longer)


def missing(plan: Plan) -> list[tuple[str, str]]:
    """Return the keys that a person has to fill in before the plan can be applied, each with what it is."""
    wanted = [
        (f"entry.{key}", "a command (list of words) for where requests go", getattr(plan.entry, key))
        for key in ("hold", "to_new", "to_old")
    ]
    if plan.sessions is not None:
        wanted.append(("sessions.folder", "the live host's folder of session files", plan.sessions.folder))
        wanted.append(("sessions.redis", "redis://HOST:PORT as reached from here", plan.sessions.redis))
    for at, files in enumerate(plan.files):
        wanted.append((f"files.{at}.folder", "the live host's folder of uploads", files.folder))
        wanted.append(
            (f"files.{at}.remote", "s3://BUCKET/PREFIX, b2://BUCKET/PREFIX or file:///FOLDER", files.remote)
        )
    return [(key, what) for key, what, value in wanted if not value]
