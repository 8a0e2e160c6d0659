"""Task states and what follows from their order (swarmkit, api/types.proto, design/task_model.md)."""

from typing import Final

from exporters.engine import Node, Service, Task

__all__ = ["STATES", "alive", "is_job", "iteration", "key", "wanted"]

STATES: Final = (
    "new",
    "allocated",
    "pending",
    "assigned",
    "accepted",
    "preparing",
    "ready",
    "starting",
    "running",
    "complete",
    "shutdown",
    "failed",
    "rejected",
    "remove",
    "orphaned",
)
_UP_TO_RUNNING: Final = frozenset(STATES[: STATES.index("running") + 1])
_UP_TO_COMPLETE: Final = _UP_TO_RUNNING | {"complete"}


def is_job(service: Service) -> bool:
    """Return whether a service's tasks are meant to end."""
    return service.mode in ("replicated-job", "global-job")


def iteration(service: Service) -> int:
    """Return a job's current iteration; earlier ones are history."""
    return service.job_status.job_iteration.index if service.job_status else 0


def wanted(service: Service, task: Task) -> bool:
    """Return whether the orchestrator still wants a task, whatever became of it.

    A task that is not wanted any more has DesiredState shutdown or remove, also while a dead node still
    shows it running. A job wants its tasks to be complete, and only those of its current iteration.
    """
    if not is_job(service):
        return task.desired_state in _UP_TO_RUNNING
    of = task.job_iteration.index if task.job_iteration else 0
    return task.desired_state in _UP_TO_COMPLETE and of == iteration(service)


def key(service: Service, task: Task) -> str | int:
    """Return what a task fills: a node (global modes) or a slot. start-first puts two tasks into one slot."""
    return task.node_id if service.mode.startswith("global") else task.slot


def alive(node: Node | None) -> bool:
    """Return whether a node's tasks may be believed: it exists and is not down.

    `unknown` and `disconnected` come at every leader change and are no sign of death (moby#25189).
    """
    return node is not None and node.status.state != "down"
