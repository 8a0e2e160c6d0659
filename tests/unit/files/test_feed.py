"""What is sent next: nothing is left out or given twice, and large files neither block nor come last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.files.feed import Feed
from migrate.files.manifest import LARGE_BYTES, Row
from migrate.files.pace import Gate
from migrate.files.send import TOGETHER_BYTES


def rows(*sizes: int) -> list[Row]:
    return [Row(str(n).encode(), str(n), size, 0, 0) for n, size in enumerate(sizes)]


def feed(files: list[Row], limit: int, *, ahead: bool = True) -> Feed:
    large = (row for row in files if row.size > LARGE_BYTES)
    return Feed(large, (row for row in files if row.size <= LARGE_BYTES), Gate(limit), ahead=ahead)


_EDGES = [0, 1000, TOGETHER_BYTES, TOGETHER_BYTES + 1, LARGE_BYTES, LARGE_BYTES + 1, 10**9]


@given(sizes=st.lists(st.sampled_from(_EDGES), max_size=80), limit=st.integers(1, 40), ahead=st.booleans())
def test_every_file_is_given_once_and_no_more_at_once_than_may_be(
    sizes: list[int], limit: int, *, ahead: bool
) -> None:
    files = rows(*sizes)
    source, given_out = feed(files, limit, ahead=ahead), list[Row]()
    while bundle := source.next():
        some, at_once = bundle
        assert some
        assert 1 <= at_once <= min(limit, len(some))
        assert len(some) == 1 or (ahead and all(row.size <= TOGETHER_BYTES for row in some))
        given_out += some
        source.ended(some)
    assert sorted(row.name for row in given_out) == sorted(row.name for row in files)


@pytest.mark.parametrize(("limit", "share"), [(1, 1), (4, 1), (16, 4), (32, 8)])
def test_large_files_go_first_but_leave_room(limit: int, share: int) -> None:
    files = rows(*[LARGE_BYTES + 1] * 20, *[1000] * 10)
    source = feed(files, limit)
    first = [source.next() for _ in range(share + 1)]
    sizes = [bundle[0][0].size for bundle in first if bundle]
    assert sizes == [*[LARGE_BYTES + 1] * share, 1000]
    source.ended(files[:1])
    following = source.next()
    assert following is not None
    assert following[0][0].size == LARGE_BYTES + 1


def test_without_small_files_large_ones_take_all_the_room() -> None:
    source = feed(rows(*[LARGE_BYTES + 1] * 5), 4)
    assert [bool(source.next()) for _ in range(6)] == [True] * 5 + [False]
