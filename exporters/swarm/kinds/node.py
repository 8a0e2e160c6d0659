"""Nodes, as the managers list them. Only the instance that answers for the cluster shows them."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from exporters.engine import Node, Task
from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample, states
from exporters.swarm.rules.states import STATES, wanted
from exporters.swarm.times import seconds
from exporters.swarm.view import ClusterView

__all__ = ["AVAILABILITIES", "METRICS", "NODE_STATES", "REACHABILITIES", "samples"]

NODE_STATES: Final = ("unknown", "down", "ready", "disconnected")
AVAILABILITIES: Final = ("active", "pause", "drain")
REACHABILITIES: Final = ("unknown", "unreachable", "reachable")
_N: Final = ("node_id", "hostname")
_BILLION: Final = 1e9

INFO = Metric(
    "swarm_node_info",
    "A node of the swarm.",
    "info",
    (*_N, "role", "engine_version", "os", "arch", "address"),
    source="GET /nodes: Spec.Role, Description, Status.Addr; of managers ManagerStatus.Addr (moby#35437)",
)
STATE = Metric(
    "swarm_node_state",
    "State of a node as the managers see it, 1 for the current one.",
    labels=(*_N, "state"),
    source="GET /nodes: Status.State; down after 3 missed heartbeats of 5 s (swarmkit, manager/dispatcher)",
)
AVAILABILITY = Metric(
    "swarm_node_availability",
    "Availability that an operator gave a node, 1 for the current one.",
    labels=(*_N, "state"),
    source="GET /nodes: Spec.Availability",
)
REACHABILITY = Metric(
    "swarm_node_reachability",
    "Whether the leader reaches a manager, 1 for the current state.",
    labels=(*_N, "state"),
    source="GET /nodes: ManagerStatus.Reachability",
    when="Managers only.",
)
LEADER = Metric(
    "swarm_node_leader",
    "Whether a manager leads the swarm.",
    labels=_N,
    source="GET /nodes: ManagerStatus.Leader",
    when="Managers only.",
)
CPU_CAPACITY = Metric(
    "swarm_node_cpu_capacity_cores",
    "Cores of a node.",
    labels=_N,
    unit="cores",
    source="GET /nodes: Description.Resources.NanoCPUs",
)
MEMORY_CAPACITY = Metric(
    "swarm_node_memory_capacity_bytes",
    "Memory of a node.",
    labels=_N,
    unit="bytes",
    source="GET /nodes: Description.Resources.MemoryBytes",
)
CPU_RESERVED = Metric(
    "swarm_node_cpu_reserved_cores",
    "Cores reserved on a node by its wanted tasks.",
    labels=_N,
    unit="cores",
    source="swarmkit, manager/scheduler/nodeinfo.go: a task's reservations count until it is done",
)
MEMORY_RESERVED = Metric(
    "swarm_node_memory_reserved_bytes",
    "Memory reserved on a node by its wanted tasks.",
    labels=_N,
    unit="bytes",
    source="swarmkit, manager/scheduler/nodeinfo.go: a task's reservations count until it is done",
)
TASKS = Metric(
    "swarm_node_tasks",
    "Wanted tasks of a node by the state they are in.",
    labels=(*_N, "state"),
    source="swarmkit, design/task_model.md: wanted is DesiredState up to running (jobs: complete)",
)
CREATED = Metric(
    "swarm_node_created_timestamp_seconds",
    "When a node joined, in Unix time.",
    labels=_N,
    unit="seconds",
    source="GET /nodes: CreatedAt",
)

METRICS: Final = (
    INFO,
    STATE,
    AVAILABILITY,
    REACHABILITY,
    LEADER,
    CPU_CAPACITY,
    MEMORY_CAPACITY,
    CPU_RESERVED,
    MEMORY_RESERVED,
    TASKS,
    CREATED,
)
_DONE: Final = frozenset(STATES[STATES.index("complete") :])


def samples(view: ClusterView) -> Iterator[Sample]:
    """Yield every node's samples, by hostname."""
    tasks: dict[str, list[Task]] = {identity: [] for identity in view.nodes}
    for identity, service in view.services.items():
        for task in view.tasks[identity]:
            if task.node_id in tasks and wanted(service, task):
                tasks[task.node_id].append(task)
    for node in sorted(view.nodes.values(), key=lambda node: (node.description.hostname, node.id)):
        yield from _state(node)
        yield from _load(node, tasks[node.id])


def _state(node: Node) -> Iterator[Sample]:
    described, manager = node.description, node.manager_status
    labels = node.id, described.hostname
    # A manager's own address may read 0.0.0.0 or 127.0.0.1.
    address = manager.addr.rpartition(":")[0] if manager and manager.addr else node.status.addr
    engine, platform = described.engine.engine_version, described.platform
    yield INFO, (*labels, node.spec.role, engine, platform.os, platform.architecture, address), 1
    yield from states(STATE, labels, NODE_STATES, node.status.state)
    yield from states(AVAILABILITY, labels, AVAILABILITIES, node.spec.availability)
    if manager:
        yield from states(REACHABILITY, labels, REACHABILITIES, manager.reachability)
        yield LEADER, labels, int(manager.leader)
    yield CREATED, labels, seconds(node.created_at)


def _load(node: Node, tasks: list[Task]) -> Iterator[Sample]:
    labels = node.id, node.description.hostname
    reserved = [
        task.spec.resources.reservations
        for task in tasks
        if task.status.state not in _DONE and task.spec.resources and task.spec.resources.reservations
    ]
    have = node.description.resources
    yield CPU_CAPACITY, labels, have.nano_cpus / _BILLION
    yield MEMORY_CAPACITY, labels, have.memory_bytes
    yield CPU_RESERVED, labels, sum(each.nano_cpus for each in reserved) / _BILLION
    yield MEMORY_RESERVED, labels, sum(each.memory_bytes for each in reserved)
    count = Counter(task.status.state for task in tasks)
    for state in STATES:
        yield TASKS, (*labels, state), count[state]
