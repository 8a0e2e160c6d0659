"""The way back: what the Swarm's side wrote goes to the old host, then requests do.

The stack, Redis and the remote are left as they are, and nothing is deleted on the old host.
"""

from migrate.ledger import Ledger
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

from .apply import STEPS
from .plan import Plan
from .ports import Observer, Parts, Report
from .window import switch

__all__ = ["Rollback"]

_BACK = {
    "back bulk": "Copy back what was written meanwhile, while the Swarm serves",
    "back switch": "Hold requests, copy the last changes back, switch to the old host",
}


def _nothing(_moment: str) -> None:
    """Observe nothing."""


class Rollback:
    """One way back, of a move that was begun; each step is recorded as in `apply`."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        parts: Parts,
        *,
        stop: Stop,
        reporter: Reporter,
        observe: Observer = _nothing,
    ) -> None:
        self.plan, self.ledger, self.parts = plan, ledger, parts
        self._stop, self._reporter, self._observe = stop, reporter, observe
        self._mark = ledger.path.with_name("rollback.committed")
        self._switch_mark = ledger.path.with_name("switch.committed")

    def run(self) -> Report:
        """Bring the old host back; return what was done. Before a switch only the entry is set."""
        switched = self.ledger.done("switch") or self._switch_mark.exists()
        self.ledger.note("rolling back", value=True)
        results: Report = {"switched": switched}
        if switched:
            self._say("back bulk", 1)
            results["bulk"] = self.ledger.step("back bulk", lambda: self._pass(self._stop, held=False))
            self._observe("back bulk: recorded")
            self._say("back switch", 2)
            results["switch"] = self.ledger.step("back switch", self._switch)
            self._observe("back switch: recorded")
        else:
            self.parts.gate.to_old()
        self._forget()
        return results

    def _say(self, name: str, number: int) -> None:
        self._reporter.say(f"{number}/{len(_BACK)} {_BACK[name]}")
        self._reporter.event("step", name=name, title=_BACK[name])

    def _pass(self, stop: Stop, *, held: bool) -> Report:
        return {mover.what: mover.reverse(stop, self._reporter, held=held) for mover in self.parts.movers}

    def _switch(self) -> Report:
        results: Report = {}
        held = switch(
            self.ledger,
            self.parts.gate,
            lambda stop: results.update(self._pass(stop, held=True)),
            to_new=False,
            mark=self._mark,
            seconds=self.plan.entry.max_hold_seconds,
            stop=self._stop,
            observe=self._observe,
        )
        return {"held_seconds": round(held, 3), **results}

    def _forget(self) -> None:
        """Make the move one that a later `migrate app` does again, in one transaction."""
        self._mark.unlink(missing_ok=True)
        self._switch_mark.unlink(missing_ok=True)
        with self.ledger.transaction() as db:
            db.executemany("delete from step where name = ?", [(name,) for name in (*STEPS, *_BACK)])
            db.execute("delete from note where name in ('rolling back', 'plan')")
            db.execute("insert or replace into note values ('rolled back', 'true')")
