"""Failures are counted once each, and old history never."""

from hypothesis import given
from hypothesis import strategies as st

from exporters.engine import Node, Service, Task
from exporters.swarm.rules.failures import FailureCounter, crash_looping, last
from tests.unit.swarm.builders import node, service, task

WEB = {"id-web": service()}
NODES = {"n1": node("n1"), "n2": node("n2")}


def _see(counter: FailureCounter, tasks: list[Task], nodes: dict[str, Node] = NODES) -> None:
    counter.update(WEB, {"id-web": tasks}, nodes)


def _failed(identity: str, at: int = 0, slot: int = 1) -> Task:
    when = f"2026-11-25T00:{at // 60:02}:{at % 60:02}Z"
    error = "task: non-zero exit (3)"
    return task(
        "n1", slot, "failed", "shutdown", identity=identity, error=error, code=3, created=when, at=when
    )


def test_history_is_not_news() -> None:
    counter = FailureCounter()
    _see(counter, [_failed("a"), _failed("b", 1)])
    assert not counter.failures("id-web")
    _see(counter, [_failed("a"), _failed("b", 1), _failed("c", 2)])
    assert counter.failures("id-web") == {"exit_nonzero": 1}
    # a had been replaced before we looked; b, an old failure, is replaced by c only now
    assert counter.restarts("id-web") == {"exit_nonzero": 1}
    _see(counter, [_failed("b", 1), _failed("c", 2), task(created="2026-11-25T00:00:03Z")])
    assert counter.failures("id-web") == {"exit_nonzero": 1}
    assert counter.restarts("id-web") == {"exit_nonzero": 2}


def test_a_lost_node_counts_its_tasks_once_also_when_they_become_orphans() -> None:
    counter = FailureCounter()
    lost = {"n1": node("n1", "down"), "n2": NODES["n2"]}
    _see(counter, [task("n1", 1, identity="a")])
    retired = task("n1", 1, "running", "shutdown", identity="a")
    again = task("n2", 1, identity="b", created="2026-11-25T00:01:00Z")
    _see(counter, [retired, again], lost)
    assert counter.failures("id-web") == {"node_lost": 1}
    assert counter.restarts("id-web") == {"node_lost": 1}
    _see(counter, [task("n1", 1, "orphaned", "shutdown", identity="a"), again], lost)
    _see(counter, [retired, again])
    assert counter.failures("id-web") == {"node_lost": 1}


def test_an_end_without_failure_is_a_restart_only() -> None:
    counter = FailureCounter()
    _see(counter, [task(identity="a")])
    ended = task(identity="a", state="complete", desired="shutdown")
    _see(counter, [ended])
    assert not counter.restarts("id-web")
    _see(counter, [ended, task(identity="b", created="2026-11-25T00:01:00Z")])
    assert counter.restarts("id-web") == {"exit_zero": 1}
    assert not counter.failures("id-web")


def test_an_update_is_neither() -> None:
    counter = FailureCounter()
    _see(counter, [task(identity="a")])
    replaced = task(identity="a", state="shutdown", desired="shutdown")
    _see(counter, [replaced, task(identity="b", created="2026-11-25T00:01:00Z")])
    assert not counter.failures("id-web")
    assert not counter.restarts("id-web")


def test_a_service_that_goes_and_comes_starts_anew() -> None:
    counter = FailureCounter()
    _see(counter, [])
    _see(counter, [_failed("a")])
    counter.update({}, {}, NODES)
    _see(counter, [])
    assert not counter.failures("id-web")


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8))
def test_counts_only_grow_and_never_exceed_what_failed(rounds: list[list[int]]) -> None:
    """However the engine's list changes from poll to poll, a counter never falls."""
    counter = FailureCounter()
    before = 0
    for listed in rounds:
        _see(counter, [_failed(str(each), each, slot=each) for each in set(listed)])
        now = sum(counter.failures("id-web").values())
        assert now >= before
        before = now


def test_crash_loop_begins_at_the_third_failure_and_ends_by_time() -> None:
    of: Service = service()
    start = 1795564800.0  # 2026-11-25T00:00:00Z
    tasks = [_failed("a", 0), _failed("b", 10), _failed("c", 20)]
    assert crash_looping(of, tasks[:2], start + 20) == (0, float("inf"))
    assert crash_looping(of, tasks, start + 21) == (1, start + 600)
    assert crash_looping(of, tasks, start + 601) == (0, float("inf"))
    assert crash_looping(of, [*tasks, _failed("d", 25, slot=2)], start + 30)[0] == 1


def test_last_failure_is_the_newest_and_a_lost_node_is_none() -> None:
    newest = last([_failed("b", 10), _failed("a", 0), task("gone", state="orphaned")])
    assert newest is not None
    assert (newest.at, newest.exit_code) == (1795564810.0, 3)
    assert last([task()]) is None
