"""The seconds in which users wait: hold, bring over the last changes, prove, commit, send on."""

import time
from collections.abc import Callable
from pathlib import Path

from migrate.ledger import Ledger
from swarmstead.errors import Refused, Stopped, SwarmsteadError
from swarmstead.stop import Stop

from .guard import guarded
from .ports import Gate, Observer

__all__ = ["Deadline", "switch"]


class Deadline(Stop):
    """A Stop that is also asked for once so many seconds have passed."""

    def __init__(self, stop: Stop, seconds: float) -> None:
        super().__init__()
        self._outer, self._seconds, self._end = stop, seconds, time.monotonic() + seconds

    @property
    def requested(self) -> bool:
        """Return whether to stop."""
        return self._outer.requested or time.monotonic() > self._end

    def check(self) -> None:
        """Raise Stopped when a signal came, Refused when the time is over."""
        self._outer.check()
        if time.monotonic() > self._end:
            raise Refused(
                f"what had to be done while requests were held took longer than {self._seconds:.0f} s",
                hint="Requests go where they went before. Run it again, at a calmer hour, "
                "or raise entry.max_hold_seconds.",
            )

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than until the end."""
        self._outer.wait(min(seconds, max(0.0, self._end - time.monotonic())))
        return self.requested


def switch(
    ledger: Ledger,
    gate: Gate,
    work: Callable[[Stop], None],
    *,
    to_new: bool,
    mark: Path,
    seconds: float,
    stop: Stop,
    observe: Observer,
) -> float:
    """Hold requests, do `work`, send them on; return how long they were held, in seconds.

    work: the last passes and the proof; whatever it raises sends requests back where they came from.
    mark: the file by which the guard and the next run know that there is only forward; it stays, for the
        caller to remove once the switch is recorded. Where it is there already, the switch was committed
        by a run that died, and only the sending on is left: copying again could overwrite newer state.
    """
    forward, back = (gate.to_new, gate.to_old) if to_new else (gate.to_old, gate.to_new)
    if mark.exists():
        forward()
        return 0.0
    commands = gate.commands()
    names = ("to_old", "to_new") if to_new else ("to_new", "to_old")
    with guarded(
        hold=commands["hold"],
        back=commands[names[0]],
        forward=commands[names[1]],
        mark=mark,
        lock=ledger.lock_descriptor,
    ) as guard:
        observe("holding")
        started, deadline = time.monotonic(), Deadline(stop, seconds)
        try:
            guard.hold()
            observe("held")
            work(deadline)
            deadline.check()
        except (SwarmsteadError, Stopped, OSError):
            back()
            guard.done()
            raise
        observe("proved")
        guard.commit()
        observe("committed")
        forward()
        observe("sent")
        held = time.monotonic() - started
        guard.done()
    return held
