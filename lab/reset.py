"""Between two tests: everything back to how `up` left it, in as little time as that takes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab.errors import EngineError, LabError
from lab.process import signal_all, wait_until

if TYPE_CHECKING:
    from lab.cluster import Lab
    from lab.node import Node

__all__ = ["reset"]

_HELD_BY_SERVICES = (("networks", "Id"), ("secrets", "ID"), ("configs", "ID"))
_BUILT_IN = {"bridge", "host", "none", "ingress", "docker_gwbridge"}
_GHOST_SECONDS = 3.0
_PATIENCE = 20.0  # seconds; a task takes its stop_grace_period, unless its container is removed by force


def reset(lab: Lab) -> None:
    """Revive and heal the nodes, restore their availability and labels, remove all that was deployed.

    Raises LabError where the lab does not come back.
    """
    lab.each(_revive)
    lab.wait_ready()
    engine = lab.leader().engine
    _restore_nodes(lab)
    _remove_all(engine.call, "services", "ID")
    lab.each(_clean)  # by force: quicker than each task's own stop
    for kind, key in _HELD_BY_SERVICES:
        if not _remove_all(engine.call, kind, key):
            _restart(lab)
            _remove_all(lab.leader().engine.call, kind, key)
    lab.each(_clean)  # what a task that was just being started has left
    _await_tasks(engine.call)


def _await_tasks(call: Callable[..., Any]) -> None:
    """Wait until the tasks of removed services are gone, too; Engine 20.10 never forgets those of jobs."""

    def gone() -> bool:
        return all("JobIteration" in task for task in call("GET", "/tasks") or [])

    if not wait_until(gone, timeout=_PATIENCE, every=0.1):
        raise LabError("Tasks of removed services do not go away")


def _revive(node: Node) -> None:
    signal_all(node.members, signal.SIGCONT)
    node.heal()
    if node.dockerd is None:
        node.start()


def _restore_nodes(lab: Lab) -> None:
    call = lab.leader().engine.call
    for name, row in lab.swarm_nodes().items():
        role = "manager" if lab.node(name) in lab.managers else "worker"
        first = {"Role": role, "Availability": "active", "Labels": {}}
        now = {"Role": row["Spec"]["Role"], "Availability": row["Spec"]["Availability"]}
        if now | {"Labels": row["Spec"].get("Labels") or {}} != first:
            call("POST", f"/nodes/{row['ID']}/update?version={row['Version']['Index']}", first)


def _remove_all(call: Callable[..., Any], kind: str, key: str) -> bool:
    """Remove every object of a kind; a network is in use until its last task is gone.

    Return False where the engine lists only what the Swarm no longer knows: Engine 20.10 may keep a network
    whose last task ended while it was removed, until it is started again.
    """
    deadline = time.monotonic() + _PATIENCE
    unknown_since = None
    while True:
        rows = [row for row in call("GET", f"/{kind}") or [] if row.get("Name") not in _BUILT_IN]
        refusals = [refused for row in rows if (refused := _refused(call, f"/{kind}/{row[key]}"))]
        now = time.monotonic()
        if not rows:
            return True
        if len(refusals) < len(rows) or not all("not found" in refused.what for refused in refusals):
            unknown_since = None
        elif unknown_since is None:
            unknown_since = now
        elif now - unknown_since > _GHOST_SECONDS:
            return False
        if refusals and now > deadline:
            raise LabError(f"Could not remove {kind}: {refusals[0].what}") from refusals[0]
        time.sleep(0.1)


def _refused(call: Callable[..., Any], url: str) -> EngineError | None:
    try:
        call("DELETE", url)
    except EngineError as refused:
        return refused
    return None


def _restart(lab: Lab) -> None:
    """Start the leader's engine again."""
    node = lab.leader()
    node.kill(only_dockerd=True)
    node.start()
    lab.wait_ready()


def _clean(node: Node) -> None:
    """Remove the node's containers, volumes and own networks, and wait until they are gone."""
    call = node.engine.call
    deadline = time.monotonic() + _PATIENCE
    while True:
        containers = call("GET", "/containers/json?all=1") or []
        volumes = (call("GET", "/volumes") or {}).get("Volumes") or []
        if not containers and not volumes:
            call("POST", "/networks/prune")
            return
        if time.monotonic() > deadline:
            raise LabError(f"Containers or volumes of {node.name} do not go away")
        for url in [
            *(f"/containers/{row['Id']}?force=1&v=1" for row in containers),
            *(f"/volumes/{row['Name']}?force=1" for row in volumes),
        ]:
            _delete(call, url)
        time.sleep(0.05)


def _delete(call: Callable[..., Any], url: str) -> None:
    refused = _refused(call, url)
    if refused and not refused.status:  # the engine is gone; anything else is asked again
        raise refused
