"""Eviction: misses and mean fetch time of each policy on real and generated requests, beside libcachesim.

``--traces FOLDER`` adds real ones: ``*.log`` in Apache's combined format, ``*.tsv`` with a header as NASA's.
"""

import argparse
import csv
import importlib
import random
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from bench._harness import Bench
from migrate.cache.eviction import GdsfCost, Lru, Policy, S3Fifo, Sieve, fetch_seconds

Request = tuple[str, int]
SHARES = (0.01, 0.05, 0.10, 0.20)
LARGEST_SHARE = 0.5
OURS: dict[str, Callable[[], Policy]] = {"gdsf-cost": GdsfCost, "sieve": Sieve, "s3-fifo": S3Fifo, "lru": Lru}
PEERS = {"S3-FIFO": "S3FIFO", "SIEVE": "Sieve", "LRU": "LRU", "GDSF": "GDSF"}
_APACHE = re.compile(r'"GET (\S+)[^"]*" (200|206|304) (\d+|-)')


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of objects and of bytes that missed, and milliseconds to fetch per request."""

    objects: float
    bytes: float
    milliseconds: float


def play(trace: list[Request], policy: Policy, capacity: int) -> Score:
    """Play requests against a policy, with the cache's own bound on one object's share."""
    held: dict[str, int] = {}
    used = missed = missed_bytes = 0
    seconds = 0.0
    for at, (name, size) in enumerate(trace):
        if name in held:
            policy.hit(name, at)
            continue
        missed += 1
        missed_bytes += size
        seconds += fetch_seconds(size)
        if size > capacity * LARGEST_SHARE:
            continue
        policy.add(name, size, at)
        held[name] = size
        used += size
        while used > capacity and (victim := policy.victim(at)) is not None:
            policy.remove(victim, evicted=True)
            used -= held.pop(victim)
    total = sum(size for _, size in trace)
    return Score(missed / len(trace), missed_bytes / total, seconds * 1000 / len(trace))


def play_peer(trace: list[Request], kind: str, capacity: int) -> Score:
    """Play requests against a policy of libcachesim."""
    libcachesim: Any = importlib.import_module("libcachesim")  # it has no types
    cache = getattr(libcachesim, kind)(capacity)
    ids: dict[str, int] = {}
    missed = missed_bytes = 0
    seconds = 0.0
    for at, (name, size) in enumerate(trace):
        request = libcachesim.Request()
        request.clock_time, request.obj_id, request.obj_size = at, ids.setdefault(name, len(ids)), size
        if not cache.get(request):
            missed += 1
            missed_bytes += size
            seconds += fetch_seconds(size)
    total = sum(size for _, size in trace)
    return Score(missed / len(trace), missed_bytes / total, seconds * 1000 / len(trace))


def _size(chance: random.Random) -> int:
    kind = chance.random()
    middle, spread = (12_000, 0.5) if kind < 0.6 else (150_000, 0.7) if kind < 0.97 else (2_500_000, 0.8)
    return max(500, int(middle * chance.lognormvariate(0, spread)))


def zipf(objects: int, requests: int) -> list[Request]:
    """Thumbnails, images and attachments, asked for by Zipf's law (0.8)."""
    chance = random.Random(1)
    sizes = [_size(chance) for _ in range(objects)]
    weights = [*accumulate((rank + 1) ** -0.8 for rank in range(objects))]
    picked = chance.choices(range(objects), cum_weights=weights, k=requests)
    return [(str(one), sizes[one]) for one in picked]


def drift(objects: int, requests: int) -> list[Request]:
    """Let new uploads take over from old ones, while a crawler asks for everything once (8 %)."""
    chance = random.Random(2)
    sizes = [_size(chance) for _ in range(2 * objects)]
    weights = [*accumulate((rank + 1) ** -0.9 for rank in range(objects))]
    crawler, trace = 0, []
    for at, rank in enumerate(chance.choices(range(objects), cum_weights=weights, k=requests)):
        newest = objects + at * objects // requests
        if chance.random() < 0.08:
            crawler = (crawler + 1) % newest
            one = crawler
        else:
            one = max(0, newest - 1 - rank)
        trace.append((str(one), sizes[one]))
    return trace


def _fixed(requests: Iterator[Request]) -> list[Request]:
    """Give every name one size, the largest seen: a log also tells of parts and of 304."""
    trace = [*requests]
    sizes: dict[str, int] = {}
    for name, size in trace:
        sizes[name] = max(sizes.get(name, 1), size)
    return [(name, sizes[name]) for name, _ in trace]


def _nasa(path: Path) -> Iterator[Request]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["method"] == "GET" and row["response"] in {"200", "304"}:
                yield row["url"], int(row["bytes"]) if (row["bytes"] or "").isdigit() else 0


def _apache(path: Path) -> Iterator[Request]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if found := _APACHE.search(line):
                yield found[1], int(found[3]) if found[3].isdigit() else 0


def traces(folder: Path | None, *, quick: bool) -> Iterator[tuple[str, list[Request]]]:
    """Give each trace with its name."""
    objects, requests = (5_000, 40_000) if quick else (50_000, 600_000)
    yield "zipf", zipf(objects, requests)
    yield "drift", drift(objects, requests)
    for path in sorted(folder.iterdir()) if folder else ():
        if path.suffix == ".tsv":
            yield path.stem, _fixed(_nasa(path))
        elif path.suffix == ".log":
            yield path.stem, _fixed(_apache(path))


def one_size(bench: Bench, name: str, trace: list[Request], share: float) -> float:
    """Play all policies at one size; return how much worse the default's time is than the best of all."""
    whole = sum(dict(trace).values())
    capacity = max(1, int(whole * share))
    ours = {policy: play(trace, new(), capacity) for policy, new in OURS.items()}
    peers = {label: play_peer(trace, kind, capacity) for label, kind in PEERS.items()}
    for label, score in (ours | peers).items():
        bench.say(
            f"{name:15} {share:4.0%} {label:10} objects {score.objects:.3f}  bytes {score.bytes:.3f}"
            f"  {score.milliseconds:7.2f} ms"
        )
    best = min(peers, key=lambda label: peers[label].milliseconds)
    mine = ours["gdsf-cost"]
    figure = f"{name} {share:.0%}"
    bench.add(
        figure + " mean fetch",
        mine.milliseconds,
        peer=peers[best].milliseconds,
        peer_name=f"libcachesim {best}",
        unit="ms",
        better="less",
    )
    for unit in ("objects", "bytes"):
        value = getattr(mine, unit), getattr(peers["S3-FIFO"], unit)
        bench.add(
            f"{figure} {unit} missed",
            value[0],
            peer=value[1],
            peer_name="libcachesim S3-FIFO",
            unit="share",
            better="less",
        )
    return mine.milliseconds / min(score.milliseconds for score in (ours | peers).values())


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--traces", type=Path)
    options, rest = parser.parse_known_args()
    bench = Bench(__doc__, rest, rounds=1)
    worst = []
    for name, trace in traces(options.traces, quick=bench.quick):
        wanted = [share for share in SHARES if bench.wants(f"{name} {share:.0%}")]
        worst += [one_size(bench, name, trace, share) for share in wanted]
    if worst:
        bench.add("default behind the best, at worst", max(worst), unit="x")
        bench.say(f"median {statistics.median(worst):.3f}")
    bench.done()


if __name__ == "__main__":
    main()
