"""The delta finds every change in any order of the scan, and never calls a changed session unchanged."""

import random
from array import array
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from migrate.sessions.delta import Columns, Delta, Known, merged

STORES = st.dictionaries(st.integers(1, 400), st.integers(1, 5), max_size=200)


def columns_of(rows: Iterable[tuple[int, int, int]]) -> Columns:
    columns = Columns()
    for row in rows:
        columns.add(*row)
    return columns


def known_of(store: dict[int, int], *, chunk: int = 7) -> Known:
    """Return a last pass that comes in small chunks."""
    rows = [(place, stamp, place + 10_000) for place, stamp in store.items()]
    chunks = [columns_of(rows[at : at + chunk]) for at in range(0, len(rows), chunk)]
    return Known(chunks, len(rows))


def compare(known: Known, scan: list[tuple[int, int]]) -> tuple[set[int], set[int], set[int]]:
    """Return unchanged places, places to read, and missing marks."""
    delta = Delta(known)
    unchanged, changed = set(), set()
    for place, stamp in scan:
        mark = delta.unchanged(place, stamp)
        if mark >= 0:
            assert mark == place + 10_000
            unchanged.add(place)
        else:
            assert delta.later((place, stamp, "", 0))
    for entry, mark in delta.rest():
        if mark >= 0:
            assert mark == entry[0] + 10_000
            unchanged.add(entry[0])
        else:
            changed.add(entry[0])
    return unchanged, changed, delta.missing()


@given(before=STORES, after=STORES, order=st.randoms(use_true_random=False))
def test_any_scan_against_any_last_pass(
    before: dict[int, int], after: dict[int, int], order: random.Random
) -> None:
    scan = list(after.items())
    order.shuffle(scan)
    unchanged, changed, missing = compare(known_of(before), scan)
    truly = {place for place in after if before.get(place) == after[place]}
    assert unchanged <= truly, "a changed session must never count as unchanged"
    assert unchanged | changed == set(after)
    gone = {place + 10_000 for place in before if before[place] != after.get(place)}
    assert gone <= missing
    assert missing.isdisjoint({place + 10_000 for place in unchanged})


@given(store=STORES)
def test_the_same_order_is_all_unchanged(store: dict[int, int]) -> None:
    unchanged, changed, missing = compare(known_of(store), list(store.items()))
    assert (unchanged, changed, missing) == (set(store), set(), set())


def test_a_long_run_of_ended_sessions_is_crossed() -> None:
    store = dict.fromkeys(range(1, 20000), 1)
    scan = [(place, 1) for place in range(15_000, 20_000)]
    unchanged, changed, missing = compare(known_of(store), scan)
    assert (len(unchanged), len(changed), len(missing)) == (5000, 0, 14_999)


def test_a_stamp_of_nought_is_never_unchanged() -> None:
    assert Delta(known_of({1: 0})).unchanged(1, 5) == -1


def test_what_the_scan_has_passed_is_let_go() -> None:
    """A million sessions are never in memory at once, not even where many in a row have changed."""
    known = known_of(dict.fromkeys(range(1, 100_000), 1), chunk=1000)
    delta = Delta(known)
    most = 0
    for place in range(1, 100_000):
        changed = 20_000 < place <= 40_000
        assert delta.unchanged(place, 2 if changed else 1) == (-1 if changed else place + 10_000)
        most = max(most, len(known.rows))
    assert most <= 2000


@given(store=STORES, later=STORES)
def test_rows_that_come_later_take_their_reserved_positions(
    store: dict[int, int], later: dict[int, int]
) -> None:
    scanned = [
        (place, *((0, 0) if place in later else (stamp, place + 10_000))) for place, stamp in store.items()
    ]
    chunks = []
    for at in range(0, len(scanned), 5):
        places, stamps, marks = zip(*scanned[at : at + 5], strict=True)
        chunks.append(array("Q", [*places, *stamps, *marks]))
    rows = columns_of((place, stamp, place + 10_000) for place, stamp in later.items())
    whole = Columns()
    for one in merged(chunks, rows):
        whole.take(one, 0, len(one))
    expected = {**store, **later}
    assert dict(zip(whole.places, whole.stamps, strict=True)) == expected
    assert list(whole.places)[: len(store)] == list(store), "the order of the scan stays"
    unchanged, changed, missing = compare(Known([whole], len(whole)), list(expected.items()))
    assert (unchanged, changed, missing) == (set(expected), set(), set())
