"""The second witness: a list, events on top of it, and what the two together must never get wrong."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporters.engine import Container, Event
from exporters.engine.records import Actor
from exporters.swarm.witness import Witness, health
from tests.unit.swarm.scenarios import scenario

LABELS = {"com.docker.swarm.service.name": "web", "com.docker.stack.namespace": "shop"}
NONE, GOOD, SICK = ("web", "shop", "none"), ("web", "shop", "healthy"), ("web", "shop", "unhealthy")


def _container(identity: str, status: str = "Up 2 seconds", state: str = "running") -> Container:
    return Container(id=identity, state=state, status=status, labels=LABELS)


def _event(action: str, identity: str, labels: dict[str, str] | None = None) -> Event:
    return Event(type="container", action=action, actor=Actor(id=identity, attributes=labels or LABELS))


def test_health_is_read_from_the_text_both_engines_give() -> None:
    assert health("Up 9 seconds (healthy)") == "healthy"
    assert health("Up Less than a second (health: starting)") == "starting"
    assert health("Up 2 minutes (unhealthy)") == "unhealthy"
    assert health("Up 3 hours") == "none"


def test_events_take_away_at_once_and_add_after_asking() -> None:
    witness = Witness()
    witness.take_list([_container("a"), _container("b", "Up 1 second (healthy)")], 0)
    assert witness.counts() == {NONE: 1, GOOD: 1}
    assert witness.take_event(_event("die", "a"), 0)
    assert witness.counts() == {GOOD: 1}
    assert not witness.take_event(_event("start", "c"), 0)
    assert witness.asked() == ["c"]
    witness.take_answer(["c"], [_container("c", "Up 1 second (health: starting)")], 0)
    assert witness.counts() == {GOOD: 1, ("web", "shop", "starting"): 1}
    assert witness.take_event(_event("health_status: healthy", "c"), 0)
    assert witness.take_event(_event("health_status: unhealthy", "b"), 0)
    assert witness.counts() == {GOOD: 1, SICK: 1}


def test_a_container_that_ended_before_it_could_be_asked_for() -> None:
    witness = Witness()
    witness.take_event(_event("start", "c"), 0)
    witness.take_event(_event("die", "c"), 0)
    assert witness.asked() == []
    witness.take_event(_event("start", "d"), 0)
    witness.take_answer(witness.asked(), [], 0)
    assert witness.counts() == {}


def test_a_dead_container_that_the_engine_still_lists_as_running_is_not_believed() -> None:
    """Seen on a real Engine 20.10: `die` is told before the list is put right."""
    witness = Witness()
    witness.take_list([_container("a"), _container("b")], 100)
    witness.take_event(_event("die", "a"), 101)
    witness.take_list([_container("a"), _container("b")], 102)
    assert witness.counts() == {NONE: 1}
    witness.take_answer(["a"], [_container("a")], 103)
    assert witness.counts() == {NONE: 1}
    # a container that is started again runs, whatever was before
    witness.take_event(_event("start", "a"), 104)
    witness.take_answer(witness.asked(), [_container("a")], 104)
    assert witness.counts() == {NONE: 2}
    # and after a while the list is believed again, also about one whose start nobody told
    witness.take_event(_event("die", "b"), 105)
    witness.take_list([_container("a"), _container("b")], 116)
    assert witness.counts() == {NONE: 2}


def test_containers_of_no_service_are_passed_over() -> None:
    witness = Witness()
    witness.take_list(
        [Container(id="x", state="running", status="Up", labels={"a": "b"}), _container("y", state="exited")],
        0,
    )
    assert not witness.take_event(_event("start", "z", {"image": "busybox"}), 0)
    assert witness.counts() == {}
    assert witness.asked() == []


def test_out_of_memory_is_counted_by_service() -> None:
    witness = Witness()
    assert witness.take_event(_event("oom", "a"), 0)
    assert witness.ooms == {("web", "shop"): 1}


def test_a_list_tells_which_changes_no_event_had_told() -> None:
    witness = Witness()
    assert witness.take_list([_container("a"), _container("b")], 0) == {"a", "b"}
    witness.take_event(_event("die", "a"), 0)
    assert witness.take_list([_container("b"), _container("c")], 0) == {"c"}


def test_a_captured_stream_leads_to_the_captured_list() -> None:
    """The events of a crash-looping node, from its start on, end in what the engine then lists."""
    for name in ("20.10/crash-11s", "29/crash-11s"):
        data = scenario(name)
        witness = Witness()
        listed = {each.id: each for each in data.containers()}
        for line in data.answers["events"][1].splitlines():
            witness.take_event(msgspec.json.decode(line, type=Event), 0)
            asked = witness.asked()
            # Asked late, a container may have ended: then it is not in the answer, and its end is told.
            witness.take_answer(asked, [listed[i] for i in asked if i in listed], 0)
        whole = Witness()
        whole.take_list(listed.values(), 0)
        begun_before = {
            key: number for key, number in whole.counts().items() if key[0] not in _made(data.answers)
        }
        assert dict(witness.counts()) == {k: n for k, n in whole.counts().items() if k not in begun_before}, (
            name
        )


def _made(answers: dict[str, tuple[int, str]]) -> set[str]:
    """Return the services whose containers started within the captured events."""
    events = [json.loads(line) for line in answers["events"][1].splitlines()]
    return {
        event["Actor"]["Attributes"].get("com.docker.swarm.service.name", "")
        for event in events
        if event["Type"] == "container" and event["Action"] == "start"
    }


@given(
    st.lists(
        st.tuples(st.sampled_from(["start", "die", "destroy", "pause", "unpause"]), st.sampled_from("abc"))
    )
)
def test_events_in_any_order_follow_the_last_one(events: list[tuple[str, str]]) -> None:
    witness = Witness()
    runs: dict[str, bool] = {}
    for action, identity in events:
        witness.take_event(_event(action, identity), 0)
        runs[identity] = action in ("start", "unpause")
        asked = witness.asked()
        witness.take_answer(asked, [_container(each) for each in asked], 0)
    assert sum(witness.counts().values()) == sum(runs.values())
