"""Bandwidth by the hour and the search for the best concurrency."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.files import Timetable
from migrate.files.pace import Climb, Limiter, climb
from swarmstead.errors import UsageError

DAY = 24 * 60


@pytest.mark.parametrize(
    ("text", "minute", "rate"),
    [
        ("off", 0, None),
        ("10M", 5000, 10_000_000),
        ("512KiB", 0, 524_288),
        ("08:00,1M 18:00,off", 7 * 60, None),  # before the first of Monday: Sunday's last
        ("08:00,1M 18:00,off", 8 * 60, 1_000_000),
        ("08:00,1M 18:00,off", DAY + 17 * 60 + 59, 1_000_000),
        ("08:00,1M 18:00,off", DAY + 18 * 60, None),
        ("08:00,1M Sat-00:00,off Mon-00:00,2M", 5 * DAY + 60, None),
        ("08:00,1M Sat-00:00,off Mon-00:00,2M", 5 * DAY + 9 * 60, 1_000_000),
        ("08:00,1M Sat-00:00,off Mon-00:00,2M", 7 * DAY + 60, 2_000_000),
    ],
)
def test_a_timetable(text: str, minute: int, rate: int | None) -> None:
    assert Timetable.parse(text).rate(minute) == rate


@pytest.mark.parametrize("text", ["", "fast", "25:00,1M", "08:61,1M", "Xyz-08:00,1M", "08:00", "08:00,quick"])
def test_what_is_no_timetable(text: str) -> None:
    with pytest.raises(UsageError):
        Timetable.parse(text)


@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=50))
def test_a_limiter_lets_no_more_through_than_allowed(amounts: list[int]) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    limiter = Limiter(
        Timetable.parse("100k"),
        clock=lambda: now[0],
        sleep=sleep,
        now=lambda: datetime(2026, 1, 5, 12, tzinfo=UTC),
    )
    passed = 0
    for amount in amounts:
        limiter.take(amount)
        assert passed <= 100_000 * now[0] + 1e-6
        passed += amount


def test_climbing_goes_on_while_it_gets_faster_and_turns_when_not() -> None:
    state = Climb(8, 100.0)
    state = climb(state, 120.0, slowed=False, most=32)
    assert state.limit == 10
    state = climb(state, 140.0, slowed=False, most=32)
    assert state.limit == 12
    state = climb(state, 139.0, slowed=False, most=32)
    assert (state.limit, state.up) == (9, False)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.booleans()), max_size=60), st.integers(1, 64))
def test_the_concurrency_stays_in_its_bounds(looks: list[tuple[float, bool]], most: int) -> None:
    state = Climb(min(8, most))
    for rate, slowed in looks:
        before = state.limit
        state = climb(state, rate, slowed=slowed, most=most)
        assert 1 <= state.limit <= most
        if slowed:
            assert state.limit == max(1, before // 2)
