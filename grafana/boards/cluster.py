"""The first page: is everything well, and if not, where."""

from grafana.model import Board, Query, Row
from grafana.panels import series, stat, states, table

__all__ = ["BOARD"]

_ALERTS = Row(
    "Now",
    (
        stat(
            "Quorum",
            Query("max(swarm_cluster_quorum)"),
            description="Whether the managers can decide. Without it nothing is started, moved or updated.",
            words={"0": "lost", "1": "yes"},
            steps=((None, "red"), (1, "green")),
        ),
        stat(
            "Managers that may fail",
            Query("max(swarm_cluster_quorum_margin)"),
            description="How many more managers can be lost before the quorum is. A single one has none.",
            steps=((None, "red"), (0, "orange"), (1, "green")),
        ),
        stat(
            "Nodes not ready",
            Query("count(node:swarm_node_ready:max == 0) or vector(0)"),
            description="Nodes that the managers call down, unknown or disconnected.",
            steps=((None, "green"), (1, "red")),
        ),
        stat(
            "Services below desired",
            Query(
                """count(service:swarm_service_running_replicas:max{mode!~".+-job"}
                < service:swarm_service_desired_replicas:max) or vector(0)"""
            ),
            description="Services of which fewer replicas run than should.",
            steps=((None, "green"), (1, "red")),
        ),
        stat(
            "Services in a crash loop",
            Query("count(max by (service, stack) (swarm_service_crash_looping) > 0) or vector(0)"),
            description="Services with a replica that failed three times within ten minutes.",
            steps=((None, "green"), (1, "red")),
        ),
        stat(
            "Alerts firing",
            Query('count(ALERTS{alertstate="firing", severity=~"critical|warning"}) or vector(0)'),
            description="Critical ones and warnings. Alertmanager says which.",
            steps=((None, "green"), (1, "orange"), (5, "red")),
        ),
    ),
)

_SERVICES = Row(
    "Services",
    (
        table(
            "Services: what should run, what the managers count, what the engines confirm",
            Query("sum by (service, stack, mode) (service:swarm_service_desired_replicas:max)", table=True),
            Query("sum by (service) (service:swarm_service_running_replicas:max)", table=True),
            Query("sum by (service) (service:swarm_service_verified_replicas:sum)", table=True),
            Query("sum by (service) (max by (service, reason) (swarm_service_pending_tasks))", table=True),
            Query(
                "sum by (service) (max by (service, mode, stack) (swarm_service_crash_looping))", table=True
            ),
            description="Verified counts running containers on every engine that answers; where it "
            "differs from running for long, believe it.",
            join="service",
            columns={
                "service": "Service",
                "stack": "Stack",
                "mode": "Mode",
                "Value #A": "Desired",
                "Value #B": "Running",
                "Value #C": "Verified",
                "Value #D": "Pending",
                "Value #E": "Crash-looping",
            },
        ),
        states(
            "Service below desired",
            Query(
                """service:swarm_service_running_replicas:max{mode!~".+-job"}
                >= bool service:swarm_service_desired_replicas:max""",
                legend="{{service}}",
            ),
            description="Red: fewer replicas ran than should.",
            colours={"1": ("all there", "green"), "0": ("below", "red")},
            height=10,
        ),
    ),
)

_NODES = Row(
    "Nodes",
    (
        states(
            "Node ready",
            Query("node:swarm_node_ready:max", legend="{{hostname}}"),
            description="What the managers say of each node. Gaps: no manager could say anything.",
            colours={"1": ("ready", "green"), "0": ("not ready", "red")},
            width=12,
        ),
        series(
            "Replicas: desired, running, verified",
            Query("sum(service:swarm_service_desired_replicas:max)", legend="desired"),
            Query("sum(service:swarm_service_running_replicas:max)", legend="running (managers)"),
            Query("sum(service:swarm_service_verified_replicas:sum)", legend="verified (engines)"),
            description="All services together.",
        ),
    ),
)

BOARD = Board(
    uid="swarmstead-cluster",
    title="Swarm: cluster",
    description="Is everything well, and if not, where.",
    rows=(_ALERTS, _SERVICES, _NODES),
)
