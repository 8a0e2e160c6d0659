"""Make a plan from what was detected and what the person said: pure but for looking at the folder."""

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from migrate.packaging import folder_digest
from swarmstead.errors import InputError, Refused, UsageError

from .detect import Detected
from .plan import Cache, Deploy, Entry, Files, Image, Plan, Sessions, parse

__all__ = ["code_digest", "draft", "leaves_out", "read_values"]

_DEBIAN_SESSIONS = "/var/lib/php/sessions"
_NEVER_IN_IMAGE = [
    ".git",
    ".hg",
    ".svn",
    ".env",
    ".env.*",
    ".DS_Store",
    "*.swp",
    "Dockerfile",
    "docker-compose*.yml",
]


def leaves_out(plan: Plan, path: Path) -> bool:
    """Return whether a path of the app, relative to it, stays out of the image: uploads, history, secrets."""
    if any(path == Path(files.inside) for files in plan.files):
        return True
    return any(
        fnmatch.fnmatch(path.name, p) or fnmatch.fnmatch(str(path), p) for p in plan.image.code_without
    )


def code_digest(plan: Plan) -> str:
    """Return a hash of the app's code, as far as it goes into the image."""
    app = Path(plan.path)
    parts = [
        str(path.relative_to(app))
        for path in sorted(app.rglob("*"))
        if (path.is_file() or path.is_symlink())
        and not any(leaves_out(plan, p) for p in _upwards(path.relative_to(app)))
    ]
    return folder_digest(app, *parts)


def _upwards(path: Path) -> Sequence[Path]:
    return [path, *(parent for parent in path.parents if parent != Path())]


def draft(app: Path, name: str, found: Detected, values: Mapping[str, Any]) -> Plan:
    """Return a plan; what only the person knows and did not say is left empty.

    values: parts of a plan that win over what is guessed; keys may be dotted.
    Raises Refused for a kind of app that this program cannot package, InputError for values that do not fit.
    """
    if found.kind != "php":
        raise Refused(
            f"an app of kind {found.kind} cannot be packaged yet",
            subject=str(app),
            hint="Its sessions and files can move: migrate sessions --help, migrate files --help.",
        )
    moves = {finding.rule for finding in found.findings if finding.severity == "moves"}
    public = found.web_root.strip("/")
    plan = Plan(
        name=name,
        path=str(app),
        kind=found.kind,
        code="",
        sessions=Sessions(folder=_DEBIAN_SESSIONS, redis="") if "session.files" in moves else None,
        files=[
            Files(folder=str(app / inside), inside=inside, web_path=_web_path(inside, public), remote="")
            for inside in found.uploads
        ],
        image=Image(
            name=name,
            extensions=list(found.extensions),
            web_root=found.web_root,
            code_without=list(_NEVER_IN_IMAGE),
        ),
        cache=Cache(),
        deploy=Deploy(stack=name),
        entry=Entry(hold=[], to_new=[], to_old=[]),
        findings=[f"{f.severity}: {f.rule} at {f.where}" for f in found.findings],
    )
    document = msgspec.to_builtins(plan)
    for key, value in values.items():
        _put(document, key.split("."), value, key)
    finished = parse(yaml.safe_dump(document).encode(), name="the given values")
    finished.code = code_digest(finished)
    return finished


def _web_path(inside: str, public: str) -> str:
    return "/" + (inside.removeprefix(f"{public}/") if public else inside)


def _put(document: Any, path: list[str], value: Any, key: str) -> None:
    """Set one value, where `path` leads; a mapping is merged key by key."""
    *way, last = path
    for step in way:
        document = _child(document, step, key)
    if isinstance(document, list):
        index = _index(document, last, key)
        if isinstance(value, dict):
            _put_all(document[index], value, key)
        else:
            document[index] = value
    elif isinstance(document, dict):
        if isinstance(value, dict) and isinstance(document.get(last), dict) and document[last]:
            _put_all(document[last], value, key)
        else:
            document[last] = value
    else:
        raise UsageError("no such key in a plan", subject=key)


def _put_all(document: Any, values: Mapping[str, Any], key: str) -> None:
    for name, value in values.items():
        _put(document, [str(name)], value, f"{key}.{name}")


def _child(document: Any, step: str, key: str) -> Any:
    if isinstance(document, list):
        return document[_index(document, step, key)]
    if isinstance(document, dict) and isinstance(document.get(step), dict | list):
        return document[step]
    raise UsageError(
        "no such key in a plan", subject=key, hint="`migrate app PATH --dry-run` shows the keys."
    )


def _index(document: list[Any], step: str, key: str) -> int:
    if not step.isdigit() or int(step) >= len(document):
        raise UsageError(f"{step} is no place in a list of {len(document)}", subject=key)
    return int(step)


def read_values(file: Path | None, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of a YAML file and of ``KEY=VALUE`` pairs, whose values are YAML too."""
    values: dict[str, Any] = {}
    if file is not None:
        try:
            loaded = yaml.safe_load(file.read_bytes())
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"cannot be read: {error}", subject=str(file)) from None
        if not isinstance(loaded, dict):
            raise InputError("not a mapping of plan keys", subject=str(file))
        values.update(loaded)
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UsageError("not KEY=VALUE", subject=pair)
        try:
            values[key] = yaml.safe_load(text) if text else ""
        except yaml.YAMLError:
            values[key] = text
    return values
