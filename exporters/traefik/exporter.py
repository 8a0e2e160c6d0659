"""The exporter: input to counts to page, in one loop and one thread beside the server's.

Each turn reads what the files hold (or what the last scrapes brought), and when something is new, saves the
state and publishes the page, in this order.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporters.exposition import EMPTY, Health, Page, Section, Server, WebConfig
from exporters.traefik.background import Background, Worker
from exporters.traefik.counts import Counts
from exporters.traefik.fold import Folder
from exporters.traefik.hosts import Hosts
from exporters.traefik.intake import Intake
from exporters.traefik.itself import itself
from exporters.traefik.learn import Learner
from exporters.traefik.names import Names
from exporters.traefik.peers import Peers
from exporters.traefik.render import Renderer
from exporters.traefik.scrape import Scraper
from exporters.traefik.source import FileSource, ScrapeSource, Source, StreamSource
from exporters.traefik.state import State, load_state, save_state
from exporters.traefik.windows import KEEP, SLOT, forget
from swarmstead.stop import Stop

__all__ = ["Exporter", "Options", "nanoseconds", "serve"]

# copytruncate loses what was written since the last look, where it leaves no copy beside the log.
_READ_SECONDS: Final = 0.2
_SHOW_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What an exporter is to do.

    log: paths, globs, or ``-``; empty to scrape. scrape: ``NAME:PORT`` of Traefik's metrics entrypoint.
    buckets: upper bounds in seconds. hosts: the allow-list; with one, given or learnt, no other host has a
    label.
    peers: ``NAME:PORT`` of all exporters. learn_engine: an engine address as DOCKER_HOST has it.
    """

    log: tuple[str, ...] = ()
    scrape: str = ""
    state: Path | None = None
    hosts: tuple[str, ...] = ()
    most_hosts: int = 200
    most_services: int = 200
    buckets: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
    duration: str = "auto"
    exact_codes: bool = False
    traefik_api: str = ""
    learn_engine: str = ""
    peers: str = ""
    version: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def nanoseconds(buckets: tuple[float, ...]) -> list[int]:
    """Return bounds in nanoseconds, sorted, each once."""
    return sorted({round(bound * 1e9) for bound in buckets})


class Exporter:
    """One exporter. clock: Unix seconds, by which windows and buckets go."""

    def __init__(self, options: Options, *, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self.started = clock()
        bounds = nanoseconds(options.buckets)
        saved = load_state(options.state)
        self.state = saved or State(Counts(bounds))
        self.counts.fit(bounds)
        self.names = Names()
        self.hosts = Hosts(options.hosts, most=options.most_hosts, learn=not self._has_list)
        folder = Folder(self.counts, self.hosts, self.names, clock=clock, most_services=options.most_services)
        self.intake = Intake(folder, duration=options.duration)
        self.learner = Learner(options.traefik_api, options.learn_engine, options.environment)
        self.peers = Peers(options.peers, self.state.instance_id) if options.peers else None
        self.source = self._source()
        self._renderer = Renderer(self.source.label, bounds, exact_codes=options.exact_codes)
        self.state_errors = 0
        self._requests: Section = EMPTY
        self._seen = -1
        self.page = Page()

    @property
    def counts(self) -> Counts:
        """Return what was counted."""
        return self.state.counts

    @property
    def _has_list(self) -> bool:
        return bool(self._options.hosts or self._options.traefik_api or self._options.learn_engine)

    def _source(self) -> Source:
        options = self._options
        if options.log == ("-",):
            return StreamSource(0, self.intake)
        if options.log:
            return FileSource(options.log, self.intake, self.state.places)
        return ScrapeSource(Scraper(options.scrape), self.counts, self.names, clock=self._clock)

    def learn(self) -> None:
        """Ask for hosts and names where it is time to."""
        found = self.learner.take()
        if found is None:
            return
        self.names.directory = found
        self.hosts.allow(found.hosts)
        self.intake.folder.forget()

    def read(self) -> bool:
        """Take in what is there; return whether there may be more. `show` counts it."""
        return self.source.read()

    def read_all(self) -> None:
        """Take in everything that is there: files to their end, standard input until it is closed."""
        self.source.work()
        while self.read() or (isinstance(self.source, StreamSource) and not self.source.ended):
            pass
        self.intake.flush()

    def is_asking(self) -> bool:
        """Return whether a new site's names are being asked for: its first requests can wait for them."""
        return bool(self.learner.seconds) and self.intake.has_new and self.learner.hurry()

    def show(self) -> Page:
        """Save the state and make the page."""
        self.intake.flush()
        now = self._clock()
        self.counts.hosts = self.hosts.names
        for row in self.counts.rows.values():
            if len(row.slots) > KEEP // SLOT:
                forget(row.slots, now)
        seen = self.counts.lines["request"] + self.source.turns
        if seen != self._seen or not self.page.sections:
            self._seen = seen
            self._save()
            self._requests = self._renderer.requests(self.counts)
        sections = [self._requests, self._renderer.windows(self.counts, now)]
        if self.peers is not None:
            sections.append(self.peers.section(self.counts, now, self.source.label))
        sections.append(itself(self, now))
        self.page = Page(sections).follow(self.page)
        return self.page

    def _save(self) -> None:
        if self._options.state is None:
            return
        self.state.places = self.source.places
        try:
            save_state(self._options.state, self.state)
        except OSError as error:
            self.state_errors += 1
            _log.warning("the state cannot be saved in %s: %s", self._options.state, error.strerror or error)

    @property
    def version(self) -> str:
        """Return the version that is shown."""
        return self._options.version

    def health(self) -> Health:
        """Return whether there is an input."""
        good, words = self.source.health()
        return Health(good, words)

    def close(self) -> None:
        """Save and close."""
        self._seen = -1
        self.show()
        self.source.close()


def serve(options: Options, host: str, port: int, web: WebConfig | None, stop: Stop) -> None:
    """Export until a stop is asked for. The first page is shown when the log was read to its end."""
    exporter = Exporter(options)
    if options.state is None and options.log:
        _log.warning("no --state: after a restart the log is counted again from its start")
    server = Server(host, port, exporter.health, web)
    workers: list[Worker] = [exporter.learner, exporter.source, *([exporter.peers] if exporter.peers else [])]
    threads = [Background(worker, stop) for worker in workers if worker.seconds]
    try:
        for thread in threads:
            thread.start()
        exporter.learner.first()
        exporter.learn()
        while exporter.read() and not stop.requested:
            pass
        server.publish(exporter.show())
        server.start()
        _log.info("listening on %s:%d, pid %d", host, server.port, os.getpid())
        _loop(exporter, server, stop)
    finally:
        server.stop()
        exporter.close()


def _loop(exporter: Exporter, server: Server, stop: Stop) -> None:
    shown = time.monotonic()
    while not stop.wait(_READ_SECONDS):
        more = exporter.read()
        while more and not stop.requested and time.monotonic() - shown < _SHOW_SECONDS:
            more = exporter.read()
        if time.monotonic() - shown >= _SHOW_SECONDS:
            exporter.learn()
            if exporter.is_asking():
                continue
            shown = time.monotonic()
            server.publish(exporter.show())
