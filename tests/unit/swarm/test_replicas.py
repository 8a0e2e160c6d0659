"""How many replicas should run and do: one row per rule of swarmkit's that somebody gets wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.engine import Node, Service, Task
from exporters.engine.records import Platform
from exporters.swarm.rules.replicas import desired, eligible, job, running
from tests.unit.swarm.builders import node, service, task

THREE = [node("n1"), node("n2"), node("n3")]
DOWN = [node("n1"), node("n2"), node("n3", "down")]
UNKNOWN = [node("n1", "unknown"), node("n2", "unknown"), node("n3", "disconnected")]
PAUSED = [node("n1"), node("n2"), node("n3", "ready", "pause")]
DRAINED = [node("n1"), node("n2"), node("n3", "ready", "drain")]
ON_EACH = [task("n1", 0), task("n2", 0), task("n3", 0)]
RETIRED = [task("n1", 0), task("n2", 0), task("n3", 0, "running", "shutdown")]

ROWS: dict[str, tuple[Service, list[Node], list[Task], int, int]] = {
    # name: service, nodes, tasks, desired, running
    "replicated, all run": (service(), THREE, [task("n1", 1), task("n2", 2), task("n3", 3)], 3, 3),
    "zero replicas": (service(replicas=0), THREE, [], 0, 0),
    "five on two nodes": (
        service(replicas=5),
        THREE[:2],
        [task("n1", 1), task("n2", 2), task("n1", 3), task("n2", 4), task("n1", 5)],
        5,
        5,
    ),
    "no task yet": (service(), THREE, [], 3, 0),
    "rescheduled from a dead node, whose task still says running": (
        service(),
        DOWN,
        [task("n1", 1), task("n2", 2), task("n3", 3, "running", "shutdown"), task("n1", 3)],
        3,
        3,
    ),
    "dead node, not yet rescheduled": (service(), DOWN, [task("n1", 1), task("n2", 2), task("n3", 3)], 3, 2),
    "node gone": (service(), THREE[:2], [task("n1", 1), task("n2", 2), task("n3", 3)], 3, 2),
    "leader change: nodes unknown, disconnected": (
        service(),
        UNKNOWN,
        [task("n1", 1), task("n2", 2), task("n3", 3)],
        3,
        3,
    ),
    "start-first: two tasks in one slot": (
        service(replicas=1),
        THREE,
        [task("n1", 1), task("n2", 1)],
        1,
        1,
    ),
    "stop-first: old one stopping": (
        service(replicas=1),
        THREE,
        [task("n1", 1, "running", "shutdown"), task("n2", 1, "ready", "ready")],
        1,
        0,
    ),
    "health check not passed yet": (service(replicas=1), THREE, [task("n1", 1, "starting")], 1, 0),
    "restart delay": (
        service(replicas=1),
        THREE,
        [task("n1", 1, "failed", "shutdown"), task("n1", 1, "ready", "ready")],
        1,
        0,
    ),
    "attempts used up": (service(replicas=2), THREE, [task("n1", 1, "failed", "shutdown")], 2, 0),
    "bad image: wanted, but rejected": (
        service(replicas=1),
        THREE,
        [task("n1", 1, "rejected", "ready")],
        1,
        0,
    ),
    "global, all run": (service("global"), THREE, ON_EACH, 3, 3),
    "global, dead worker: its task is retired and still says running": (
        service("global"),
        DOWN,
        RETIRED,
        2,
        2,
    ),
    "global, nodes unknown": (service("global"), UNKNOWN, ON_EACH, 3, 3),
    "global, paused node keeps its task": (service("global"), PAUSED, ON_EACH, 3, 3),
    "global, made while a node was paused": (service("global"), PAUSED, ON_EACH[:2], 2, 2),
    "global, drained node": (service("global"), DRAINED, RETIRED, 2, 2),
    "global, crash loop: engine says 0/0": (
        service("global"),
        THREE[:1],
        [task("n1", 0, "failed", "shutdown"), task("n1", 0, "ready", "ready")],
        1,
        0,
    ),
    "global, constraint": (
        service("global", constraints=["node.hostname==host-n2"]),
        THREE,
        [task("n2", 0)],
        1,
        1,
    ),
    "global, another platform is still wanted": (
        service("global", platforms=[Platform(architecture="arm64", os="linux")]),
        THREE,
        [task("n1", 0, "pending")],
        3,
        0,
    ),
    "replicated job, one slot of each kind; slot 0 is a slot": (
        service("replicated-job", 4, concurrent=2, iteration=1),
        THREE,
        [
            task("n1", 0, "complete", "complete", iteration=1),
            task("n2", 1, "running", "complete", iteration=1),
            task("n3", 2, "failed", "shutdown", iteration=1),
            task("n1", 3, "running", "complete", iteration=0),
        ],
        2,
        1,
    ),
    "replicated job, finished": (
        service("replicated-job", 2, concurrent=2),
        THREE,
        [task("n1", 0, "complete", "complete"), task("n2", 1, "complete", "complete")],
        0,
        0,
    ),
    "replicated job, as many at once as wanted": (service("replicated-job", 4), THREE, [], 4, 0),
    "global job on a dead node: desired complete, still says running": (
        service("global-job"),
        DOWN,
        [
            task("n1", 0, "running", "complete"),
            task("n2", 0, "running", "complete"),
            task("n3", 0, "running", "complete"),
        ],
        2,
        2,
    ),
    "global job, drained node goes on": (
        service("global-job"),
        DRAINED,
        [
            task("n1", 0, "complete", "complete"),
            task("n2", 0, "running", "complete"),
            task("n3", 0, "running", "complete"),
        ],
        2,
        2,
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_desired_and_running(row: tuple[Service, list[Node], list[Task], int, int]) -> None:
    of, nodes, tasks, should, do = row
    by_id = {each.id: each for each in nodes}
    assert (desired(of, tasks, by_id), running(of, tasks, by_id)) == (should, do)


def test_job_that_gave_up_is_told_from_one_that_tries_again() -> None:
    nodes = {each.id: each for each in THREE}
    gave_up = [task("n1", 0, "failed", "shutdown"), task("n2", 1, "complete", "complete")]
    again = [*gave_up, task("n1", 0, "starting", "complete")]
    of = service("replicated-job", 2)
    assert job(of, gave_up, nodes).failed == 1
    assert job(of, again, nodes).failed == 0
    assert job(of, gave_up, nodes).completed == 1


def test_eligible_looks_at_state_availability_constraint_and_platform() -> None:
    nodes = {
        each.id: each
        for each in (node("n1"), node("n2", "down"), node("n3", "ready", "pause"), node("n4", arch="aarch64"))
    }
    assert eligible(service(), nodes) == 2
    assert eligible(service(platforms=[Platform(architecture="arm64", os="linux")]), nodes) == 1
    assert eligible(service(constraints=["node.id!=n1"]), nodes) == 1


_STATES = st.sampled_from(["pending", "starting", "running", "failed", "complete", "shutdown", "orphaned"])
_DESIRED = st.sampled_from(["ready", "running", "complete", "shutdown", "remove"])


@given(
    mode=st.sampled_from(["replicated", "global", "replicated-job", "global-job"]),
    tasks=st.lists(
        st.tuples(st.sampled_from(["n1", "n2", "n3", "gone"]), st.integers(1, 4), _STATES, _DESIRED)
    ),
    states=st.lists(st.sampled_from(["ready", "down", "unknown"]), min_size=3, max_size=3),
)
def test_history_and_dead_nodes_never_count(
    mode: str, tasks: list[tuple[str, int, str, str]], states: list[str]
) -> None:
    """Adding retired tasks, or tasks on nodes that are down or gone, changes nothing that runs."""
    of = service(mode, 4)
    nodes = {f"n{i}": node(f"n{i}", state) for i, state in enumerate(states, 1)}
    made = [task(*row) for row in tasks]
    down = [name for name, each in nodes.items() if each.status.state == "down"]
    noise = [task("n1", 1, "running", "shutdown"), task("gone", 2), *(task(name, 3) for name in down)]
    assert running(of, [*made, *noise], nodes) == running(of, made, nodes)
    alive = 3 - len(down)
    if mode.startswith("global"):
        assert running(of, made, nodes) <= alive
        assert desired(of, made, nodes) <= alive
