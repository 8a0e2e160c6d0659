"""Names: what may be one, what an odd one becomes, and that it comes back."""

import os
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.files import Limits, escaped, shown, trouble, twins


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (b"a/b.jpg", ""),
        ("日本語/é.png".encode(), ""),
        (b"a b%20c", ""),
        (b"x" * 250, ""),
        (b"/".join([b"x" * 250] * 4), ""),
        (b"bad\xff.jpg", "not UTF-8"),
        (b"new\nline", "control character"),
        (b"del\x7f", "control character"),
        (b"/a", "slash"),
        (b"a//b", "slash"),
        (b"a/", "slash"),
        (b"x" * 251, "part of its name is too long: 251"),
        (b"/".join([b"x" * 250] * 5), "too long: 1254"),
    ],
)
def test_what_cannot_be_a_name_and_why(path: bytes, why: str) -> None:
    assert why in trouble(path)
    assert bool(why) == bool(trouble(path))


def test_limits_are_the_remotes() -> None:
    assert trouble(b"x" * 251, Limits(1024, 1024)) == ""
    assert trouble(b"x" * 1025, Limits(1024, 2000)) != ""


PATHS = st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"\0", b"_").strip(b"/") or b"x")


@given(PATHS)
def test_an_escaped_name_is_a_name_and_comes_back(path: bytes) -> None:
    name = escaped(path)
    assert unquote_to_bytes(name) == path
    assert trouble(name.encode()) in ("", "its name begins or ends with a slash, or has two in a row")


@given(PATHS)
def test_what_is_shown_is_printable(path: bytes) -> None:
    assert shown(path).isprintable()
    assert os.linesep not in shown(path)


def test_twins() -> None:
    names = ["a.jpg", "A.jpg", "e\u0301", "\u00e9", "b"]
    assert [*twins(names)] == [("A.jpg", "a.jpg"), ("\u00e9", "e\u0301")]
