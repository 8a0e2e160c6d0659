"""Jobs: services whose tasks are meant to end."""

from collections.abc import Iterator
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.kinds.service import S
from exporters.swarm.rules.replicas import job
from exporters.swarm.rules.states import is_job, iteration
from exporters.swarm.times import seconds
from exporters.swarm.view import ServiceView

__all__ = ["METRICS", "samples"]

COMPLETIONS = Metric(
    "swarm_service_job_completions",
    "Slots (or nodes) of a job's current iteration that completed.",
    labels=S,
    source="swarmkit, manager/orchestrator/jobs; GET /tasks: JobIteration, Status.State",
    when="Jobs only.",
)
DESIRED = Metric(
    "swarm_service_job_desired_completions",
    "Completions that a job wants: its total, or one per fitting node.",
    labels=S,
    source="swarmkit, manager/orchestrator/jobs: TotalCompletions; nodes active and not down, or completed",
    when="Jobs only.",
)
FAILED = Metric(
    "swarm_service_job_failed_replicas",
    "Slots (or nodes) of a job's current iteration that failed and are not being tried again.",
    labels=S,
    source="GET /tasks: failed, rejected or orphaned, with no wanted task in the same place",
    when="Jobs only.",
)
ITERATION = Metric(
    "swarm_service_job_iteration",
    "A job's iteration: how often it was started again.",
    labels=S,
    source="GET /services: JobStatus.JobIteration",
    when="Jobs only.",
)
LAST_EXECUTION = Metric(
    "swarm_service_job_last_execution_timestamp_seconds",
    "When a job's current iteration began, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /services: JobStatus.LastExecution",
    when="Jobs only.",
)

METRICS: Final = (COMPLETIONS, DESIRED, FAILED, ITERATION, LAST_EXECUTION)


def samples(view: ServiceView) -> Iterator[Sample]:
    """Yield a job's samples; none for a service that is no job."""
    service, labels = view.service, view.labels
    if not is_job(service):
        return
    state = job(service, view.tasks, view.nodes)
    yield COMPLETIONS, labels, state.completed
    yield DESIRED, labels, state.wanted
    yield FAILED, labels, state.failed
    yield ITERATION, labels, iteration(service)
    if service.job_status:
        yield LAST_EXECUTION, labels, seconds(service.job_status.last_execution)
