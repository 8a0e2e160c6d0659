"""What a move needs of the world, as protocols: the real ones are in `parts`, tests bring smaller ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from swarmstead.progress import Reporter
from swarmstead.stop import Stop

__all__ = ["Deployer", "Gate", "Mover", "Observer", "Parts", "Proof", "Report"]

Report: TypeAlias = dict[str, Any]
"""Counts of a pass, JSON values."""

Observer: TypeAlias = Callable[[str], None]
"""Told of every moment between two actions; tests kill the process there."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check found: counts to show, and whether they prove that nothing is lost."""

    what: str
    proved: bool
    counts: Report


class Mover(Protocol):
    """What brings one kind of state (sessions, a folder of uploads) over and back; all idempotent."""

    @property
    def what(self) -> str:
        """Return its name in reports: ``sessions``, ``files uploads``."""

    def check(self) -> Report:
        """Look whether both ends can be reached and used. Raises what is in the way."""

    def copy(self, stop: Stop, reporter: Reporter) -> Report:
        """Bring over what is new, changed or gone since the last pass; the first time, all."""

    def late(self, stop: Stop, reporter: Reporter) -> Report:
        """After the switch: bring over stragglers, without touching what the new side has."""

    def reverse(self, stop: Stop, reporter: Reporter, *, held: bool) -> Report:
        """Bring back what the new side has; nothing is deleted. held: whether requests are held now."""

    def verify(self, stop: Stop, reporter: Reporter, *, after_switch: bool) -> Proof:
        """Compare both ends."""


class Deployer(Protocol):
    """What makes the app run on the Swarm. Every call is idempotent."""

    def check(self) -> Report:
        """Look whether the Swarm, its networks and what is needed to build are there."""

    def write(self) -> Report:
        """Write image context and stack file."""

    def build(self) -> Report:
        """Build the image."""

    def give(self) -> Report:
        """Bring the image to where the nodes find it."""

    def deploy(self, stop: Stop, reporter: Reporter) -> Report:
        """Deploy, and wait until every replica is healthy."""


class Gate(Protocol):
    """Where requests go. Every call may be repeated."""

    def check(self) -> Report:
        """Look whether its commands exist."""

    def wait_ready(self, stop: Stop) -> None:
        """Wait until what steers requests itself sees the replicas: the Swarm's word is not enough."""

    def to_new(self) -> None:
        """Send requests to the Swarm."""

    def to_old(self) -> None:
        """Send requests to the old host."""

    def commands(self) -> dict[str, list[str]]:
        """Return ``hold``, ``to_new`` and ``to_old`` as words: the guard runs them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """All that one move works with."""

    gate: Gate
    deployer: Deployer
    movers: list[Mover] = field(default_factory=list)
