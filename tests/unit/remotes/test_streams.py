"""Bodies, windows and pages, as pure as they are."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.remotes import Bill, open_remote
from migrate.remotes.s3 import _cut, region_of
from migrate.remotes.stream import Window, metered
from swarmstead.errors import InputError, Unreachable, UsageError

CHUNKS = st.lists(st.binary(min_size=1, max_size=9), max_size=9)


@given(CHUNKS, st.integers(0, 40), st.one_of(st.none(), st.integers(0, 40)))
def test_a_cut_is_a_slice(chunks: list[bytes], skip: int, length: int | None) -> None:
    data = b"".join(chunks)
    end = None if length is None else skip + length
    assert b"".join(_cut(iter(chunks), skip, length)) == data[skip:end]


@given(CHUNKS, st.integers(-3, 3))
def test_a_body_of_another_length_is_an_error(chunks: list[bytes], more: int) -> None:
    bill, length = Bill(), sum(map(len, chunks))
    if more == 0:
        assert b"".join(metered(iter(chunks), length=length, bill=bill, subject="x")) == b"".join(chunks)
        assert bill.received_bytes == length
    else:
        with pytest.raises(Unreachable, match=f"after {length} of"):
            [*metered(iter(chunks), length=length + more, bill=bill, subject="x")]


def test_a_drip_is_noticed_and_a_slow_reader_is_not_blamed() -> None:
    time = [0.0]

    def drip(seconds: float) -> Iterator[bytes]:
        for _ in range(100):
            time[0] += seconds
            yield b"x"

    def clock() -> float:
        return time[0]

    with pytest.raises(Unreachable, match="crawls"):
        [*metered(drip(1), length=100, bill=Bill(), subject="x", clock=clock)]
    for _chunk in metered(drip(0.1), length=100, bill=Bill(), subject="x", clock=clock):
        time[0] += 60


@given(
    st.binary(max_size=50), st.integers(0, 50), st.integers(0, 50), st.lists(st.integers(-1, 9), max_size=9)
)
def test_a_window_reads_like_the_slice_it_is(data: bytes, start: int, size: int, reads: list[int]) -> None:
    source = io.BytesIO(data)
    source.seek(start)
    window, model = Window(source, size), io.BytesIO(data[start : start + size])
    for amount in reads:
        if start + size <= len(data):
            assert window.read(amount) == model.read(amount)
            assert window.tell() == model.tell()
    window.seek(0)
    assert window.read() == data[start : start + size]


@settings(deadline=None, max_examples=40)
@given(st.sets(st.text("ab-/0é", min_size=1, max_size=6), max_size=12))
def test_a_folder_lists_by_the_bytes_of_names(names: set[str]) -> None:
    kept: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        remote = open_remote(Path(folder).as_uri())
        for name in sorted(names):
            try:
                remote.put(name, io.BytesIO(b""), size=0, sha1="da39a3ee5e6b4b0d3255bfef95601890afd80709")
            except InputError:
                continue  # "a" and "a/b", "//"
            kept.append(name)
        expected = sorted(kept, key=str.encode)
        assert [found.name for found in remote.list()] == expected
        for after in expected:
            assert [f.name for f in remote.page(after=after)] == expected[expected.index(after) + 1 :]
        for prefix in ("a", "a/", "b-"):
            assert [f.name for f in remote.list(prefix)] == [n for n in expected if n.startswith(prefix)]


@pytest.mark.parametrize(
    "url",
    ["", "x", "http://a/b", "file://host/x", "file:///", "s3:///x", "b2://", "s3://b/x?y=1", "s3://b#x"],
)
def test_what_is_no_remote_is_said(url: str) -> None:
    with pytest.raises(UsageError):
        open_remote(url, key_id="a", key="b")


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a\0b", ".swarmstead-remote/x"]
)
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    remote = open_remote((tmp_path / "remote").as_uri())
    with pytest.raises(InputError):
        remote.head(name)


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("", "us-east-1"),
        ("https://s3.eu-central-003.backblazeb2.com", "eu-central-003"),
        ("https://s3-eu-west-1.amazonaws.com", "eu-west-1"),
        ("http://127.0.0.1:9000", "us-east-1"),
    ],
)
def test_the_region_is_read_off_the_endpoint(endpoint: str, region: str) -> None:
    assert region_of(endpoint) == region
