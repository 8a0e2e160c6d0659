"""Watches this node's own engine: whether it answers, what it says of itself, what it runs."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporters.engine import Disk, Engine, EngineError, Event, Info
from exporters.swarm.board import Board
from exporters.swarm.certificate import expiry
from exporters.swarm.kinds import engine as kind
from exporters.swarm.kinds.engine import EngineView
from exporters.swarm.render import section
from exporters.swarm.witness import Witness
from swarmstead.stop import Stop

__all__ = ["ContainerWatch", "EngineState", "EventWatch", "InfoWatch", "PingWatch"]

_log = logging.getLogger("swarm-exporter")
# A little over what a leader's polls lie apart: those are signs of life enough.
_SILENT_SECONDS: Final = 1.8
_PING_SECONDS: Final = 2.0
_TICK_SECONDS: Final = 2.0
_DOUBT_TICK_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 5.0
_RELIST_SECONDS: Final = 60.0
_DEAF_RELIST_SECONDS: Final = 10.0
_SETTLE_SECONDS: Final = 3.0
_SILENCE_SECONDS: Final = 600.0
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_GATHER_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.2


class EngineState:
    """What is known of this node's engine; each field has one watcher that sets it."""

    def __init__(self, board: Board, certificate: Path | None = None) -> None:
        self.board = board
        self.up = False
        self.info: Info | None = None
        self.api_version = ""
        self.containers: Mapping[tuple[str, str, str], int] | None = None
        self.ooms: Mapping[tuple[str, str], int] = {}
        self.disk: Disk | None = None
        self._showing = threading.Lock()
        self._certificate = certificate
        self._certificate_end: float | None = None

    @property
    def node_id(self) -> str:
        """Return this node's ID in the swarm, or ""."""
        return self.info.swarm.node_id if self.info else ""

    def read_certificate(self) -> None:
        """Read when this node's certificate ends, where a file was named; it is renewed in place."""
        if self._certificate is None:
            return
        try:
            self._certificate_end = expiry(self._certificate.read_text(encoding="ascii", errors="replace"))
        except OSError:
            self._certificate_end = None

    def show(self) -> None:
        """Show this engine's section."""
        with self._showing:  # what was looked at first must not be shown last
            self._show()

    def _show(self) -> None:
        if self.info:
            self.board.engine_labels = self.info.swarm.node_id, self.info.name
        view = EngineView(
            self.up,
            self.info,
            self.api_version,
            self.containers if self.up else None,
            self.ooms,
            self.disk,
            self._certificate_end,
        )
        self.board.show("engine", [section(kind.METRICS, kind.samples(view))])


class PingWatch:
    """Asks for a sign of life when nothing else gave one lately.

    doubt: set by who saw the engine go, it asks at once. judge: judges what is known of the cluster; returns
    whether a call for it hangs. back: called when the engine answers again.
    """

    def __init__(
        self,
        engine: Engine,
        state: EngineState,
        *,
        doubt: threading.Event,
        judge: Callable[[], bool],
        back: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._state = state
        self._judge = judge
        self._back = back
        self.beat = time.monotonic()
        self._shown = False
        self._doubt = doubt

    def run(self, stop: Stop) -> None:
        """Ask until told to stop."""
        due = True
        while not stop.requested:
            good = self.poll(due=due)
            due = self._doubt.wait(_TICK_SECONDS if good else _DOUBT_TICK_SECONDS)
            self._doubt.clear()

    def poll(self, *, due: bool = False) -> bool:
        """Ask once, if due or silent for long, and judge; return whether all is beyond doubt."""
        state = self._state
        before, good = state.up, True
        if due or time.time() - state.board.last_answer > _SILENT_SECONDS:
            began = time.monotonic()
            try:
                state.api_version = self._engine.ping(_PING_SECONDS)
            except EngineError as error:
                state.board.polled("engine", began, error)
                state.up = time.time() - state.board.last_answer < _SILENT_SECONDS
                good = False
            else:
                state.board.polled("engine", began)
                state.up = True
        else:
            state.up = True
        self.beat = time.monotonic()
        hangs = self._judge()
        if state.up and not before:
            self._back()
        if state.up != before or not self._shown:
            state.show()
            self._shown = True
        state.board.compose(only_if_due=True)
        return good and not hangs


class InfoWatch:
    """Reads the engine's info, and its disk's use, in their own slow intervals.

    Without quorum an engine takes 20 s for its info: this thread may wait, no other one does.
    """

    def __init__(self, engine: Engine, state: EngineState, interval: float, disk_interval: float) -> None:
        self._engine = engine
        self._state = state
        self._interval = interval
        self._disk_interval = disk_interval
        self._disk_at = 0.0
        self._asked = threading.Event()

    def ask(self) -> None:
        """Read the info soon: something changed."""
        self._asked.set()

    def run(self, stop: Stop) -> None:
        """Read until told to stop."""
        while not stop.requested:
            good = self.poll()
            self._asked.wait(self._interval if good else min(2.0, self._interval))
            self._asked.clear()

    def poll(self) -> bool:
        """Read once; return whether the info could be read."""
        before = self._state.info, self._state.disk
        good = self._read_info()
        if good and self._disk_interval and time.monotonic() >= self._disk_at:
            self._disk_at = time.monotonic() + self._disk_interval
            self._read_disk()
        self._state.read_certificate()
        if before != (self._state.info, self._state.disk):
            self._state.show()
        return good

    def _read_info(self) -> bool:
        began = time.monotonic()
        try:
            self._state.info = self._engine.info()
        except EngineError as error:
            self._state.board.polled("info", began, error)
            return error.kind == "http_403"
        self._state.api_version = self._engine.version or ""
        self._state.board.polled("info", began)
        return True

    def _read_disk(self) -> None:
        began = time.monotonic()
        try:
            self._state.disk = self._engine.disk()
        except EngineError as error:
            self._state.disk = None
            self._state.board.polled("disk", began, error)
        else:
            self._state.board.polled("disk", began)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The stream of events came up or went down."""

    up: bool


class EventWatch:
    """Follows the engine's events: containers' go to the witness, all of them hint at a poll."""

    def __init__(
        self,
        engine: Engine,
        board: Board,
        hint: Callable[[str], None],
        info: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._board = board
        self._hint = hint
        self._info = info
        self._gone = gone
        self._again = threading.Event()
        self.queue: queue.SimpleQueue[Event | _Stream] = queue.SimpleQueue()

    def run(self, stop: Stop) -> None:
        """Follow until told to stop; a stream that ends is opened again, after a growing pause."""
        backoff = 0.5
        first = True
        while not stop.requested:
            if not first:
                self._board.stats.reconnects += 1
            first = False
            if self._follow(stop):
                backoff = 0.5
            self._down()
            self._pause(stop, backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF_SECONDS)

    def hasten(self) -> None:
        """Open the stream now, from another thread: the engine answers again."""
        self._again.set()

    def _pause(self, stop: Stop, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._again.clear()
        while time.monotonic() < end and not self._again.wait(_LOOK_SECONDS) and not stop.requested:
            pass

    def reopen(self) -> None:
        """End the stream, from another thread: it does not tell what happens."""
        self._engine.wire.shut()

    def _follow(self, stop: Stop) -> bool:
        began = time.monotonic()
        try:
            for event in self._engine.events(_SILENCE_SECONDS):
                if stop.requested:
                    return True
                self._take(event, began)
        except EngineError as error:
            was_up = self._board.stats.stream
            if stop.requested:
                return True
            if error.kind == "timeout" and was_up:
                return True  # silent for long: opened again, in case it is deaf
            self._board.polled("events", began, error)
            return was_up
        return True

    def _take(self, event: Event | None, began: float) -> None:
        if event is None:
            self._board.stats.stream = True
            self._board.polled("events", began)
            self.queue.put(_Stream(up=True))
            return
        self._board.answered()
        self._board.stats.events[
            event.type if event.type in ("container", "node", "service") else "other"
        ] += 1
        if event.type == "container":
            self.queue.put(event)
        elif event.type == "node":
            self._info()
        if not event.action.startswith("health_status: running"):
            self._hint(event.type)

    def _down(self) -> None:
        if self._board.stats.stream:
            self._board.stats.stream = False
            self.queue.put(_Stream(up=False))
            self._gone()


class ContainerWatch:
    """Keeps the witness: a list now and then, events in between. Without events, a list more often."""

    def __init__(self, engine: Engine, state: EngineState, events: EventWatch) -> None:
        self._engine = engine
        self._state = state
        self._events = events
        self._witness = Witness()
        self._streaming = False
        self._listed = False
        self._list_at = 0.0
        self._told: set[str] = set()
        self._settling = False

    def run(self, stop: Stop) -> None:
        """Keep it until told to stop."""
        while not stop.requested:
            self.step(max(0.0, min(self._list_at - time.monotonic(), _LONGEST_WAIT_SECONDS)))

    def step(self, longest: float) -> None:
        """Wait for an event, so many seconds at most, and do what is due."""
        changed = self._take(longest)
        if time.monotonic() >= self._list_at:
            self._list()
        elif asked := self._witness.asked():
            self._ask(asked)
        elif not changed:
            return
        self._state.show()

    def _take(self, longest: float) -> bool:
        """Take the events that are there, after a moment in which those that belong together gather."""
        changed = False
        try:
            item = self._events.queue.get(timeout=longest) if longest else self._events.queue.get_nowait()
            time.sleep(_GATHER_SECONDS)
            while True:
                changed = self._one(item) or changed
                item = self._events.queue.get_nowait()
        except queue.Empty:
            pass
        if changed and self._state.containers is not None:
            self._state.ooms = dict(self._witness.ooms)
            self._state.containers = self._witness.counts()
        return changed

    def _one(self, item: Event | _Stream) -> bool:
        if isinstance(item, _Stream):
            self._streaming = item.up
            self._list_at = 0.0  # what happened in between, no event tells
            self._listed = False
            self._settling = item.up
            return False
        self._told.add(item.actor.id)
        return self._witness.take_event(item, time.monotonic())

    def _list(self) -> None:
        began = time.monotonic()
        expected = self._listed and self._streaming
        try:
            containers = self._engine.containers()
        except EngineError as error:
            self._state.board.polled("containers", began, error)
            self._state.containers = None
            self._listed = False
            self._list_at = time.monotonic() + (_RELIST_SECONDS if error.kind == "http_403" else 2.0)
            return
        # Events that came while the list was made are still queued, and are taken on top of it.
        differing = self._witness.take_list(containers, time.monotonic())
        self._state.board.polled("containers", began)
        self._listed = True
        self._list_at = time.monotonic() + self._pause()
        if differing and expected:
            self._take(_GATHER_SECONDS)
            self._check_deaf(differing - self._told)
        self._told.clear()
        self._state.containers = self._witness.counts()

    def _pause(self) -> float:
        """Return the seconds to the next list."""
        if self._settling:
            # Who died just before the stream stood may have been listed as running still, and no event tells.
            self._settling, self._listed = False, False
            return _SETTLE_SECONDS
        return _RELIST_SECONDS if self._streaming else _DEAF_RELIST_SECONDS

    def _check_deaf(self, untold: set[str]) -> None:
        if untold:
            self._state.board.stats.missed += len(untold)
            _log.warning(
                "events: %d changes of containers were not told; the stream is opened again", len(untold)
            )
            self._events.reopen()

    def _ask(self, asked: list[str]) -> None:
        began = time.monotonic()
        try:
            self._witness.take_answer(asked, self._engine.containers(asked), time.monotonic())
        except EngineError as error:
            self._state.board.polled("containers", began, error)
            self._list_at = 0.0
            return
        self._state.board.polled("containers", began)
        self._state.containers = self._witness.counts()
