"""Every captured scenario of both engines against what the living engines themselves ran.

Where the managers' answer cannot be true (they had not noticed a death yet) or another moment than the
engines' (a container started or stopped between the two askings), the row stands in DIFFERENT, with both
figures; every other service of every scenario must agree.
"""

import pytest

from exporters.engine import Task
from exporters.swarm.kinds import service as kind
from exporters.swarm.rules import replicas
from exporters.swarm.rules.states import key
from exporters.swarm.view import ClusterView, ServiceView
from exporters.swarm.witness import Witness
from tests.unit.swarm.scenarios import NAMES, Scenario, scenario

# A death that the managers have not noticed: they count what ran there, and say so of the node.
_UNNOTICED = {"rep3": (3, 2), "rep6": (6, 4), "glob": (3, 2)}
_UNNOTICED_WORKER = {**_UNNOTICED, "globw": (2, 1), "gjrun": (3, 2)}
# (running by the managers, slots whose container ran): a moment apart, or a slot's old task still stopping.
DIFFERENT: dict[str, dict[str, tuple[int, int]]] = {
    "20.10/leader-killed-2s": _UNNOTICED,
    "20.10/leader-killed-2s n3-": _UNNOTICED,
    "20.10/leader-killed-5s": _UNNOTICED,
    "20.10/leader-killed-5s n3-": _UNNOTICED,
    "20.10/leader-killed-20s": _UNNOTICED,
    "20.10/leader-killed-20s n3-": _UNNOTICED,
    "29/leader-killed-2s": _UNNOTICED,
    "29/leader-killed-2s n3-": _UNNOTICED,
    "29/leader-killed-5s": _UNNOTICED,
    "29/leader-killed-5s n3-": _UNNOTICED,
    "29/leader-killed-20s": _UNNOTICED,
    "29/leader-killed-20s n3-": _UNNOTICED,
    "20.10/worker-killed-2s": _UNNOTICED_WORKER,
    "29/worker-killed-2s": _UNNOTICED_WORKER,
    "20.10/jobs": {"gjretry": (0, 1)},
    "20.10/managers-idle": {"crash": (1, 0)},
    "20.10/node-paused": {"rep3": (2, 3)},
    "20.10/updates-3s": {"rbpaused": (1, 2), "paused": (2, 3), "cont": (1, 0), "done": (1, 2)},
    "29/jobs": {"gjretry": (0, 1), "rjfail": (0, 1)},
    "29/jobs-drained": {"rjretry": (1, 0), "rjslow": (1, 0)},
    "29/managers-idle": {"crash": (1, 0)},
    "29/node-paused": {"rep3": (2, 3)},
    "29/removed-1s": {"rep6": (5, 6)},
    "29/updates-3s": {"rbdone": (0, 1), "done": (1, 2), "cont": (1, 0), "paused": (2, 2), "rbpaused": (1, 1)},
}
WITHOUT_LEADER = {"quorum-lost-1s", "quorum-lost-30s"}
ROWS = [(name, by) for name in NAMES for by in ("", "n2-", "n3-") if scenario(name).has(by)]


def _ran(of: ServiceView, data: Scenario) -> set[str | int]:
    """Return the slots or nodes of a service in which a living engine ran a container that was not starting.

    Swarm holds a task whose health check has not passed yet to be starting, as do we.
    """
    by_id = {task.id: task for task in of.tasks}
    # Engine 20.10 lets the containers of a removed job run on; a job of the same name is another one.
    others = (
        {task.id for task in data.decode("tasks", list[Task])} - by_id.keys()
        if "tasks" in data.answers
        else set()
    )
    return {
        key(of.service, by_id[each["task"]]) if each["task"] in by_id else each["task"]
        for engine in data.truth["engines"].values()
        for each in (engine.get("running_tasks") or {}).get(of.service.spec.name, [])
        if each["health"] in (None, "healthy") and each["task"] not in others
    }


def test_all_scenarios_of_both_engines_are_here() -> None:
    assert len([name for name in NAMES if name.startswith("29/")]) == 27
    assert len([name for name in NAMES if name.startswith("20.10/")]) == 29


@pytest.mark.parametrize(("name", "by"), ROWS)
def test_running_replicas_are_what_living_engines_run(name: str, by: str) -> None:
    data = scenario(name)
    view = data.view(by)
    found = {}
    for of in view.of_services():
        ours = replicas.running_keys(of.service, of.tasks, of.nodes)
        truth = _ran(of, data)
        if ours != truth:
            found[of.service.spec.name] = (len(ours), len(truth))
    assert found == DIFFERENT.get(f"{name} {by}".strip(), {})


@pytest.mark.parametrize(("name", "by"), ROWS)
def test_our_samples_hold_what_the_rules_say(name: str, by: str) -> None:
    """Every service has its figures, once, and finite."""
    view: ClusterView = scenario(name).view(by)
    for of in view.of_services():
        made = list(kind.samples(of))
        names = [metric.name for metric, _, _ in made]
        assert len(names) == len(set(names))
        assert {"swarm_service_desired_replicas", "swarm_service_running_replicas"} <= set(names)
        assert all(value >= 0 for _, _, value in made)


@pytest.mark.parametrize("name", NAMES)
def test_witness_counts_what_this_engine_runs(name: str) -> None:
    """The second witness's figures by service agree with the engine's own list, also without a quorum."""
    data = scenario(name)
    witness = Witness()
    witness.take_list(data.containers(), 0)
    ours: dict[str, int] = {}
    for (of, _, _), number in witness.counts().items():
        ours[of] = ours.get(of, 0) + number
    truth = data.truth["engines"].get(data.truth["via"], {}).get("running", {})
    assert ours == truth


@pytest.mark.parametrize("engine", ["20.10", "29"])
@pytest.mark.parametrize("name", sorted(WITHOUT_LEADER))
def test_without_leader_the_lists_are_errors(engine: str, name: str) -> None:
    status, body = scenario(f"{engine}/{name}").answers["nodes"]
    assert status == 500
    assert "DeadlineExceeded" in body or "does not have a leader" in body
