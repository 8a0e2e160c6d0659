"""What `traefik-exporter top` shows: a row per host and service over a window, from the log's own time."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from exporters.traefik.counts import Counts
from exporters.traefik.exporter import Exporter, Options
from exporters.traefik.sketch import SpaceSaving
from exporters.traefik.windows import window_total

__all__ = ["Top", "TopRow", "Watcher", "quantile"]

_KEPT = 1000


class _Who(msgspec.Struct, gc=False, rename={"path": "RequestPath", "client": "ClientHost"}):
    path: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class TopRow:
    """A row. p50, p95: seconds, None without a served request; bytes: sent per second over the window."""

    host: str
    service: str
    per_second: float
    errors_per_second: float
    p50: float | None
    p95: float | None
    bytes_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """Return it for --json."""
        return asdict(self)


def quantile(share: float, bounds: list[float], buckets: list[int]) -> float | None:
    """Return a quantile of a histogram, interpolated inside its bucket as Prometheus does; None when empty.

    bounds: upper bounds in seconds, one fewer than buckets. What lies above them all counts as the last one.
    """
    total = sum(buckets)
    if total == 0:
        return None
    rank, below = share * total, 0
    for index, count in enumerate(buckets):
        if below + count >= rank and count:
            if index == len(bounds):
                return bounds[-1]
            low = bounds[index - 1] if index else 0.0
            return low + (bounds[index] - low) * (rank - below) / count
        below += count
    return bounds[-1]


@dataclass(frozen=True, slots=True)
class _Then:
    """What had been counted at a time, to take the difference over a window."""

    at: float  # Unix seconds
    buckets: dict[tuple[str, str], list[int]]
    sent: dict[tuple[str, str], int]


class Top:
    """Turns counts into rows. seconds: the window's length. begin: nothing older was counted.

    Rates are sums of slots. Quantiles and bytes are differences between two looks a window apart; until there
    are two such, they are over what was counted so far.
    """

    def __init__(self, seconds: int, begin: float) -> None:
        self._seconds = seconds
        self._begin = begin
        self._past: list[_Then] = []

    def rows(self, counts: Counts, now: float) -> list[TopRow]:
        """Return the rows, the busiest first."""
        then = self._then(now)
        covered = max(now - (then.at if then else self._begin), 1)
        bounds = [bound / 1e9 for bound in counts.bounds]
        rows: list[TopRow] = []
        for pair, row in counts.rows.items():
            old = then.buckets.get(pair, [0] * len(row.buckets)) if then else [0] * len(row.buckets)
            fresh = [a - b for a, b in zip(row.buckets, old, strict=True)]
            sent = row.response_bytes - (then.sent.get(pair, 0) if then else 0)
            rows.append(
                TopRow(
                    *pair,
                    window_total(row.slots, now, self._seconds) / self._seconds,
                    window_total(row.slots, now, self._seconds, 1) / self._seconds,
                    quantile(0.5, bounds, fresh),
                    quantile(0.95, bounds, fresh),
                    sent / covered,
                )
            )
        self._remember(counts, now)
        return sorted(rows, key=lambda each: (-each.per_second, each.host, each.service))

    def _then(self, now: float) -> _Then | None:
        while len(self._past) > 1 and self._past[1].at <= now - self._seconds:
            self._past.pop(0)
        return self._past[0] if self._past and self._past[0].at <= now - self._seconds else None

    def _remember(self, counts: Counts, now: float) -> None:
        buckets = {pair: row.buckets for pair, row in counts.rows.items()}
        sent = {pair: row.response_bytes for pair, row in counts.rows.items()}
        self._past.append(_Then(now, buckets, sent))


class Watcher:
    """Reads a log for `top`: counts, and on request the most frequent paths and clients, in memory only."""

    def __init__(
        self, options: Options, seconds: int, *, sketch: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self.top = Top(seconds, clock() - seconds)
        self.paths = SpaceSaving(_KEPT)
        self.clients = SpaceSaving(_KEPT)
        self._decoder = msgspec.json.Decoder(_Who)
        self.exporter = Exporter(options, clock=clock)
        self.exporter.intake.folder.since = int(clock()) - seconds
        if sketch:
            self.exporter.intake.watch = self._watch

    def _watch(self, chunk: bytes) -> None:
        for line in chunk.split(b"\n"):
            try:
                who = self._decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            self.paths.add(who.path.partition("?")[0][:200])
            self.clients.add(who.client[:64])

    def look(self) -> list[TopRow]:
        """Read what is there and return the rows."""
        while self.exporter.read():
            pass
        self.exporter.intake.flush()
        return self.top.rows(self.exporter.counts, self._clock())
