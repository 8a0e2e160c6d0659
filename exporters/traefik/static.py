"""Traefik's static configuration, from wherever it stands, as one flat table of options.

A file (YAML or TOML), flags, or variables ``TRAEFIK_…``, of v1, v2 or v3: all are brought to the flag's name
in lower case (``accesslog.format``). Traefik 2 and 3 take one of the three and pass over the others, in this
order: file, flags, variables (their documentation, "Configuration introduction").
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from swarmstead.errors import InputError

__all__ = ["FILE", "IGNORED", "VERSION", "Options", "load", "of_stack", "of_tree"]

Options = dict[str, str]

# What is no option of Traefik's, but said of them.
FILE: Final = "(file)"  # a configuration file is named, so neither flags nor variables count
IGNORED: Final = "(ignored)"  # variables that flags keep from counting
VERSION: Final = "(version)"  # "1" where only v1 knows such options

_FILE_FLAGS: Final = ("configfile", "c")
_VARIABLE: Final = "TRAEFIK_"
_PAIRS: Final = ("accesslog.fields.names", "accesslog.fields.headers.names")
_V1_IMAGE: Final = re.compile(r"traefik:v?1[.\d]*(-|$)")
_V1_ONLY: Final = frozenset(
    ("accesslogsfile", "acme", "consul", "defaultentrypoints", "docker", "file", "loglevel", "web")
)


def load(path: Path) -> Mapping[str, Any]:
    """Return a file's tree: TOML where its name ends so, else YAML. Raises InputError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise InputError(f"is no TOML: {error}", subject=where) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError("is no YAML", subject=where, hint="A file of TOML must be named so.") from None
    if not isinstance(tree, Mapping):
        raise InputError("is no configuration", subject=str(path))
    return tree


def of_tree(tree: Mapping[str, Any]) -> Options:
    """Return a static configuration file's options."""
    return _with_version(dict(_flatten(tree)))


def of_stack(tree: Mapping[str, Any]) -> dict[str, Options]:
    """Return the options of each service of a stack file that runs Traefik, by its name."""
    found: dict[str, Options] = {}
    for name, service in (tree.get("services") or {}).items():
        image = str((service or {}).get("image", "")).lower()
        if "traefik" in image and "traefik-exporter" not in image and "exporters" not in image:
            found[str(name)] = _of_service(service, image)
    return found


def _of_service(service: Mapping[str, Any], image: str) -> Options:
    flags = _of_flags([*_words(service.get("entrypoint")), *_words(service.get("command"))])
    variables = _of_environment(service.get("environment") or {})
    options = dict(flags) or dict(variables)
    if flags and variables:
        options[IGNORED] = ", ".join(sorted(variables))
    if _V1_IMAGE.search(image):
        options[VERSION] = "1"
    return _with_version(options)


def _words(command: Any) -> list[str]:
    return command.split() if isinstance(command, str) else [str(each) for each in command or []]


def _of_flags(words: list[str]) -> Options:
    """Return flags' options: ``--name=value``, ``--name value`` or ``--name``, with one dash or two."""
    options: Options = {}
    for position, word in enumerate(words):
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        after = words[position + 1] if position + 1 < len(words) else "-"
        value = value if equals else "true" if after.startswith("-") else after
        if name.lower() in _FILE_FLAGS:
            options[FILE] = value
        elif name.lower() in _PAIRS:  # v1: --accessLog.fields.names="Username=drop Hostname=drop"
            for pair in value.strip("\"'").split():
                options[f"{name}.{pair.partition('=')[0]}".lower()] = pair.partition("=")[2]
        elif name:
            options[name.lower()] = value
    return options


def _of_environment(given: Any) -> Options:
    pairs = given.items() if isinstance(given, Mapping) else (str(each).split("=", 1) for each in given)
    options: Options = {}
    for name, *rest in pairs:
        if str(name).upper().startswith(_VARIABLE):
            value = str(rest[0]).lower() if rest and isinstance(rest[0], bool) else str(*rest)
            options[str(name)[len(_VARIABLE) :].replace("_", ".").lower()] = value
    if "configfile" in options:
        options[FILE] = options.pop("configfile")
    return options


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, Mapping):
        if prefix:
            yield prefix, "true"
        for key, value in tree.items():
            yield from _flatten(value, f"{prefix}.{key}".strip(".").lower())
    elif isinstance(tree, list):
        yield prefix, ",".join(map(str, tree))
    else:
        yield prefix, "true" if tree is None else str(tree).lower() if isinstance(tree, bool) else str(tree)


def _with_version(options: Options) -> Options:
    tops = {name.partition(".")[0] for name in options}
    if "providers" not in tops and tops & _V1_ONLY:
        options[VERSION] = "1"
    return options
