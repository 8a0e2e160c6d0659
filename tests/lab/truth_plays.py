"""The plays of test_truth: what is done to three real Swarms at once, and what was recorded meanwhile."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import Lab
from lab.process import wait_until
from lab.truth import (
    LOSSES,
    STAYS,
    Fate,
    Service,
    Stage,
    Verdict,
    create,
    lose,
    regain,
    set_availability,
    slots,
)
from tests.lab.truth_cases import GONE, SERVICES

__all__ = ["PLAYS", "Record", "play"]

_ROOT = Path(__file__).parents[2]
_EXPORTER = [str(Path(sys.executable).with_name("swarm-exporter")), "--engine", "unix:///run/docker.sock"]
_WORKERS = frozenset({"n2", "n3"})


@dataclass
class Record:
    """What a play left: verdicts, and the stage to ask for figures."""

    stage: Stage
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    def scene(self, name: str, act: Callable[[], None]) -> None:
        began = time.monotonic()
        act()
        self.spans[name] = (began, time.monotonic())


# The plays

_SICK = ("--health-cmd", "false", "--health-interval", "500ms", "--health-retries", "1")
_WELL = ("--health-cmd", "true", "--health-interval", "500ms")
_CRASH = ("sh", "-c", "sleep 0.5; exit 3")
_MONITOR = ("--update-monitor", "3s", "--rollback-monitor", "3s")
_FAST = ("--restart-delay", "1s", *_MONITOR)
_SLOW = ("--restart-delay", "4s", *_MONITOR)


def _services(stage: Stage, record: Record) -> None:
    """Some thirty services at once, each with a trouble of its own."""
    image = stage.lab.load_base("base")
    stage.docker("node", "update", "--label-add", "zone=a", "n2")
    stage.docker("node", "update", "--label-add", "zone=a", "n3")

    def make(service: Service, *options: str, command: tuple[str, ...] = (), of: str = image) -> None:
        create(stage, of, service, *options, command=command)

    make(Service("bad-image", replicas=2), *_SLOW, of="lab/nowhere:1")
    make(Service("bad-image-global", "global"), *_SLOW, of="lab/nowhere:1")
    make(Service("crash", replicas=1, churns=True), *_FAST, command=_CRASH)
    make(Service("crash-global", "global", churns=True), *_SLOW, command=_CRASH)
    make(Service("gave-up", "global", churns=True), "--restart-condition", "none", command=_CRASH)
    make(Service("sick"), *_SICK, *_FAST)
    for action in ("pause", "continue", "rollback"):
        make(Service(f"sick-{action}", replicas=2), *_WELL, *_SLOW, "--update-failure-action", action)
    flag = stage.lab.node("n1").folder / "flag"
    flag.mkdir()
    (flag / "well").touch()
    make(
        Service("rollback-fails", replicas=2),
        *("--mount", f"type=bind,source={flag},target=/flag,readonly", *_SLOW),
        *("--update-failure-action", "rollback"),
        command=("sh", "-c", f"[ -e /flag/well ] || exit 3; {STAYS[-1]}"),
    )
    make(Service("constrained", "global"))
    make(Service("labelled", "global", nodes=_WORKERS), "--constraint", "node.labels.zone==a")
    make(Service("job", "replicated-job", 3, judged=False, churns=True), command=("true",))
    make(Service("job-global", "global-job", judged=False, churns=True), command=("true",))
    fails = ("sh", "-c", "exit 4")
    make(Service("job-fails", "replicated-job", churns=True), *_SLOW[:2], command=fails)
    make(Service("job-fails-global", "global-job", churns=True), *_SLOW[:2], command=fails)
    make(Service("job-runs", "replicated-job", 2))
    make(Service("job-runs-global", "global-job"))
    make(Service("start-first", replicas=3), "--update-order", "start-first", "--update-monitor", "1s")
    make(Service("max-per-node", replicas=4), "--replicas-max-per-node", "1")
    make(Service("port-taken", replicas=4), "--publish", "mode=host,published=8099,target=80")
    make(Service("no-node", replicas=2), "--constraint", "node.labels.zone==b")
    make(Service("no-memory", replicas=1), "--reserve-memory", "900g")
    make(Service("removed", replicas=3), "--update-delay", "2s")
    make(Service("zero", replicas=0))
    make(Service("to-zero", replicas=2))
    make(Service("scaled", replicas=3))
    make(Service("stacked", replicas=4), "--constraint", "node.hostname==n2")
    stage.hold(5)
    _change_services(stage)
    wait_until(lambda: not _waiting(stage), timeout=40, every=0.5)
    stage.hold(4)
    record.waiting, record.states = _waiting(stage), _update_states(stage)
    record.spans["services"] = (0.0, time.monotonic())


def _waiting(stage: Stage) -> dict[str, str]:
    """Return which services are not yet as the table says they end, by the engines' own word."""
    states = _update_states(stage)
    seen = stage.oracle.now()
    found = {}
    for service, running, _, told in SERVICES:
        now = slots(seen, service, stage.world.governed)
        if running not in (None, GONE, now):
            found[service] = f"runs {now}, not {running}"
        for each in told:
            if each.states and states[service] not in each.states:
                found[service] = f"update is {states[service]}, not {' or '.join(each.states)}"
    return found


def _update_states(stage: Stage) -> dict[str, str]:
    rows = stage.managers()[0].engine.call("GET", "/services")
    return {row["Spec"]["Name"]: (row.get("UpdateStatus") or {}).get("State", "none") for row in rows}


def _change_services(stage: Stage) -> None:
    def update(service: Service, *options: str) -> None:
        with stage.turn(services=[service]):
            stage.docker("service", "update", "-d", "--no-resolve-image", *options, service.name)

    for action in ("pause", "continue", "rollback"):
        update(Service(f"sick-{action}", replicas=2), *_SICK)
    (stage.lab.node("n1").folder / "flag" / "well").unlink()
    update(Service("rollback-fails", replicas=2, churns=True), "--env-add", "A=1")
    update(Service("constrained", "global", nodes=_WORKERS), "--constraint-add", "node.role==worker")
    with stage.turn(services=[Service("labelled", "global", nodes=frozenset({"n2"}))]):
        stage.docker("node", "update", "--label-rm", "zone", "n3")
    update(Service("start-first", replicas=3), "--force")
    update(Service("removed", replicas=3), "--force")
    update(Service("to-zero", replicas=0), "--replicas", "0")
    update(Service("scaled", replicas=1), "--replicas", "1")
    with stage.turn(without=["removed"]):
        stage.docker("service", "rm", "removed")


_SEEN_BY = (
    Service("global", "global"),
    Service("three", replicas=3),
    Service("six", replicas=6),
    Service("running-job", "global-job"),
)


def _deploy(stage: Stage) -> None:
    image = stage.lab.load_base("base")
    for service in _SEEN_BY:
        create(stage, image, service)
    stage.hold(4)


def _nodes(stage: Stage, record: Record) -> None:
    """One node after the other is taken out of service, and comes back."""
    _deploy(stage)

    def there_and_back(kind: str, there: Callable[[], None], back: Callable[[], None]) -> None:
        def act() -> None:
            there()
            stage.hold(5)
            record.spans[f"{kind}, settled"] = (time.monotonic() - 2.5, time.monotonic())
            back()
            stage.hold(3.5)

        record.scene(kind, act)

    for availability in ("pause", "drain"):
        there_and_back(
            availability,
            lambda how=availability: set_availability(stage, "n2", how),  # type: ignore[misc]
            lambda: set_availability(stage, "n2", "active"),
        )
    for kind in ("killed", "hung", "engine killed", "engine hung", "cable pulled", "two sides"):
        there_and_back(
            kind,
            lambda how=kind: lose(stage, how, "n3"),  # type: ignore[misc]
            lambda how=kind: regain(stage, how, "n3"),  # type: ignore[misc]
        )
    lose(stage, "killed", "n3")

    def remove() -> None:
        with stage.turn("removed", gone=["n3"]):
            stage.docker("node", "rm", "--force", "n3")
        stage.hold(3.5)

    record.scene("removed", remove)


def _managers(stage: Stage, record: Record) -> None:
    """Three managers: the leader dies, is cut off, and then two of three die."""
    _deploy(stage)
    first = stage.lab.leader().name

    def there(name: str, act: Callable[[], None], seconds: float = 5) -> None:
        def held() -> None:
            act()
            stage.hold(seconds)

        record.scene(name, held)

    there("leader killed", lambda: lose(stage, "killed", first))
    there("leader back", lambda: regain(stage, "killed", first))
    second = stage.lab.leader().name
    there("leader cut off", lambda: lose(stage, "two sides", second))
    other = min(stage.world.governed)
    there("quorum lost", lambda: lose(stage, "killed", other, quorum=False))

    def mend() -> None:
        with stage.turn("quorum back", fates={second: Fate.UP, other: Fate.UP}, quorum=True):
            LOSSES["two sides"].mend(stage, stage.lab.node(second))
            LOSSES["killed"].mend(stage, stage.lab.node(other))
            stage.watch(stage.lab.node(other))

    there("quorum back", mend)


PLAYS: Mapping[str, tuple[int, Callable[[Stage, Record], None]]] = {
    "services": (1, _services),
    "nodes": (1, _nodes),
    "managers": (3, _managers),
}


def play(name: str) -> Record:
    """Give a play on a Swarm of its own; return what was recorded."""
    managers, acts = PLAYS[name]
    with (
        Lab.up(3, managers, f"test-t{name[0]}{os.getpid()}", heartbeat=1) as lab,
        Stage(lab, _EXPORTER, cwd=_ROOT) as stage,
    ):
        record = Record(stage)
        acts(stage, record)
        stage.hold(3.5)
    record.verdicts = stage.verdicts()
    return record
