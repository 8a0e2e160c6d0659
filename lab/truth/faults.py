"""The faults that a test or a bench makes, and how each is mended. Services to see them by."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.node import Node
from lab.truth.stage import Stage
from lab.truth.world import Fate, Service

__all__ = ["LOSSES", "STAYS", "Loss", "create", "lose", "regain", "set_availability"]

STAYS = ("sh", "-c", 'trap "exit 143" TERM; sleep 1000 & wait')
"""A command that runs until it is told to end, and then ends at once."""
_JOB_STAYS = ("sleep", "1000")  # as PID 1 deaf to SIGTERM: a job that ends well when told to is complete


@dataclass(frozen=True)
class Loss:
    """A way to lose a node: what becomes of it, how it is made and mended."""

    fate: Fate
    make: Callable[[Stage, Node], None]
    mend: Callable[[Stage, Node], None]
    told: float = 0.0
    """Seconds until the exporter beside it can know, where that is more than the rule's two."""


def _kill(_: Stage, node: Node) -> None:
    node.kill()


def _kill_engine(_: Stage, node: Node) -> None:
    node.kill(only_dockerd=True)


def _start(_: Stage, node: Node) -> None:
    node.start()


def _hang(_: Stage, node: Node) -> None:
    node.pause()


def _resume(_: Stage, node: Node) -> None:
    node.resume()


def _hang_engine(_: Stage, node: Node) -> None:
    """Stop dockerd alone: containers and the exporter go on, and calls to the engine do not come back."""
    pid = node.dockerd
    if pid is not None:
        os.kill(pid, signal.SIGSTOP)


def _cut(_: Stage, node: Node) -> None:
    node.partition()


def _part(stage: Stage, node: Node) -> None:
    node.partition(*(other for other in stage.lab.nodes if other.name != node.name))


def _heal(stage: Stage, node: Node) -> None:
    stage.lab.heal(node)


LOSSES = {
    "killed": Loss(Fate.DEAD, _kill, _start),
    "hung": Loss(Fate.DEAD, _hang, _resume),
    "engine killed": Loss(Fate.DEAD, _kill_engine, _start),
    "engine hung": Loss(Fate.DEAD, _hang_engine, _resume, told=7.0),
    "cable pulled": Loss(Fate.CUT, _cut, _heal),
    "two sides": Loss(Fate.APART, _part, _heal),
}
"""By kind."""


def lose(stage: Stage, kind: str, *names: str, quorum: bool | None = None, called: str = "") -> None:
    """Lose nodes in this way, and wait until the managers have noticed.

    quorum: what becomes of it. called: another word for it in tables.
    """
    loss = LOSSES[kind]
    with stage.turn(called or kind, fates=dict.fromkeys(names, loss.fate), quorum=quorum, told=loss.told):
        for name in names:
            loss.make(stage, stage.lab.node(name))


def regain(stage: Stage, kind: str, *names: str, quorum: bool | None = None, called: str = "") -> None:
    """Mend what `lose` made, and wait until the managers have noticed."""
    with stage.turn(f"{called or kind}, back", fates=dict.fromkeys(names, Fate.UP), quorum=quorum):
        nodes = [stage.lab.node(name) for name in names]
        stage.lab.each(lambda node: LOSSES[kind].mend(stage, node), nodes)
        for node in nodes:
            stage.watch(node)


def set_availability(stage: Stage, name: str, availability: str, kind: str = "") -> None:
    """Set a node's availability to active, pause or drain."""
    with stage.turn(kind or availability, availability={name: availability}):
        stage.docker("node", "update", "--availability", availability, name)


def create(
    stage: Stage, image: str, service: Service, *options: str, command: Sequence[str] = (), kind: str = ""
) -> None:
    """Create a service as it is described, with more options of `docker service create`.

    command: what it runs; without it, something that stays.
    """
    if not command:
        command = _JOB_STAYS if service.mode.endswith("job") else STAYS
    mode = ["--mode", service.mode]
    if not service.mode.startswith("global"):
        mode += ["--replicas", str(service.replicas)]
    with stage.turn(kind, services=[service]):
        stage.docker(
            "service", "create", "-d", "--no-resolve-image", "--stop-grace-period", "1s",
            "--name", service.name, *mode, *options, image, *command,
        )  # fmt: skip
