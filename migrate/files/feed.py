"""What to send next: a few large files all along, so that none is left for the end; small ones together."""

from collections.abc import Iterable, Iterator

from migrate.files.manifest import LARGE_BYTES, Row
from migrate.files.pace import Gate
from migrate.files.send import TOGETHER_BYTES

__all__ = ["Feed"]

_THREADS, _ROUNDS = 2, 2
"""How many threads share the small files; and how many each takes, in so many it may have under way.

More threads cost more than sending does: Python runs one at a time.
"""
_LARGE_SHARE = 4
"""One in so many of what may be under way is a large file, as long as there are small ones."""


class Feed:
    """Gives bundles of files, each with how many of it to have under way at once.

    large, others: all files, by size. ahead: whether the remote sends ahead.
    """

    def __init__(self, large: Iterator[Row], others: Iterator[Row], gate: Gate, *, ahead: bool) -> None:
        self._gate, self._ahead = gate, ahead
        self._large, self._bundles = large, self._bundled(others)
        self._large_under_way = 0

    def next(self) -> tuple[list[Row], int] | None:
        """Return the next bundle, None at the end."""
        room = self._large_under_way < max(1, self._gate.limit // _LARGE_SHARE)
        return (room and self._next_large()) or next(self._bundles, None) or self._next_large()

    def ended(self, rows: Iterable[Row]) -> None:
        """Learn what is no longer under way."""
        self._large_under_way -= sum(row.size > LARGE_BYTES for row in rows)

    def _next_large(self) -> tuple[list[Row], int] | None:
        row = next(self._large, None)
        if row is None:
            return None
        self._large_under_way += 1
        return [row], 1

    def _bundled(self, rows: Iterable[Row]) -> Iterator[tuple[list[Row], int]]:
        bundle: list[Row] = []
        at_once = 1
        for row in rows:
            if row.size > TOGETHER_BYTES or not self._ahead:
                yield [row], 1
                continue
            if not bundle:
                at_once = max(1, self._gate.limit // _THREADS)
            bundle.append(row)
            if len(bundle) == _ROUNDS * at_once:
                yield bundle, at_once
                bundle = []
        if bundle:
            yield bundle, min(at_once, len(bundle))
