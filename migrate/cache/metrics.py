"""The cache's metrics for Prometheus. None has a label that a client could choose."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from migrate.cache.node import Node

__all__ = ["page"]

_P = "swarmstead_cache_"


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_P + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_P + name, text, value=value)


def _by(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family = CounterMetricFamily(_P + name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


class _Node(Collector):
    def __init__(self, node: "Node") -> None:
        self._node = node

    def collect(self) -> Iterable[Metric]:
        node = self._node
        store, queue, filler, reads, barrier = node.store, node.queue, node.filler, node.reads, node.barrier
        yield _gauge("bytes", "Bytes of all files, and set aside for what is being fetched.", store.used)
        yield _gauge("limit_bytes", "Most bytes that what is fetched may fill.", store.max_bytes)
        yield _gauge("files", "Files in the folder.", store.files)
        yield _by(
            "requests",
            "Reads by how they were answered; nginx's own are `nginx`.",
            "result",
            {
                "hit": reads.counts.hits,
                "nginx": node.nginx_hits,
                "fill": reads.counts.fills,
                "straight": reads.counts.straight,
                "absent": reads.counts.absent,
                "unavailable": reads.counts.unavailable,
            },
        )
        yield _counter("sent_bytes", "Bytes of files sent to clients.", reads.counts.bytes)
        yield _counter("origin_gets", "Objects and ranges asked of the remote or a peer.", filler.origin_gets)
        yield _counter("origin_bytes", "Bytes that came from the remote or a peer.", filler.origin_bytes)
        yield _counter("joined", "Misses that joined a fetch under way.", filler.joined)
        yield _counter("fill_failures", "Fetches that failed.", filler.failures)
        if node.peers is not None:
            yield _counter("peer_gets", "Objects that came from another node.", node.peers.gets)
            yield _counter("peer_bytes", "Bytes that came from other nodes.", node.peers.bytes)
        yield _counter("evictions", "Files evicted.", store.counts.evicted)
        yield _counter("evicted_bytes", "Bytes evicted.", store.counts.evicted_bytes)
        yield _counter(
            "spared", "Evictions that did not happen since the file was in use.", store.counts.spared
        )
        yield _counter("not_kept", "Objects passed on without being kept.", store.counts.refused)
        yield _gauge("queue_files", "Changes that the remote has not confirmed.", len(queue))
        yield _gauge(
            "queue_oldest_seconds", "For how long the oldest of them has waited.", queue.oldest_seconds
        )
        yield _counter("uploads", "Files that the remote confirmed.", queue.counts.sent)
        yield _counter("uploaded_bytes", "Bytes that the remote confirmed.", queue.counts.sent_bytes)
        yield _counter("deletions", "Files deleted at the remote.", queue.counts.deleted)
        yield _counter("upload_failures", "Tries that the remote did not take.", queue.counts.failures)
        yield _gauge("unsendable_files", "Files whose names the remote cannot take.", len(node.unsendable))
        if barrier is not None:
            yield _by(
                "barrier_answers",
                "Answers to writing requests: safe, late, or none by the app.",
                "result",
                {
                    "safe": barrier.counts.passed,
                    "late": barrier.counts.late,
                    "unanswered": barrier.counts.unanswered,
                },
            )
            yield _counter(
                "barrier_held_seconds", "Seconds that answers were held.", barrier.counts.held_seconds
            )
        yield _counter("revalidations", "Files asked about at the remote again.", node.fresh.asked)
        yield _counter("stale", "Files found to be old, and dropped.", node.fresh.stale)
        yield _gauge("remote_up", "Whether the remote answered the last time (1) or not (0).", node.remote_up)
        yield _gauge("start_time_seconds", "When this process started, since the epoch.", node.started)
        yield _gauge("index_loaded", "Whether all known files are in the policy (1).", float(store.loaded))
        yield _gauge("time_seconds", "This node's clock, since the epoch.", time.time())


def page(node: "Node") -> bytes:
    """Return the page in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Node(node))
    return generate_latest(registry)
