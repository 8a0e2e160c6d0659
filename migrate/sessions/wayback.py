"""The way back: what Redis holds goes to the old store again, and what ended meanwhile stays ended."""

import json
import time
from collections.abc import Callable

from swarmstead.errors import InputError, Refused
from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

from .records import Entry, Record, Skip, Skipped, Source
from .reports import PassReport
from .state import State
from .target import RedisTarget

__all__ = ["reverse"]

_AT_ONCE = 256


def reverse(
    target: RedisTarget,
    source: Source,
    state: State,
    *,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
    clock: Callable[[], float] = time.time,
) -> PassReport:
    """Write every session of Redis into the source's store; set aside those that were copied and have ended.

    Call it while requests are held and before the old host serves again. Nothing is deleted: an ended
    session's file is moved out of the framework's sight. Idempotent. After it, copying starts anew.
    Raises Refused if Redis holds no session at all though some were copied: that is a lost Redis, not a
    thousand logouts.
    """
    started = time.monotonic()
    report = PassReport()
    mark = state.marker()
    alive: set[int] = set()
    with (reporter or QuietReporter()).job("Bringing sessions back", unit="sessions") as job:
        for prefix in source.prefixes:
            for page in target.keys(prefix):
                if stop is not None:
                    stop.check()
                for at in range(0, len(page), _AT_ONCE):
                    _restore(page[at : at + _AT_ONCE], target, source, state, report, alive)
                job.advance(len(page))
    copied = {one for marks in state.marks() for one in marks}
    if copied and not alive:
        raise Refused(
            f"Redis holds none of the {len(copied)} sessions that were copied",
            subject=str(target.address),
            hint="Is it the right Redis, and has it lost its data? The old store is as it was.",
        )
    _set_aside_ended(source, copied - alive, mark, clock, report)
    report.seconds = time.monotonic() - started
    recording = state.begin()
    for one in alive:
        # Unread at any place: the next move reads all anew, and removes from Redis those that end until then.
        recording.add(0, 0, one)
    recording.finish("reverse", json.dumps(report.as_dict()))
    return report


def _restore(
    keys: list[bytes],
    target: RedisTarget,
    source: Source,
    state: State,
    report: PassReport,
    alive: set[int],
) -> None:
    mark = state.marker()
    for key, (value, expiry_ms) in zip(keys, target.fetch(keys), strict=True):
        one = mark(source.canonical(key))
        if value is None or one in alive:
            continue
        report.seen += 1
        alive.add(one)
        if not value:
            report.skipped[Skip.EMPTY] += 1
            alive.discard(one)
            continue
        try:
            written = source.restore(Record(key, value, round(expiry_ms / 1000)))
        except InputError as error:
            report.skipped[Skip.IGNORED if key.endswith(b"_LOCK") else Skip.MALFORMED] += 1
            report.seen -= key.endswith(b"_LOCK")
            if not key.endswith(b"_LOCK"):
                report.note(f"{state.name(key)}: {error.what}")
            continue
        except OSError as error:
            raise InputError(
                f"a session cannot be written back: {error.strerror}",
                subject=source.title,
                hint="Mend it and run the same command again: it goes on where it was.",
            ) from None
        report.copied += written
        report.unchanged += not written


def _set_aside_ended(
    source: Source,
    ended: set[int],
    mark: Callable[[bytes], int],
    clock: Callable[[], float],
    report: PassReport,
) -> None:
    """Set aside the files of sessions that we had copied and that Redis no longer holds."""
    if not ended:
        return
    over: list[bytes] = []
    entry: Entry
    for entry in source.entries(stamps=False):
        _, _, found = source.read(entry, clock())
        key = found.key
        if isinstance(found, Skipped) and found.why is Skip.IGNORED:
            continue
        if mark(key) in ended:
            over.append(key)
    report.removed += sum(source.set_aside(key) for key in over)
