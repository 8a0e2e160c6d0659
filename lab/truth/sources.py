"""Who is put beside the oracle: exporters that are scraped, and `docker service ls`."""

import http.client
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from lab.errors import CommandFailed
from lab.node import Node
from lab.truth.judge import Sample

__all__ = [
    "Page",
    "Pages",
    "Series",
    "ours",
    "peers",
    "read_ls",
    "read_page",
    "scrape",
    "service_ls",
]

_PATIENCE = 1.5
_OK = 200
_REPLICAS = re.compile(r"^(\d+)/(\d+)")

Series = tuple[str, Mapping[str, str], float]
"""A sample of the text format: name, labels, value."""


@dataclass(frozen=True)
class Page:
    """One scrape of one node; text is "" where nothing answered in time. Times: monotonic seconds."""

    began: float
    ended: float
    text: str


Pages = Mapping[str, Page]
"""By the name of a node."""


def scrape(url: str) -> Page:
    """Get a page of metrics."""
    parts = urlsplit(url)
    began = time.monotonic()
    text = ""
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    try:
        link.request("GET", parts.path or "/metrics", headers={"Accept": "text/plain"})
        answer = link.getresponse()
        if answer.status == _OK:
            text = answer.read().decode()
    except (OSError, http.client.HTTPException):
        text = ""
    finally:
        link.close()
    return Page(began, time.monotonic(), text)


def read_page(text: str, names: Iterable[str], **labels: str) -> list[Series]:
    """Return the samples of these metrics that have these labels, whose values need no escaping."""
    starts = tuple(f"{name}{after}" for name in names for after in ("{", " "))
    has = [f'{name}="{value}"' for name, value in labels.items()]
    lines = "".join(
        f"{line}\n"
        for line in text.splitlines()
        if line.startswith(starts) and all(part in line for part in has)
    )
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(lines)
        for sample in family.samples
    ]


def ours(pages: Pages) -> Sample:
    """Return what Prometheus would make of our exporters' pages, by the recording rules.

    desired, running: the largest that an instance says. verified: summed over distinct nodes.
    """
    figures: dict[str, dict[str, int]] = {"running": {}, "desired": {}, "verified": defaultdict(int)}
    names = {"swarm_service_running_replicas": "running", "swarm_service_desired_replicas": "desired"}
    seen: set[str] = set()
    for page in pages.values():
        nodes_here = set()
        for name, labels, value in read_page(page.text, [*names, "swarm_engine_service_containers"]):
            service, stack = labels["service"], labels.get("stack", "")
            full = service if not stack or service.startswith(f"{stack}_") else f"{stack}_{service}"
            if name in names:
                figure = figures[names[name]]
                figure[full] = max(figure.get(full, 0), int(value))
            elif labels["node_id"] not in seen:
                nodes_here.add(labels["node_id"])
                if labels["health"] in {"healthy", "none"}:
                    figures["verified"][full] += int(value)
        seen |= nodes_here
    spans = [page for page in pages.values() if page.text] or list(pages.values())
    return Sample("ours", min(page.began for page in spans), max(page.ended for page in spans), figures)


def peers(pages: Pages, at: float, running: str, desired: str) -> Sample:
    """Return what another exporter's pages said by this time, by the names of its metrics."""
    figures: dict[str, dict[str, int]] = {"running": {}, "desired": {}}
    for page in pages.values():
        for name, labels, value in read_page(page.text, [running, desired]):
            figure = figures["running" if name == running else "desired"]
            service = labels.get("service", labels.get("service_name", ""))
            figure[service] = max(figure.get(service, 0), int(value))
    return Sample("peer", min((page.began for page in pages.values()), default=at), at, figures)


def read_ls(rows: Iterable[Mapping[str, str]]) -> Mapping[str, Mapping[str, int]]:
    """Return running and desired as `docker service ls` shows them: `3/2`, `0/2 (4/4 completed)`."""
    figures: dict[str, dict[str, int]] = {"running": {}, "desired": {}}
    for row in rows:
        if numbers := _REPLICAS.match(row["Replicas"]):
            figures["running"][row["Name"]] = int(numbers[1])
            figures["desired"][row["Name"]] = int(numbers[2])
    return figures


def service_ls(managers: Callable[[], Sequence[Node]]) -> Sample:
    """Ask `docker service ls` at the first manager that answers within five seconds."""
    began = time.monotonic()
    for node in managers():
        try:
            rows = node.docker_json("service", "ls", timeout=5)
        except CommandFailed:
            continue
        return Sample("docker service ls", began, time.monotonic(), read_ls(rows))
    return Sample("docker service ls", began, time.monotonic(), {"running": {}, "desired": {}})
