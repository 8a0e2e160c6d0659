"""Services: what they are, how many replicas should run and do, what each may use."""

from collections.abc import Iterator
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.rules import replicas
from exporters.swarm.times import seconds
from exporters.swarm.view import ServiceView

__all__ = ["METRICS", "S", "image_parts", "samples"]

S: Final = ("service", "stack", "mode")
_BILLION: Final = 1e9

INFO = Metric(
    "swarm_service_info",
    "A service, with its image.",
    "info",
    (*S, "service_id", "image", "tag", "digest"),
    source="GET /services: ID, Spec.TaskTemplate.ContainerSpec.Image",
)
DESIRED = Metric(
    "swarm_service_desired_replicas",
    "Replicas that should run now: as set; one per fitting node (global); what has still to run (jobs).",
    labels=S,
    source="swarmkit, manager/orchestrator/{replicated,global,jobs}: see docs/metrics/README.md",
)
RUNNING = Metric(
    "swarm_service_running_replicas",
    "Slots (or nodes) with a wanted task that runs on a node that is not down.",
    labels=S,
    source="swarmkit, design/task_model.md; a dead node's tasks stay `running` for 24 h and are not counted",
)
ELIGIBLE = Metric(
    "swarm_service_eligible_nodes",
    "Nodes that would take a new task, resources and ports aside: ready, active, fitting.",
    labels=S,
    source="swarmkit, manager/scheduler/filter.go",
)
CPU_RESERVATION = Metric(
    "swarm_service_cpu_reservation_cores",
    "Cores reserved for each task.",
    labels=S,
    unit="cores",
    source="GET /services: TaskTemplate.Resources.Reservations",
    when="Absent when not set.",
)
MEMORY_RESERVATION = Metric(
    "swarm_service_memory_reservation_bytes",
    "Memory reserved for each task.",
    labels=S,
    unit="bytes",
    source="GET /services: TaskTemplate.Resources.Reservations",
    when="Absent when not set.",
)
CPU_LIMIT = Metric(
    "swarm_service_cpu_limit_cores",
    "Cores that each task may use.",
    labels=S,
    unit="cores",
    source="GET /services: TaskTemplate.Resources.Limits",
    when="Absent when not set.",
)
MEMORY_LIMIT = Metric(
    "swarm_service_memory_limit_bytes",
    "Memory that each task may use.",
    labels=S,
    unit="bytes",
    source="GET /services: TaskTemplate.Resources.Limits",
    when="Absent when not set.",
)
CREATED = Metric(
    "swarm_service_created_timestamp_seconds",
    "When a service was made, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /services: CreatedAt",
)
UPDATED = Metric(
    "swarm_service_updated_timestamp_seconds",
    "When a service's object changed last, by an operator or by the engine, in Unix time.",
    labels=S,
    unit="seconds",
    source="GET /services: UpdatedAt",
)

METRICS: Final = (
    INFO,
    DESIRED,
    RUNNING,
    ELIGIBLE,
    CPU_RESERVATION,
    MEMORY_RESERVATION,
    CPU_LIMIT,
    MEMORY_LIMIT,
    CREATED,
    UPDATED,
)


def image_parts(image: str) -> tuple[str, str, str]:
    """Return an image's name, tag and digest, the latter two "" when it has none.

    A colon before the last slash is a registry's port (distribution, reference/reference.go).
    """
    named, _, digest = image.partition("@")
    path, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return path + slash + name, tag, digest


def samples(view: ServiceView) -> Iterator[Sample]:
    """Yield a service's samples."""
    service, labels = view.service, view.labels
    template = service.spec.task_template
    image = image_parts(template.container_spec.image if template.container_spec else "")
    yield INFO, (*labels, service.id, *image), 1
    yield DESIRED, labels, replicas.desired(service, view.tasks, view.nodes)
    yield RUNNING, labels, replicas.running(service, view.tasks, view.nodes)
    yield ELIGIBLE, labels, replicas.eligible(service, view.nodes)
    resources = template.resources
    for cpu, memory, amounts in (
        (CPU_RESERVATION, MEMORY_RESERVATION, resources.reservations if resources else None),
        (CPU_LIMIT, MEMORY_LIMIT, resources.limits if resources else None),
    ):
        if amounts and amounts.nano_cpus:
            yield cpu, labels, amounts.nano_cpus / _BILLION
        if amounts and amounts.memory_bytes:
            yield memory, labels, amounts.memory_bytes
    yield CREATED, labels, seconds(service.created_at)
    yield UPDATED, labels, seconds(service.updated_at)
