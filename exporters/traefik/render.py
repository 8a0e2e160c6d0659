"""Counts to sections of the page. Text up to the values is made once per series and kept."""

from collections.abc import Iterable
from typing import Final

from exporters.exposition import Family, Metric, Section
from exporters.exposition.metric import number
from exporters.traefik import metrics as m
from exporters.traefik.counts import CLASSES, Counts, Pair, Row
from exporters.traefik.outcome import OUTCOMES
from exporters.traefik.windows import BUCKET, WINDOWS, bucket_start, bucket_total, window_total

__all__ = ["BUCKET_GRACE", "Renderer", "completed_bucket", "section"]

BUCKET_GRACE: Final = 5  # seconds after its end in which a bucket's last lines are still awaited
_Values = Iterable[tuple[Metric, tuple[str, ...], float]]


def completed_bucket(now: float) -> int:
    """Return the start of the bucket that is shown as completed."""
    return bucket_start(now - BUCKET_GRACE) - BUCKET


def section(order: Iterable[Metric], samples: _Values) -> Section:
    """Return a section of these metrics, in this order, with these samples."""
    by_name = {metric.name: Family(metric) for metric in order}
    for metric, labels, value in samples:
        by_name[metric.name].add(labels, value)
    return Section(by_name.values())


class Renderer:
    """Renders a source's counts."""

    def __init__(self, source: str, bounds: list[int], *, exact_codes: bool = False) -> None:
        self._source = source
        self._bounds = bounds
        self._exact_codes = exact_codes
        self._texts: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def requests(self, counts: Counts) -> Section:
        """Return the counters' section."""
        by = {metric.name: Family(metric) for metric in m.REQUESTS}
        if counts.bounds != self._bounds:  # a scrape found Traefik's own
            self._bounds = counts.bounds
            self._texts.clear()
        for (host, service, entrypoint), values in counts.requests.items():
            texts = self._series(m.REQUESTS_TOTAL, (host, service, entrypoint), CLASSES)
            for text, value in zip(texts, values, strict=True):
                by[m.REQUESTS_TOTAL.name].add_rendered(text, value)
        for pair, row in counts.rows.items():
            if self._source == "log":
                for text, what in zip(self._series(m.OUTCOMES_TOTAL, pair, OUTCOMES), OUTCOMES, strict=True):
                    by[m.OUTCOMES_TOTAL.name].add_rendered(text, row.outcomes[what])
            if self._exact_codes:
                for code, count in sorted(row.codes.items()):
                    by[m.RESPONSES_TOTAL.name].add((self._source, *pair, str(code)), count)
            for metric, value in (
                (m.REQUEST_BYTES, row.request_bytes),
                (m.RESPONSE_BYTES, row.response_bytes),
                (m.LAST_REQUEST, row.last),
            ):
                by[metric.name].add_rendered(self._series(metric, pair)[0], value)
            self._histogram(by[m.DURATION.name], pair, row)
        return Section(by.values())

    def windows(self, counts: Counts, now: float) -> Section:
        """Return the section of gauges over time."""
        by = {metric.name: Family(metric) for metric in m.WINDOWED}
        done, running = completed_bucket(now), bucket_start(now)
        for pair, row in counts.rows.items():
            for metric, column in ((m.PER_SECOND, 0), (m.ERRORS_PER_SECOND, 1)):
                for text, seconds in zip(self._series(metric, pair, WINDOWS), WINDOWS.values(), strict=True):
                    by[metric.name].add_rendered(
                        text, window_total(row.slots, now, seconds, column) / seconds
                    )
            total = bucket_total(row.slots, done)
            for metric, value in (
                (m.BUCKET, total),
                (m.BUCKET_PER_SECOND, total / BUCKET),
                (m.BUCKET_SO_FAR, bucket_total(row.slots, running)),
            ):
                by[metric.name].add_rendered(self._series(metric, pair)[0], value)
        by[m.BUCKET_START.name].add((self._source,), done)
        return Section(by.values())

    def _histogram(self, family: Family, pair: Pair, row: Row) -> None:
        total = 0
        key = (m.DURATION.name, pair)
        texts = self._texts.get(key)
        if texts is None:
            labels = (self._source, *pair)
            bounds = [number(bound / 1e9) for bound in self._bounds] + ["+Inf"]
            texts = [m.DURATION.series(labels, "_bucket", f'le="{bound}"') for bound in bounds]
            texts += [m.DURATION.series(labels, "_sum"), m.DURATION.series(labels, "_count")]
            self._texts[key] = texts
        for text, count in zip(texts, row.buckets, strict=False):
            total += count
            family.add_rendered(text, total)
        family.add_rendered(texts[-2], row.nanoseconds / 1e9)
        family.add_rendered(texts[-1], total)

    def _series(self, metric: Metric, labels: tuple[str, ...], last: Iterable[str] = ()) -> list[str]:
        key = (metric.name, labels)
        texts = self._texts.get(key)
        if texts is None:
            whole = (self._source, *labels)
            texts = [metric.series((*whole, value)) for value in last] or [metric.series(whole)]
            self._texts[key] = texts
        return texts
