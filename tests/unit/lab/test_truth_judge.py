"""The judge of the truth tests: it must call a wrong figure wrong, and a true one true."""

from collections.abc import Mapping

import pytest

from lab.truth import (
    Change,
    Container,
    Fate,
    Look,
    Oracle,
    Sample,
    Service,
    Timeline,
    World,
    judge,
    ours,
    read,
    read_ls,
    wanted,
)
from lab.truth.sources import Page

_UP = {"n1": Fate.UP, "n2": Fate.UP, "n3": Fate.UP}
_WEB = Service("web", "global")


def _container(node: str, *, health: str = "none", alive: bool = True) -> Container:
    return Container("web", node, health, f"id-{node}", alive)


def _oracle(until: float, dead_from: float = 1e9, **odd: Container) -> Oracle:
    """Three nodes with a container of web each, asked each 0.2 s from 0 on; n3 stops answering."""
    oracle = Oracle([])
    for name in _UP:
        container = odd.get(name, _container(name))
        times = [round(0.2 * step, 1) for step in range(int(until * 5) + 1)]
        oracle.looks[name] = [
            Look(at, at, None if name == "n3" and at >= dead_from else (container,)) for at in times
        ]
    return oracle


def _timeline(*changes: Change) -> Timeline:
    return Timeline([Change(0.0, World(_UP, {"web": _WEB}), 0.0), *changes])


def _killed(began: float, noticed: float) -> Change:
    world = World(_UP | {"n3": Fate.DEAD}, {"web": _WEB})
    return Change(began, world, noticed, fault=True, kind="killed")


def _wrong(sample: Sample, oracle: Oracle, timeline: Timeline) -> set[str]:
    return {each.figure for each in judge(sample, oracle, timeline) if each.wrong}


def _sample(at: float, running: int | None, desired: int | None, verified: int | None) -> Sample:
    values = {"running": running, "desired": desired, "verified": verified}
    figures = {figure: {} if value is None else {"web": value} for figure, value in values.items()}
    return Sample("ours", at, at + 0.05, figures)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ((3, 3, 3), set()),
        ((2, 3, 3), {"running"}),
        ((4, 3, 3), {"running"}),
        ((3, 2, 3), {"desired"}),
        ((3, 3, 2), {"verified"}),
        ((3, 3, 4), {"verified"}),
        ((None, None, None), {"running", "desired", "verified"}),
        ((0, 0, 0), {"running", "desired", "verified"}),
    ],
)
def test_at_rest_only_the_truth_is_right(said: tuple[int | None, ...], wrong: set[str]) -> None:
    assert _wrong(_sample(10, *said), _oracle(20), _timeline()) == wrong


@pytest.mark.parametrize(
    ("at", "said", "wrong"),
    [
        (11.0, (3, 3, 3), set()),  # 1 s after the kill: nobody can know
        (13.0, (3, 3, 3), {"verified"}),  # the managers have not noticed; the engines' word is due
        (13.0, (3, 3, 2), set()),
        (15.5, (3, 3, 2), set()),  # noticed 1.5 s ago
        (17.0, (3, 3, 2), {"running", "desired"}),
        (17.0, (2, 3, 2), {"desired"}),  # as it is shown by `docker service ls`, the other way round: 3/2
        (17.0, (3, 2, 2), {"running"}),
        (17.0, (2, 2, 2), set()),
    ],
)
def test_a_killed_node_is_due_two_seconds_after_it_was_noticed(
    at: float, said: tuple[int, int, int], wrong: set[str]
) -> None:
    assert _wrong(_sample(at, *said), _oracle(25, dead_from=10.0), _timeline(_killed(10.0, 14.0))) == wrong


def test_without_quorum_silence_is_the_only_right_word() -> None:
    lost = Change(1.0, World(_UP, {"web": _WEB}, quorum=False), 2.0, fault=True, kind="quorum lost")
    assert _wrong(_sample(10, None, None, 3), _oracle(20), _timeline(lost)) == set()
    assert _wrong(_sample(10, 3, 3, 3), _oracle(20), _timeline(lost)) == {"running", "desired"}


def test_a_removed_service_must_not_be_named() -> None:
    gone = Change(9.0, World(_UP, {}), 9.5)
    assert judge(_sample(15, None, None, None), _oracle(20), _timeline(gone)) == []
    assert _wrong(_sample(9.2, 3, 3, 3), _oracle(20), _timeline(gone)) == set()


def test_a_node_apart_counts_for_its_own_engine_and_not_for_the_swarm() -> None:
    apart = Change(1.0, World(_UP | {"n3": Fate.APART}, {"web": _WEB}), 2.0, fault=True)
    assert _wrong(_sample(10, 2, 2, 3), _oracle(20), _timeline(apart)) == set()
    assert _wrong(_sample(10, 3, 3, 2), _oracle(20), _timeline(apart)) == {"running", "desired", "verified"}
    cut = Change(1.0, World(_UP | {"n3": Fate.CUT}, {"web": _WEB}), 2.0, fault=True)
    assert _wrong(_sample(10, 2, 2, 2), _oracle(20), _timeline(cut)) == set()
    assert _wrong(_sample(10, 2, 2, 3), _oracle(20), _timeline(cut)) == {"verified"}


def test_containers_that_do_not_serve_do_not_count() -> None:
    for health in ("starting", "unhealthy"):
        oracle = _oracle(20, n2=_container("n2", health=health))
        assert _wrong(_sample(10, 3, 3, 3), oracle, _timeline()) == {"running", "verified"}
        assert _wrong(_sample(10, 2, 3, 2), oracle, _timeline()) == set()
    dying = _oracle(20, n2=_container("n2", alive=False))  # listed, but without a process: either way
    assert _wrong(_sample(10, 3, 3, 3), dying, _timeline()) == set()
    assert _wrong(_sample(10, 2, 3, 2), dying, _timeline()) == set()


def test_two_containers_of_one_place_are_one_replica() -> None:
    oracle = _oracle(20, n2=Container("web", "n1", "none", "id-n2"))
    assert _wrong(_sample(10, 2, 3, 3), oracle, _timeline()) == set()
    assert _wrong(_sample(10, 3, 3, 3), oracle, _timeline()) == {"running"}


@pytest.mark.parametrize(
    ("service", "world", "count"),
    [
        (Service("a", replicas=4), World(_UP), 4),
        (Service("a", "global"), World(_UP, availability={"n2": "drain"}), 2),
        (Service("a", "global"), World(_UP, availability={"n2": "pause"}), 3),
        (Service("a", "global"), World(_UP | {"n1": Fate.DEAD, "n2": Fate.APART}), 1),
        (Service("a", "global", nodes=frozenset({"n2", "n9"})), World(_UP), 1),
        (Service("a", "global-job"), World(_UP, availability={"n2": "drain"}), 3),
        (Service("a", "replicated-job", 2), World(_UP), 2),
    ],
)
def test_wanted(service: Service, world: World, count: int) -> None:
    assert wanted(world, service) == count


def test_a_container_list_is_read_by_place_and_health() -> None:
    def row(task: str, status: str, state: str = "running") -> dict[str, object]:
        labels = {"com.docker.swarm.service.name": "a.b", "com.docker.swarm.task.name": task}
        return {"Id": task, "State": state, "Status": status, "Labels": labels}

    rows: list[Mapping[str, object]] = [
        row("a.b.2.x1", "Up 3 seconds"),
        row("a.b.nodeid.x2", "Up 3 seconds (health: starting)"),
        row("a.b.3.x3", "Up 3 seconds (unhealthy)"),
        row("a.b.4.x4", "Up 2 minutes (healthy)"),
        row("a.b.5.x5", "Up 2 minutes (Paused)"),
        row("a.b.6.x6", "Exited (0)", "exited"),
        {"Id": "y", "State": "running", "Status": "Up", "Labels": {}},
    ]
    assert [(each.slot, each.health) for each in read(rows)] == [
        ("2", "none"), ("nodeid", "starting"), ("3", "unhealthy"), ("4", "healthy"), ("5", "none"),
    ]  # fmt: skip


def test_service_ls_is_read_as_it_is_shown() -> None:
    rows = [
        {"Name": "glob", "Replicas": "3/2"},
        {"Name": "job", "Replicas": "0/2 (4/4 completed)"},
        {"Name": "max", "Replicas": "3/4 (max 1 per node)"},
    ]
    assert read_ls(rows) == {
        "running": {"glob": 3, "job": 0, "max": 3},
        "desired": {"glob": 2, "job": 2, "max": 4},
    }


def test_pages_are_taken_together_as_the_recording_rules_do() -> None:
    engine = (
        'swarm_engine_service_containers{{node_id="{}",hostname="h",service="web",stack="",health="{}"}} {}\n'
    )
    leader = 'swarm_service_running_replicas{service="web",stack="",mode="global"} 2\n'
    pages = {
        "n1": Page(1.0, 1.1, leader + engine.format("a", "none", 1) + engine.format("a", "starting", 5)),
        "n2": Page(1.0, 1.2, engine.format("b", "healthy", 1) + engine.format("b", "unhealthy", 7)),
        "again": Page(1.0, 1.2, engine.format("b", "healthy", 1)),
        "dead": Page(1.0, 2.5, ""),
    }
    sample = ours(pages)
    assert dict(sample.figures["verified"]) == {"web": 2}
    assert sample.figures["running"] == {"web": 2}
    assert (sample.began, sample.ended) == (1.0, 1.2)
