"""Whether a service has become what its specification says: pure, over the engine's own records.

`docker stack deploy` returns before anything runs, and with ``--detach=false`` it exits 0 after a rollback;
so this judges by the service's update status and its tasks. A task that has a health check is ``running``
only once it was healthy (swarmkit agent/exec/controller.go).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Convergence", "judge"]

_FAILED_UPDATES = {"paused", "rollback_started", "rollback_paused", "rollback_completed"}
_GONE = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}


@dataclass(frozen=True, slots=True)
class Convergence:
    """running of wanted tasks are what the specification says; `failed` tells why they never will be."""

    running: int
    wanted: int
    failed: str = ""
    last_error: str = ""

    @property
    def done(self) -> bool:
        """Return whether all run as specified."""
        return not self.failed and self.wanted > 0 and self.running >= self.wanted


def judge(service: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], nodes: int) -> Convergence:
    """Judge one service.

    service, tasks: as the engine's API gives them. nodes: how many ready and active nodes may run it,
    which is what a global service wants.
    """
    spec = service["Spec"]
    mode = spec.get("Mode", {})
    wanted = int(mode["Replicated"].get("Replicas", 1)) if "Replicated" in mode else nodes
    template = spec["TaskTemplate"]
    ours = [task for task in tasks if _same(task.get("Spec", {}), template)]
    running = [task for task in ours if _is(task, "running")]
    old = [task for task in tasks if task not in ours and task["Status"]["State"] not in _GONE]
    errors = [task["Status"].get("Err", "") for task in ours]
    update = (service.get("UpdateStatus") or {}).get("State", "")
    failed = ""
    if update in _FAILED_UPDATES:
        failed = f"the update is {update}: {service['UpdateStatus'].get('Message', '')}"
    still_updating = update == "updating" or any(task.get("DesiredState") == "running" for task in old)
    count = min(len(running), wanted - 1) if still_updating else len(running)
    return Convergence(count, wanted, failed, next((error for error in errors if error), ""))


def _is(task: Mapping[str, Any], state: str) -> bool:
    return bool(task.get("DesiredState") == state and task["Status"]["State"] == state)


def _same(task: Mapping[str, Any], template: Mapping[str, Any]) -> bool:
    """Return whether a task was made from the template, by what swarmkit's IsTaskDirty looks at."""
    return bool(
        _filled(task.get("ContainerSpec")) == _filled(template.get("ContainerSpec"))
        and task.get("ForceUpdate", 0) == template.get("ForceUpdate", 0)
    )


def _filled(value: Any) -> Any:
    """Return the value without what is empty: the engine adds zero values on one of the two ways."""
    if isinstance(value, Mapping):
        return {key: inner for key, each in value.items() if (inner := _filled(each))}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return value
