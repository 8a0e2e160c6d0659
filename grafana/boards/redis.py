"""The Redis that keeps the sessions."""

from grafana.model import Board, Query, Row
from grafana.panels import series, stat

__all__ = ["BOARD"]

BOARD = Board(
    uid="swarmstead-sessions",
    title="Redis: sessions",
    description="The Redis that keeps the sessions: one evicted key is somebody logged out.",
    rows=(
        Row(
            "Now",
            (
                stat(
                    "Redis",
                    Query("min(redis_up)"),
                    description="Whether it answers its exporter.",
                    words={"0": "down", "1": "up"},
                    steps=((None, "red"), (1, "green")),
                ),
                stat(
                    "Keys",
                    Query("sum(redis_db_keys)"),
                    description="Sessions, and whatever else lies there.",
                ),
                stat(
                    "Memory of maxmemory",
                    Query("max(redis_memory_used_bytes / (redis_memory_max_bytes > 0))"),
                    description="At 100 % sessions are evicted.",
                    unit="percentunit",
                    steps=((None, "green"), (0.7, "orange"), (0.85, "red")),
                    no_value="no limit",
                ),
                stat(
                    "Evicted, last day",
                    Query("sum(increase(redis_evicted_keys_total[1d]))"),
                    description="Each of them was somebody logged out.",
                    steps=((None, "green"), (1, "red")),
                ),
                stat(
                    "Written to disk",
                    Query("min(redis_aof_last_write_status)"),
                    description="Whether the last write of the append-only file went well.",
                    words={"0": "failed", "1": "yes"},
                    steps=((None, "red"), (1, "green")),
                ),
                stat(
                    "Up since",
                    Query("min(redis_uptime_in_seconds)"),
                    description="Time since its start.",
                    unit="s",
                ),
            ),
        ),
        Row(
            "Over time",
            (
                series(
                    "Memory",
                    Query("redis_memory_used_bytes", legend="used"),
                    Query("redis_memory_max_bytes > 0", legend="maxmemory"),
                    description="Some 1.3 KB for a session of 1.1 KB.",
                    unit="bytes",
                ),
                series(
                    "Keys that go, per second",
                    Query("rate(redis_expired_keys_total[$__rate_interval])", legend="expired"),
                    Query("rate(redis_evicted_keys_total[$__rate_interval])", legend="evicted"),
                    description="Expired: as the app wishes. Evicted: for want of memory.",
                ),
                series(
                    "Commands per second",
                    Query("rate(redis_commands_processed_total[$__rate_interval])", legend="commands"),
                    description="Reads and writes of all apps.",
                    unit="reqps",
                ),
                series(
                    "Clients",
                    Query("redis_connected_clients", legend="connected"),
                    Query("redis_blocked_clients", legend="blocked"),
                    description="Connections of the apps.",
                ),
                series(
                    "Reads that found their key",
                    Query(
                        """rate(redis_keyspace_hits_total[$__rate_interval])
                        / (rate(redis_keyspace_hits_total[$__rate_interval])
                        + rate(redis_keyspace_misses_total[$__rate_interval]))""",
                        legend="found",
                    ),
                    description="New visitors and ended sessions miss; a sudden fall means lost sessions.",
                    unit="percentunit",
                ),
                series(
                    "Refused connections",
                    Query("increase(redis_rejected_connections_total[$__rate_interval])", legend="refused"),
                    description="maxclients was reached.",
                ),
            ),
        ),
    ),
)
