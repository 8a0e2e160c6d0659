"""A lab under watch: what is done to it is written down while everyone is asked what they see."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

from lab.cluster import Lab
from lab.errors import EngineError, LabError
from lab.node import Node
from lab.process import wait_until
from lab.truth.judge import Sample, Verdict, judge_all
from lab.truth.oracle import ROUND, Oracle
from lab.truth.sources import Page, Pages, ours, peers, read_page, scrape, service_ls
from lab.truth.world import Change, Fate, Service, Timeline, World

__all__ = ["Peer", "Stage"]

_PORT = 9400
_EVERY = 0.5
_STALE = 2.0  # seconds; a page that is older is that of a node whose last scrape did not come back
_STARTING = 15.0  # seconds, at most, for an exporter to start on a busy machine
_SETTLING = 4.0  # seconds; where containers start at the same time as who watches them
_BLOCKED = 3.0  # seconds; a manager that takes longer for its nodes has lost the others


class Peer:
    """Another exporter, started against the first manager's socket.

    command: its argv. url: its page. running, desired: the names of its metrics, with a label `service`.
    """

    def __init__(
        self,
        command: Sequence[str],
        url: str,
        *,
        running: str = "swarm_service_running_replicas",
        desired: str = "swarm_service_desired_replicas",
    ) -> None:
        self.command = list(command)
        self.url = url
        self.running = running
        self.desired = desired


class Stage:
    """A lab with an exporter on every node, an oracle, and a record of what was done.

    exporter: argv of the exporter; it is given `--listen` and runs inside each node, so it dies with it.
    ls: whether to ask `docker service ls`, too.
    """

    def __init__(
        self,
        lab: Lab,
        exporter: Sequence[str],
        *,
        cwd: Path,
        ls: bool = False,
        peer: Peer | None = None,
    ) -> None:
        self.lab = lab
        self.oracle = Oracle(lab.nodes)
        start = World({node.name: Fate.UP for node in lab.nodes})
        self.changes = [Change(time.monotonic(), start, time.monotonic())]
        self.pages: list[Pages] = []
        self.others: list[Sample] = []
        self._exporter = [*exporter, "--listen", f"0.0.0.0:{_PORT}"]
        self._cwd = cwd
        self._peer = peer
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._latest: dict[str, Page] = {}
        urls = {node.name: f"http://{node.address}:{_PORT}/metrics" for node in lab.nodes}
        if peer:
            urls["peer"] = peer.url
        acts: list[Callable[[], None]] = [partial(self._follow, name, url) for name, url in urls.items()]
        acts += [self._gather, *([self._list] if ls else [])]
        self._threads = [threading.Thread(target=each, daemon=True) for each in acts]

    def __enter__(self) -> Self:
        try:
            self.lab.each(self.watch)
            if self._peer:
                env = self.lab.managers[0].environment()
                self._processes["peer"] = subprocess.Popen(self._peer.command, env=env)
            self.oracle.start()
            for thread in self._threads:
                thread.start()
            self._await()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await(self) -> None:
        if not self._ready.wait(20):
            raise LabError(f"Not every exporter answers; see {self._log('n1')}")

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=10)
        self.oracle.stop()
        for process in self._processes.values():
            process.kill()
            process.wait()
        for log in self._logs:
            log.close()

    # What is asked all the time

    def watch(self, node: Node) -> None:
        """Start the exporter of a node that is on, where it does not run already."""
        process = self._processes.get(node.name)
        if process is not None and process.poll() is None:
            return
        log = self._log(node.name).open("ab")
        self._logs.append(log)
        self._processes[node.name] = node.popen(self._exporter, cwd=self._cwd, stdout=log, stderr=log)

    def _log(self, node: str) -> Path:
        return self.lab.node(node).folder / "exporter.log"

    def _follow(self, name: str, url: str) -> None:
        """Scrape one page again and again: a node that does not answer must not hold up the others."""
        while not self._stop.is_set():
            page = scrape(url)
            self._latest[name] = page
            self._stop.wait(max(0.05, _EVERY - (time.monotonic() - page.began)))

    def _gather(self) -> None:
        """Put together what Prometheus would have: every page that is not too old."""
        while not self._stop.wait(_EVERY):
            now = time.monotonic()
            pages = {name: page for name, page in self._latest.items() if now - page.began < _STALE}
            peer = pages.pop("peer", None)
            if self._ready.is_set():
                self.pages.append(pages or {"nobody": Page(now, now, "")})
                if self._peer:
                    known = {} if peer is None else {"peer": peer}
                    self.others.append(peers(known, now, self._peer.running, self._peer.desired))
            elif len(pages) == len(self.lab.nodes) and all(map(_speaks, pages.values())):
                self._ready.set()

    def _list(self) -> None:
        while not self._stop.is_set():
            self.others.append(service_ls(self.managers))
            self._stop.wait(1.0)

    def managers(self) -> list[Node]:
        """Return the managers that are on the Swarm's side."""
        return [node for node in self.lab.managers if node.name in self.world.governed]

    # What is done

    @property
    def world(self) -> World:
        """What was made so far."""
        return self.changes[-1].world

    @contextmanager
    def turn(
        self,
        kind: str = "",
        *,
        fates: Mapping[str, Fate] | None = None,
        availability: Mapping[str, str] | None = None,
        services: Sequence[Service] = (),
        without: Sequence[str] = (),
        gone: Sequence[str] = (),
        quorum: bool | None = None,
        within: float = 120,
        told: float = 0.0,
    ) -> Iterator[None]:
        """Write down a change that the body makes, and wait until the managers have noticed it.

        fates, availability: of nodes, by name. services: new or changed ones; without: names of removed
        ones. gone: names of nodes that leave the Swarm. within: seconds for the managers to notice. told: see
        `Change`.
        Raises LabError where they do not: then the Swarm, not its watcher, is at fault.
        """
        before = self.world
        fated = {**before.nodes, **(fates or {})}
        nodes = {name: fate for name, fate in fated.items() if name not in gone}
        kept = {name: each for name, each in before.services.items() if name not in without}
        after = replace(
            before,
            nodes=nodes,
            availability={**before.availability, **(availability or {})},
            services=kept | {each.name: each for each in services},
            quorum=before.quorum if quorum is None else quorum,
        )
        back = frozenset(name for name, fate in (fates or {}).items() if fate is Fate.UP)
        fault = bool(fates) or bool(gone) or quorum is not None
        change = Change(time.monotonic(), after, fault=fault, kind=kind, told=told, back=back)
        self.changes.append(change)
        yield
        if fault and not wait_until(self._noticed, timeout=within, every=0.1):
            raise LabError(f"The Swarm did not notice {kind or nodes} within {within} s")
        change.noticed = time.monotonic()

    def _noticed(self) -> bool:
        """Return whether a manager itself says what became of the nodes, or cannot for want of quorum."""
        if not self.world.quorum:
            return all(self._rows(node, _BLOCKED) is None for node in self.managers())
        for node in self.managers():
            if rows := self._rows(node):
                states = {row["Description"]["Hostname"]: row["Status"]["State"] for row in rows}
                ready = {name for name, state in states.items() if state == "ready"}
                known = {name for name in states if name in self.world.nodes}
                down = {name for name, state in states.items() if state == "down"}
                agreed = known == set(states) and ready == self.world.governed and ready | down == known
                return agreed and all(self._rows(other) is None for other in self._apart())
        return False

    def _apart(self) -> list[Node]:
        """Return managers on the other side: a leader there believes for some 20 s that it still leads."""
        return [node for node in self.lab.managers if self.world.nodes.get(node.name) is Fate.APART]

    @staticmethod
    def _rows(node: Node, timeout: float = 1.0) -> list[dict[str, Any]] | None:
        try:
            rows: list[dict[str, Any]] = node.engine.call("GET", "/nodes", timeout=timeout)
        except EngineError:
            return None
        return rows

    def docker(self, *args: str) -> str:
        """Run the docker client against a manager that is on the Swarm's side."""
        return self.managers()[0].docker(*args)

    def hold(self, seconds: float) -> None:
        """Let time pass under watch, on a busy machine as much more as the oracle's rounds take."""
        began = time.monotonic()
        time.sleep(seconds)
        enough = round(seconds / ROUND)
        wait_until(lambda: self.oracle.rounds_since(began) >= enough, timeout=2 * seconds, every=0.1)

    # What came of it

    def samples(self) -> list[Sample]:
        """Return what our exporters said, as Prometheus would have it."""
        return [ours(pages) for pages in list(self.pages)]

    def verdicts(self) -> list[Verdict]:
        """Judge everything that was said so far, by all sources."""
        for change in self.changes:
            if change.back:
                change.told = self._started(change) - change.began
        return judge_all([*self.samples(), *self.others], self.oracle, Timeline(self.changes))

    def _started(self, change: Change) -> float:
        """Return when the exporters of nodes that came back had told something, and a moment more."""
        for pages in self.pages:
            if any(page.began > change.noticed + _STARTING for page in pages.values()):
                break
            said = [pages[name] for name in change.back if name in pages]
            if len(said) == len(change.back) and all(
                page.began >= change.noticed and _counts(page) for page in said
            ):
                return max(page.ended for page in said) + _SETTLING
        return change.noticed + _STARTING

    def said(self, metric: str, **labels: str) -> list[tuple[float, float]]:
        """Return how a figure of ours went: time and the largest value that an instance gave.

        Only series that have all these labels count; times at which there was none are left out.
        """
        found = []
        for pages in list(self.pages):
            values = [
                value for page in pages.values() for _, _, value in read_page(page.text, [metric], **labels)
            ]
            if values:
                found.append((max(page.began for page in pages.values()), max(values)))
        return found


def _counts(page: Page) -> bool:
    return any(value == 1 for _, _, value in read_page(page.text, ["swarm_engine_witness_up"]))


def _speaks(page: Page) -> bool:
    return any(value == 1 for _, _, value in read_page(page.text, ["swarm_engine_up"]))
