"""The table of test_truth: services, and what must be told of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["GONE", "SERVICES", "Told"]

GONE = -1


@dataclass(frozen=True)
class Told:
    """A figure that must have been told: at some time, or to the end. Values are least ones with `ever`."""

    metric: str
    value: float = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    ever: bool = False
    states: tuple[str, ...] = ()


def _state(*states: str) -> Told:
    """Return that the update ends in this state; in one of several, where it is the Swarm's luck in which."""
    return Told("swarm_service_update_state", 1, states=states)


def _failures(kind: str, least: int = 1) -> Told:
    return Told("swarm_service_failures_total", least, {"class": kind}, ever=True)


def _pending(reason: str, tasks: int) -> Told:
    return Told("swarm_service_pending_tasks", tasks, {"reason": reason})


_LOOPS = Told("swarm_service_crash_looping", 1, ever=True)

# Service, then running and desired at the end (None: changes by itself), and what must be told.
SERVICES: list[tuple[str, int | None, int | None, list[Told]]] = [
    ("bad-image", 0, 2, [_failures("image"), Told("swarm_service_tasks", 0, {"state": "running"})]),
    ("bad-image-global", 0, 3, [_failures("image", 3)]),
    ("crash", None, 1, [_failures("exit_nonzero", 3), _LOOPS]),
    ("crash-global", None, 3, [_failures("exit_nonzero", 3)]),
    ("gave-up", 0, 3, [_failures("exit_nonzero", 3)]),
    ("sick", None, 1, [_failures("unhealthy", 2)]),
    ("sick-pause", None, 2, [_state("paused"), _failures("unhealthy")]),
    ("sick-continue", 0, 2, [_failures("unhealthy", 2)]),
    ("sick-rollback", 2, 2, [_state("rollback_completed"), _failures("unhealthy")]),
    ("rollback-fails", None, 2, [_state("rollback_paused", "rollback_completed"), _failures("exit_nonzero")]),
    ("constrained", 2, 2, [_state("none"), Told("swarm_service_eligible_nodes", 2)]),
    ("labelled", 1, 1, [_state("none"), Told("swarm_service_eligible_nodes", 1)]),
    ("job", 0, 0, [Told("swarm_service_job_completions", 3)]),
    ("job-global", 0, 0, [Told("swarm_service_job_completions", 3)]),
    ("job-fails", None, 1, [_failures("exit_nonzero"), Told("swarm_service_job_completions", 0)]),
    ("job-fails-global", None, 3, [_failures("exit_nonzero", 3), Told("swarm_service_job_completions", 0)]),
    ("job-runs", 2, 2, [Told("swarm_service_job_desired_completions", 2)]),
    ("job-runs-global", 3, 3, [Told("swarm_service_job_desired_completions", 3)]),
    ("start-first", 3, 3, [_state("completed")]),
    ("max-per-node", 3, 4, [_pending("max_replicas", 1)]),
    ("port-taken", 3, 4, [_pending("host_port", 1)]),
    ("no-node", 0, 2, [_pending("constraints", 2)]),
    ("no-memory", 0, 1, [_pending("insufficient_resources", 1)]),
    ("removed", GONE, GONE, []),
    ("zero", 0, 0, [_state("none")]),
    ("to-zero", 0, 0, [_state("none")]),
    ("scaled", 1, 1, []),
    ("stacked", 4, 4, []),
]
