"""The exporter itself."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample

__all__ = ["METRICS", "PARTS", "Stats", "samples"]

PARTS: Final = ("cluster", "engine", "containers", "info", "disk")

BUILD = Metric("swarm_exporter_build_info", "This exporter.", "info", ("version",))
SOURCE = Metric(
    "swarm_exporter_cluster_source",
    "Whether this instance answers for the cluster. Over all instances the sum is 1, or 0 without quorum.",
)
DATA = Metric(
    "swarm_exporter_data_timestamp_seconds",
    "When a part's data were read last, in Unix time: their age is time() minus this.",
    labels=("part",),
    unit="seconds",
    when="Absent for a part that was never read.",
)
POLLS = Metric("swarm_exporter_polls_total", "Polls by part.", "counter", ("part",))
ERRORS = Metric(
    "swarm_exporter_poll_errors_total",
    "Polls that failed, by part and class.",
    "counter",
    ("part", "class"),
    source="exporters/engine/errors.py: KINDS",
    when="Absent for a class that did not occur.",
)
DURATION = Metric(
    "swarm_exporter_poll_duration_seconds",
    "How long the last poll of a part took.",
    labels=("part",),
    unit="seconds",
)
INTERVAL = Metric(
    "swarm_exporter_poll_interval_seconds",
    "Pause between two polls of the cluster, as adapted to the CPU budget.",
    unit="seconds",
)
UNCHANGED = Metric(
    "swarm_exporter_answers_unchanged_total",
    "Answers with the same bytes as the one before, which were not decoded.",
    "counter",
)
EVENTS = Metric(
    "swarm_exporter_events_total",
    "Events of the engine that were seen.",
    "counter",
    ("type",),
    when="Absent for a type that was not seen.",
)
RECONNECTS = Metric(
    "swarm_exporter_event_reconnects_total", "How often the stream of events was opened again.", "counter"
)
MISSED = Metric(
    "swarm_exporter_events_missed_total",
    "Changes of this node's containers that a listing found and no event had told: the stream is deaf.",
    "counter",
)
STREAM = Metric("swarm_exporter_event_stream_up", "Whether the stream of events stands.")
PAGE_BYTES = Metric("swarm_exporter_page_bytes", "Size of this page before compression.", unit="bytes")
PAGE_SERIES = Metric("swarm_exporter_page_series", "Series on this page.")
SCRAPES = Metric("swarm_exporter_scrapes_total", "Pages of metrics that were served.", "counter")
CPU = Metric(
    "process_cpu_seconds_total", "CPU time, user and system.", "counter", unit="seconds", source="times(2)"
)
RESIDENT = Metric(
    "process_resident_memory_bytes", "Resident memory.", unit="bytes", source="/proc/self/statm"
)
STARTED = Metric("process_start_time_seconds", "Start of the process, in Unix time.", unit="seconds")

METRICS: Final = (
    BUILD,
    SOURCE,
    DATA,
    POLLS,
    ERRORS,
    DURATION,
    INTERVAL,
    UNCHANGED,
    EVENTS,
    RECONNECTS,
    MISSED,
    STREAM,
    PAGE_BYTES,
    PAGE_SERIES,
    SCRAPES,
    CPU,
    RESIDENT,
    STARTED,
)
_STARTED_AT: Final = time.time()


@dataclass(slots=True)
class Stats:
    """What the exporter counts of itself. Each entry has one thread that writes it."""

    version: str
    source: bool = False
    stream: bool = False
    interval: float = 0
    unchanged: int = 0
    reconnects: int = 0
    missed: int = 0
    scrapes: int = 0
    page_bytes: int = 0
    page_series: int = 0
    data_at: dict[str, float] = field(default_factory=dict)
    duration: dict[str, float] = field(default_factory=dict)
    polls: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def samples(stats: Stats) -> Iterator[Sample]:
    """Yield the exporter's samples."""
    yield BUILD, (stats.version,), 1
    yield SOURCE, (), int(stats.source)
    for part, at in sorted(stats.data_at.copy().items()):
        yield DATA, (part,), at
    for part in PARTS:
        yield POLLS, (part,), stats.polls[part]
    for of, number in sorted(stats.errors.copy().items()):
        yield ERRORS, of, number
    for part, duration in sorted(stats.duration.copy().items()):
        yield DURATION, (part,), duration
    yield INTERVAL, (), stats.interval
    yield UNCHANGED, (), stats.unchanged
    for kind, number in sorted(stats.events.copy().items()):
        yield EVENTS, (kind,), number
    yield RECONNECTS, (), stats.reconnects
    yield MISSED, (), stats.missed
    yield STREAM, (), int(stats.stream)
    yield PAGE_BYTES, (), stats.page_bytes
    yield PAGE_SERIES, (), stats.page_series
    yield SCRAPES, (), stats.scrapes
    yield CPU, (), time.process_time()
    if resident := _resident():
        yield RESIDENT, (), resident
    yield STARTED, (), _STARTED_AT
