"""Apply a plan: step by step, each recorded with its result, so that a run that was killed goes on.

Until the switch the old host serves; it is never changed. Steps act idempotently and are recorded when they
are done; the passes and the switch itself may be repeated until the switch is committed (see `window`).
"""

from collections.abc import Callable
from pathlib import Path

from migrate.ledger import Ledger
from swarmstead.errors import Different, Refused
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

from .plan import Plan
from .ports import Mover, Observer, Parts, Proof, Report
from .window import switch

__all__ = ["STEPS", "Move", "prove"]

STEPS = {
    "preflight": "Look whether everything is there",
    "write": "Write Dockerfile and stack file",
    "build": "Build the image",
    "give": "Give the image to the nodes",
    "bulk": "Copy sessions and files while the old host serves",
    "deploy": "Deploy the stack and wait for healthy replicas",
    "delta": "Copy what changed since",
    "switch": "Hold requests, copy the last changes, prove, switch",
    "late": "Copy stragglers",
}
"""The steps in order, each with what it does."""

_ENOUGH_PASSES = 3


def _nothing(_moment: str) -> None:
    """Observe nothing."""


def prove(movers: list[Mover], stop: Stop, reporter: Reporter, *, after_switch: bool) -> list[Proof]:
    """Compare both ends of everything that moves."""
    return [mover.verify(stop, reporter, after_switch=after_switch) for mover in movers]


class Move:
    """One app's move by one saved plan.

    plan, digest: the plan and the SHA-256 of its file. ledger: the record, which belongs to one plan.
    observe: told of every moment between two actions.
    """

    def __init__(
        self,
        plan: Plan,
        digest: str,
        ledger: Ledger,
        parts: Parts,
        *,
        stop: Stop,
        reporter: Reporter,
        observe: Observer = _nothing,
    ) -> None:
        self.plan, self.digest, self.ledger, self.parts = plan, digest, ledger, parts
        self._stop, self._reporter, self._observe = stop, reporter, observe

    @property
    def mark(self) -> Path:
        """The file that says that the switch is committed."""
        return self.ledger.path.with_name("switch.committed")

    def run(self) -> Report:
        """Do all steps that are not done; return the result of each.

        Raises Refused where another plan was begun, or a rollback is under way; Different where the proof
        fails while requests are held (they are released to the old host).
        """
        self._claim()
        work: dict[str, Callable[[], Report]] = {
            "preflight": self._preflight,
            "write": self.parts.deployer.write,
            "build": self.parts.deployer.build,
            "give": self.parts.deployer.give,
            "bulk": self._pass,
            "deploy": lambda: self.parts.deployer.deploy(self._stop, self._reporter),
            "delta": self._deltas,
            "switch": self._switch,
            "late": self._late,
        }
        results = {}
        for number, (name, title) in enumerate(STEPS.items(), 1):
            self._stop.check()
            results[name] = self._step(name, f"{number}/{len(STEPS)} {title}", work[name])
            if name == "switch":
                self.mark.unlink(missing_ok=True)
        return results

    def _claim(self) -> None:
        if self.ledger.noted("rolling back"):
            raise Refused("a rollback is under way", hint="Finish it first: migrate rollback")
        begun = self.ledger.noted("plan")
        if begun is not None and begun != self.digest and self.ledger.steps():
            raise Refused(
                "the plan was changed after it had been begun",
                subject=str(self.ledger.path.parent),
                hint="Put the plan back as it was, or run `migrate rollback` and begin anew.",
            )
        self.ledger.note("plan", self.digest)

    def _step(self, name: str, title: str, work: Callable[[], Report]) -> Report:
        if self.ledger.done(name):
            result: Report = self.ledger.result(name)
            return result
        self._reporter.say(title)
        self._reporter.event("step", name=name, title=title)
        self._observe(f"{name}: begins")

        def worked() -> Report:
            done = work()
            self._observe(f"{name}: worked")
            return done

        result = self.ledger.step(name, worked)
        self._reporter.event("step done", name=name, result=result)
        self._observe(f"{name}: recorded")
        return result

    def _preflight(self) -> Report:
        found = {"entry": self.parts.gate.check(), "swarm": self.parts.deployer.check()}
        for mover in self.parts.movers:
            found[mover.what] = mover.check()
        return found

    def _pass(self) -> Report:
        return {mover.what: mover.copy(self._stop, self._reporter) for mover in self.parts.movers}

    def _deltas(self) -> Report:
        """Repeat passes while they get smaller: what the last one takes is what users will wait for."""
        results = self._pass()
        for _ in range(_ENOUGH_PASSES - 1):
            self._stop.check()
            self._observe("delta: between")
            again = self._pass()
            if _amount(again) >= _amount(results):
                return again
            results = again
        return results

    def _switch(self) -> Report:
        proofs: list[Proof] = []
        passes: list[Report] = []
        if not self.mark.exists():
            self.parts.gate.wait_ready(self._stop)

        def work(stop: Stop) -> None:
            for mover in self.parts.movers:
                passes.append({mover.what: mover.copy(stop, self._reporter)})
                self._observe(f"switch: {mover.what} copied")
            proofs.extend(prove(self.parts.movers, stop, self._reporter, after_switch=False))
            wrong = [proof for proof in proofs if not proof.proved]
            if wrong:
                raise Different(
                    f"not proved: {wrong[0].what} {wrong[0].counts}",
                    hint="Requests go to the old host, nothing was switched. Run it again.",
                )

        held = switch(
            self.ledger,
            self.parts.gate,
            work,
            to_new=True,
            mark=self.mark,
            seconds=self.plan.entry.max_hold_seconds,
            stop=self._stop,
            observe=self._observe,
        )
        return {
            "held_seconds": round(held, 3),
            "passes": passes,
            "proofs": {proof.what: proof.counts for proof in proofs},
        }

    def _late(self) -> Report:
        return {mover.what: mover.late(self._stop, self._reporter) for mover in self.parts.movers}


def _amount(results: Report) -> int:
    """Return how much a pass copied, over all movers."""
    return sum(int(counts.get("copied", 0)) for counts in results.values())
