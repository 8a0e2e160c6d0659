"""One poll of 10,000 tasks (recorded answers, multiplied): CPU and memory, beside json.loads of the list."""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from bench._harness import Bench

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from exporters.engine import Address, Engine  # noqa: E402
from exporters.exposition import Page  # noqa: E402
from exporters.swarm.board import Board  # noqa: E402
from exporters.swarm.kinds.labels import LabelMetrics  # noqa: E402
from exporters.swarm.render import ClusterPage  # noqa: E402
from exporters.swarm.watch_cluster import ClusterWatch, Pace  # noqa: E402
from tests.integration.engine.engine_server import EngineServer, Reply, engine_at  # noqa: E402

Json = dict[str, Any]
LISTS = ("nodes", "services", "tasks")


def recorded() -> dict[str, list[Json]]:
    """Return the lists of one recorded scenario."""
    path = ROOT / "tests/golden/engine/29/networks-stack.json.gz"
    answers = json.loads(gzip.decompress(path.read_bytes()))["answers"]
    return {name: json.loads(answers[name][1]) for name in LISTS}


def multiplied(nodes: int, services: int, tasks: int) -> dict[str, list[Json]]:
    """Return recorded objects under new IDs and names, tasks spread over services and nodes."""
    chance = random.Random(1)
    by_kind = recorded()

    def named(kind: str, number: int) -> Json:
        copy: Json = json.loads(json.dumps(by_kind[kind][number % len(by_kind[kind])]))
        copy["ID"] = f"{kind}{number:020}"
        return copy

    made: dict[str, list[Json]] = {kind: [] for kind in LISTS}
    for number in range(nodes):
        node = named("nodes", number)
        node["Description"]["Hostname"] = f"host{number}"
        made["nodes"].append(node)
    for number in range(services):
        service = named("services", number)
        service["Spec"]["Name"] = f"service{number}"
        service["Spec"]["Mode"] = {"Replicated": {"Replicas": tasks // services}}
        made["services"].append(service)
    for number in range(tasks):
        task = named("tasks", number)
        task["ServiceID"] = made["services"][number % services]["ID"]
        task["NodeID"] = chance.choice(made["nodes"])["ID"]
        task["Slot"] = number // services + 1
        made["tasks"].append(task)
    return made


def changed(tasks: list[Json], share: float, turn: int) -> bytes:
    """Return the task list with a share of the tasks in another state."""
    chance = random.Random(turn)
    for task in chance.sample(tasks, max(1, int(len(tasks) * share))):
        task["Status"]["State"] = "starting" if task["Status"]["State"] == "running" else "running"
    return json.dumps(tasks, separators=(",", ":")).encode()


# As the image sets them.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}


def child(path: str) -> None:
    """Poll whenever a line comes, and print CPU seconds, resident and peak KiB."""
    pages: list[Page] = []
    board = Board("0", lambda page: pages.__setitem__(slice(None), [page]), lambda: 0)
    watch = ClusterWatch(
        Engine(Address(path=path)), board, ClusterPage(LabelMetrics()), Pace(),
        identity=lambda: "", details=lambda: None, role="always",
    )  # fmt: skip
    for _ in sys.stdin:
        cpu = time.process_time()
        watch.poll()
        cpu = time.process_time() - cpu
        if not board.stats.source:
            raise SystemExit("the poll failed")
        status = Path("/proc/self/status").read_text()
        memory = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if "Vm" in line}
        print(json.dumps([cpu, memory["VmRSS"], memory["VmHWM"], board.stats.page_series]), flush=True)


class Poller:
    """The child, and the engine that it polls."""

    def __init__(self, server: EngineServer, path: Path) -> None:
        self.server = server
        environment = {**os.environ, **ALLOCATOR}
        command = [sys.executable, __file__, "--child", str(path)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def give(self, **lists: bytes) -> None:
        """Answer so from now on."""
        self.server.replies |= {f"/{name}": Reply(body=body, chunked=True) for name, body in lists.items()}

    def poll(self) -> tuple[float, float, float, int]:
        """Let it poll once; return CPU seconds, resident MiB, peak MiB and series."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        cpu, resident, peak, series = json.loads(self.process.stdout.readline())
        return cpu, resident / 1024, peak / 1024, series


def loads(body: bytes) -> float:
    """Return the CPU seconds of json.loads."""
    began = time.process_time()
    json.loads(body)
    return time.process_time() - began


def main() -> None:
    bench = Bench(__doc__)
    small, large = multiplied(8, 30, 60), multiplied(100, 500, 10_000)
    as_bytes = {kind: json.dumps(large[kind], separators=(",", ":")).encode() for kind in LISTS}
    with tempfile.TemporaryDirectory(prefix="sw") as folder, engine_at(Path(folder, "s")) as server:
        poller = Poller(server, Path(folder, "s"))
        poller.give(**{kind: json.dumps(small[kind]).encode() for kind in LISTS})
        poller.poll()
        _, before, _, _ = poller.poll()
        poller.give(**as_bytes)
        first, _, _, series = poller.poll()
        size = len(as_bytes["tasks"])
        bench.say(f"tasks: {size:,} bytes; page: {series:,} series; first poll {first:.3f} s of CPU")
        turn = 0

        def poll(share: float) -> float:
            nonlocal turn
            turn += 1
            if share:
                poller.give(tasks=changed(large["tasks"], share, turn))
            return poller.poll()[0]

        for words, share in (("1 task changed", 1e-9), ("1 % changed", 0.01), ("20 % changed", 0.2)):
            bench.compare(
                f"poll of 10,000 tasks, {words}", unit="s of CPU", ours=partial(poll, share),
                peer=lambda: loads(as_bytes["tasks"]), peer_name="json.loads", better="less",
            )  # fmt: skip
        bench.compare("poll of 10,000 tasks, unchanged", unit="s of CPU", ours=lambda: poll(0), better="less")
        _, resident, peak, _ = poller.poll()
        bench.add("memory above that of 60 tasks", resident - before, unit="MiB", better="less")
        bench.add("peak memory above that of 60 tasks", peak - before, unit="MiB", better="less")
        poller.process.kill()
        poller.process.wait()
    bench.done()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()
