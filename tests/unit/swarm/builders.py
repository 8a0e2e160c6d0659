"""Short ways to write nodes, services and tasks."""

from exporters.engine import Node, Service, Task
from exporters.engine.records import (
    ContainerStatus,
    Description,
    Empty,
    EngineDescription,
    Index,
    JobStatus,
    ManagerStatus,
    Mode,
    NodeSpec,
    NodeStatus,
    Placement,
    Platform,
    Replicated,
    ReplicatedJob,
    ServiceSpec,
    TaskStatus,
    TaskTemplate,
)


def node(
    name: str = "n1",
    state: str = "ready",
    availability: str = "active",
    *,
    labels: dict[str, str] | None = None,
    engine_labels: dict[str, str] | None = None,
    manager: str | None = None,
    leader: bool = False,
    address: str = "10.0.0.1",
    arch: str = "x86_64",
) -> Node:
    return Node(
        id=name,
        spec=NodeSpec(role="manager" if manager else "worker", availability=availability, labels=labels),
        description=Description(
            hostname=f"host-{name}",
            platform=Platform(architecture=arch, os="linux"),
            engine=EngineDescription(labels=engine_labels),
        ),
        status=NodeStatus(state=state, addr=address),
        manager_status=ManagerStatus(leader=leader, reachability=manager) if manager else None,
    )


def service(
    mode: str = "replicated",
    replicas: int | None = 3,
    *,
    constraints: list[str] | None = None,
    concurrent: int | None = None,
    iteration: int = 0,
    platforms: list[Platform] | None = None,
    name: str = "web",
    labels: dict[str, str] | None = None,
) -> Service:
    modes = {
        "replicated": Mode(replicated=Replicated(replicas=replicas)),
        "global": Mode(global_=Empty()),
        "replicated-job": Mode(
            replicated_job=ReplicatedJob(max_concurrent=concurrent, total_completions=replicas)
        ),
        "global-job": Mode(global_job=Empty()),
    }
    template = TaskTemplate(placement=Placement(constraints=constraints, platforms=platforms))
    return Service(
        id=f"id-{name}",
        spec=ServiceSpec(name=name, labels=labels, task_template=template, mode=modes[mode]),
        job_status=JobStatus(job_iteration=Index(index=iteration)) if mode.endswith("job") else None,
    )


def task(
    where: str = "n1",
    slot: int = 1,
    state: str = "running",
    desired: str = "running",
    *,
    identity: str = "",
    iteration: int | None = None,
    error: str = "",
    code: int | None = None,
    created: str = "2026-11-25T00:00:00Z",
    at: str = "2026-11-25T00:00:00Z",
    of: str = "id-web",
) -> Task:
    return Task(
        id=identity or f"{where}.{slot}.{state}.{desired}.{created}",
        service_id=of,
        status=TaskStatus(
            state=state,
            timestamp=at,
            err=error,
            container_status=None if code is None else ContainerStatus(exit_code=code),
        ),
        desired_state=desired,
        created_at=created,
        slot=slot,
        node_id=where,
        job_iteration=None if iteration is None else Index(index=iteration),
    )
