"""What this node's own engine runs of each service: a list, kept true by the engine's events.

A whole list costs an Engine 29 some 19 ms, so it is taken seldom; in between, events add and take away.
An event does not say whether a container has a health check: one that started is asked for by its ID.

The engine tells a container's end (`die`) before it takes it out of its list of running ones (moby,
daemon/monitor.go: the network is released in between, which took seconds on a busy machine). So a list may
name a container that is known to be dead: whoever died lately is not believed to run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from exporters.engine import Container, Event

__all__ = ["Witness", "health"]

_SERVICE: Final = "com.docker.swarm.service.name"
_STACK: Final = "com.docker.stack.namespace"
_GONE: Final = frozenset({"die", "destroy", "pause"})
_HERE: Final = frozenset({"start", "unpause"})
_HEALTH: Final = "health_status: "
_LATELY_SECONDS: Final = 10.0


class _Seen(NamedTuple):
    service: str
    stack: str
    health: str


def health(status: str) -> str:
    """Return healthy, starting, unhealthy or none by a container's Status (moby, container/state.go)."""
    if status.endswith("(healthy)"):
        return "healthy"
    if status.endswith("(health: starting)"):
        return "starting"
    return "unhealthy" if status.endswith("(unhealthy)") else "none"


def _seen(container: Container) -> _Seen | None:
    labels = container.labels or {}
    if container.state != "running" or _SERVICE not in labels:
        return None
    return _Seen(labels[_SERVICE], labels.get(_STACK, ""), health(container.status))


class Witness:
    """The running containers of swarm tasks by ID; one thread's. now: of a clock that never goes back."""

    def __init__(self) -> None:
        self._containers: dict[str, _Seen] = {}
        self._died: dict[str, float] = {}
        self._ask: set[str] = set()
        self.ooms: Counter[tuple[str, str]] = Counter()

    def take_list(self, containers: Iterable[Container], now: float) -> set[str]:
        """Take a whole list; return the IDs that are in it and were not known, or the other way round."""
        listed = self._running(containers, now)
        differing = listed.keys() ^ self._containers.keys()
        self._containers = listed
        self._ask.clear()
        return differing

    def _running(self, containers: Iterable[Container], now: float) -> dict[str, _Seen]:
        self._died = {each: at for each, at in self._died.items() if now - at < _LATELY_SECONDS}
        found = {each.id: seen for each in containers if (seen := _seen(each))}
        return {identity: seen for identity, seen in found.items() if identity not in self._died}

    def take_event(self, event: Event, now: float) -> bool:
        """Take an event of a container; return whether the counts changed."""
        identity, labels = event.actor.id, event.actor.attributes or {}
        if _SERVICE not in labels:
            return False
        if event.action in _GONE:
            self._ask.discard(identity)
            self._died[identity] = now
            return self._containers.pop(identity, None) is not None
        if event.action in _HERE:
            self._died.pop(identity, None)
            self._ask.add(identity)
        elif event.action == "oom":
            self.ooms[labels[_SERVICE], labels.get(_STACK, "")] += 1
            return True
        elif event.action.startswith(_HEALTH):
            known = self._containers.get(identity)
            if known is None:
                self._ask.add(identity)
                return False
            # The engine's words here: healthy, unhealthy, and since 29 also running probes' names.
            seen = known._replace(health=event.action.removeprefix(_HEALTH).strip())
            if seen.health in ("healthy", "unhealthy", "starting") and seen != known:
                self._containers[identity] = seen
                return True
        return False

    def asked(self) -> list[str]:
        """Return the IDs that must be asked for, and forget them."""
        asked, self._ask = sorted(self._ask), set()
        return asked

    def take_answer(self, asked: Iterable[str], containers: Iterable[Container], now: float) -> None:
        """Take the answer for the IDs asked for: those not in it do not run any more."""
        for identity in asked:
            self._containers.pop(identity, None)
        self._containers.update(self._running(containers, now))

    def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Return the number of running containers by service, stack and health."""
        return Counter(self._containers.values())
