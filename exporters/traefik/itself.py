"""What the exporter tells of itself."""

import os
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporters.exposition import Metric, Section
from exporters.traefik import metrics as m
from exporters.traefik.render import section
from exporters.traefik.source import FileSource, ScrapeSource, StreamSource

if TYPE_CHECKING:
    from exporters.traefik.exporter import Exporter

__all__ = ["itself"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_Sample = tuple[Metric, tuple[str, ...], float]


def resident_bytes() -> int:
    """Return this process's resident memory."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - every two seconds
        return int(file.read().split()[1]) * _PAGE


def itself(exporter: "Exporter", now: float) -> Section:
    """Return the section about the exporter."""
    return section(m.ITSELF, [*_general(exporter), *_of_source(exporter, now)])


def _general(exporter: "Exporter") -> Iterator[_Sample]:
    counts, source = exporter.counts, exporter.source
    yield m.INFO, (exporter.version, exporter.state.instance_id), 1
    yield m.START, (), exporter.started
    yield m.SOURCE, (source.label, source.format), 1
    for label, value in counts.folded.items():
        yield m.FOLDED, (label,), value
    yield m.HOSTS, (), exporter.hosts.count
    yield m.SERVICES, (), len({service for _, service in counts.rows if service})
    for name in exporter.names.directory.collisions:
        yield m.COLLISION, (name,), 1
    for name, up in exporter.learner.up.items():
        yield m.LEARN_UP, (name,), int(up)
    yield m.STATE_ERRORS, (), exporter.state_errors
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield m.CPU, (), usage.ru_utime + usage.ru_stime
    yield m.MEMORY, (), resident_bytes()


def _of_source(exporter: "Exporter", now: float) -> Iterator[_Sample]:
    source, counts = exporter.source, exporter.counts
    if isinstance(source, ScrapeSource):
        scraper = source.scraper
        yield m.TARGETS, ("up",), scraper.up
        yield m.TARGETS, ("down",), scraper.down
        yield m.SCRAPE_ERRORS, (), scraper.errors
        yield m.SCRAPE_LAST, (), scraper.last
    elif isinstance(source, FileSource | StreamSource):
        waiting = source.lag_bytes
        yield m.LOG_UP, (), int(source.is_open)
        yield m.LAG_BYTES, (), waiting
        yield m.LAG_SECONDS, (), max(now - counts.last_line, 0) if waiting and counts.last_line else 0
        yield m.LAST_LINE, (), counts.last_line
        for metric, figures in (
            (m.LINES, counts.lines),
            (m.ERRORS, counts.errors),
            (m.DURATIONS, counts.durations_from),
        ):
            for kind, value in figures.items():
                yield metric, (kind,), value
        yield m.AMBIGUOUS, (), counts.ambiguous
        yield m.ROTATIONS, (), counts.rotations
        yield m.TRUNCATIONS, (), counts.truncations
        yield m.LATE, (), counts.late
