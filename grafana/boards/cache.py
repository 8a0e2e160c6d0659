"""The caches of uploaded files: one on every node, the remote behind them."""

from grafana.model import Board, Query, Row
from grafana.panels import series, stat

__all__ = ["BOARD"]

_SERVED = 'result=~"hit|nginx"'
_FETCHED = 'result=~"hit|nginx|fill|straight"'

BOARD = Board(
    uid="swarmstead-cache",
    title="Cache: uploaded files",
    description="Each node's cache of the files at the remote: what it serves, keeps safe and lets go.",
    rows=(
        Row(
            "Now",
            (
                stat(
                    "Remote",
                    Query("min(swarmstead_cache_remote_up)"),
                    description="Whether it answered every cache. Down: only cached files are served.",
                    words={"0": "down", "1": "up"},
                    steps=((None, "red"), (1, "green")),
                ),
                stat(
                    "Waiting to be safe",
                    Query("sum(swarmstead_cache_queue_files)"),
                    description="Changes that the remote has not confirmed: they are on one node only.",
                    steps=((None, "green"), (100, "orange")),
                ),
                stat(
                    "The oldest of them",
                    Query("max(swarmstead_cache_queue_oldest_seconds)"),
                    description="For how long it has waited.",
                    unit="s",
                    steps=((None, "green"), (60, "orange"), (600, "red")),
                ),
                stat(
                    "Cannot be sent",
                    Query("sum(swarmstead_cache_unsendable_files)"),
                    description="Files whose names the remote cannot take: rename them.",
                    steps=((None, "green"), (1, "red")),
                ),
                stat(
                    "Served from the cache, last hour",
                    Query(
                        f"""sum(increase(swarmstead_cache_requests_total{{{_SERVED}}}[1h]))
                        / sum(increase(swarmstead_cache_requests_total{{{_FETCHED}}}[1h]))"""
                    ),
                    description="Share of the reads that asked neither the remote nor a peer.",
                    unit="percentunit",
                ),
                stat(
                    "Fullest cache",
                    Query("max(swarmstead_cache_bytes / swarmstead_cache_limit_bytes)"),
                    description="Of its limit. Full is well: cold files go when room is needed.",
                    unit="percentunit",
                    steps=((None, "green"), (1.05, "red")),
                ),
            ),
        ),
        Row(
            "Reads",
            (
                series(
                    "Requests per second, by how they were answered",
                    Query(
                        "sum by (result) (rate(swarmstead_cache_requests_total[$__rate_interval]))",
                        legend="{{result}}",
                    ),
                    description="unavailable: the remote did not answer and the file was not cached (503).",
                    unit="reqps",
                    stack=True,
                ),
                series(
                    "Served from the cache, by node",
                    Query(
                        f"""sum by (instance)
                        (rate(swarmstead_cache_requests_total{{{_SERVED}}}[$__rate_interval]))
                        / sum by (instance)
                        (rate(swarmstead_cache_requests_total{{{_FETCHED}}}[$__rate_interval]))""",
                        legend="{{instance}}",
                    ),
                    description="A new or emptied cache begins low and fills on demand.",
                    unit="percentunit",
                ),
                series(
                    "Bytes per second",
                    Query("sum(rate(swarmstead_cache_sent_bytes_total[$__rate_interval]))", legend="sent"),
                    Query(
                        "sum(rate(swarmstead_cache_origin_bytes_total[$__rate_interval]))", legend="fetched"
                    ),
                    Query(
                        "sum(rate(swarmstead_cache_peer_bytes_total[$__rate_interval]))", legend="from peers"
                    ),
                    description="Sent by the caches' own servers, and fetched; nginx's hits are not in it.",
                    unit="Bps",
                ),
                series(
                    "Fetches per second",
                    Query(
                        "sum(rate(swarmstead_cache_origin_gets_total[$__rate_interval]))", legend="fetched"
                    ),
                    Query("sum(rate(swarmstead_cache_joined_total[$__rate_interval]))", legend="joined one"),
                    Query(
                        "sum(rate(swarmstead_cache_fill_failures_total[$__rate_interval]))", legend="failed"
                    ),
                    description="Joined: a request that waited for the fetch of another one.",
                    unit="ops",
                ),
            ),
        ),
        Row(
            "Writes",
            (
                series(
                    "Waiting to be safe, by node",
                    Query("swarmstead_cache_queue_files", legend="{{instance}}"),
                    description="It grows while the remote is away; nothing of it is evicted.",
                ),
                series(
                    "Uploads per second",
                    Query("sum(rate(swarmstead_cache_uploads_total[$__rate_interval]))", legend="confirmed"),
                    Query("sum(rate(swarmstead_cache_deletions_total[$__rate_interval]))", legend="deleted"),
                    Query(
                        "sum(rate(swarmstead_cache_upload_failures_total[$__rate_interval]))", legend="failed"
                    ),
                    description="Confirmed: the remote's hash is that of the file.",
                    unit="ops",
                ),
                series(
                    "Answers to writing requests, per second",
                    Query(
                        "sum by (result) (rate(swarmstead_cache_barrier_answers_total[$__rate_interval]))",
                        legend="{{result}}",
                    ),
                    description="safe: given once the remote had what was written. late: that took too long.",
                    unit="reqps",
                ),
                series(
                    "An answer was held, in the mean",
                    Query(
                        """sum(rate(swarmstead_cache_barrier_held_seconds_total[$__rate_interval]))
                        / sum(rate(swarmstead_cache_barrier_answers_total[$__rate_interval]))""",
                        legend="held",
                    ),
                    description="What a visitor waits longer, so that the upload is safe.",
                    unit="s",
                ),
            ),
        ),
        Row(
            "Room",
            (
                series(
                    "Bytes, by node",
                    Query("swarmstead_cache_bytes", legend="{{instance}}"),
                    Query("max(swarmstead_cache_limit_bytes)", legend="limit"),
                    description="Unconfirmed files may fill more than the limit; fetched ones may not.",
                    unit="bytes",
                ),
                series(
                    "Evicted bytes per second, by node",
                    Query(
                        "rate(swarmstead_cache_evicted_bytes_total[$__rate_interval])", legend="{{instance}}"
                    ),
                    description="A whole limit within an hour means that the cache is too small.",
                    unit="Bps",
                ),
            ),
        ),
    ),
)
