"""Ranges, conditions and types, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from migrate.cache.http import File, answer, content_type, etag

FILE = File("a.jpg", 1000, 1_700_000_000_500_000_000)
TAG = etag(FILE)
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def ask(file: File = FILE, **headers: str) -> tuple[int, int, int]:
    how = answer(CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}), file)
    return how.status, how.start, how.end


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-99", (206, 0, 100)),
        ("bytes=990-5000", (206, 990, 1000)),
        ("bytes=500-", (206, 500, 1000)),
        ("bytes=-10", (206, 990, 1000)),
        ("bytes=-5000", (206, 0, 1000)),
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=1000-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=5-4", (200, 0, 1000)),
        ("bytes=0-1,5-6", (200, 0, 1000)),
        ("bytes=" + "0-," * 2000 + "0-", (200, 0, 1000)),
        ("bytes=-", (200, 0, 1000)),
        ("items=0-1", (200, 0, 1000)),
        ("bytes=" + "9" * 40 + "-", (200, 0, 1000)),
        ("bytes=９-", (200, 0, 1000)),
    ],
)
def test_range(asked: str, expected: tuple[int, int, int]) -> None:
    assert ask(Range=asked) == expected


def test_an_empty_file_has_no_range() -> None:
    empty = File("a", 0, 0)
    assert ask(empty, Range="bytes=0-") == (416, 0, 0)
    assert ask(empty) == (200, 0, 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": TAG}, 304),
        ({"If_None_Match": f'"x", W/{TAG}'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"x"', "If_Modified_Since": DATE}, 200),  # the tag goes before the date
        ({"If_Modified_Since": DATE}, 304),
        ({"If_Modified_Since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 200),
        ({"If_Modified_Since": "nonsense"}, 200),
        ({"If_Match": '"x"'}, 412),
        ({"If_Match": TAG}, 200),
        ({"If_Unmodified_Since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 412),
        ({"If_Range": TAG, "Range": "bytes=0-1"}, 206),
        ({"If_Range": "W/" + TAG, "Range": "bytes=0-1"}, 200),
        ({"If_Range": '"x"', "Range": "bytes=0-1"}, 200),
        ({"If_Range": DATE, "Range": "bytes=0-1"}, 206),
        ({"If_Range": "Tue, 14 Nov 2023 22:13:21 GMT", "Range": "bytes=0-1"}, 200),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert ask(FILE, **headers)[0] == status


@given(asked=st.text(max_size=60), size=st.integers(0, 10**12))
def test_whatever_is_asked_the_bytes_lie_in_the_file(asked: str, size: int) -> None:
    how = answer(CIMultiDict({"Range": asked, "If-Range": asked}), File("a", size, 0))
    assert 0 <= how.start <= how.end <= size


@given(first=st.integers(0, 2000), last=st.integers(0, 2000))
def test_a_range_is_what_slicing_says(first: int, last: int) -> None:
    data = bytes(range(250)) * 4
    status, start, end = ask(Range=f"bytes={first}-{last}")
    if first > last:
        assert status == 200
    elif first >= 1000:
        assert status == 416
    else:
        assert data[start:end] == data[first : last + 1]


def test_what_a_browser_would_run_is_sandboxed() -> None:
    for name in ("evil.html", "evil.svg", "evil.xhtml"):
        assert content_type(name)[1]
        assert answer({}, File(name, 1, 0)).headers["Content-Security-Policy"] == "sandbox"
    assert content_type("a.jpg") == ("image/jpeg", False)
    assert content_type("archive.tar.gz")[0] == "application/octet-stream"
    assert "Content-Security-Policy" not in answer({}, FILE).headers
