"""What our exporters say is true on a real Swarm when things break, beside an oracle. See docs/truth.md.

Three plays run at once, each on a lab of its own: services that fail, nodes that are lost, managers that
are lost. Each case is then judged from what was recorded: every sample, and what must have been told.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from lab.truth import (
    Fate,
    Look,
    Verdict,
    ours,
)
from tests.lab.truth_cases import GONE, SERVICES, Told
from tests.lab.truth_plays import PLAYS, Record, play

# Five minutes on three Swarms at once, and on a busy machine some sample is late: not yet for every run.
pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMSTEAD_TEST_LONG") != "1", reason="takes minutes: SWARMSTEAD_TEST_LONG=1 runs it"
)


@pytest.fixture(scope="module")
def plays(lab_machine: None) -> Iterator[Mapping[str, Future[Record]]]:
    with ThreadPoolExecutor(max_workers=len(PLAYS)) as pool:
        yield {name: pool.submit(play, name) for name in PLAYS}


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


@pytest.mark.parametrize(
    ("service", "running", "desired", "told"), SERVICES, ids=[row[0] for row in SERVICES]
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
        assert value is None or end[figure].get(service, GONE) == value, figure
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
