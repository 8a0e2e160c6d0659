"""Traefik's own metrics, for those who cannot turn the log on: fewer families, and blind spots.

Only what servers answered is counted there (``service_…`` of v2 and v3, ``backend_…`` of v1): no host, no
answer of a middleware, no 503 without a server, no aborted body; every attempt of a retry counts.
docs/traefik.md says it all.
"""

import math
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from exporters.traefik.counts import CLASSES, Counts
from exporters.traefik.names import Names
from exporters.traefik.outcome import code_class
from exporters.traefik.samples import read_samples
from exporters.traefik.targets import Target, fetch, resolve, split_address
from exporters.traefik.windows import SLOT
from swarmstead.errors import Unreachable

__all__ = ["Growth", "Scraper", "Series", "growth", "read_page"]

PORT: Final = 8082
_PREFIXES: Final = ("traefik_service_", "traefik_backend_", "process_start_time_seconds ")
_KINDS: Final = {
    "requests_total": "requests",
    "requests_bytes_total": "request_bytes",
    "responses_bytes_total": "response_bytes",
    "request_duration_seconds_bucket": "bucket",
    "request_duration_seconds_sum": "seconds",
}
Series = tuple[str, str, str]  # kind, service, code or le
Values = dict[Series, float]


class Growth(msgspec.Struct):
    """One task's values at its last scrape. start: when its process began, by itself."""

    start: float = 0.0
    values: Values = msgspec.field(default_factory=dict)


def read_page(body: bytes) -> Growth:
    """Return what a page of Traefik's metrics says of services, summed over method and protocol."""
    page = Growth()
    for name, labels, value in read_samples(body, _PREFIXES):
        if name == "process_start_time_seconds":
            page.start = value
            continue
        _, _, rest = name.partition("_")
        scope, _, what = rest.partition("_")
        kind = _KINDS.get(what)
        service = labels.get(scope, "")
        if kind is None or service.endswith("@internal"):
            continue
        detail = (
            labels.get("le", "") if kind == "bucket" else labels.get("code", "") if kind == "requests" else ""
        )
        series = (kind, service, detail)
        page.values[series] = page.values.get(series, 0.0) + value
    return page


def growth(before: Growth | None, now: Growth) -> Values:
    """Return how much each series grew. before: None for a task whose past is not to be counted.

    A process that began anew counts from zero; so does a series that is smaller than it was (it was dropped
    with its service, which then came back).
    """
    if before is None:
        return dict.fromkeys(now.values, 0.0)
    old = before.values if before.start == now.start else {}
    return {
        series: value - old.get(series, 0.0) if value >= old.get(series, 0.0) else value
        for series, value in now.values.items()
    }


class Scraper:
    """Asks every task behind a name. `work` runs in the background, `fold_into` in the exporter's loop.

    Its figures begin with the second scrape of the first tasks found; a task found later is counted whole.
    """

    def __init__(self, address: str, seconds: float = 15) -> None:
        self.address = address
        self.seconds = seconds
        self._name, self._port = split_address(address, PORT)
        self._before: dict[Target, Growth] = {}
        self._fresh: list[Values] = []
        self._begun = False
        self.up = self.down = self.errors = 0
        self.last = 0.0

    def work(self) -> None:
        """Scrape every task once."""
        try:
            targets = resolve(self._name, self._port)
        except Unreachable:
            self.errors += 1
            self.up = 0
            return
        up = 0
        for target in targets:
            try:
                page = read_page(fetch(target, "/metrics"))
            except Unreachable:
                self.errors += 1
                continue
            up += 1
            before = self._before.get(target, Growth(page.start) if self._begun else None)
            self._fresh.append(growth(before, page))
            self._before[target] = page
        self.up, self.down = up, len(targets) - up
        if up:
            self._begun = True
            self.last = time.time()

    def fold_into(self, counts: Counts, names: Names, now: float) -> bool:
        """Add what the last scrapes found; return whether there was anything."""
        fresh, self._fresh = self._fresh, []
        for values in fresh:
            fold_growth(values, counts, names, now)
        return bool(fresh)


def _bounds(values: Iterable[Series]) -> list[int]:
    found = {float(detail) for kind, _, detail in values if kind == "bucket"}
    return sorted(round(bound * 1e9) for bound in found if math.isfinite(bound))


def fold_growth(values: Values, counts: Counts, names: Names, now: float) -> None:
    """Add one task's growth. The histogram's bounds are Traefik's."""
    bounds = _bounds(values)
    if bounds:
        counts.fit(bounds)
    cumulated: dict[str, dict[float, float]] = {}
    for (kind, traefik_name, detail), grown in values.items():
        service = names.service(traefik_name)
        row = counts.row(("", service))
        if kind == "requests":
            _fold_requests(counts, service, int(detail) if detail.isdigit() else 0, round(grown), int(now))
        elif kind == "bucket":
            by_bound = cumulated.setdefault(service, {})
            by_bound[float(detail)] = by_bound.get(float(detail), 0.0) + grown
        elif kind == "seconds":
            row.nanoseconds += round(grown * 1e9)
        elif kind == "request_bytes":
            row.request_bytes += round(grown)
        else:
            row.response_bytes += round(grown)
    for service, by_bound in cumulated.items():
        _fold_buckets(counts.row(("", service)).buckets, by_bound)


def _fold_requests(counts: Counts, service: str, status: int, number: int, now: int) -> None:
    row = counts.row(("", service))
    what = code_class(status)
    classes = counts.requests.setdefault(("", service, ""), [0] * len(CLASSES))
    classes[CLASSES.index(what)] += number
    row.codes[status] = row.codes.get(status, 0) + number
    if number:
        row.last = now
        at = row.slots.setdefault(now // SLOT * SLOT, [0, 0])
        at[0] += number
        at[1] += number if what == "5xx" else 0


def _fold_buckets(buckets: list[int], by_bound: dict[float, float]) -> None:
    before = 0.0
    for index, bound in enumerate(sorted(by_bound)[: len(buckets)]):
        buckets[index] += round(by_bound[bound] - before)
        before = by_bound[bound]
