"""What a remote's key may do, tried out, and what the bucket will do and cost."""

import hashlib
import io
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice

from migrate.remotes.base import About, Remote
from migrate.remotes.bill import Prices, monthly
from swarmstead.errors import Corrupt, SwarmsteadError

__all__ = ["CheckReport", "Step", "check"]

_NAME = "swarmstead-check/"
_MOST_LISTED = 100_000
_DATA = b"swarmstead: migrate remote check. This object may be deleted.\n"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. why: the error, "" where it went well. needed: for which commands."""

    what: str
    why: str
    needed: str

    @property
    def ok(self) -> bool:
        """Return whether it went well."""
        return not self.why


@dataclass
class CheckReport:
    """What was found. objects, bytes: below the prefix; `more`: there are more, the listing was cut off.

    warnings: what a person should know. dollars_per_month: of what is kept, without any traffic.
    """

    url: str
    steps: list[Step] = field(default_factory=list)
    about: About = field(default_factory=About)
    objects: int = 0
    bytes: int = 0
    more: bool = False
    unfinished: int = 0
    warnings: list[str] = field(default_factory=list)
    dollars_per_month: float = 0.0

    @property
    def ok(self) -> bool:
        """Return whether all that was tried went well."""
        return all(step.ok for step in self.steps)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "ok": self.ok}


def check(remote: Remote, prices: Prices | None = None) -> CheckReport:
    """Log in, list, write, read back whole and in part, and delete a small object of our own.

    What fails is a step with its reason; only what makes every further try useless (no answer, no such
    bucket, a wrong key) raises.
    """
    report = CheckReport(remote.url)
    report.about = remote.about()
    name = f"{_NAME}{secrets.token_hex(8)}.txt"
    sha1 = hashlib.sha1(_DATA, usedforsecurity=False).hexdigest()
    report.steps.append(_tried("list", "copy, verify, rollback", lambda: _listed(remote, report)))
    wrote = _tried("write", "copy, the cache's writes", lambda: _put(remote, name, sha1))
    report.steps.append(wrote)
    if wrote.ok:
        report.steps += [
            _tried("describe", "copy after a break", lambda: _described(remote, name, sha1)),
            _tried("read", "verify --download, rollback, the cache", lambda: _read(remote, name)),
            _tried("read a range", "the cache", lambda: _range(remote, name)),
            _tried("delete", "--deletions follow", lambda: remote.delete(name)),
        ]
    report.warnings = _warnings(report)
    report.dollars_per_month = round(monthly(prices or Prices(), stored_bytes=report.bytes), 2)
    return report


def _tried(what: str, needed: str, work: Callable[[], object]) -> Step:
    try:
        work()
    except SwarmsteadError as error:
        return Step(what, error.what, needed)
    return Step(what, "", needed)


def _listed(remote: Remote, report: CheckReport) -> None:
    for stored in islice(remote.list(), _MOST_LISTED):
        report.objects += 1
        report.bytes += stored.size
    report.more = report.objects == _MOST_LISTED
    report.unfinished = sum(1 for _ in remote.unfinished())


def _put(remote: Remote, name: str, sha1: str) -> None:
    remote.put(name, io.BytesIO(_DATA), size=len(_DATA), sha1=sha1)


def _described(remote: Remote, name: str, sha1: str) -> None:
    found = remote.head(name)
    if found is None or (found.size, found.sha1) != (len(_DATA), sha1):
        raise Corrupt("size or hash are not those that were put")


def _read(remote: Remote, name: str) -> None:
    with remote.get(name) as body:
        if body is None or b"".join(body.chunks) != _DATA:
            raise Corrupt("what came back is not what was put")


def _range(remote: Remote, name: str) -> None:
    with remote.get(name, start=3, end=9) as body:
        if body is None or b"".join(body.chunks) != _DATA[3:9]:
            raise Corrupt("another range came back than was asked for")


def _warnings(report: CheckReport) -> list[str]:
    found = []
    about = report.about
    if about.needless:
        found.append(f"the key may do more than is needed: {', '.join(about.needless)}")
    rules = about.lifecycle or ()
    if about.lifecycle is None:
        found.append("the key may not read the bucket's lifecycle: look there what it deletes by itself")
    found += [
        f"the bucket removes files by itself: {rule}" for rule in rules if "days after they were put" in rule
    ]
    if about.versions and not any("versions after" in rule for rule in rules):
        found.append("replaced and deleted versions are kept, and paid for: no lifecycle rule ends them")
    if report.unfinished:
        found.append(f"{report.unfinished} uploads were begun and never finished: their parts are paid for")
    return found
