"""A scrape of 22,000 series: our page, kept rendered, beside prometheus_client's collector and server."""

import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bench._harness import Bench
from exporters.exposition import Family, Form, Health, Metric, Page, Section, Server

SERVICES, OBJECTS = 1_000, 10_000
STATES = [f"state{i}" for i in range(12)]
STATE = Metric("swarm_service_update_state", "State of a service.", labels=("service", "state"))
INFO = Metric("swarm_task_info", "A task.", "info", ("service", "task", "node"))
HOST = "127.0.0.1"
PEER = "prometheus_client"


def page() -> Page:
    """Render all 22,000 series anew."""
    state, info = Family(STATE), Family(INFO)
    for service in range(SERVICES):
        state.add_states((f"service{service}",), STATES, STATES[service % 12])
    for task in range(OBJECTS):
        info.add((f"service{task % SERVICES}", f"task{task:025}", f"node{task % 8}"), 1)
    return Page([Section([state]), Section([info])])


class Stock(Collector):
    """The same through the library's own way: families made at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Make the families."""
        state = GaugeMetricFamily(STATE.name, STATE.help, labels=STATE.labels)
        for service in range(SERVICES):
            for name in STATES:
                state.add_metric([f"service{service}", name], float(name == STATES[service % 12]))
        info = GaugeMetricFamily(INFO.name, INFO.help, labels=INFO.labels)
        for task in range(OBJECTS):
            info.add_metric([f"service{task % SERVICES}", f"task{task:025}", f"node{task % 8}"], 1.0)
        yield state
        yield info


def serve(which: str) -> None:
    """Serve until killed, and print the port first. This is the child's part."""
    if which == "ours":
        server = Server(HOST, 0, lambda: Health(good=True, words="ok"))
        server.publish(page())
        server.start()
        port = server.port
    else:
        registry = CollectorRegistry()
        registry.register(Stock())
        port = start_http_server(0, HOST, registry)[0].server_port
    print(port, flush=True)
    while True:
        time.sleep(60)


class Served:
    """A server in a process of its own."""

    def __init__(self, which: str) -> None:
        command = [sys.executable, __file__, "--serve", which]
        root = str(Path(__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": root}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.times: list[float] = []

    def scrape(self, *, gzip: bool = False) -> int:
        """Scrape once, as Prometheus does: a kept connection, the whole body read. Return its bytes."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"} if gzip else {})
        size = len(connection.getresponse().read())
        connection.close()
        self.times.append((time.perf_counter() - began) * 1000)
        return size

    def median(self, count: int, *, gzip: bool = False) -> float:
        """Return the median milliseconds of so many scrapes."""
        self.times.clear()
        for _ in range(count):
            self.scrape(gzip=gzip)
        return statistics.median(self.times)

    def cpu(self, count: int) -> float:
        """Return the server's CPU milliseconds per scrape."""
        before = self._cpu()
        for _ in range(count):
            self.scrape()
        return (self._cpu() - before) * 1000 / count

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(which: str) -> Iterator[Served]:
    """Give a running server."""
    it = Served(which)
    try:
        it.scrape()
        yield it
    finally:
        it.process.kill()
        it.process.wait()


def timed(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds of a call."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def main() -> None:
    bench = Bench(__doc__)
    ours_count, peer_count = (50, 5) if bench.quick else (200, 20)
    form = Form(openmetrics=False, gzip=False)
    registry = CollectorRegistry()
    registry.register(Stock())
    with served("ours") as ours, served("peer") as peer:
        bench.say(f"page: {ours.scrape():,} bytes, gzip {ours.scrape(gzip=True):,}")
        bench.compare(
            "scrape over http", unit="ms", ours=lambda: ours.median(ours_count),
            peer=lambda: peer.median(peer_count), peer_name=PEER, better="less",
        )  # fmt: skip
        bench.compare(
            "scrape over http, gzip", unit="ms", ours=lambda: ours.median(ours_count, gzip=True),
            peer=lambda: peer.median(peer_count, gzip=True), peer_name=PEER, better="less",
        )  # fmt: skip
        bench.compare(
            "server CPU of a scrape", unit="ms", ours=lambda: ours.cpu(ours_count),
            peer=lambda: peer.cpu(peer_count), peer_name=PEER, better="less",
        )  # fmt: skip
        if bench.wants("p99"):
            ours.median(300 if bench.quick else 2000)
            p99 = statistics.quantiles(ours.times, n=100)[98]
            peer.median(20 if bench.quick else 100)
            theirs = statistics.quantiles(peer.times, n=100)[98]
            bench.add("scrape over http, p99", p99, unit="ms", peer=theirs, peer_name=PEER, better="less")
    bench.compare(
        "all series made anew", unit="ms of CPU", ours=lambda: timed(lambda: page().body(form)),
        peer=lambda: timed(lambda: generate_latest(registry)), peer_name=PEER, better="less",
    )  # fmt: skip
    bench.done()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
