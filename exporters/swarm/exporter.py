"""The exporter as a whole: its watchers, each in a thread, and the page that they keep."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporters.engine import Address, Engine
from exporters.exposition import Form, Health, Page, Server, WebConfig
from exporters.swarm.board import Board
from exporters.swarm.kinds.labels import LabelMetrics
from exporters.swarm.render import ClusterPage
from exporters.swarm.watch_cluster import ClusterWatch, Pace
from exporters.swarm.watch_engine import ContainerWatch, EngineState, EventWatch, InfoWatch, PingWatch
from swarmstead.stop import Stop

__all__ = ["Exporter", "Options", "once"]

_log = logging.getLogger("swarm-exporter")
_NO_ANSWER_SECONDS: Final = 60.0
_NO_BEAT_SECONDS: Final = 30.0
_STACK_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What a user can set. role: auto, always or never answer for the cluster; intervals in seconds."""

    address: Address
    version: str
    role: str = "auto"
    pace: Pace = field(default_factory=Pace)
    info_interval: float = 30.0
    disk_interval: float = 900.0
    certificate: Path | None = None
    service_labels: tuple[str, ...] = ()
    node_labels: tuple[str, ...] = ()


class Exporter:
    """Watches one engine, and the cluster through it. Each watcher has a connection of its own."""

    def __init__(self, options: Options, publish: Callable[[Page], None], scrapes: Callable[[], int]) -> None:
        def engine() -> Engine:
            return Engine(options.address)

        self.board = board = Board(options.version, publish, scrapes)
        self.state = state = EngineState(board, options.certificate)
        self.info = InfoWatch(engine(), state, options.info_interval, options.disk_interval)
        self.cluster = ClusterWatch(
            engine(),
            board,
            ClusterPage(LabelMetrics(options.service_labels, options.node_labels)),
            options.pace,
            identity=lambda: state.node_id,
            details=lambda: state.info.swarm.cluster if state.info else None,
            role=options.role,
        )
        doubt = threading.Event()
        self.events = EventWatch(engine(), board, self.cluster.hint, self.info.ask, gone=doubt.set)
        self.ping = PingWatch(
            engine(),
            state,
            doubt=doubt,
            judge=lambda: self.cluster.judge(engine_up=state.up),
            back=self.events.hasten,
        )
        self.containers = ContainerWatch(engine(), state, self.events)

    def start(self, stop: Stop) -> None:
        """Start the watchers. They end when asked to stop, or with the process."""
        threading.stack_size(_STACK_BYTES)
        for watch in (self.info, self.ping, self.events, self.containers, self.cluster):
            name = type(watch).__name__
            threading.Thread(target=watch.run, args=(stop,), name=name, daemon=True).start()

    def health(self) -> Health:
        """Judge whether the exporter does its work: its engine answers, and its threads live."""
        silent = time.time() - self.board.last_answer
        if time.monotonic() - self.ping.beat > _NO_BEAT_SECONDS:
            return Health(good=False, words="a watcher stands still")
        if silent > _NO_ANSWER_SECONDS:
            since = f"for {silent:.0f} s" if self.board.last_answer else "since the start"
            return Health(good=False, words=f"the engine has not answered {since}")
        read = self.board.stats.data_at.get("cluster")
        of_cluster = "answers for its node only"
        if self.board.stats.source and read:
            of_cluster = f"answers for the cluster, with data {time.time() - read:.1f} s old"
        return Health(good=True, words=f"ok: the engine answered {silent:.1f} s ago; {of_cluster}")


def once(options: Options) -> str:
    """Read everything once; return the page as text. Raises EngineError when the engine does not answer."""
    pages: list[Page] = []
    exporter = Exporter(options, pages.append, lambda: 0)
    Engine(options.address).ping()
    exporter.info.poll()
    exporter.ping.poll()
    exporter.containers.step(0)
    exporter.cluster.poll()
    exporter.board.compose()
    return pages[-1].body(Form(openmetrics=False, gzip=False)).decode()


def serve(options: Options, host: str, port: int, web: WebConfig | None, stop: Stop) -> None:
    """Serve until asked to stop. Raises Refused when the address cannot be bound."""
    holder: list[Exporter] = []
    server = Server(host, port, lambda: holder[0].health(), web)  # noqa: PLW0108 - it is empty as yet
    exporter = Exporter(options, server.publish, lambda: server.scrapes)
    holder.append(exporter)
    exporter.board.compose()
    server.start()
    exporter.start(stop)
    _log.info("serves %s on %s port %d", options.address, host or "every address", server.port)
    while not stop.wait(3600):
        pass
    exporter.cluster.hint()
    server.stop()
    _log.info("stopped")
