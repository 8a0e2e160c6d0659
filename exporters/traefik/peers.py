"""Merge the windows of all exporters, so that each of them can show the whole.

Gauges and buckets are made from the log's own time and outlive a restart, so a sum over exporters is right
however they come and go: each counts by its instance, once. A peer that is gone keeps what it last said of a
bucket that it had begun; its rate runs out with the window.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from exporters.exposition import Section
from exporters.traefik import metrics as m
from exporters.traefik.counts import Counts, Pair
from exporters.traefik.render import completed_bucket, section
from exporters.traefik.samples import read_samples
from exporters.traefik.targets import Target, fetch, resolve, split_address
from exporters.traefik.windows import BUCKET, WINDOWS, bucket_start, bucket_total, window_total
from swarmstead.errors import Unreachable

__all__ = ["Peers", "Said", "merge_bucket", "merge_rates", "own", "read_peer"]

PORT: Final = 9324
_STALE_SECONDS: Final = 30.0
_PREFIXES: Final = (
    "traefik_rate_requests_per_second{",
    "traefik_rate_bucket_requests{",
    "traefik_rate_bucket_so_far_requests{",
    "traefik_rate_bucket_start_timestamp_seconds{",
    "traefik_rate_exporter_build_info{",
)


@dataclass(slots=True)
class Said:
    """What one exporter said, and when we heard it (Unix seconds).

    bucket_start: of the completed bucket; so_far is about the bucket that runs at `heard`.
    """

    instance: str = ""
    source: str = "log"
    heard: float = 0.0
    bucket_start: int = 0
    rates: dict[tuple[str, str, str], float] = field(default_factory=dict)
    bucket: dict[Pair, float] = field(default_factory=dict)
    so_far: dict[Pair, float] = field(default_factory=dict)


def own(counts: Counts, now: float, instance: str, source: str) -> Said:
    """Return what this exporter says."""
    said = Said(instance, source, now, completed_bucket(now))
    for pair, row in counts.rows.items():
        for window, seconds in WINDOWS.items():
            said.rates[(*pair, window)] = window_total(row.slots, now, seconds) / seconds
        said.bucket[pair] = bucket_total(row.slots, said.bucket_start)
        said.so_far[pair] = bucket_total(row.slots, bucket_start(now))
    return said


def read_peer(body: bytes, heard: float) -> Said:
    """Return what a peer's page says."""
    said = Said(heard=heard)
    for name, labels, value in read_samples(body, _PREFIXES):
        pair = labels.get("host", ""), labels.get("service", "")
        said.source = labels.get("source", said.source)
        if name == m.PER_SECOND.name:
            said.rates[(*pair, labels.get("window", ""))] = value
        elif name == m.BUCKET.name:
            said.bucket[pair] = value
        elif name == m.BUCKET_SO_FAR.name:
            said.so_far[pair] = value
        elif name == m.BUCKET_START.name:
            said.bucket_start = int(value)
        else:
            said.instance = labels.get("instance_id", "")
    return said


def _of_best_source(said: Iterable[Said]) -> list[Said]:
    """Return the logs' if there are any: a scraper shows the same requests again, and all of them."""
    everyone = list(said)
    logs = [each for each in everyone if each.source == "log"]
    return logs or everyone[:1]


def merge_rates(said: Iterable[Said], now: float) -> dict[tuple[str, str, str], float]:
    """Return requests per second by host, service and window, over those heard lately."""
    merged: dict[tuple[str, str, str], float] = {}
    for each in _of_best_source(each for each in said if now - each.heard <= _STALE_SECONDS):
        for key, value in each.rates.items():
            merged[key] = merged.get(key, 0.0) + value
    return merged


def merge_bucket(said: Iterable[Said], start: int) -> dict[Pair, float]:
    """Return the requests of the bucket that began at `start`."""
    merged: dict[Pair, float] = {}
    for each in _of_best_source(said):
        if each.bucket_start == start:
            values = each.bucket
        elif bucket_start(each.heard) == start:
            values = each.so_far  # it was not heard again after the bucket's end
        else:
            continue
        for pair, value in values.items():
            merged[pair] = merged.get(pair, 0.0) + value
    return merged


class Peers:
    """Asks every exporter behind a name, in the background. own_id: not to be counted twice."""

    def __init__(self, address: str, own_id: str, seconds: float = 5) -> None:
        self.seconds = seconds
        self._name, self._port = split_address(address, PORT)
        self._own_id = own_id
        self._said: dict[str, Said] = {}
        self._down: set[Target] = set()
        self.up = 1
        self.down = 0

    def work(self) -> None:
        """Ask each peer once."""
        try:
            targets = resolve(self._name, self._port)
        except Unreachable:
            targets = []
        said, down = dict(self._said), 0
        up = {self._own_id}
        for target in targets:
            try:
                heard = read_peer(fetch(target, "/metrics"), time.time())
            except Unreachable:
                down += 1
                continue
            up.add(heard.instance)
            if heard.instance and heard.instance != self._own_id:
                said[heard.instance] = heard
        oldest = time.time() - 3 * BUCKET
        self._said = {instance: each for instance, each in said.items() if each.heard > oldest}
        self.up, self.down = len(up), down

    def section(self, counts: Counts, now: float, source: str) -> Section:
        """Return the merged section."""
        everyone = [own(counts, now, self._own_id, source), *self._said.values()]
        start = completed_bucket(now - self.seconds)  # when all had the time to tell of it
        rates = merge_rates(everyone, now)
        bucket = merge_bucket(everyone, start)
        return section(
            m.CLUSTER,
            [
                *((m.CLUSTER_PER_SECOND, key, value) for key, value in rates.items()),
                *((m.CLUSTER_BUCKET, pair, value) for pair, value in bucket.items()),
                (m.CLUSTER_BUCKET_START, (), start),
                (m.PEERS, ("up",), self.up),
                (m.PEERS, ("down",), self.down),
            ],
        )
