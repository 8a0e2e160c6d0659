"""What our exporters say is true on a real Swarm when things break, beside an oracle. See docs/truth.md.

Three plays run at once, each on a lab of its own: services that fail, nodes that are lost, managers that
are lost. Each case is then judged from what was recorded: every sample, and what must have been told.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import Lab
from lab.process import wait_until
from lab.truth import (
    LOSSES,
    STAYS,
    Fate,
    Look,
    Service,
    Stage,
    Verdict,
    create,
    lose,
    ours,
    regain,
    set_availability,
    slots,
)

# Five minutes on three Swarms at once, and on a busy machine some sample is late: not yet for every run.
pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMSTEAD_TEST_LONG") != "1", reason="takes minutes: SWARMSTEAD_TEST_LONG=1 runs it"
)

_ROOT = Path(__file__).parents[2]
_EXPORTER = [str(Path(sys.executable).with_name("swarm-exporter")), "--engine", "unix:///run/docker.sock"]
_WORKERS = frozenset({"n2", "n3"})
_GONE = -1


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
    for service, running, _, told in _SERVICES:
        now = slots(seen, service, stage.world.governed)
        if running not in (None, _GONE, now):
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
    update(Service("rollback-fails", replicas=2), "--env-add", "A=1")
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


_PLAYS: Mapping[str, tuple[int, Callable[[Stage, Record], None]]] = {
    "services": (1, _services),
    "nodes": (1, _nodes),
    "managers": (3, _managers),
}


def _play(name: str) -> Record:
    managers, play = _PLAYS[name]
    with (
        Lab.up(3, managers, f"test-t{name[0]}{os.getpid()}", heartbeat=1) as lab,
        Stage(lab, _EXPORTER, cwd=_ROOT) as stage,
    ):
        record = Record(stage)
        play(stage, record)
        stage.hold(3.5)
    record.verdicts = stage.verdicts()
    return record


@pytest.fixture(scope="module")
def plays(lab_machine: None) -> Iterator[Mapping[str, Future[Record]]]:
    with ThreadPoolExecutor(max_workers=len(_PLAYS)) as pool:
        yield {name: pool.submit(_play, name) for name in _PLAYS}


# Judging


def _story(record: Record, verdicts: list[Verdict], wrong: list[Verdict]) -> str:
    """Return the wrong samples, what was done, and how the figures went."""
    zero = record.stage.changes[0].began
    lines = [f"{len(wrong)} of {len(verdicts)} figures are wrong"]
    lines += [f"{each.at - zero:7.1f}  {_words(each)}" for each in wrong[:40]]
    lines += ["done:"] + [
        f"{each.began - zero:7.1f} .. {each.noticed - zero:.1f}  {each.kind}"
        for each in record.stage.changes
        if each.kind
    ]
    about = {(each.figure, each.service) for each in wrong}
    for figure, service in sorted(about):
        series = [each for each in verdicts if (each.figure, each.service) == (figure, service)]
        lines.append(
            f"{service} {figure}: " + " ".join(f"{each.at - zero:.1f}={each.got}" for each in series)
        )
    first, last = min(each.at for each in wrong), max(each.at for each in wrong)
    for node, looks in record.stage.oracle.looks.items():
        lines.append(f"{node} itself:")
        for look in looks:
            if first - 4 <= look.began <= last + 1:
                lines.append(f"{look.began - zero:7.1f}  {_seen(look, {name for _, name in about})}")
    return "\n".join(lines)


def _seen(look: Look, services: set[str]) -> str:
    if look.containers is None:
        return "no answer"
    return ", ".join(f"{c.service}.{c.slot} {c.health}" for c in look.containers if c.service in services)


def _words(each: Verdict) -> str:
    allowed = sorted(each.allowed, key=str)
    return f"{each.service}: {each.figure} was {each.got}, true {allowed}, while {each.kind or 'at rest'}"


def _check(record: Record, scene: str, service: str = "") -> None:
    since, until = record.spans[scene]
    mine = [
        each
        for each in record.verdicts
        if since <= each.at <= until and (not service or each.service == service)
    ]
    wrong = [each for each in mine if each.wrong]
    assert len([each for each in mine if not each.excused]) >= 10, f"too few of {len(mine)} could be judged"
    assert not wrong, _story(record, mine, wrong)


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
_SERVICES: list[tuple[str, int | None, int | None, list[Told]]] = [
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
    ("removed", _GONE, _GONE, []),
    ("zero", 0, 0, [_state("none")]),
    ("to-zero", 0, 0, [_state("none")]),
    ("scaled", 1, 1, []),
    ("stacked", 4, 4, []),
]


@pytest.mark.parametrize(
    ("service", "running", "desired", "told"), _SERVICES, ids=[row[0] for row in _SERVICES]
)
def test_a_service_is_told_as_it_is(
    plays: Mapping[str, Future[Record]],
    service: str,
    running: int | None,
    desired: int | None,
    told: list[Told],
) -> None:
    record = plays["services"].result()
    _check(record, "services", service)
    assert service not in record.waiting, f"the Swarm itself: {record.waiting[service]}"
    end = ours(record.stage.pages[-1]).figures
    for figure, value in (("running", running), ("desired", desired)):
        assert value is None or end[figure].get(service, _GONE) == value, figure
    for each in told:
        labels = {"state": record.states[service]} if each.states else each.labels
        series = record.stage.said(each.metric, service=service, **labels)
        values = [value for _, value in series]
        assert values, f"{each.metric} was never told"
        if each.ever:
            assert max(values) >= each.value, f"{each}: {series}"
        else:
            assert values[-1] == each.value, f"{each}: {series}"


_DOWN = ("down", "n3")
_NODES: list[tuple[str, str, str]] = [
    ("pause", "swarm_node_availability", "pause"),
    ("drain", "swarm_node_availability", "drain"),
    ("killed", "swarm_node_state", "down"),
    ("hung", "swarm_node_state", "down"),
    ("engine killed", "swarm_node_state", "down"),
    ("engine hung", "swarm_node_state", "down"),
    ("cable pulled", "swarm_node_state", "down"),
    ("two sides", "swarm_node_state", "down"),
]


@pytest.mark.parametrize(("kind", "metric", "state"), _NODES, ids=[row[0] for row in _NODES])
def test_a_node_out_of_service_is_told(
    plays: Mapping[str, Future[Record]], kind: str, metric: str, state: str
) -> None:
    record = plays["nodes"].result()
    _check(record, kind)
    since, until = record.spans[f"{kind}, settled"]
    hostname = "n3" if state == "down" else "n2"
    told = record.stage.said(metric, hostname=hostname, state=state)
    assert [value for at, value in told if since <= at <= until] == [1.0] * len(
        [at for at, _ in told if since <= at <= until]
    )
    assert any(since <= at <= until for at, _ in told)


def test_a_node_removed_while_down_is_forgotten(plays: Mapping[str, Future[Record]]) -> None:
    record = plays["nodes"].result()
    _check(record, "removed")
    until = record.spans["removed"][1]
    assert all(at < until - 1 for at, _ in record.stage.said("swarm_node_state", hostname="n3"))
    assert record.stage.world.nodes == {"n1": Fate.UP, "n2": Fate.UP}


@pytest.mark.parametrize(
    ("scene", "quorum", "reachable"),
    [
        ("leader killed", 1, 2),
        ("leader back", 1, 3),
        ("leader cut off", 1, 2),
        ("quorum lost", 0, None),
        ("quorum back", 1, 3),
    ],
)
def test_managers_lost_and_back_are_told(
    plays: Mapping[str, Future[Record]], scene: str, quorum: int, reachable: int | None
) -> None:
    record = plays["managers"].result()
    _check(record, scene)
    since, until = record.spans[scene][1] - 1.5, record.spans[scene][1]

    def last(metric: str) -> list[float]:
        return [value for at, value in record.stage.said(metric) if since <= at <= until]

    assert set(last("swarm_cluster_quorum")) == {quorum}
    assert set(last("swarm_cluster_managers_reachable")) == ({reachable} if reachable else set())
