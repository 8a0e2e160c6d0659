"""How many replicas of a service should run, and how many do: swarmkit's own rules, in all four modes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporters.engine import Node, Service, Task
from exporters.swarm.rules import constraints
from exporters.swarm.rules.states import alive, is_job, iteration, key, wanted

__all__ = ["Job", "desired", "eligible", "job", "running", "running_keys"]

_ENDED_BADLY = frozenset({"failed", "rejected", "orphaned"})


def running_keys(service: Service, tasks: Iterable[Task], nodes: Mapping[str, Node]) -> set[str | int]:
    """Return the slots or nodes that are filled: by a wanted task, in state running, on a node not down."""
    return {
        key(service, task)
        for task in tasks
        if task.status.state == "running" and wanted(service, task) and alive(nodes.get(task.node_id))
    }


def running(service: Service, tasks: Iterable[Task], nodes: Mapping[str, Node]) -> int:
    """Return how many replicas run."""
    return len(running_keys(service, tasks, nodes))


def desired(service: Service, tasks: Iterable[Task], nodes: Mapping[str, Node]) -> int:
    """Return how many replicas should run now.

    replicated: as set. global: one per node that may have one (`_global_nodes`). Jobs: what has still to
    run, at most as many at once as the job allows.
    """
    mode = service.spec.mode
    if mode.global_ is not None:
        return len(_global_nodes(service, tasks, nodes))
    if is_job(service):
        state = job(service, tasks, nodes)
        left = max(0, state.wanted - state.completed)
        concurrent = mode.replicated_job.max_concurrent if mode.replicated_job else None
        # swarmkit's default: as many at once as are wanted in all (api/defaults).
        return left if concurrent is None else min(left, concurrent)
    return (mode.replicated.replicas if mode.replicated else None) or 0


def _global_nodes(service: Service, tasks: Iterable[Task], nodes: Mapping[str, Node]) -> set[str]:
    """Return the nodes that must run a global service (swarmkit, orchestrator/global/global.go).

    Not down, not drained, constraints met. A paused node keeps what it has and gets nothing new. Platforms
    are not looked at: a node of another platform gets a task that waits for ever, and so is wanted.
    """
    has = {task.node_id for task in tasks if wanted(service, task)}
    wishes = constraints.of(service)
    return {
        node.id
        for node in nodes.values()
        if alive(node)
        and (node.spec.availability == "active" or (node.spec.availability == "pause" and node.id in has))
        and constraints.meets(node, wishes)
    }


def eligible(service: Service, nodes: Mapping[str, Node]) -> int:
    """Return how many nodes would take a new task, resources and ports aside (scheduler/filter.go)."""
    wishes = constraints.of(service)
    return sum(
        1
        for node in nodes.values()
        if node.status.state == "ready"
        and node.spec.availability == "active"
        and constraints.meets(node, wishes)
        and constraints.platform_fits(node, service)
    )


@dataclass(frozen=True, slots=True)
class Job:
    """A job's progress in its current iteration.

    completed, wanted: completions. failed: slots or nodes that ended badly and are not being tried again.
    """

    completed: int
    wanted: int
    failed: int


def job(service: Service, tasks: Iterable[Task], nodes: Mapping[str, Node]) -> Job:
    """Return a job's progress (swarmkit, orchestrator/jobs/replicated and /global).

    A replicated job wants its total; a global one a completion on every node that is active, not down and
    meets the constraints, and on those that completed it or are still at it: a node that is drained or paused
    meanwhile keeps its task.
    """
    now = iteration(service)
    current = [t for t in tasks if (t.job_iteration.index if t.job_iteration else 0) == now]
    done = {key(service, task) for task in current if task.status.state == "complete"}
    bad = {key(service, task) for task in current if task.status.state in _ENDED_BADLY}
    trying = {
        key(service, task)
        for task in current
        if wanted(service, task)
        and task.status.state not in _ENDED_BADLY
        and (not task.node_id or alive(nodes.get(task.node_id)))
    }
    mode = service.spec.mode.replicated_job
    if mode is not None:
        total = mode.total_completions if mode.total_completions is not None else mode.max_concurrent
        return Job(len(done), total if total is not None else 1, len(bad - done - trying))
    wishes = constraints.of(service)
    places: set[str | int] = {
        node.id
        for node in nodes.values()
        if node.status.state != "down"
        and node.spec.availability == "active"
        and constraints.meets(node, wishes)
    }
    places |= done | trying
    return Job(len(done), len(places), len((bad - done - trying) & places))
