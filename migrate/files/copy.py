"""One pass: what is new or changed since the last goes to the remote, many files at once."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from migrate.files.crew import Crew
from migrate.files.feed import Feed
from migrate.files.manifest import Confirmed, Manifest, Row, Upload
from migrate.files.names import Limits, shown
from migrate.files.pace import Climb, Gate, Limiter, Timetable, climb
from migrate.files.parts import Uploads
from migrate.files.scan import Links, Odd, OddNames, open_below, scan
from migrate.files.send import Sender, Sent, TheirsIsNewer
from migrate.remotes import Remote, Stored
from swarmstead.errors import Corrupt, Refused, SwarmsteadError
from swarmstead.progress import Job, QuietReporter, Reporter
from swarmstead.stop import Stop

__all__ = ["Choices", "CopyReport", "copy_pass", "open_below", "refuse_odd", "survey"]

_MARK_BATCH = 256
_RECORD_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_FILE_COST_BYTES = 100_000
"""What a file costs besides its bytes, so that one rate speaks of small and of large files."""
_FIRST_TRANSFERS, _MOST_TRANSFERS = 16, 32
_FEED = 9
"""Files given out for each that may be under way: enough for the time between two looks."""
_Outcome: TypeAlias = tuple[Row, Sent | BaseException]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person decides.

    links: symbolic links are left out and named (``skip``), followed, kept as objects of their own, or a
    reason to refuse. odd_names: what no object can be is left out and named, or refused; names are escaped.
    deletions: objects of files that are gone are kept, or follow (on B2: hidden).
    most_deletions: part of all files that may go in one pass; more look like a mistake.
    transfers: files at once, at most; 0 finds out. limit: bytes per second by the hour.
    overwrite: replace an object that somebody else wrote since; else it is kept, and named.
    """

    links: Links | Literal["refuse"] = "skip"
    odd_names: OddNames | Literal["refuse"] = "skip"
    deletions: Literal["keep", "follow"] = "keep"
    most_deletions: float = 0.5
    transfers: int = 0
    overwrite: bool = True
    limit: Timetable = field(default_factory=Timetable)


@dataclass
class CopyReport:
    """Counts of one pass.

    copied: sent. unchanged: confirmed before, or found at the remote. bytes: sent. odd: what is not moved,
    and why. changing: files that did not hold still. unreadable: files and why. gone: objects whose files are
    gone. theirs: objects that somebody else wrote, kept by choice.
    """

    seen: int = 0
    copied: int = 0
    unchanged: int = 0
    bytes: int = 0
    deleted: int = 0
    seconds: float = 0.0
    odd: list[Odd] = field(default_factory=list)
    changing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    theirs: list[str] = field(default_factory=list)
    bill: dict[str, object] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Return whether every file that was seen is confirmed."""
        return not self.changing and not self.unreadable

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return asdict(self)


def survey(root: Path, manifest: Manifest, remote: Remote, choices: Choices) -> dict[str, int]:
    """Scan the folder into the manifest; return the manifest's totals. Raises Refused for no such folder."""
    if not root.is_dir():
        raise Refused("no such folder", subject=str(root), hint="Is the disk mounted?")
    limits = Limits.of(remote.capabilities)
    links: Links = "skip" if choices.links == "refuse" else choices.links
    odd_names: OddNames = "skip" if choices.odd_names == "refuse" else choices.odd_names
    manifest.ledger.note("choices", {"links": links, "odd_names": odd_names})
    manifest.take(scan(root, links=links, odd_names=odd_names, limits=limits))
    return manifest.totals()


def refuse_odd(root: Path, odd: Sequence[Odd], choices: Choices) -> None:
    """Raise Refused where something has no place at the remote and nobody chose what becomes of it."""
    links = [one for one in odd if one.kind == "link"] if choices.links == "refuse" else []
    others = [one for one in odd if one.kind != "link"] if choices.odd_names == "refuse" else []
    if links:
        raise Refused(
            f"{len(links)} symbolic links, first {links[0].name}; nothing was sent",
            subject=str(root),
            hint="Choose: --links follow, keep or skip. All of them: migrate files plan",
        )
    if others:
        raise Refused(
            f"{len(others)} cannot be sent as they are, first {others[0].name}: {others[0].why};"
            " nothing was sent",
            subject=str(root),
            hint="Choose: --odd-names escape or skip. All of them: migrate files plan",
        )


def copy_pass(
    root: Path,
    remote: Remote,
    manifest: Manifest,
    *,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
    choices: Choices | None = None,
) -> CopyReport:
    """Send each file that is new or differs from what the remote confirmed, and record it.

    A pass that was killed goes on with the next, in the middle of a file, too. What already is at the remote
    with the same bytes is not sent again. Raises what the remote raises, Refused when too many files are
    gone, Stopped; what was done until then is recorded.
    """
    return _Pass(
        root, remote, manifest, stop or Stop(), reporter or QuietReporter(), choices or Choices()
    ).run()


class _Pass:
    def __init__(
        self,
        root: Path,
        remote: Remote,
        manifest: Manifest,
        stop: Stop,
        reporter: Reporter,
        choices: Choices,
    ) -> None:
        self._root, self._remote, self._manifest = root, remote, manifest
        self._stop, self._reporter, self._choices = stop, reporter, choices
        self._report = CopyReport()
        self._lock = threading.Lock()  # the manifest's one connection, used by the threads of large files
        self._most = choices.transfers or _MOST_TRANSFERS
        self._climb = Climb(choices.transfers or _FIRST_TRANSFERS)
        self._gate = Gate(self._climb.limit)
        self._moved = 0
        self._empty = False  # whether the remote had nothing before the first copy
        self._job: Job | None = None
        self._fatal: SwarmsteadError | None = None
        self._slowed = remote.bill.slowed
        self._sender = Sender(
            root,
            remote,
            Uploads(self._find_upload, self._begun_upload, self._forget_upload),
            limiter=Limiter(choices.limit),
            there=self._there,
            sent=self._progress,
            stop=stop,
            parts_at_once=min(4, self._most),
            overwrite=choices.overwrite,
        )

    def _find_upload(self, name: str) -> Upload | None:
        with self._lock:
            return self._manifest.upload(name)

    def _begun_upload(self, upload: Upload) -> None:
        with self._lock:
            self._manifest.begun(upload)

    def _forget_upload(self, name: str) -> None:
        with self._lock:
            self._manifest.forget_upload(name)

    def _there(self, name: str) -> Stored | None:
        if self._empty:
            return None
        with self._lock:
            return self._manifest.there(name)

    def _progress(self, amount: int) -> None:
        with self._lock:
            self._moved += amount + _FILE_COST_BYTES
            if self._job:
                self._job.advance(amount)

    def run(self) -> CopyReport:
        started = time.monotonic()
        totals = survey(self._root, self._manifest, self._remote, self._choices)
        self._report.odd = self._manifest.odd()
        refuse_odd(self._root, self._report.odd, self._choices)
        self._report.seen = totals["files"]
        self._check_gone(totals)
        if not self._manifest.ledger.done("learnt"):
            self._manifest.learn(self._remote.list())
        self._empty = self._manifest.began_empty()
        self._report.unchanged = totals["files"] - totals["todo"]
        title = f"Copy {totals['todo']} files"
        with self._reporter.job(title, total=totals["todo_bytes"], unit="bytes") as self._job:
            self._send_all()
        self._delete_gone()
        self._report.seconds = round(time.monotonic() - started, 3)
        self._report.bill = self._remote.bill.as_dict()
        return self._report

    # Sending

    def _send_all(self) -> None:
        """Keep the crew fed, and write down what ended twice a second: each commit is an fsync."""
        finished: list[_Outcome] = []
        ahead = self._remote.capabilities.sends_ahead
        feed = Feed(self._rows(large=True), self._rows(large=False), self._gate, ahead=ahead)
        looked = recorded = time.monotonic()
        crew: Crew[Row, Sent] = Crew(self._sender.send_together, self._gate, most=self._most)
        try:
            with crew:
                while not self._fatal:
                    self._stop.check()
                    while crew.under_way < _FEED * self._gate.limit and (bundle := feed.next()):
                        crew.give(*bundle)
                    if not crew.under_way:
                        break
                    ended = crew.outcomes(_RECORD_SECONDS)
                    feed.ended(row for row, _ in ended)
                    finished += ended
                    now = time.monotonic()
                    if now - recorded > _RECORD_SECONDS:
                        self._record(finished)
                        finished, recorded = [], now
                    if now - looked > _LOOK_SECONDS:
                        self._adapt(now - looked)
                        looked = now
        finally:
            self._record([*finished, *crew.outcomes(0)])
        if self._fatal:
            raise self._fatal

    def _rows(self, *, large: bool) -> Iterator[Row]:
        after = b""
        while True:
            with self._lock:
                batch = self._manifest.todo(after, _MARK_BATCH, large=large)
                self._manifest.sending(batch)
            if not batch:
                return
            yield from batch
            after = batch[-1].path

    def _record(self, finished: Sequence[_Outcome]) -> None:
        """Write down how sendings ended; keep the first error that ends the pass."""
        done: list[Confirmed] = []
        failed: list[bytes] = []
        for row, result in finished:
            match result:
                case None:  # it vanished: the next scan tells
                    failed.append(row.path)
                case Corrupt():
                    self._report.changing.append(shown(row.path))
                case TheirsIsNewer():
                    self._report.theirs.append(row.name)
                    failed.append(row.path)
                case OSError():
                    self._report.unreadable.append(f"{shown(row.path)}: {result.strerror}")
                    failed.append(row.path)
                case SwarmsteadError():
                    self._fatal = self._fatal or result
                case BaseException():
                    raise result
                case confirmed, sent:
                    done.append(confirmed)
                    self._report.copied += sent
                    self._report.unchanged += not sent
                    self._report.bytes += confirmed.size if sent else 0
        if done or failed:
            with self._lock:
                self._manifest.confirm(done, failed)

    def _adapt(self, seconds: float) -> None:
        """Let more or fewer files through, by what the last seconds showed."""
        with self._lock:
            rate, self._moved = self._moved / seconds, 0
        slowed = self._remote.bill.slowed > self._slowed
        self._slowed = self._remote.bill.slowed
        if not self._choices.transfers:
            self._climb = climb(self._climb, rate, slowed=slowed, most=self._most)
            self._gate.set(self._climb.limit)

    # Deletions

    def _check_gone(self, totals: dict[str, int]) -> None:
        """Refuse when so many files are gone that the folder rather is not what it was."""
        known, gone = totals["files"] + totals["gone"], totals["gone"]
        if self._choices.deletions == "follow" and gone > max(10, known * self._choices.most_deletions):
            raise Refused(
                f"{gone} of {known} files are gone, and deletions should follow: nothing was done",
                subject=str(self._root),
                hint="Is the disk mounted? If they are meant to be gone, raise --most-deletions.",
            )

    def _delete_gone(self) -> None:
        gone = self._manifest.gone()
        self._report.gone = [row.name for row in gone if row.sha1]
        if self._choices.deletions == "keep":
            self._manifest.drop([row for row in gone if not row.sha1])
            return
        for row in gone:
            self._stop.check()
            if row.sha1 and not self._manifest.is_wanted(row.name):
                self._remote.delete(row.name)
                self._report.deleted += 1
            self._manifest.drop([row])
