"""The watchers: is what the other dashboards show fresh and whole."""

from grafana.model import Board, Query, Row
from grafana.panels import series, stat, states, table

__all__ = ["BOARD"]

BOARD = Board(
    uid="swarmstead-health",
    title="Monitoring: health",
    description="Is what the other dashboards show fresh and whole.",
    rows=(
        Row(
            "Now",
            (
                stat(
                    "Exporters that answer for the Swarm",
                    Query("sum(swarm_exporter_cluster_source)"),
                    description="Must be one: the leader's.",
                    steps=((None, "red"), (1, "green"), (2, "red")),
                ),
                stat(
                    "Ready nodes with a witness",
                    Query("cluster:swarm_node_witnessed:ratio"),
                    description="Nodes whose own engine is counted. Below 100 %, verified "
                    "replicas are unsure.",
                    unit="percentunit",
                    steps=((None, "orange"), (1, "green")),
                ),
                stat(
                    "Oldest data of an exporter",
                    Query(
                        """max(time()
                        - swarm_exporter_data_timestamp_seconds{part=~"cluster|engine|containers"})"""
                    ),
                    description="The exporters ask every few seconds.",
                    unit="s",
                    steps=((None, "green"), (15, "orange"), (60, "red")),
                ),
                stat(
                    "Targets silent",
                    Query("count(up == 0) or vector(0)"),
                    description="Tasks that DNS lists and that do not answer.",
                    steps=((None, "green"), (1, "red")),
                ),
                stat(
                    "Messages that failed, last day",
                    Query("sum(increase(alertmanager_notifications_failed_total[1d]))"),
                    description="Alerts that did not reach you by some way.",
                    steps=((None, "green"), (1, "red")),
                ),
                stat(
                    "Series in memory",
                    Query("max(prometheus_tsdb_head_series)"),
                    description="Some 15 KB each, all in all.",
                ),
            ),
        ),
        Row(
            "Alerts",
            (
                table(
                    "Firing or about to",
                    Query(
                        'ALERTS{alertname!="Watchdog"}',
                        table=True,
                    ),
                    description="Pending ones wait for their time.",
                    join="alertname",
                    columns={
                        "alertname": "Alert",
                        "alertstate": "State",
                        "severity": "Severity",
                        "service": "Service",
                        "hostname": "Node",
                        "host": "Site",
                        "instance": "Instance",
                    },
                    width=24,
                ),
            ),
        ),
        Row(
            "Exporters",
            (
                states(
                    "Scrapes",
                    Query("up", legend="{{job}} {{instance}}"),
                    description="Every task that Prometheus asks.",
                    colours={"1": ("answers", "green"), "0": ("silent", "red")},
                    height=10,
                ),
                series(
                    "Age of data",
                    Query("time() - swarm_exporter_data_timestamp_seconds", legend="{{instance}} {{part}}"),
                    description="Since the last good answer of the engine, by part; disk is asked rarely.",
                    unit="s",
                    width=8,
                ),
                series(
                    "Polls that failed",
                    Query(
                        "sum by (instance, class) "
                        "(rate(swarm_exporter_poll_errors_total[$__rate_interval])) > 0",
                        legend="{{instance}} {{class}}",
                    ),
                    description="Per second, by what went wrong.",
                    width=8,
                ),
                series(
                    "Time of a poll",
                    Query("swarm_exporter_poll_duration_seconds", legend="{{instance}} {{part}}"),
                    description="Until the engine had answered.",
                    unit="s",
                    width=8,
                ),
                series(
                    "Time of a scrape",
                    Query("max by (job) (scrape_duration_seconds)", legend="{{job}}"),
                    description="The slowest of each job.",
                    unit="s",
                    width=8,
                ),
                series(
                    "Samples of a scrape",
                    Query("sum by (job) (scrape_samples_scraped)", legend="{{job}}"),
                    description="What each job adds to Prometheus.",
                    width=8,
                ),
                series(
                    "Memory of the watchers",
                    Query("process_resident_memory_bytes", legend="{{job}} {{instance}}"),
                    description="What watching costs on each node.",
                    unit="bytes",
                    width=8,
                ),
            ),
        ),
        Row(
            "Prometheus",
            (
                series(
                    "Rules: time of a round",
                    Query("prometheus_rule_group_last_duration_seconds", legend="{{rule_group}}"),
                    description="By group of rules.",
                    unit="s",
                ),
                series(
                    "Disk",
                    Query("prometheus_tsdb_storage_blocks_bytes", legend="blocks"),
                    description="Blocks that are done; the newest two hours come on top.",
                    unit="bytes",
                ),
            ),
        ),
    ),
)
