"""What is missing in a Traefik configuration for true figures, and the lines to add."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from exporters.traefik.advice import Advice
from exporters.traefik.labels import advise_labels, has_labels
from exporters.traefik.static import FILE, IGNORED, VERSION, Options, load, of_stack, of_tree
from swarmstead.errors import InputError

__all__ = ["advise", "findings", "read_configuration"]

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
_V1_NAMES: Final = {"RouterName": "FrontendName", "ServiceName": "BackendName", "entryPointName": ""}
_LOG: Final = "--accesslog=true --accesslog.format=json --accesslog.filepath=/var/log/traefik/access.json"
_OFF: Final = (".observability.accesslogs", ".observability.metrics")


def findings(path: Path) -> list[Advice]:
    """Return what to change in a file: a static configuration, or a stack's Traefik and its services' labels.

    Raises InputError.
    """
    tree = load(path)
    if "services" not in tree:
        return advise(path.name, of_tree(tree))
    traefiks = of_stack(tree)
    if not traefiks and not has_labels(tree):
        raise InputError(
            "no service in it runs Traefik or has labels for it",
            subject=str(path),
            hint="Give the file that starts Traefik, its static configuration, or an app's stack file.",
        )
    found = [advice for name, options in traefiks.items() for advice in advise(name, options)]
    return _errors_first([*found, *advise_labels(tree)])


def _errors_first(found: list[Advice]) -> list[Advice]:
    return sorted(found, key=lambda advice: advice.severity != "error")


def read_configuration(path: Path) -> dict[str, Options]:
    """Return the options of each Traefik in a file, by its name. Raises InputError."""
    tree = load(path)
    return of_stack(tree) if "services" in tree else {path.name: of_tree(tree)}


def advise(subject: str, options: Mapping[str, str]) -> list[Advice]:
    """Return what to change, errors first; empty when all is well."""
    if FILE in options:
        what = f"its settings are in {options[FILE]}: beside a file, flags and variables do not count"
        return [Advice("error", subject, what, "traefik-exporter check that file")]
    found = [*_ignored(subject, options), *_more(subject, options)]
    if options.get("accesslogsfile"):
        what = "accessLogsFile knows the common format only, which has neither host nor service"
        found.append(Advice("error", subject, what, _LOG))
    elif not _is_on(options, "accesslog"):
        what = "there is no access log: only --scrape is left, without hosts and what middlewares answer"
        found.append(Advice("error", subject, what, _LOG))
    else:
        found += [*_format(subject, options), *_fields(subject, options)]
    return _errors_first(found)


def _is_on(options: Mapping[str, str], name: str) -> bool:
    if options.get(name, "true").lower() == "false":
        return False
    return any(key == name or key.startswith(name + ".") for key in options)


def _ignored(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    if IGNORED in options:
        yield Advice(
            "error", subject, f"variables do not count beside flags: {options[IGNORED]}", "give them as flags"
        )


def _format(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    if options.get("accesslog.format", "common").lower() != "json":
        what = "the common format has neither host nor service, and clients can forge lines in it"
        yield Advice("error", subject, what, "--accesslog.format=json")
    if not options.get("accesslog.filepath"):
        if _is_on(options, "accesslog.otlp") and not _is_on(options, "accesslog.dualoutput"):
            what = "the log goes to an OTLP collector only: there is nothing to read"
            yield Advice("error", subject, what, "--accesslog.dualoutput=true")
        what = "the log goes to standard output: it can be read from Docker's json-file only, as root"
        yield Advice("note", subject, what, "--accesslog.filepath=/var/log/traefik/access.json")
    for name in options:
        if name.startswith("accesslog.filters."):
            what = f"{name} leaves requests out, so no count is right"
            yield Advice("error", subject, what, f"remove --{name}")
    if _number(options.get("accesslog.bufferingsize", "")) > 0 and not _keeps(options, "OriginDuration"):
        what = "a buffered log's Duration includes the wait in the buffer"
        yield Advice("error", subject, what, "--accesslog.fields.names.OriginDuration=keep")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _keeps(options: Mapping[str, str], field: str) -> bool:
    default = options.get("accesslog.fields.defaultmode", "keep").lower()
    return options.get(f"accesslog.fields.names.{field.lower()}", default).lower() == "keep"


def _fields(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    names = _V1_NAMES if options.get(VERSION) == "1" else {}
    for severity, fields in (("error", NEEDED), ("note", WANTED)):
        for field in fields:
            logged = names.get(field, field)
            if logged and not _keeps(options, logged):
                what = f"{logged} is dropped: {_WHY[field]}"
                yield Advice(severity, subject, what, f"--accesslog.fields.names.{logged}=keep")


def _more(subject: str, options: Mapping[str, str]) -> Iterator[Advice]:
    for name, value in options.items():
        if name.endswith(_OFF) and value.lower() == "false":
            what = f"--{name}=false: those requests are in no log or metric"
            yield Advice("error", subject, what, f"remove --{name}")
    if not _is_on(options, "metrics.prometheus") and not _is_on(options, "web.metrics.prometheus"):
        what = "no metrics: certificates that run out cannot be seen"
        add = "--metrics.prometheus=true --metrics.prometheus.entrypoint=metrics"
        yield Advice("note", subject, what, add)
        return
    if any(name.startswith("metrics.prometheus.headerlabels") for name in options):
        what = "headerlabels: clients can make series without end"
        yield Advice("error", subject, what, "remove headerlabels")
    if options.get("metrics.prometheus.addserviceslabels", "true").lower() == "false":
        what = "metrics have no services: --scrape, which stands in for the log, counts nothing"
        yield Advice("note", subject, what, "--metrics.prometheus.addserviceslabels=true")
