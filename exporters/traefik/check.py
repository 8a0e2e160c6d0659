"""What is missing in a Traefik configuration for true figures, and the lines to add.

Takes a static configuration (YAML, v2 and v3) or a stack file whose service runs Traefik with flags; both are
brought to one form, flags in lower case (``accesslog.format``), before anything is judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from swarmstead.errors import InputError

__all__ = ["Advice", "advise", "options_of_stack", "options_of_static", "read_configuration"]

NEEDED: Final = ("DownstreamStatus", "RequestHost", "RouterName", "ServiceName", "entryPointName", "Duration")
WANTED: Final = ("OriginStatus", "OriginDuration", "DownstreamContentSize", "RequestContentSize")
_WHY: Final = {
    "DownstreamStatus": "without it no line is a request",
    "RequestHost": "the host of each request",
    "RouterName": "tells what no router took from what Traefik answered",
    "ServiceName": "the service of each request",
    "entryPointName": "the entrypoint of each request",
    "Duration": "how long requests took",
    "OriginStatus": "without it aborted bodies and hidden error pages count as the app's answers",
    "OriginDuration": "the server's own time, also when the log is buffered",
    "DownstreamContentSize": "bytes out",
    "RequestContentSize": "bytes in",
}
Options = dict[str, str]


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding. severity: error (figures are missing or false) or note. add: the flag to add, or ""."""

    severity: str
    subject: str
    what: str
    add: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it for --json."""
        return asdict(self)


def _flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, Mapping):
        if not tree and prefix:
            yield prefix, "true"
        for key, value in tree.items():
            yield from _flatten(value, f"{prefix}.{key}".strip(".").lower())
    elif isinstance(tree, list):
        yield prefix, ",".join(map(str, tree))
    else:
        yield prefix, "true" if tree is None else str(tree).lower() if isinstance(tree, bool) else str(tree)


def options_of_static(tree: Mapping[str, Any]) -> Options:
    """Return a static configuration's options."""
    return dict(_flatten(tree))


def _options_of_flags(flags: list[str]) -> Options:
    options: Options = {}
    for flag in flags:
        if flag.startswith("--"):
            name, equals, value = flag[2:].partition("=")
            options[name.lower()] = value if equals else "true"
    return options


def options_of_stack(tree: Mapping[str, Any]) -> dict[str, Options]:
    """Return the options of each service of a stack file that runs Traefik."""
    found: dict[str, Options] = {}
    for name, service in (tree.get("services") or {}).items():
        command = service.get("command") or []
        flags = command.split() if isinstance(command, str) else [str(each) for each in command]
        image = str(service.get("image", "")).lower().replace("-exporter", "")
        if "traefik" in image and any(flag.startswith("--") for flag in flags):
            found[str(name)] = _options_of_flags(flags)
    return found


def read_configuration(path: Path) -> dict[str, Options]:
    """Return the options of each Traefik in a file, by its name. Raises InputError."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", subject=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError("is no YAML", subject=where, hint="TOML is not read: give its YAML form.") from None
    if not isinstance(tree, Mapping):
        raise InputError("is no configuration", subject=str(path))
    if "services" in tree:
        found = options_of_stack(tree)
        if not found:
            raise InputError("no service in it runs Traefik with flags", subject=str(path))
        return found
    return {path.name: options_of_static(tree)}


def advise(subject: str, options: Mapping[str, str]) -> list[Advice]:
    """Return what to change, errors first; empty when all is well."""
    if not _is_on(options, "accesslog"):
        add = "--accesslog=true --accesslog.format=json --accesslog.filepath=/var/log/traefik/access.json"
        return [Advice("error", subject, "there is no access log: only --scrape is left, without hosts", add)]
    found = [*_format(subject, options), *_fields(subject, options), *_more(subject, options)]
    return sorted(found, key=lambda advice: advice.severity != "error")


def _is_on(options: Mapping[str, str], name: str) -> bool:
    if options.get(name, "true").lower() == "false":
        return False
    return any(key == name or key.startswith(name + ".") for key in options)


def _format(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    if options.get("accesslog.format", "common").lower() != "json":
        what = "the common format has neither host nor service, and clients can forge lines in it"
        yield Advice("error", subject, what, "--accesslog.format=json")
    if not options.get("accesslog.filepath"):
        what = "the log goes to standard output: it can be read from Docker's json-file only, as root"
        yield Advice("note", subject, what, "--accesslog.filepath=/var/log/traefik/access.json")
    for name in options:
        if name.startswith("accesslog.filters."):
            yield Advice(
                "error", subject, f"{name} leaves requests out, so no count is right", f"remove --{name}"
            )
    if int(options.get("accesslog.bufferingsize") or 0) > 0 and not _keeps(options, "OriginDuration"):
        what = "a buffered log's Duration includes the wait in the buffer"
        yield Advice("error", subject, what, "--accesslog.fields.names.OriginDuration=keep")


def _keeps(options: Mapping[str, str], field: str) -> bool:
    default = options.get("accesslog.fields.defaultmode", "keep").lower()
    return options.get(f"accesslog.fields.names.{field.lower()}", default).lower() == "keep"


def _fields(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    for severity, fields in (("error", NEEDED), ("note", WANTED)):
        for field in fields:
            if not _keeps(options, field):
                what = f"{field} is dropped: {_WHY[field]}"
                yield Advice(severity, subject, what, f"--accesslog.fields.names.{field}=keep")


def _more(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    for name, value in options.items():
        off = (
            name.endswith((".observability.accesslogs", ".observability.metrics"))
            and value.lower() == "false"
        )
        if off:
            yield Advice(
                "error",
                subject,
                f"--{name}=false: those requests are in no log or metric",
                f"remove --{name}",
            )
    if not _is_on(options, "metrics.prometheus"):
        what = "no metrics: certificates that run out cannot be seen"
        yield Advice(
            "note", subject, what, "--metrics.prometheus=true --metrics.prometheus.entrypoint=metrics"
        )
    elif "metrics.prometheus.headerlabels" in " ".join(options):
        yield Advice(
            "error", subject, "headerlabels: clients can make series without end", "remove headerlabels"
        )
