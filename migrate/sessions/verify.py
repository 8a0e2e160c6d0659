"""The proof: each session stands in Redis byte for byte, with its expiry, and no ended one does."""

import hashlib
import time
from collections.abc import Callable, Iterator

from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

from .records import Record, Source
from .reports import VerifyReport
from .state import State
from .target import RedisTarget

__all__ = ["verify"]

_AT_ONCE = 256
_TOLERANCE_MS = 1000


def _batches(
    source: Source, report: VerifyReport, stop: Stop | None, clock: Callable[[], float]
) -> Iterator[list[Record]]:
    batch: list[Record] = []
    for entry in source.entries(stamps=False):
        _, _, found = source.read(entry, clock())
        if isinstance(found, Record):
            batch.append(found)
        else:
            report.skipped[found.why] += 1
        if len(batch) >= _AT_ONCE:
            yield batch
            batch = []
            if stop is not None:
                stop.check()
    if batch:
        yield batch


def _judge(record: Record, value: bytes | None, expiry_ms: int, *, after_switch: bool) -> str:
    """Return the report's field that this session counts into."""
    if value is None:
        return "ended_since" if after_switch else "missing"
    if value != record.value:
        return "used_since" if after_switch else "different"
    if abs(expiry_ms - record.expires_at * 1000) > _TOLERANCE_MS:
        # The app's own reading renews the expiry (phpredis: EXPIRE where nothing changed).
        return "used_since" if after_switch else "expiry_off"
    return "same"


def verify(
    source: Source,
    target: RedisTarget,
    state: State,
    *,
    after_switch: bool = False,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
    clock: Callable[[], float] = time.time,
) -> VerifyReport:
    """Compare every session of the source with Redis.

    Called while requests are held, or before the switch, it is the proof. With traffic on the old store,
    sessions written since the last pass count as different: that is what the last delta is for.
    after_switch: Redis is the app's now; what it changed or ended there is not held against the copy.
    """
    started = time.monotonic()
    report = VerifyReport()
    mark = state.marker()
    copied: set[int] = set()
    for marks in state.marks():
        copied.update(marks)
    digest = hashlib.sha256()
    live: set[int] = set()
    with (reporter or QuietReporter()).job("Verifying sessions", total=len(copied), unit="sessions") as job:
        for batch in _batches(source, report, stop, clock):
            for record, (value, expiry) in zip(batch, target.fetch([r.key for r in batch]), strict=True):
                report.checked += 1
                field = _judge(record, value, expiry, after_switch=after_switch)
                setattr(report, field, getattr(report, field) + 1)
                if field in {"missing", "different", "expiry_off"}:
                    report.note(f"{state.name(record.key)}: {field.replace('_', ' ')}")
                live.add(mark(record.key))
                digest.update(hashlib.blake2b(record.value, digest_size=16).digest())
            job.advance(len(batch))
        if not after_switch:
            report.resurrected = _resurrected(source, target, copied - live, mark)
    report.digest = digest.hexdigest()
    report.seconds = time.monotonic() - started
    return report


def _resurrected(
    source: Source, target: RedisTarget, suspects: set[int], mark: Callable[[bytes], int]
) -> int:
    """Return how many sessions that we copied stand in Redis and nowhere in the source."""
    if not suspects:
        return 0
    found: set[int] = set()
    for prefix in source.prefixes:
        for page in target.keys(prefix):
            found.update(mark(key) for key in page if mark(key) in suspects and not source.holds(key))
    return len(found)
