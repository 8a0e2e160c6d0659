"""The policy of retries and the breaker, by tables and a clock of our own."""

import pytest

from migrate.remotes import PATIENT, PROMPT, Breaker, Policy
from migrate.remotes.retry import Retry, next_wait
from swarmstead.errors import (
    Corrupt,
    Denied,
    Exhausted,
    InputError,
    SwarmsteadError,
    Throttled,
    Unreachable,
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.slept.append(seconds)
        return False


@pytest.mark.parametrize("error", [Denied("x"), Exhausted("x"), InputError("x"), SwarmsteadError("x")])
def test_what_no_try_can_help_is_final(error: SwarmsteadError) -> None:
    assert next_wait(error, attempt=1, elapsed=0, policy=PATIENT, jitter=0) is None


@pytest.mark.parametrize(
    ("attempt", "jitter", "wait"), [(1, 1, 0.1), (1, 0, 0.05), (3, 1, 0.4), (10, 1, 30), (500, 1, 30)]
)
def test_silence_backs_off(attempt: int, jitter: float, wait: float) -> None:
    assert next_wait(Unreachable("x"), attempt=attempt, elapsed=0, policy=PATIENT, jitter=jitter) == wait


def test_who_is_asked_to_slow_down_waits_longer_than_after_silence() -> None:
    waits = [next_wait(Throttled("x"), attempt=n, elapsed=0, policy=PATIENT, jitter=1) for n in (1, 2, 9)]
    assert waits == [0.4, 0.8, 30]


def test_a_server_that_says_how_long_is_believed_up_to_the_deadline() -> None:
    slow = Throttled("x", wait_seconds=60)
    assert next_wait(slow, attempt=1, elapsed=0, policy=PATIENT, jitter=0) == 60
    assert next_wait(slow, attempt=1, elapsed=0, policy=PROMPT, jitter=0) is None


def test_wrong_bytes_are_sent_again_at_once_but_not_for_ever() -> None:
    waits = [next_wait(Corrupt("x"), attempt=n, elapsed=0, policy=PATIENT, jitter=0) for n in range(1, 6)]
    assert waits == [0, 0, 0, None, None]


def test_no_wait_passes_the_deadline() -> None:
    policy = Policy(deadline=10, first=4)
    assert next_wait(Unreachable("x"), attempt=1, elapsed=6, policy=policy, jitter=1) == 4
    assert next_wait(Unreachable("x"), attempt=1, elapsed=6.1, policy=policy, jitter=1) is None


def test_a_call_is_tried_until_it_goes_well() -> None:
    clock, errors = Clock(), [Unreachable("a"), Throttled("b", wait_seconds=7), Corrupt("c")]
    heard: list[SwarmsteadError] = []

    def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    retry = Retry(Policy(deadline=100), clock=clock, wait=clock.wait, told=heard.append)
    assert retry.call(work, "x") == "done"
    assert [type(error) for error in heard] == [Unreachable, Throttled, Corrupt]
    assert clock.slept[1] == 7


def test_a_stop_ends_the_waiting_with_the_last_error() -> None:
    def fail() -> None:
        raise Unreachable("gone")

    with pytest.raises(Unreachable, match="gone"):
        Retry(PATIENT, wait=lambda _seconds: True).call(fail, "x")


def test_the_breaker_opens_rests_and_lets_one_try() -> None:
    clock = Clock()
    breaker = Breaker(failures=2, rest=10, longest=40, clock=clock)
    breaker.told(Unreachable("x"))
    assert breaker.enter() == 0
    breaker.told(Unreachable("x"))
    assert breaker.enter() == 10
    clock.now = 10
    assert breaker.enter() == 0  # this one tries
    assert breaker.enter() == 10  # the others wait for it
    breaker.told(Unreachable("x"))
    assert breaker.seconds_left() == 20
    clock.now = 30
    assert breaker.enter() == 0
    breaker.told(None)
    assert [breaker.enter() for _ in range(5)] == [0] * 5


@pytest.mark.parametrize("error", [Throttled("x"), Denied("x"), Corrupt("x"), Exhausted("x"), None])
def test_a_server_that_answers_anything_keeps_the_breaker_closed(error: SwarmsteadError | None) -> None:
    breaker = Breaker(failures=2)
    for _ in range(5):
        breaker.told(Unreachable("x"))
        breaker.told(error)
    assert not breaker.is_open
