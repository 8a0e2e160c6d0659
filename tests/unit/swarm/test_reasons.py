"""Why tasks wait and fail: captured scenarios, one service per reason, against what was done to each."""

from types import ModuleType

import pytest

from exporters.swarm.kinds import job, task, update
from exporters.swarm.rules.failures import classify
from exporters.swarm.rules.pending import REASONS, reason
from tests.unit.swarm.builders import node
from tests.unit.swarm.builders import task as a_task
from tests.unit.swarm.scenarios import scenario

ENGINES = pytest.mark.parametrize("engine", ["20.10", "29"])


def _figures(name: str, kind: ModuleType, metric: str) -> dict[str, dict[str, float]]:
    """Return a metric's samples that are not 0, by service and last label."""
    found: dict[str, dict[str, float]] = {}
    for of in scenario(name).view().of_services():
        for made, labels, value in kind.samples(of):
            if made.name == metric and value:
                found.setdefault(labels[0], {})[labels[3] if len(labels) > 3 else ""] = value
    return found


@ENGINES
def test_pending_reasons(engine: str) -> None:
    wanted = {
        "nocons": {"constraints": 2},
        "hostport": {"host_port": 1},
        "hostport2": {"host_port": 1},
        "maxrep": {"max_replicas": 2},
        "maxrep2": {"max_replicas": 3},
        "nomem": {"insufficient_resources": 2},
        "nocpu": {"insufficient_resources": 1},
        "nogpu": {"insufficient_resources": 1},
        "mix": {"insufficient_resources": 3},
        "globmem": {"insufficient_resources": 3},
        "novol": {"missing_plugin": 1},
        "nolog": {"missing_plugin": 1},
        "noplat": {"platform": 1},
        "globplat": {"platform": 3},
    }
    if engine == "29":
        wanted["csi"] = {"volume": 1}
    assert _figures(f"{engine}/pending-kinds", task, "swarm_service_pending_tasks") == wanted


@ENGINES
@pytest.mark.parametrize(("name", "tasks"), [("node-paused", 2), ("node-drained-pending", 1)])
def test_a_node_that_takes_nothing_new_is_the_reason(engine: str, name: str, tasks: int) -> None:
    found = _figures(f"{engine}/{name}", task, "swarm_service_pending_tasks")
    assert found["late"] == {"node_unavailable": tasks}


@ENGINES
def test_update_states(engine: str) -> None:
    found = _figures(f"{engine}/updates-settled", update, "swarm_service_update_state")
    assert {name: next(iter(states)) for name, states in found.items()} == {
        "never": "none",
        "done": "completed",
        "cont": "completed",
        "paused": "paused",
        "rbdone": "rollback_completed",
        "rbsick": "rollback_completed",
        "rbpaused": "rollback_paused",
        "rbslow": "rollback_started",
        "slow": "updating",
        "startfirst": "updating",
    }
    assert all(states == {next(iter(states)): 1} for states in found.values())


@ENGINES
def test_job_progress(engine: str) -> None:
    done = _figures(f"{engine}/jobs", job, "swarm_service_job_completions")
    assert {name: of[""] for name, of in done.items()} == {
        "rjdone": 4,
        "gjdone": 3,
        "rjagain": 2,
        "rjslow": 3,
    }
    of = _figures(f"{engine}/jobs", job, "swarm_service_job_desired_completions")
    assert (of["rjslow"], of["rjpend"], of["gjrun"]) == ({"": 9}, {"": 2}, {"": 3})
    assert "gjnone" not in of
    assert _figures(f"{engine}/jobs", job, "swarm_service_job_iteration") == {"rjagain": {"": 1}}


@ENGINES
def test_crash_loops_and_exit_codes(engine: str) -> None:
    looping = _figures(f"{engine}/crash-40s", task, "swarm_service_crash_looping")
    assert {"crash", "crashfast", "crashglob", "oom", "sick"} <= set(looping)
    assert not {"base", "well", "slowhealth", "once", "onfail"} & set(looping)
    codes = _figures(f"{engine}/crash-40s", task, "swarm_service_last_failure_exit_code")
    assert codes["crash"] == {"": 3}
    assert codes["oom"] == {"": 137}
    assert not {"base", "well", "once", "onfail"} & set(codes)


@ENGINES
def test_each_failure_has_its_class(engine: str) -> None:
    wanted = {
        "crash-40s": {
            "crash": {"exit_nonzero"},
            "sick": {"unhealthy"},
            "oom": {"oom_suspected"},
            "once": set(),
        },
        "pending-kinds": {
            "badimg": {"image"},
            "badcmd": {"other"},
            "badmount": {"rejected"},
        },
        "worker-killed-20s": {"glob": {"node_lost"}, "gjrun": {"node_lost"}},
        "removed-1s": {"rep6": {"exit_nonzero", "node_lost"}},
    }
    for name, services in wanted.items():
        for of in scenario(f"{engine}/{name}").view().of_services():
            if of.service.spec.name in services:
                classes = {classify(each, of.nodes.get(each.node_id)) for each in of.tasks} - {None}
                assert classes == services[of.service.spec.name], (name, of.service.spec.name)


@pytest.mark.parametrize(
    ("words", "of"),
    [
        ("", "none"),
        ("no suitable node (3 nodes not available for new tasks)", "node_unavailable"),
        (
            "scheduling constraints not satisfied on 1 node; 1 node not available for new tasks",
            "node_unavailable",
        ),
        (
            "no suitable node (insufficient resources on 1 node; max replicas per node limit exceed)",
            "max_replicas",
        ),
        ("words of another engine", "other"),
    ],
)
def test_reason_of_words(words: str, of: str) -> None:
    assert reason(words) == of
    assert of in REASONS


def test_a_container_killed_by_its_health_check_is_no_oom() -> None:
    killed = "task: non-zero exit (137): dockerexec: unhealthy container"
    assert classify(a_task(state="failed", error=killed, code=137), node()) == "unhealthy"
    assert (
        classify(a_task(state="failed", error="task: non-zero exit (137)", code=137), node())
        == "oom_suspected"
    )
    assert classify(a_task(state="running"), None) == "node_lost"
    assert classify(a_task(state="pending", where=""), None) is None
    assert classify(a_task(state="shutdown"), None) is None
