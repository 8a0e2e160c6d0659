"""A service's tasks: where they stand, why they wait, how they fail."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.kinds.service import S
from exporters.swarm.rules import failures, pending
from exporters.swarm.rules.states import STATES, wanted
from exporters.swarm.times import seconds
from exporters.swarm.view import ServiceView

__all__ = ["METRICS", "samples"]

TASKS = Metric(
    "swarm_service_tasks",
    "Wanted tasks by the state they are in; history is not counted, a dead node's retired tasks neither.",
    labels=(*S, "state"),
    source="swarmkit, design/task_model.md; GET /tasks: DesiredState, Status.State",
)
PENDING = Metric(
    "swarm_service_pending_tasks",
    "Tasks that wait for a node, by the scheduler's reason.",
    labels=(*S, "reason"),
    source="GET /tasks: Status.Err (swarmkit, manager/scheduler/pipeline.go)",
)
PENDING_SINCE = Metric(
    "swarm_service_pending_since_timestamp_seconds",
    "When the oldest task that waits for a node was made, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /tasks: CreatedAt",
    when="Absent while no task waits.",
)
FAILURES = Metric(
    "swarm_service_failures_total",
    "Tasks that failed, each counted once, from this exporter's start on.",
    "counter",
    (*S, "class"),
    source="GET /tasks: new IDs in state failed, rejected or orphaned, or on a node that is down",
)
RESTARTS = Metric(
    "swarm_service_restarts_total",
    "Tasks that were replaced after they ended by themselves, from this exporter's start on.",
    "counter",
    (*S, "class"),
    source="swarmkit, manager/orchestrator/restart: a newer task in the slot of one that ended",
)
LAST_FAILURE = Metric(
    "swarm_service_last_failure_timestamp_seconds",
    "When a task failed or was rejected last, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /tasks: Status.Timestamp",
    when="Absent when the engine's history has none.",
)
LAST_EXIT_CODE = Metric(
    "swarm_service_last_failure_exit_code",
    "Exit code of the task that failed last; 0 when it did not start.",
    labels=S,
    source="GET /tasks: Status.ContainerStatus.ExitCode",
    when="Absent when the engine's history has none.",
)
CRASH_LOOPING = Metric(
    "swarm_service_crash_looping",
    "Slots (or nodes) in which tasks failed at least 3 times within 10 minutes.",
    labels=S,
    source="GET /tasks: the history, five tasks to a slot (swarmkit, TaskHistoryRetentionLimit)",
)

METRICS: Final = (
    TASKS,
    PENDING,
    PENDING_SINCE,
    FAILURES,
    RESTARTS,
    LAST_FAILURE,
    LAST_EXIT_CODE,
    CRASH_LOOPING,
)


def samples(view: ServiceView) -> Iterator[Sample]:
    """Yield a service's samples."""
    labels = view.labels
    current = [task for task in view.tasks if wanted(view.service, task)]
    count = Counter(task.status.state for task in current)
    for state in STATES:
        yield TASKS, (*labels, state), count[state]
    waiting = [task for task in current if task.status.state in ("new", "allocated", "pending")]
    reasons = Counter(pending.reason(task.status.err) for task in waiting)
    for reason in pending.REASONS:
        yield PENDING, (*labels, reason), reasons[reason]
    if waiting:
        yield PENDING_SINCE, labels, min(seconds(task.created_at) for task in waiting)
    for kind in failures.CLASSES:
        yield FAILURES, (*labels, kind), view.failures.get(kind, 0)
    for kind in failures.RESTART_CLASSES:
        yield RESTARTS, (*labels, kind), view.restarts.get(kind, 0)
    if last := failures.last(view.tasks):
        yield LAST_FAILURE, labels, last.at
        yield LAST_EXIT_CODE, labels, last.exit_code
    yield CRASH_LOOPING, labels, failures.crash_looping(view.service, view.tasks, view.now)[0]
