"""Requests per second over the last minutes and per five-minute bucket of the clock, by the log's own time.

Counts are kept per slot of five seconds for as long as a bucket and its forerunner last; a window is a sum
over whole slots, so it is right from a site's first request on and does not depend on anyone's scrapes.
"""

from typing import Final

__all__ = ["BUCKET", "KEEP", "SLOT", "WINDOWS", "bucket_start", "bucket_total", "forget", "window_total"]

SLOT: Final = 5
BUCKET: Final = 300
WINDOWS: Final = {"1m": 60, "5m": 300}
KEEP: Final = 2 * BUCKET + 60

Slots = dict[int, list[int]]  # slot's start, Unix seconds: requests, errors


def bucket_start(now: float) -> int:
    """Return the start of the clock's five-minute bucket that a time falls into."""
    return int(now) // BUCKET * BUCKET


def _total(slots: Slots, start: int, end: int, column: int) -> int:
    return sum(counts[column] for slot, counts in slots.items() if start <= slot < end)


def window_total(slots: Slots, now: float, seconds: int, column: int = 0) -> int:
    """Return the count over the last so many seconds that are whole slots. column: 0 requests, 1 errors."""
    end = int(now) // SLOT * SLOT
    return _total(slots, end - seconds, end, column)


def bucket_total(slots: Slots, start: int) -> int:
    """Return the requests of the bucket that begins at `start`."""
    return _total(slots, start, start + BUCKET, 0)


def forget(slots: Slots, now: float) -> None:
    """Drop the slots that no window and no bucket reaches any more."""
    oldest = now - KEEP
    for slot in [slot for slot in slots if slot < oldest]:
        del slots[slot]
