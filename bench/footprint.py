"""What the exporter costs on a real Swarm at rest (30 services, 60 tasks), and how late its page is."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._harness import Bench
from lab import Lab, Node, preflight

SERVICES, TASKS = 30, 60
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}  # as the image sets them


class Running:
    """An exporter in a process of its own, at a node's socket, scraped as Prometheus would."""

    def __init__(self, node: Node, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/metrics"
        command = [str(Path(sys.executable).parent / "swarm-exporter"), "--listen", f"127.0.0.1:{port}"]
        environment = {**os.environ, **ALLOCATOR, "SWARMSTEAD_ENGINE": node.environment()["DOCKER_HOST"]}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def scrape(self) -> str:
        """Return the page."""
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            return str(answer.read().decode())

    def value(self, series: str) -> float | None:
        """Return the value of the one series that begins so."""
        try:
            found = re.search(rf"(?m)^{re.escape(series)}\S* (\S+)$", self.scrape())
        except OSError:
            return None
        return float(found[1]) if found else None

    def resident(self) -> float:
        """Return resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process's living threads, to the nanosecond: a jiffy is too coarse here."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def running(node: Node, port: int) -> Iterator[Running]:
    """Give an exporter that has its first data."""
    it = Running(node, port)
    try:
        end = time.monotonic() + 30
        while it.value("swarm_engine_witness_up") != 1:
            if time.monotonic() > end:
                raise SystemExit("the exporter does not come up")
            time.sleep(0.2)
        yield it
    finally:
        it.process.terminate()
        it.process.wait()


def deploy(lab: Lab) -> None:
    """Start 30 services with 60 tasks in all, and wait until they run."""
    base = lab.load_base("base")
    node = lab.node("n1")
    for number in range(SERVICES):
        node.docker(
            "service", "create", "-q", "--detach", "--no-resolve-image", "--name", f"s{number}",
            "--replicas", str(TASKS // SERVICES), base, "sleep", "infinity",
        )  # fmt: skip
    end = time.monotonic() + 240
    while True:
        listed = node.docker("service", "ls", "--format", "{{.Replicas}}").split()
        if listed.count("2/2") == SERVICES:
            return
        if time.monotonic() > end:
            raise SystemExit(f"the services do not come up: {listed}")
        time.sleep(2)


def rest(seconds: float, pids: list[int], scraped: list[Running]) -> list[float]:
    """Let them be for so long, with a scrape every 5 s; return each one's CPU in thousandths of a core."""
    before = [cpu_of(pid) for pid in pids]
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for each in scraped:
            each.scrape()
        time.sleep(5)
    took = time.monotonic() - began
    return [(cpu_of(pid) - was) * 1000 / took for pid, was in zip(pids, before, strict=True)]


def lateness(node: Node, it: Running, changes: int) -> list[float]:
    """Return the seconds from a change's acknowledgement to the page, for each of some changes."""
    late = []
    for turn in range(changes):
        replicas = 1 + turn % 2
        node.docker("service", "update", "-q", "--detach", "--replicas", str(replicas), "s0")
        began = time.monotonic()
        while it.value('swarm_service_desired_replicas{service="s0"') != replicas:
            time.sleep(0.02)
        late.append(time.monotonic() - began)
        time.sleep(0.3 + (turn * 0.37) % 1.5)
    return late


def main() -> None:
    bench = Bench(__doc__)
    if missing := preflight():
        bench.say(missing)
        bench.done()
        return
    nodes, seconds = (3, 10) if bench.quick else (8, 120)
    with Lab.up(nodes=nodes, managers=1, name=f"footprint-{os.getpid()}") as lab:
        deploy(lab)
        leader, worker = lab.node("n1"), lab.node("n2")
        engine = leader.dockerd
        assert engine is not None
        bench.say("at rest, without an exporter")
        (alone,) = rest(seconds, [engine], [])
        with running(leader, 19871) as ours, running(worker, 19872) as other:
            bench.say("at rest, with one on the leader and one on a worker")
            pids = [engine, ours.process.pid, other.process.pid]
            busy, cpu, cpu_worker = rest(seconds, pids, [ours, other])
            bench.add("resident memory, leader", ours.resident(), unit="MiB", better="less")
            bench.add("resident memory, worker", other.resident(), unit="MiB", better="less")
            bench.add("CPU at rest, leader", cpu, unit="thousandths of a core", better="less")
            bench.add("CPU at rest, worker", cpu_worker, unit="thousandths of a core", better="less")
            bench.add("engine's CPU for our calls", busy - alone, unit="thousandths of a core", better="less")
            late = lateness(leader, ours, 10 if bench.quick else 60)
            bench.add(
                "change to page, p50", statistics.median(late), unit="s", better="less", rounds=len(late)
            )
            p95 = statistics.quantiles(late, n=20)[18]
            bench.add("change to page, p95", p95, unit="s", better="less", rounds=len(late))
            bench.say(json.dumps({"page": {"bytes": len(ours.scrape())}}))
    bench.done()


if __name__ == "__main__":
    main()
