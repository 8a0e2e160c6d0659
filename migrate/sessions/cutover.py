"""The cut-over: hold the app's requests, copy the last delta, prove it, switch, release, take in stragglers.

Until the switch has run, any failure releases the old host as it was: nobody is logged out by a move that
did not happen. Killed in the middle and run again, it goes on: a delta is idempotent, the hold and the switch
are run again (they must bear that), and after the switch only the release and the late pass are left.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from swarmstead.errors import Different, Refused
from swarmstead.progress import QuietReporter, Reporter
from swarmstead.stop import Stop

from .passes import copy_pass, late_pass
from .records import Source
from .reports import PassReport, VerifyReport
from .state import State
from .target import RedisTarget
from .verify import verify

__all__ = ["CutoverReport", "Hooks", "cutover"]

_TRIES = 50
_PAUSE_SECONDS = 0.1


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Hooks:
    """What only the operator can do.

    hold: stop letting requests in and wait for those under way;
    switch: give the app its new configuration; release: let requests go again (to whichever is current).
    """

    hold: Callable[[], None] = _nothing
    switch: Callable[[], None] = _nothing
    release: Callable[[], None] = _nothing


@dataclass(slots=True)
class CutoverReport:
    """What the cut-over did; `hold_seconds` is how long requests waited."""

    hold_seconds: float = 0.0
    delta: PassReport = field(default_factory=PassReport)
    proof: VerifyReport = field(default_factory=VerifyReport)
    late: PassReport = field(default_factory=PassReport)

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "hold_seconds": round(self.hold_seconds, 3),
            "delta": self.delta.as_dict(),
            "proof": self.proof.as_dict(),
            "late": self.late.as_dict(),
        }


def _last_delta(
    source: Source, target: RedisTarget, state: State, stop: Stop | None, reporter: Reporter
) -> PassReport:
    """Copy until no session is locked any more: with requests held, the last ones are ending."""
    report = copy_pass(source, target, state, stop=stop, reporter=reporter)
    for _ in range(_TRIES):
        if not report.locked:
            return report
        time.sleep(_PAUSE_SECONDS)
        report = copy_pass(source, target, state, stop=stop, reporter=QuietReporter())
    raise Refused(
        f"{report.locked} sessions are still locked by a request of the old host",
        subject=source.title,
        hint="The hold must also wait for requests under way. The old host serves on; nothing was switched.",
    )


def _require(proof: VerifyReport) -> None:
    if not proof.proved:
        raise Different(
            "Redis does not hold what the source holds", hint="The old host serves on; copy again."
        )


def cutover(
    source: Source,
    target: RedisTarget,
    state: State,
    hooks: Hooks,
    *,
    stop: Stop | None = None,
    reporter: Reporter | None = None,
) -> CutoverReport:
    """Move the app over. Raises Different when the proof fails, Refused when sessions stay locked.

    Either way, and at every error before the switch, `hooks.release` is called and the old host serves on.
    """
    told = reporter or QuietReporter()
    report = CutoverReport()
    if not state.ledger.done("switch"):
        started = time.monotonic()
        try:
            told.say("Holding requests")
            hooks.hold()
            report.delta = _last_delta(source, target, state, stop, told)
            report.proof = verify(source, target, state, stop=stop, reporter=told)
            _require(report.proof)
            told.say("Switching")
            state.ledger.step("switch", hooks.switch)
        except BaseException:
            hooks.release()
            raise
        hooks.release()
        report.hold_seconds = time.monotonic() - started
        state.ledger.note("cutover", {"hold_seconds": report.hold_seconds, "proof": report.proof.as_dict()})
    else:
        hooks.release()
    report.late = late_pass(source, target, state, reporter=told)
    told.event("cutover", **report.as_dict())
    return report
