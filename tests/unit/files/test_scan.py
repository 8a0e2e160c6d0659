"""The scan: everything that lies there is either a file to be moved or named with a reason."""

import os
import socket
from pathlib import Path

import pytest

from migrate.files import Found, Odd, open_below, scan
from migrate.files.scan import Links


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "plain.txt").write_bytes(b"plain")
    (root / "sub" / "deep" / "x").write_bytes(b"x")
    os.link(root / "plain.txt", root / "sub" / "hard")
    (root / "link").symlink_to("plain.txt")
    (root / "dangling").symlink_to("nowhere")
    (root / "folder-link").symlink_to("sub")
    (root / "sub" / "up").symlink_to("..")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "sock"))
    (root / os.fsdecode(b"bad\xff")).write_bytes(b"?")
    (root / "new\nline").write_bytes(b"?")
    with (root / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    return root


def look(root: Path, links: Links = "skip") -> tuple[dict[str, Found], dict[str, str]]:
    found, odd = {}, {}
    for one in scan(root, links=links):
        if isinstance(one, Odd):
            odd[one.name] = one.why
        else:
            found[one.name] = one
    return found, odd


def test_every_entry_is_found_or_named(tree: Path) -> None:
    found, odd = look(tree)
    assert set(found) == {"plain.txt", "sub/deep/x", "sub/hard", "sparse"}
    assert odd == {
        "link": "a symbolic link to plain.txt",
        "dangling": "a symbolic link to nowhere",
        "folder-link": "a symbolic link to sub",
        "sub/up": "a symbolic link to ..",
        "pipe": "a named pipe",
        "sock": "a socket",
        "bad\\xff": "its name is not UTF-8",
        "new\\nline": "its name has a control character",
    }
    assert found["sparse"].sparse
    assert not found["plain.txt"].sparse
    assert found["sub/hard"].inode == found["plain.txt"].inode
    assert found["sub/hard"].links == 2


def test_links_followed_also_into_folders_but_not_in_circles(tree: Path) -> None:
    found, odd = look(tree, "follow")
    assert found["link"].size == 5
    assert found["folder-link/deep/x"].size == 1
    assert odd["dangling"] == "a symbolic link to nowhere, which is not there"
    assert odd["sub/up"] == "a link in a circle"
    assert odd["folder-link/up"] == "a link in a circle"


def test_links_kept_as_objects(tree: Path) -> None:
    found, odd = look(tree, "keep")
    assert found["link.rclonelink"].target == b"plain.txt"
    assert found["folder-link.rclonelink"].target == b"sub"
    assert not any("link" in why for why in odd.values())


def test_odd_names_escaped(tree: Path) -> None:
    names = {one.name: one.path for one in scan(tree, odd_names="escape") if isinstance(one, Found)}
    assert names["bad%FF"] == b"bad\xff"
    assert names["new%0Aline"] == b"new\nline"


def test_a_folder_that_cannot_be_listed_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: bytes) -> object:
        if path.endswith(b"/sub"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert look(tree)[1]["sub"] == "cannot be read: Permission denied"


def test_open_below_goes_through_no_link_and_does_not_wait_for_a_pipe(tree: Path) -> None:
    os.close(open_below(tree, "sub/deep/x"))
    for name in ("link", "folder-link/deep/x", "sub/up/plain.txt"):
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            open_below(tree, name)
    os.close(open_below(tree, "pipe"))
