"""Generated files never overwrite what a person wrote."""

from pathlib import Path

from migrate.packaging import copy_code, folder_digest, write_files


def test_an_edited_file_is_kept_and_the_new_one_lies_beside_it(tmp_path: Path) -> None:
    assert [w.what for w in write_files(tmp_path, {"a": "1\n", "b/c": "1\n"})] == ["written", "written"]
    assert [w.what for w in write_files(tmp_path, {"a": "1\n", "b/c": "2\n"})] == ["same", "written"]
    (tmp_path / "a").write_text("mine\n")
    [kept] = write_files(tmp_path, {"a": "2\n"})
    assert kept.what == "kept"
    assert "-mine" in kept.diff
    assert "+2" in kept.diff
    assert (tmp_path / "a").read_text() == "mine\n"
    assert (tmp_path / "a.new").read_text() == "2\n"


def test_a_file_that_somebody_else_made_is_kept(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM mine:1\n")
    [kept] = write_files(tmp_path, {"Dockerfile": "FROM a:1\n"})
    assert kept.what == "kept"


def test_once_the_edit_agrees_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "1\n"})
    (tmp_path / "a").write_text("mine\n")
    write_files(tmp_path, {"a": "2\n"})
    (tmp_path / "a").write_text("2\n")
    assert write_files(tmp_path, {"a": "2\n"})[0].what == "same"
    assert not (tmp_path / "a.new").exists()


def test_code_is_copied_without_uploads_and_readable(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "uploads").mkdir(parents=True)
    (app / "uploads" / "a.jpg").write_bytes(b"x")
    (app / "index.php").write_text("<?php")
    (app / "index.php").chmod(0o600)
    (app / "link").symlink_to("index.php")
    copy_code(app, tmp_path / "out", leave_out=lambda path: path == Path("uploads"))
    copied = tmp_path / "out"
    assert sorted(path.name for path in copied.iterdir()) == ["index.php", "link"]
    assert (copied / "index.php").stat().st_mode & 0o777 == 0o644
    assert (copied / "link").readlink() == Path("index.php")


def test_a_digest_sees_names_modes_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    digests = [folder_digest(tmp_path, "a")]
    (tmp_path / "a").chmod(0o755)
    digests.append(folder_digest(tmp_path, "a"))
    (tmp_path / "a").write_text("2")
    digests.append(folder_digest(tmp_path, "a"))
    assert len(set(digests)) == 3
