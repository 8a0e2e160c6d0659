"""Deploy a stack and wait until it has really become what its file says."""

import time
from pathlib import Path

from swarmstead.errors import SwarmsteadError, Unreachable
from swarmstead.progress import Reporter
from swarmstead.stop import Stop

from .converge import judge
from .docker import Docker

__all__ = ["roll_out", "wait_converged"]

_EVERY_SECONDS = 0.5


def roll_out(
    docker: Docker,
    file: Path,
    stack: str,
    *,
    from_registry: bool,
    seconds: float,
    stop: Stop,
    reporter: Reporter,
) -> dict[str, int]:
    """Deploy, wait; return service name to running tasks. See `wait_converged` for what is raised."""
    docker.deploy(file, stack, from_registry=from_registry)
    return wait_converged(docker, stack, seconds=seconds, stop=stop, reporter=reporter)


def wait_converged(
    docker: Docker, stack: str, *, seconds: float, stop: Stop, reporter: Reporter
) -> dict[str, int]:
    """Wait until every service of the stack runs as specified.

    Raises SwarmsteadError for an update that was paused or rolled back, Unreachable when `seconds` are over,
    both with the newest error of a task; Stopped when asked to stop.
    """
    end = time.monotonic() + seconds
    while True:
        stop.check()
        nodes = docker.ready_nodes()
        states = {
            service["Spec"]["Name"]: judge(service, docker.tasks(service["ID"]), nodes)
            for service in docker.services(stack)
        }
        for name, state in states.items():
            if state.failed:
                raise SwarmsteadError(
                    f"{state.failed} {state.last_error}".strip(),
                    subject=f"service {name}",
                    hint=f"docker service ps --no-trunc {name}",
                )
        if states and all(state.done for state in states.values()):
            return {name: state.running for name, state in states.items()}
        if time.monotonic() > end:
            waiting = {name: state for name, state in states.items() if not state.done}
            words = ", ".join(
                f"{name} {s.running}/{s.wanted} {s.last_error}".strip() for name, s in waiting.items()
            )
            raise Unreachable(
                f"not all replicas run after {seconds:.0f} s: {words or 'no service is there'}",
                subject=f"stack {stack}",
                hint=f"docker stack ps --no-trunc {stack}",
            )
        reporter.event(
            "waiting", **{name: f"{state.running}/{state.wanted}" for name, state in states.items()}
        )
        stop.wait(_EVERY_SECONDS)
