"""Watches the cluster through this node's manager, and answers for it while this node leads.

Tasks have no events, so they are polled: as often as the budget allows, sooner when an event hints at a
change. Services have events: while these stream, they are asked for only when an event or other tasks say
that they changed, or now and then. Answers with the same bytes as before cost no decoding, no rendering.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from exporters.engine import CLUSTER_SECONDS, Cluster, Engine, EngineError, Node, Service
from exporters.swarm.board import Board
from exporters.swarm.kinds import cluster
from exporters.swarm.render import ClusterPage, section
from exporters.swarm.rules.failures import FailureCounter
from exporters.swarm.rules.quorum import quorum
from exporters.swarm.view import ClusterView
from swarmstead.stop import Stop

__all__ = ["ClusterWatch", "Pace", "deadline", "patience", "pause"]

WORKER_SECONDS: Final = 5.0
_HINT_SECONDS: Final = 0.25
_LONGEST_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 2.5
_MOST_PATIENCE_SECONDS: Final = 10.0
_TRIES: Final = 13
_STALE_SECONDS: Final = 15.0
_LIST_SECONDS: Final = 12.0
_FORBIDDEN_SECONDS: Final = 30.0
_SERVICES_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to poll. interval: seconds, at least; budget: cores that polling may use, in the mean."""

    interval: float = 1.5
    budget: float = 0.01


def pause(pace: Pace, cost: float, *, hinted: bool = False) -> float:
    """Return the seconds to wait after a poll that cost so many CPU seconds.

    A hint shortens the interval, never the pause that the budget asks for.
    """
    least = _HINT_SECONDS if hinted else pace.interval
    return min(max(least, cost / pace.budget), _LONGEST_SECONDS)


def deadline(timeouts: int, patience: float = _PATIENCE_SECONDS) -> float:
    """Return the seconds that the next asking for the nodes may take, after so many that came to nothing.

    A call that a manager passes on to a leader who died or is cut off hangs for 20 s, while one that begins
    after the election is answered at once: so ask again, and again, for longer than an election takes (some
    20 s when the leader is cut off). Then once with all the time that the engine gives itself, for one that
    is slow and not in doubt.
    """
    return CLUSTER_SECONDS if timeouts % _TRIES == _TRIES - 1 else patience


def patience(took: float) -> float:
    """Return the seconds to wait for the next node list, by what the last took: a slow engine gets more."""
    return min(max(_PATIENCE_SECONDS, 2 * took), _MOST_PATIENCE_SECONDS)


class ClusterWatch:
    """The thread that polls the managers.

    identity: returns this node's ID, or "" while it is not known. details: returns the cluster's own record.
    role: auto (answer while this node leads), always or never.
    """

    def __init__(
        self,
        engine: Engine,
        board: Board,
        page: ClusterPage,
        pace: Pace,
        *,
        identity: Callable[[], str],
        details: Callable[[], Cluster | None],
        role: str = "auto",
    ) -> None:
        self._engine = engine
        self._board = board
        self._page = page
        self._pace = pace
        self._identity = identity
        self._details = details
        self._role = role
        self._hint = threading.Event()
        self._lock = threading.Lock()
        self._failures: FailureCounter | None = None
        self._is_manager = False
        self._read_at = 0.0
        self._asking_since: float | None = None
        self._timeouts = 0
        self._patience = _PATIENCE_SECONDS
        self._details_shown: Cluster | None = None
        self._services_known: tuple[float, int] | None = None

    def hint(self, what: str = "service") -> None:
        """Say that something of this type (of an event) may have changed."""
        if what == "service":
            self._services_known = None
        self._hint.set()

    def run(self, stop: Stop) -> None:
        """Poll until asked to stop."""
        while not stop.requested:
            cpu = time.thread_time()
            wait = self.poll()
            cost = time.thread_time() - cpu
            self._wait(stop, cost, wait)

    def _wait(self, stop: Stop, cost: float, wait: float | None) -> None:
        longest = pause(self._pace, cost) if wait is None else wait
        self._board.stats.interval = longest
        begun = time.monotonic()
        self._hint.wait(longest)
        if self._hint.is_set():
            left = pause(self._pace, cost, hinted=True) - (time.monotonic() - begun)
            if left > 0:
                stop.wait(min(left, longest))
            self._hint.clear()

    def poll(self) -> float | None:
        """Poll once; return the seconds to wait if they are others than the pace's."""
        if self._role == "never":
            return _LONGEST_SECONDS
        began = time.monotonic()
        if self._asking_since is None:
            self._asking_since = began
        try:
            nodes, nodes_changed = self._engine.nodes(deadline(self._timeouts, self._patience))
            self._asking_since = None
            self._patience = patience(time.monotonic() - began)
            self._timeouts = 0
            self._is_manager = True
            self._board.answered()
            if not self._leads(nodes):
                self._withdraw()
            elif quorum(nodes).margin < 0:
                # A leader that was cut off answers as one until Raft lets it step down, up to 20 s later:
                # beside the new one, with what it last heard.
                self._withdraw(lost=True)
            else:
                self._answer(nodes, changed=nodes_changed)
        except EngineError as error:
            return self._failed(error, began)
        self._read_at = time.monotonic()
        self._board.polled("cluster", began)
        self._board.stats.unchanged = sum(
            answer.skipped
            for answer in (
                self._engine.nodes_answer,
                self._engine.services_answer,
                self._engine.tasks_answer,
            )
        )
        self._board.compose(only_if_due=True)
        return None

    def _leads(self, nodes: list[Node]) -> bool:
        if self._role == "always":
            return True
        mine = self._identity()
        return any(
            node.id == mine and node.manager_status is not None and node.manager_status.leader
            for node in nodes
        )

    def _answer(self, nodes: list[Node], *, changed: bool) -> None:
        tasks, tasks_changed = self._engine.tasks(_LIST_SECONDS)
        services, services_changed = self._services(
            asking=changed or tasks_changed or not self._board.stats.source
        )
        details = self._details()
        now = time.time()
        fresh = self._failures is None
        if not (
            changed
            or services_changed
            or tasks_changed
            or fresh
            or details is not self._details_shown
            or now >= self._page.until
            or not self._board.stats.source
        ):
            return
        if self._failures is None:
            self._failures = FailureCounter()
        self._details_shown = details
        view = ClusterView.of(nodes, services, tasks, self._failures, now, details)
        sections = self._page.render(view)
        with self._lock:
            self._board.show("cluster", sections, source=True)

    def _services(self, *, asking: bool) -> tuple[list[Service], bool]:
        """Return the services and whether they changed. asking: something says that they may have.

        What is known stands while the same stream of events stood all the time since it was read, and for
        10 s at most: a stream may be deaf.
        """
        stats = self._board.stats
        value, known = self._engine.services_answer.value, self._services_known
        stream = stats.reconnects if stats.stream else -1
        if value is not None and known is not None and not asking:
            read_at, then = known
            if then == stream >= 0 and time.monotonic() - read_at < _SERVICES_SECONDS:
                return value, False
        # Before the call, not after: an event that comes while it is under way asks for another.
        self._services_known = time.monotonic(), stream
        try:
            return self._engine.services(_LIST_SECONDS)
        except EngineError:
            self._services_known = None
            raise

    def _failed(self, error: EngineError, began: float) -> float | None:
        if error.kind == "timeout":
            self._timeouts += 1
            self._board.polled("cluster", began, error)
            return 0
        self._asking_since, self._timeouts = None, 0
        if error.kind == "not_manager":
            self._is_manager = False
            self._board.answered()
            self._withdraw()
            # A worker says so at every asking: that is its answer, not a failure.
            self._board.polled("cluster", began)
            self._board.stats.data_at.pop("cluster", None)
            return WORKER_SECONDS
        self._board.polled("cluster", began, error)
        if error.kind == "no_leader":
            self._withdraw(lost=True)
        elif error.kind == "http_403":
            self._withdraw()
            return _FORBIDDEN_SECONDS
        elif time.monotonic() - self._read_at > _STALE_SECONDS or error.kind == "refused":
            self._withdraw()
        return None

    def _withdraw(self, *, lost: bool = False) -> None:
        """Take back all that was said of the cluster; say that there is no quorum, if so."""
        with self._lock:
            self._failures = self._failures if lost else None
            gone = [section(cluster.METRICS, cluster.lost())] if lost else []
            self._board.show("cluster", gone, source=False)

    def judge(self, *, engine_up: bool) -> bool:
        """Judge, from another thread, a call that does not come back; return whether there is one.

        Managers give their cluster 20 s before they say that it has no leader. An engine that answers its
        ping while its node list hangs has none: nothing that was said of the cluster can be stood by.
        """
        since = self._asking_since
        now = time.monotonic()
        if since is not None and now - since >= self._patience:
            self._withdraw(lost=engine_up and self._is_manager)
        elif self._board.stats.source and (not engine_up or now - self._read_at > _STALE_SECONDS):
            self._withdraw()
        return since is not None
