"""All that is counted: one record that is saved whole, so that offsets and counts can never part."""

import msgspec

from exporters.traefik.outcome import OUTCOMES
from exporters.traefik.windows import Slots

__all__ = ["CLASSES", "MOST", "Counts", "Pair", "Row", "bounded"]

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
MOST = 2**62  # sums stop here, far below what the state file's 64 bits hold
Pair = tuple[str, str]  # host and service, as labels


def bounded(total: int, more: int) -> int:
    """Return the sum of a count and what a line says, never negative, never past what can be saved."""
    return min(total + max(more, 0), MOST)


class Row(msgspec.Struct):
    """What is counted of one host and service.

    buckets: requests per bound of the histogram, not cumulated, the last one above all bounds.
    slots: see `windows`. last: Unix time of the last request, by the log.
    """

    outcomes: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    codes: dict[int, int] = msgspec.field(default_factory=dict)
    request_bytes: int = 0
    response_bytes: int = 0
    nanoseconds: int = 0
    buckets: list[int] = msgspec.field(default_factory=list)
    slots: Slots = msgspec.field(default_factory=dict)
    last: int = 0


class Counts(msgspec.Struct):
    """Every figure that lives longer than the process.

    bounds: the histogram's, in nanoseconds; when they change, the histograms begin anew.
    requests: (host, service, entrypoint) to requests per class of `CLASSES`.
    """

    bounds: list[int]
    rows: dict[Pair, Row] = msgspec.field(default_factory=dict)
    requests: dict[tuple[str, str, str], list[int]] = msgspec.field(default_factory=dict)
    durations_from: dict[str, int] = msgspec.field(default_factory=lambda: {"origin": 0, "total": 0})
    lines: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("request", "internal", "other"), 0)
    )
    errors: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("not_json", "malformed", "wrong_type", "too_long", "torn"), 0)
    )
    folded: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("host", "service", "pair", "entrypoint"), 0)
    )
    ambiguous: int = 0
    late: int = 0
    rotations: int = 0
    truncations: int = 0
    last_line: int = 0
    hosts: list[str] = msgspec.field(default_factory=list)

    def row(self, pair: Pair) -> Row:
        """Return the row of a host and service, made at first sight with all its counts at 0."""
        row = self.rows.get(pair)
        if row is None:
            row = self.rows[pair] = Row(buckets=[0] * (len(self.bounds) + 1))
        return row

    def fit(self, bounds: list[int]) -> None:
        """Use these bounds; histograms that were counted by others begin anew."""
        if bounds == self.bounds:
            return
        self.bounds = bounds
        for row in self.rows.values():
            row.buckets = [0] * (len(bounds) + 1)
            row.nanoseconds = 0
