"""Names: nothing that leads out of the folder is one, whatever the encoding."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.cache.names import open_below, open_folder, parent_of, safe_name


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd", "/a/../../etc/passwd", "/%2e%2e/etc/passwd", "/%2e%2e%2fetc%2fpasswd", "/..%2fetc",
        "/a/..", "/a/%2e%2e/b", "/a/./b", "//etc/passwd", "/a//b", "/a%2f%2fb", "/%00", "/a%00.jpg", "/a%0ab",
        "/..\\etc", "/a%5c..%5cb", "/%c0%ae%c0%ae/etc", "/%ff", "/.swarmstead/index.db",
        "/%2eswarmstead/index.db", "/a/.git/config", "/", "", "a",
        "/" + "x" * 300, "/" + "a/" * 600 + "b", "/\udc80", "http://host/a",
        "/a/", "/%7f",
    ],
)  # fmt: skip
def test_no_name(path: str) -> None:
    assert safe_name(path) is None


def test_a_name_is_decoded_once() -> None:
    assert safe_name("/a%252e%252e/b") == "a%2e%2e/b"
    assert safe_name("/gr%C3%BC%C3%9Fe.jpg?x=../..#y") == "grüße.jpg"
    assert safe_name("/a+b%20c.jpg") == "a+b c.jpg"


@given(path=st.text(max_size=80))
def test_what_is_a_name_stays_below_the_folder(path: str) -> None:
    for sent in (path, "/" + path, "/" + quote(path, errors="replace")):
        name = safe_name(sent)
        if name is not None:
            whole = os.path.normpath("/srv/folder/" + name)
            assert whole == "/srv/folder/" + name


def test_symbolic_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    root = tmp_path / "up"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "dir").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    folder = open_folder(str(root))
    for name in ("link", "dir/secret", "dir/in/x", "none"):
        with pytest.raises(OSError, match=r"."):
            os.close(open_below(folder, name))
    with pytest.raises(OSError, match=r"."):
        parent_of(folder, "dir/new/x", make=True)
    assert not (tmp_path / "new").exists()
    os.close(open_below(folder, "pipe"))  # does not wait for a writer
    os.close(folder)
