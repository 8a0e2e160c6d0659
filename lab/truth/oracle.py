"""The truth about what runs: each living node's own engine, asked through its own socket, and the kernel.

It shares no code with the exporter: another client (the lab's), another parser, and no word of a manager.
An engine lists a dead container as running until it has taken its network down, a second or more on a busy
machine (moby 20.10, daemon/monitor.go: Cleanup comes before CheckpointTo). So the kernel is asked as well
whether the container has a process; between the two it counts either way.
"""

import json
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from lab.errors import EngineError
from lab.node import Node

__all__ = ["ROUND", "Container", "Look", "Oracle", "Snapshot", "containers_of", "latest", "read", "slots"]

_SERVICE = "com.docker.swarm.service.name"
_TASK = "com.docker.swarm.task.name"
_URL = "/containers/json?filters=" + quote(json.dumps({"label": [_SERVICE], "status": ["running"]}))
ROUND = 0.2
"""Seconds between two askings of an engine, where the machine has time for them."""
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Container:
    """A running container of a Swarm task.

    slot: the task's place: a number, or for a global service the node's id.
    health: healthy, starting, unhealthy, or none where it has no health check.
    alive: whether the kernel has a process of it.
    """

    service: str
    slot: str
    health: str
    id: str = ""
    alive: bool = True

    @property
    def serves(self) -> bool:
        """Whether the engine takes it for well."""
        return self.health in {"healthy", "none"}


@dataclass(frozen=True, slots=True)
class Look:
    """One asking of one engine; containers is None where it did not answer. Times: monotonic seconds."""

    began: float
    ended: float
    containers: tuple[Container, ...] | None


Snapshot = Mapping[str, tuple[Container, ...]]
"""By the name of a node; nodes whose engine did not answer are absent."""


def read(rows: Iterable[Mapping[str, Any]]) -> tuple[Container, ...]:
    """Return what an engine's container list says, of the containers that run for Swarm tasks.

    A task's name is SERVICE.SLOT.ID, for a global service SERVICE.NODE.ID (swarmkit, api/naming/naming.go).
    """
    found = []
    for row in rows:
        service = row["Labels"].get(_SERVICE)
        if service and row["State"] == "running":
            place, _, _ = row["Labels"][_TASK].removeprefix(f"{service}.").rpartition(".")
            found.append(Container(service, place, _health(row["Status"]), row.get("Id", "")))
    return tuple(found)


def _health(status: str) -> str:
    """Return the health in words such as `Up 2 seconds (health: starting)`."""
    _, bracket, words = status.rstrip(")").rpartition("(")
    word = words.removeprefix("health: ")
    return word if bracket and word in {"healthy", "unhealthy", "starting"} else "none"


def slots(snapshot: Snapshot, service: str, nodes: Iterable[str], among: Set[str] | None = None) -> int:
    """Return how many places of the service are filled by a container that serves, on these nodes.

    among: ids of the containers that count; all where it is None.
    """
    return len(
        {
            container.slot
            for node in nodes
            for container in _serving(snapshot, service, node)
            if among is None or (container.id in among and container.alive)
        }
    )


def containers_of(snapshots: Iterable[Snapshot], service: str, nodes: Iterable[str]) -> range:
    """Return how many containers of the service served on these nodes, each node at any of these times."""
    least = most = 0
    said = list(snapshots)
    for node in nodes:
        counts = [list(_serving(snapshot, service, node)) for snapshot in said]
        least += min(sum(container.alive for container in each) for each in counts)
        most += max(len(each) for each in counts)
    return range(least, most + 1)


def _serving(snapshot: Snapshot, service: str, node: str) -> Iterator[Container]:
    return (each for each in snapshot.get(node, ()) if each.service == service and each.serves)


def latest(looks: Sequence[Look], at: float) -> tuple[Container, ...] | None:
    """Return what an engine said when it was last asked at this time or before."""
    said = None
    for look in reversed(looks):
        if look.began <= at:
            said = look.containers
            break
    return said


def _nth(looks: Sequence[Look], at: float, rounds: int) -> float:
    """Return the time so many rounds away; by the clock, for an engine that does not answer.

    What rounds take longer than they should counts twice: a busy machine delays what is reported through
    several programs more than an engine's direct answer.
    """
    times = [look.began for look in looks]
    here = bisect_left(times, at)
    first, last = sorted((here, here + rounds))
    between = looks[max(0, first) : last]
    by_clock = at + rounds * ROUND
    if len(between) < abs(rounds) or any(look.containers is None for look in between):
        return by_clock
    furthest = between[0].began if rounds < 0 else between[-1].began
    late = max(0.0, abs(furthest - at) - abs(rounds) * ROUND)
    return by_clock + 2 * (late if rounds > 0 else -late)


class Oracle:
    """Asks every engine five times a second, each in a thread of its own so that none waits for another."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.looks: dict[str, list[Look]] = {node.name: [] for node in nodes}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(node,), daemon=True) for node in nodes]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)

    def _follow(self, node: Node) -> None:
        while not self._stop.is_set():
            self.looks[node.name].append(self.ask(node))
            self._stop.wait(ROUND)

    @staticmethod
    def ask(node: Node) -> Look:
        """Ask one engine once."""
        began = time.monotonic()
        try:
            said = read(node.engine.call("GET", _URL, timeout=_PATIENCE))
        except EngineError:
            return Look(began, time.monotonic(), None)
        seen = tuple(replace(container, alive=node.has_container(container.id)) for container in said)
        return Look(began, time.monotonic(), seen)

    def between(self, since: float, until: float) -> Iterator[Snapshot]:
        """Yield what was true between two times: once at the first, then at each asking."""
        times = {since}
        for looks in self.looks.values():
            for look in reversed(looks):
                if look.began <= since:
                    break
                if look.began <= until:
                    times.add(look.began)
        for at in sorted(times):
            said = {name: latest(looks, at) for name, looks in self.looks.items()}
            yield {name: containers for name, containers in said.items() if containers is not None}

    def now(self) -> Snapshot:
        """Return what is true now, as far as it was asked."""
        *_, last = self.between(time.monotonic(), time.monotonic())
        return last

    def before(self, at: float, rounds: int) -> float:
        """Return when the slowest of the living engines was asked so many rounds before this time."""
        return min(_nth(looks, at, -rounds) for looks in self.looks.values())

    def after(self, at: float, rounds: int) -> float:
        """Return when the slowest of the living engines was asked so many rounds after this time."""
        return max(_nth(looks, at, rounds) for looks in self.looks.values())

    def rounds_since(self, at: float) -> int:
        """Return how often the slowest of the living engines was asked since this time."""
        living = [looks for looks in self.looks.values() if looks and looks[-1].containers is not None]
        return min((sum(look.began > at for look in looks[-100:]) for looks in living), default=0)

    def serving(self, at: float) -> set[str]:
        """Return the ids of the containers that served at this time."""
        return {
            container.id
            for looks in self.looks.values()
            for container in latest(looks, at) or ()
            if container.serves
        }
