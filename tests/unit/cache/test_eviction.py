"""Eviction policies: what each keeps, and that none ever names what it does not hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.cache.eviction import POLICIES, Age, GdsfCost, Lru, Policy, S3Fifo, Sieve, new_policy

DAY = 86_400
_STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "hit", "remove", "evict"]), st.integers(0, 12)), max_size=200
)


def evict(policy: Policy, now: float = 0) -> str | None:
    name = policy.victim(now)
    if name is not None:
        policy.remove(name, evicted=True)
    return name


@pytest.mark.parametrize("kind", POLICIES)
@given(steps=_STEPS)
def test_a_victim_is_always_held_and_all_can_be_evicted(kind: str, steps: list[tuple[str, int]]) -> None:
    policy, held = new_policy(kind), set[str]()
    for now, (what, number) in enumerate(steps):
        name = str(number)
        if what == "add":
            policy.add(name, (number + 1) * 1000, now)
            held.add(name)
        elif what == "hit":
            policy.hit(name, now)
        elif what == "remove":
            policy.remove(name)
            held.discard(name)
        else:
            victim = evict(policy, now)
            assert (victim in held) if held else victim is None
            held.discard(victim or "")
    for _ in range(len(held)):
        victim = evict(policy, 1000)
        assert victim in held
        held.remove(str(victim))
    assert evict(policy) is None


@pytest.mark.parametrize("kind", POLICIES)
def test_a_restart_keeps_what_matters(kind: str) -> None:
    policy = new_policy(kind)
    for now in range(10):
        policy.add(str(now), 100_000, now)
    for now in range(10, 15):
        policy.hit("0", now)
    memories = sorted(((*policy.memory(str(n)), str(n)) for n in range(10)), key=lambda kept: kept[1])
    again = new_policy(kind)
    for count, rank, name in memories:
        again.restore(name, 100_000, count, rank)
    assert [evict(again, 20) for _ in range(9)].count("0") == 0


def test_gdsf_keeps_small_and_popular_and_lets_old_fame_go() -> None:
    policy = GdsfCost()
    policy.add("large", 5_000_000, 0)
    policy.add("small", 10_000, 0)
    assert policy.victim(0) == "large"
    for _ in range(20):
        policy.hit("small", 0)
    for number in range(300):  # nobody asks for it any more, while others come and go
        policy.add(f"new{number}", 10_000, 0)
        policy.hit(f"new{number}", 0)
        if number >= 5:
            evict(policy)
    assert "small" not in policy._held


def test_gdsf_may_name_the_newcomer_first() -> None:
    policy = GdsfCost()
    for number in range(5):
        policy.add(str(number), 10_000, 0)
    policy.add("huge", 50_000_000, 0)
    assert policy.victim(0) == "huge"


def test_lru_and_age_go_by_the_last_time_asked_for() -> None:
    policy, age = Lru(), Age(days=7)
    for one in (policy, age):
        one.add("a", 1, 0)
        one.add("b", 1, 1)
        one.hit("a", 3 * DAY)
        assert one.victim(3 * DAY) == "b"
    assert age.overdue(7 * DAY) is None
    assert age.overdue(7 * DAY + 2) == "b"


def sieve_of_the_paper(requests: list[int], room: int) -> list[set[int]]:
    """Play SIEVE as the paper's algorithm 1 says, objects of one size; return what is held after each."""
    queue: list[int] = []  # newest first
    visited: dict[int, bool] = {}
    hand, held = -1, []
    for name in requests:
        if name in visited:
            visited[name] = True
        else:
            if len(queue) == room:
                hand = len(queue) - 1 if hand < 0 else hand
                while visited[queue[hand]]:
                    visited[queue[hand]] = False
                    hand = hand - 1 if hand else len(queue) - 1
                del visited[queue.pop(hand)]
                hand -= 1
            queue.insert(0, name)
            hand += hand >= 0
            visited[name] = False
        held.append(set(queue))
    return held


@given(requests=st.lists(st.integers(0, 12), max_size=300), room=st.integers(2, 8))
def test_sieve_is_that_of_the_paper(requests: list[int], room: int) -> None:
    policy, held = Sieve(), set[int]()
    for name, expected in zip(requests, sieve_of_the_paper(requests, room), strict=True):
        if name in held:
            policy.hit(str(name), 0)
        else:
            policy.add(str(name), 1, 0)
            held.add(name)
            if len(held) > room:
                held.remove(int(evict(policy) or -1))
        assert held == expected


def test_sieve_gives_a_second_chance_in_place() -> None:
    policy = Sieve()
    for name in "abc":
        policy.add(name, 1, 0)
    policy.hit("a", 0)
    gone = []
    for name in "defgh":
        policy.add(name, 1, 0)
        gone.append(evict(policy))
    assert gone == [*"bcdef"]  # the mark of a is used up, but the hand has not come round yet


def test_s3_fifo_lets_one_hit_wonders_go_first_and_remembers_them() -> None:
    policy = S3Fifo()
    for number in range(10):
        policy.add(str(number), 10, 0)
    policy.hit("0", 0)
    assert evict(policy) == "1"
    policy.add("1", 10, 0)  # its ghost is known: straight into the main queue
    assert "1" in policy._main
    assert "0" in policy._main
