"""Why a task ended, counted once per task, and whether a slot ends again and again."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporters.engine import Node, Service, Task
from exporters.swarm.rules.states import STATES, alive, is_job, key
from exporters.swarm.times import seconds

__all__ = ["CLASSES", "RESTART_CLASSES", "FailureCounter", "LastFailure", "classify", "crash_looping", "last"]

CLASSES: Final = ("exit_nonzero", "unhealthy", "image", "rejected", "oom_suspected", "node_lost", "other")
RESTART_CLASSES: Final = (*CLASSES, "exit_zero")

CRASHES: Final = 3
CRASH_WINDOW_SECONDS: Final = 600.0

_KILLED: Final = 137
_IMAGE_WORDS: Final = (
    "No such image",
    "failed to resolve reference",
    "pull access denied",
    "manifest unknown",
    "manifest for",
    "repository does not exist",
    "no matching manifest",
)
_BEFORE_END: Final = frozenset(STATES[STATES.index("assigned") : STATES.index("running") + 1])


def classify(task: Task, node: Node | None) -> str | None:
    """Return the class of a task's failure, or None while it has not failed.

    A task on a node that is down or gone is lost, also while the managers still show it running; one that
    was killed with 137 without a word of its health check may have run out of memory, which is no proof.
    """
    state, error = task.status.state, task.status.err
    if state == "orphaned" or (state in _BEFORE_END and task.node_id and not alive(node)):
        return "node_lost"
    if state == "rejected":
        return "image" if any(words in error for words in _IMAGE_WORDS) else "rejected"
    if state != "failed":
        return None
    if "unhealthy container" in error:
        return "unhealthy"
    if "non-zero exit" not in error:
        return "image" if any(words in error for words in _IMAGE_WORDS) else "other"
    code = task.status.container_status.exit_code if task.status.container_status else 0
    return "oom_suspected" if code == _KILLED else "exit_nonzero"


@dataclass(frozen=True, slots=True)
class LastFailure:
    """The newest failure that the engine still lists: Unix seconds, exit code."""

    at: float
    exit_code: int


def last(tasks: Iterable[Task]) -> LastFailure | None:
    """Return the newest failed or rejected task's time and exit code; a lost node leaves neither."""
    ended = [task for task in tasks if task.status.state in ("failed", "rejected")]
    if not ended:
        return None
    # RFC 3339 in UTC sorts as text but for its fraction's length, which is below what matters here.
    newest = max(ended, key=lambda task: task.status.timestamp)
    code = newest.status.container_status.exit_code if newest.status.container_status else 0
    return LastFailure(seconds(newest.status.timestamp), code)


def crash_looping(service: Service, tasks: Iterable[Task], now: float) -> tuple[int, float]:
    """Return how many slots (or nodes) failed 3 times within 10 minutes, and when that number can fall next.

    The engine keeps five ended tasks per slot, so three are still there when the third one ends. With
    nothing to wait for the time is infinite.
    """
    failed: dict[str | int, list[float]] = {}
    for task in tasks:
        if task.status.state in ("failed", "rejected"):
            failed.setdefault(key(service, task), []).append(seconds(task.status.timestamp))
    ends = [
        sorted(times)[-CRASHES] + CRASH_WINDOW_SECONDS for times in failed.values() if len(times) >= CRASHES
    ]
    looping = [end for end in ends if end > now]
    return len(looping), min(looping, default=float("inf"))


@dataclass(slots=True)
class _Counts:
    failures: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)


class FailureCounter:
    """Counts each failed task once, by its ID, from the first look on: what is there then is history.

    Only IDs that are still listed are remembered, so memory follows the engine's own list.
    """

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._restarted: set[str] = set()
        self._counts: dict[str, _Counts] = {}
        self._first = True

    def update(
        self, services: Mapping[str, Service], tasks: Mapping[str, list[Task]], nodes: Mapping[str, Node]
    ) -> None:
        """Look at the tasks of each service (by its ID) and count what is new."""
        listed: set[str] = set()
        for identity, service in services.items():
            counts = self._counts.setdefault(identity, _Counts())
            self._one(service, tasks.get(identity, []), nodes, counts, listed)
        self._counts = {identity: self._counts[identity] for identity in services}
        self._failed &= listed
        self._restarted &= listed
        self._first = False

    def _one(
        self,
        service: Service,
        tasks: list[Task],
        nodes: Mapping[str, Node],
        counts: _Counts,
        listed: set[str],
    ) -> None:
        newest: dict[str | int, str] = {}
        for task in tasks:
            place = key(service, task)
            newest[place] = max(newest.get(place, ""), task.created_at)
        for task in tasks:
            if task.id in self._restarted:
                listed.add(task.id)
                continue
            kind = classify(task, nodes.get(task.node_id))
            if kind is not None and task.id not in self._failed:
                self._failed.add(task.id)
                if not self._first:
                    counts.failures[kind] += 1
            if kind is None and task.id not in self._failed:
                if task.status.state != "complete" or is_job(service):
                    continue
                kind = "exit_zero"
            listed.add(task.id)
            if newest[key(service, task)] > task.created_at:
                self._restarted.add(task.id)
                if not self._first:
                    counts.restarts[kind or "node_lost"] += 1

    def failures(self, identity: str) -> Mapping[str, int]:
        """Return a service's failures by class."""
        return self._counts[identity].failures

    def restarts(self, identity: str) -> Mapping[str, int]:
        """Return how often a service's tasks were replaced after they ended by themselves, by class."""
        return self._counts[identity].restarts
