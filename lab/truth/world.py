"""What was done: the services that were asked for and the faults that were made, over time.

Nothing here is read from a Swarm. A test says what it does, and this tells what should follow by the words
of Docker's documentation: a replicated service wants its replicas, a global one a task on each node that
takes tasks, and a node that is lost takes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Change", "Fate", "Service", "Timeline", "World", "wanted"]


class Fate(Enum):
    """What became of a node. The Swarm is where most managers are; the watcher is who scrapes."""

    UP = "up"
    DEAD = "dead"
    """Its engine does not answer: no power, hung, or dockerd gone."""
    CUT = "cut"
    """Its cable is out: it runs on, but neither the Swarm nor the watcher reaches it."""
    APART = "apart"
    """The Swarm does not reach it, the watcher does."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it was asked for.

    mode: replicated, global, replicated-job or global-job.
    nodes: names of the nodes where its constraints hold; None for all of them.
    judged: False where what it should run changes by itself, as with a job that makes progress.
    churns: whether its tasks end within a second or two, by themselves.
    """

    name: str
    mode: str = "replicated"
    replicas: int = 1
    nodes: frozenset[str] | None = None
    judged: bool = True
    churns: bool = False


@dataclass(frozen=True)
class World:
    """Nodes and services as they were made. availability: active, pause or drain; active where absent."""

    nodes: Mapping[str, Fate]
    services: Mapping[str, Service] = field(default_factory=dict)
    availability: Mapping[str, str] = field(default_factory=dict)
    quorum: bool = True

    @property
    def governed(self) -> frozenset[str]:
        """Names of the nodes that the Swarm reaches."""
        return frozenset(name for name, fate in self.nodes.items() if fate is Fate.UP)

    @property
    def watched(self) -> frozenset[str]:
        """Names of the nodes that the watcher reaches. Whether their engines live, the oracle tells."""
        return frozenset(name for name, fate in self.nodes.items() if fate is not Fate.CUT)


def wanted(world: World, service: Service) -> int:
    """Return how many replicas of the service should run in this world.

    A drained node takes no task of a global service; a paused one keeps what it has, and both keep what
    they have of a job. A service that is made while a node is paused or drained must name its `nodes`.
    """
    if not service.mode.startswith("global"):
        return service.replicas
    fitting = world.governed if service.nodes is None else world.governed & service.nodes
    if service.mode == "global-job":
        return len(fitting)
    return sum(world.availability.get(name, "active") != "drain" for name in fitting)


@dataclass
class Change:
    """From one world to the next. Times are seconds of the monotonic clock.

    noticed: when the change was complete, and with a node's fate, when the managers themselves said so.
    fault: whether the managers have to notice something that nobody told them.
    kind: a word for tables, as `killed`.
    told: seconds until the node's own exporter can know; more than the rule's two only for an engine that
    neither answers nor refuses, and where an exporter has to start.
    back: names of nodes that came back, with exporters that have to start.
    """

    began: float
    world: World
    noticed: float = float("inf")
    fault: bool = False
    kind: str = ""
    told: float = 0.0
    back: frozenset[str] = frozenset()


class Timeline:
    """The changes in their order."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = list(changes)

    def worlds(self, since: float, until: float) -> list[World]:
        """Return each world that may have been in effect between two times."""
        first = 0
        for index, change in enumerate(self.changes):
            if change.noticed <= since:
                first = index
        return [change.world for change in self.changes[first:] if change.began <= until]

    def excused(self, since: float, until: float) -> bool:
        """Return whether the managers were still noticing a fault at some time between these two."""
        return any(
            change.fault and change.began <= until and since < change.noticed for change in self.changes
        )

    def telling(self, at: float) -> bool:
        """Return whether an exporter was still waiting for an engine that does not answer."""
        return any(change.began <= at < change.began + change.told for change in self.changes)

    def kind(self, at: float) -> str:
        """Return the kind of the last change that had begun."""
        kinds = [change.kind for change in self.changes if change.began <= at and change.kind]
        return kinds[-1] if kinds else ""
