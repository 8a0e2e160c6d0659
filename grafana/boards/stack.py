"""One stack: its services side by side."""

from grafana.model import Board, Query, Row, Variable
from grafana.panels import series, states, table

__all__ = ["BOARD"]

_S = '{stack=~"$stack"}'

BOARD = Board(
    uid="swarmstead-stack",
    title="Swarm: stack",
    description="The services of a stack side by side.",
    variables=(Variable("stack", "Stack", "swarm_service_info"),),
    rows=(
        Row(
            "Services",
            (
                table(
                    "Services",
                    Query(f"max by (service, mode, image, tag) (swarm_service_info{_S})", table=True),
                    Query(f"sum by (service) (service:swarm_service_desired_replicas:max{_S})", table=True),
                    Query(f"sum by (service) (service:swarm_service_running_replicas:max{_S})", table=True),
                    Query(f"sum by (service) (service:swarm_service_verified_replicas:sum{_S})", table=True),
                    Query(
                        f"""max by (service, update) (
                        label_replace(
                        swarm_service_update_state{_S} == 1, "update", "$1", "state", "(.+)"))""",
                        table=True,
                    ),
                    Query(
                        f"time() - max by (service) (swarm_service_updated_timestamp_seconds{_S})", table=True
                    ),
                    description="Desired: what should run now. Verified: what living engines confirm.",
                    join="service",
                    columns={
                        "service": "Service",
                        "mode": "Mode",
                        "image": "Image",
                        "tag": "Tag",
                        "Value #B": "Desired",
                        "Value #C": "Running",
                        "Value #D": "Verified",
                        "update": "Update",
                        "Value #F": "Changed before",
                    },
                    units={"Changed before": "s"},
                ),
                states(
                    "All replicas there",
                    Query(
                        """service:swarm_service_running_replicas:max{stack=~"$stack", mode!~".+-job"}
                        >= bool service:swarm_service_desired_replicas:max""",
                        legend="{{service}}",
                    ),
                    description="Red: fewer replicas ran than should.",
                    colours={"1": ("all there", "green"), "0": ("below", "red")},
                ),
            ),
        ),
        Row(
            "Trouble",
            (
                series(
                    "Failures",
                    Query(
                        f"sum by (service, class) "
                        f"(increase(swarm_service_failures_total{_S}[$__rate_interval]))",
                        legend="{{service}} {{class}}",
                    ),
                    description="Tasks that failed, by how. Old history is never counted as new.",
                ),
                series(
                    "Pending tasks",
                    Query(
                        f"max by (service, reason) (swarm_service_pending_tasks{_S}) > 0",
                        legend="{{service}} {{reason}}",
                    ),
                    description="Tasks that no node takes, by the scheduler's reason.",
                ),
                series(
                    "Memory reserved",
                    Query(
                        f"""max by (service) (swarm_service_memory_reservation_bytes{_S})
                        * on (service) sum by (service) (service:swarm_service_desired_replicas:max{_S})""",
                        legend="{{service}}",
                    ),
                    description="Reservation of one task times the desired replicas.",
                    unit="bytes",
                    stack=True,
                ),
                series(
                    "Verified replicas",
                    Query(f"service:swarm_service_verified_replicas:sum{_S}", legend="{{service}}"),
                    description="Running containers, healthy or without a health check, on "
                    "engines that answer.",
                ),
            ),
        ),
    ),
)
