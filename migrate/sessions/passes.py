"""One pass over a store: the first copies all, each further one what changed, came new or ended."""

import contextlib
import json
import os
import time
from collections.abc import Callable

from swarmstead.errors import Refused
from swarmstead.progress import Job, QuietReporter, Reporter
from swarmstead.stop import Stop

from .delta import Delta
from .helpers import helped_copy, helpers_for
from .records import Entry, Read, Record, Skip, Skipped, Source
from .reports import PassReport
from .state import LATER, Recording, State
from .target import RedisTarget, Writer

__all__ = ["copy_pass", "late_pass"]

_LOOK_EVERY = 512
_FEW = 100
_ENDED = frozenset((Skip.EXPIRED, Skip.EMPTY))
_DELETE_AT_ONCE = 500


class _Pass:
    """The state of one pass under way."""

    def __init__(
        self, source: Source, target: RedisTarget, state: State, *, dry_run: bool, helpers: int
    ) -> None:
        self.source, self.target, self.state, self.helpers = source, target, state, helpers
        self.report = PassReport(dry_run=dry_run)
        self.mark = state.marker()
        self.known = state.known()
        self.delta = Delta(self.known)
        self.recording: Recording = state.begin(dry_run=dry_run)
        part = LATER if self.known.total else 0
        self.writer: Writer[tuple[int, int, int]] = Writer(
            target, lambda rows: self.recording.add_many(rows, part)
        )
        #: Sessions that ended in the source, by mark: their keys go from Redis if we had copied them.
        self.ended: dict[int, bytes] = {}
        #: Sessions that are there but could not be read now: they stay known, and stay in Redis.
        self.held: dict[int, int] = {}

    def take(self, read: Read) -> None:
        """Copy what was read, or count why not."""
        place, stamp, found = read
        report = self.report
        if isinstance(found, Record):
            report.copied += 1
            report.value_bytes += len(found.value)
            if not report.dry_run:
                self.writer.add(*found, (place, stamp, self.mark(found.key)))
            return
        self.skip(place, found)

    def skip(self, place: int, found: Skipped) -> None:
        """Count a session that gave no record, and remember what that means for its copy in Redis."""
        report, why = self.report, found.why
        if why is Skip.IGNORED:
            report.seen -= 1
            return
        report.skipped[why] += 1
        mark = self.mark(found.key)
        if why in _ENDED:
            self.ended[mark] = found.key
        elif why is not Skip.GONE:
            self.held[mark] = place
        if found.detail:
            report.note(f"{self.state.name(found.key)}: {why.value}, {found.detail}")

    def scan(self, job: Job, stop: Stop | None, clock: Callable[[], float]) -> None:
        """Go over the store once."""
        source, report, delta = self.source, self.report, self.delta
        first = not self.known.total
        if first and self.helpers > 1 and not report.dry_run:
            self.scan_with_helpers(job, stop, clock)
            return
        now, seen = clock(), 0
        unchanged = delta.unchanged
        for entry in source.entries(stamps=not first):
            seen += 1
            if not seen % _LOOK_EVERY:
                job.advance(_LOOK_EVERY)
                now = clock()
                if stop is not None:
                    stop.check()
            if first:
                self.take(source.read(entry, now))
                continue
            mark = unchanged(entry[0], entry[1])
            if mark >= 0:
                self.keep(entry, mark, 0)
                continue
            self.recording.reserve(entry[0])
            if not delta.later(entry):
                self.take(source.read(entry, now))
        report.seen += seen
        for entry, mark in delta.rest():
            if mark >= 0:
                self.keep(entry, mark, LATER)
            else:
                self.take(source.read(entry, clock()))
        job.advance(seen % _LOOK_EVERY)

    def scan_with_helpers(self, job: Job, stop: Stop | None, clock: Callable[[], float]) -> None:
        """Go over the store once, with more than one process."""
        report = self.report
        parts = helped_copy(self.source, self.target, self.mark, helpers=self.helpers, clock=clock)
        with contextlib.closing(parts):
            for part in parts:
                self.recording.add_columns(part.columns, part.share)
                report.copied += part.confirmed
                report.value_bytes += part.value_bytes
                report.seen += part.confirmed + len(part.skips)
                for place, skipped in part.skips:
                    self.skip(place, skipped)
                job.advance(part.confirmed + len(part.skips))
                if stop is not None:
                    stop.check()

    def keep(self, entry: Entry, mark: int, part: int) -> None:
        """Count a session that stands as it was."""
        self.report.unchanged += 1
        self.recording.add(entry[0], entry[1], mark, part)

    def vanished(self) -> set[int]:
        """Return the marks of the sessions that were copied before and that this pass did not see."""
        missing = self.delta.missing()
        for mark in self.held.keys() & missing:
            # Redis keeps what it has; stamp 0 lets the next pass look again.
            self.recording.add(self.held[mark], 0, mark, LATER)
            missing.discard(mark)
        if missing:
            for marks in self.recording.marks():
                missing.difference_update(marks)
        return missing

    def remove(self, vanished: set[int]) -> None:
        """Remove from Redis what we copied and what has ended in the source since."""
        keys = [self.ended[mark] for mark in self.ended.keys() & vanished]
        unseen = vanished - self.ended.keys()
        for prefix in self.source.prefixes if unseen else ():
            for page in self.target.keys(prefix):
                for key in page:
                    mark = self.mark(key)
                    if mark not in unseen:
                        continue
                    unseen.discard(mark)
                    if self.source.holds(key):
                        # Replaced while the folder was listed: not gone; the next pass copies it.
                        self.recording.add(0, 0, mark, LATER)
                    else:
                        keys.append(key)
        for at in range(0, len(keys), _DELETE_AT_ONCE):
            self.report.removed += self.target.remove(keys[at : at + _DELETE_AT_ONCE])


def _refuse_mass_removal(vanished: int, known: int, source: Source) -> None:
    if vanished > _FEW and vanished * 2 > known:
        raise Refused(
            f"{vanished} of {known} copied sessions are no longer there: is that still the right folder?",
            subject=source.title,
            hint="Nothing was removed from Redis. If they did end, say so with --many-ended.",
        )


def copy_pass(
    source: Source,
    target: RedisTarget,
    state: State,
    *,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
    dry_run: bool = False,
    many_ended: bool = False,
    helpers: int | None = None,
    clock: Callable[[], float] = time.time,
) -> PassReport:
    """Bring Redis to what the source holds now: changed, new and ended sessions.

    Idempotent; after a kill at any moment a new call goes on from what Redis had confirmed. Only for the
    time before the switch: it overwrites and removes. dry_run: look and count, write nothing.
    many_ended: more than half of the sessions may have ended since the last pass.
    helpers: how many processes read in the first pass; None: as many as there are cores, two at most.
    Raises Unreachable, Denied, Exhausted or Refused as Redis answers; InputError if the source cannot be
    listed; Stopped between two batches.
    """
    started = time.monotonic()
    count = helpers_for(os.cpu_count()) if helpers is None else helpers
    one = _Pass(source, target, state, dry_run=dry_run, helpers=count)
    with (reporter or QuietReporter()).job(f"Copying {source.title}", unit="sessions") as job:
        one.scan(job, stop, clock)
    report = one.report
    if not dry_run:
        one.writer.flush()
        vanished = one.vanished()
        if not many_ended:
            _refuse_mass_removal(len(vanished), one.known.total, source)
        one.remove(vanished)
        report.seconds = time.monotonic() - started
        one.recording.finish("copy", json.dumps(report.as_dict()))
    report.seconds = time.monotonic() - started
    return report


def late_pass(
    source: Source,
    target: RedisTarget,
    state: State,
    *,
    reporter: Reporter | None = None,
    clock: Callable[[], float] = time.time,
) -> PassReport:
    """After the switch: bring what was still written to the old store, without touching what lives in Redis.

    A new session is set if Redis has none, or an empty one. One that was copied before is set only over an
    empty value: if it is absent, it has ended in Redis and stays ended. `kept` counts those left alone.
    The state is not changed, so that a rollback still knows what was copied.
    """
    started = time.monotonic()
    report = PassReport()
    known = state.known()
    delta, mark = Delta(known), state.marker()
    late: list[Entry] = []
    for entry in source.entries():
        report.seen += 1
        if delta.unchanged(entry[0], entry[1]) >= 0:
            report.unchanged += 1
        elif not delta.later(entry):
            late.append(entry)
    for entry, found_mark in delta.rest():
        if found_mark >= 0:
            report.unchanged += 1
        else:
            late.append(entry)
    records: dict[int, Record] = {}
    for entry in late:
        _, _, found = source.read(entry, clock())
        if isinstance(found, Record):
            records[mark(found.key)] = found
        else:
            report.skipped[found.why] += 1
    before = {one for marks in state.marks() for one in records.keys() & set(marks)} if records else set()
    with (reporter or QuietReporter()).job("Late sessions", total=len(records), unit="sessions") as job:
        for one, record in records.items():
            job.advance()
            was = target.set_if_absent(record, copied_before=one in before)
            report.copied += was == 1
            report.kept += was != 1
    report.seconds = time.monotonic() - started
    return report
