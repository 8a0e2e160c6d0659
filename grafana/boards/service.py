"""One service: is it all there, where does it run, why not."""

from grafana.model import Board, Query, Row, Variable
from grafana.panels import series, stat, states, table

__all__ = ["BOARD"]

_S = '{service=~"$service"}'

BOARD = Board(
    uid="swarmstead-service",
    title="Swarm: service",
    description="One service: is it all there, where does it run, why does it not.",
    variables=(Variable("service", "Service", "swarm_service_info"),),
    rows=(
        Row(
            "Now",
            (
                stat(
                    "Desired",
                    Query(f"sum(service:swarm_service_desired_replicas:max{_S})"),
                    description="Replicas that should run now; for a job, tasks that should still run.",
                ),
                stat(
                    "Running",
                    Query(f"sum(service:swarm_service_running_replicas:max{_S})"),
                    description="As the managers say, without tasks on nodes that are down.",
                ),
                stat(
                    "Verified",
                    Query(f"sum(service:swarm_service_verified_replicas:sum{_S})"),
                    description="What living engines confirm.",
                ),
                stat(
                    "Nodes that fit",
                    Query(f"min(max by (service) (swarm_service_eligible_nodes{_S}))"),
                    description="Nodes that could take one more task: ready, active, "
                    "constraints and platform hold.",
                    steps=((None, "red"), (1, "orange"), (2, "green")),
                ),
                stat(
                    "Crash-looping replicas",
                    Query(f"sum(max by (service, mode) (swarm_service_crash_looping{_S}))"),
                    description="Replicas that failed three times within ten minutes.",
                    steps=((None, "green"), (1, "red")),
                ),
                stat(
                    "Oldest pending task",
                    Query(f"time() - min(swarm_service_pending_since_timestamp_seconds{_S})"),
                    description="How long the oldest task has waited for a node.",
                    unit="s",
                    steps=((None, "blue"), (60, "orange"), (300, "red")),
                    no_value="none",
                ),
            ),
        ),
        Row(
            "Replicas",
            (
                series(
                    "Desired, running, verified",
                    Query(f"sum(service:swarm_service_desired_replicas:max{_S})", legend="desired"),
                    Query(
                        f"sum(service:swarm_service_running_replicas:max{_S})", legend="running (managers)"
                    ),
                    Query(
                        f"sum(service:swarm_service_verified_replicas:sum{_S})", legend="verified (engines)"
                    ),
                    description="Where running and verified differ for long, an alert fires; "
                    "believe the engines.",
                ),
                series(
                    "Containers by node and health",
                    Query(
                        f"max by (hostname, health) (swarm_engine_service_containers{_S}) > 0",
                        legend="{{hostname}} {{health}}",
                    ),
                    description="Each node's own engine says this.",
                    stack=True,
                ),
                series(
                    "Tasks by state",
                    Query(
                        f"sum by (state) (max by (service, state) (swarm_service_tasks{_S})) > 0",
                        legend="{{state}}",
                    ),
                    description="Current tasks as the managers count them, not those of the past.",
                    stack=True,
                ),
                series(
                    "Pending tasks by reason",
                    Query(
                        f"sum by (reason) (max by (service, reason) (swarm_service_pending_tasks{_S})) > 0",
                        legend="{{reason}}",
                    ),
                    description="Why no node takes them.",
                    stack=True,
                ),
            ),
        ),
        Row(
            "Failures",
            (
                series(
                    "Failures by class",
                    Query(
                        f"sum by (class) (increase(swarm_service_failures_total{_S}[$__rate_interval]))",
                        legend="{{class}}",
                    ),
                    description="Tasks that failed, by how.",
                ),
                series(
                    "Restarts by class",
                    Query(
                        f"sum by (class) (increase(swarm_service_restarts_total{_S}[$__rate_interval]))",
                        legend="{{class}}",
                    ),
                    description="Tasks that replaced one that ended; exit_zero too.",
                ),
                table(
                    "Last failure",
                    Query(
                        f"time() - max by (service) (swarm_service_last_failure_timestamp_seconds{_S})",
                        table=True,
                    ),
                    Query(f"max by (service) (swarm_service_last_failure_exit_code{_S})", table=True),
                    description="Of those in the engine's history.",
                    join="service",
                    columns={"service": "Service", "Value #A": "Before", "Value #B": "Exit code"},
                    units={"Before": "s"},
                    width=12,
                    height=7,
                ),
                series(
                    "Killed for memory",
                    Query(
                        f"sum by (hostname) (increase(swarm_engine_oom_kills_total{_S}[$__rate_interval]))",
                        legend="{{hostname}}",
                    ),
                    description="Processes that the kernel killed, by node.",
                    height=7,
                ),
            ),
        ),
        Row(
            "Update and jobs",
            (
                states(
                    "Update state",
                    Query(
                        f"max by (service, state) (swarm_service_update_state{_S}) == 1",
                        legend="{{service}} {{state}}",
                    ),
                    description="A lane per state the service was in; rollback_paused needs a person.",
                    colours={"1": ("in this state", "blue")},
                    width=12,
                ),
                series(
                    "Job: completed of wanted",
                    Query(
                        f"max by (service) (swarm_service_job_completions{_S})",
                        legend="{{service}} completed",
                    ),
                    Query(
                        f"max by (service) (swarm_service_job_desired_completions{_S})",
                        legend="{{service}} wanted",
                    ),
                    Query(
                        f"max by (service) (swarm_service_job_failed_replicas{_S})",
                        legend="{{service}} failed",
                    ),
                    description="Of the present run of the job.",
                ),
            ),
        ),
    ),
)
