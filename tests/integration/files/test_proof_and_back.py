"""The proof finds every difference; the cut-over waits for calm; the way back loses nothing."""

import hashlib
import io
import os
import threading
import time
from pathlib import Path

import pytest

from migrate.files import BackReport, CutoverReport, Manifest, aside_folder, cut_over, reverse
from migrate.remotes import Remote
from swarmstead.errors import Different, Refused
from tests.integration.files.conftest import Place


def put(remote: Remote, name: str, data: bytes) -> None:
    remote.put(name, io.BytesIO(data), size=len(data), sha1=hashlib.sha1(data).hexdigest())


def back(place: Place, *, dry_run: bool = False) -> BackReport:
    with Manifest(place.path) as manifest:
        return reverse(place.root, place.remote, manifest, dry_run=dry_run)


def cut(place: Place, quiet: float = 0.05) -> CutoverReport:
    with Manifest(place.path) as manifest:
        return cut_over(place.root, place.remote, manifest, quiet_seconds=quiet)


def local(place: Place) -> dict[str, bytes]:
    return {
        p.relative_to(place.root).as_posix(): p.read_bytes() for p in place.root.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("reread", [False, True])
def test_every_difference_has_its_mark(place: Place, *, download: bool, reread: bool) -> None:
    for name in ("same", "lost", "flipped", "shorter"):
        place.write(name, f"content of {name}".encode())
    place.copy()
    place.remote.delete("lost")
    put(place.remote, "flipped", b"content of flippex")
    put(place.remote, "shorter", b"content")
    put(place.remote, "only there", b"x")
    place.write("too new", b"never copied")
    report, marks = place.verify(download=download, reread=reread)
    assert marks == ["* flipped", "+ lost", "- only there", "= same", "* shorter", "+ too new"]
    assert not report.proved
    assert (report.checked, report.same) == (5, 1)


def test_a_source_that_changed_since_is_different_also_with_its_old_size_and_times(place: Place) -> None:
    path = place.write("x", b"before")
    place.copy()
    status = path.stat()
    path.write_bytes(b"after!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert place.verify()[1] == ["* x"]


def test_a_rotten_byte_in_the_remotes_own_store_is_found(file_place: Place, tmp_path: Path) -> None:
    file_place.write("x", b"good bytes")
    file_place.copy()
    (tmp_path / "remote" / "x").write_bytes(b"gOod bytes")
    assert file_place.verify()[1] == ["* x"]


def test_the_cut_over_proves_and_writes_the_moment_down(place: Place) -> None:
    place.tree(12)
    report = cut(place)
    assert report.proof.proved
    assert report.proof.same == 12
    with Manifest(place.path) as manifest:
        assert manifest.ledger.noted("cutover")["files"] == 12


def test_the_cut_over_waits_until_writing_ends(file_place: Place) -> None:
    file_place.tree(5)
    end = time.monotonic() + 0.8

    def keep_writing() -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            file_place.write(f"late/{number}", b"x" * number)
            time.sleep(0.02)

    thread = threading.Thread(target=keep_writing)
    thread.start()
    report = cut(file_place, quiet=0.15)
    thread.join()
    assert len(report.passes) > 2
    assert file_place.there() == local(file_place)


def test_the_cut_over_refuses_while_files_change_and_where_the_proof_fails(
    file_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_place.write("log", b"")
    real = Manifest.take

    def take(self: Manifest, found: object) -> int:
        path.write_bytes(os.urandom(10))
        return real(self, found)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "take", take)
        with pytest.raises(Refused, match="still change"):
            cut(file_place, quiet=0)
    file_place.copy()
    put(file_place.remote, "log", b"somebody else's")
    with pytest.raises(Different):
        cut(file_place)
    with Manifest(file_place.path) as manifest:
        assert manifest.ledger.noted("cutover") is None


def test_what_was_written_since_the_cut_over_comes_back_and_nothing_is_lost(place: Place) -> None:
    before = place.tree(12)
    cut(place)
    put(place.remote, "new/picture.jpg", b"new" * 100_000)
    put(place.remote, "1/file 1.jpg", b"edited at the new place")
    place.remote.delete("2/file 2.jpg")
    dry = back(place, dry_run=True)
    assert (dry.written, local(place)) == (2, before)
    report = back(place)
    assert (report.written, report.unchanged) == (2, 10)
    assert report.gone == ["2/file 2.jpg"]
    found = local(place)
    assert found["new/picture.jpg"] == b"new" * 100_000
    assert found["1/file 1.jpg"] == b"edited at the new place"
    assert found["2/file 2.jpg"] == before["2/file 2.jpg"]
    aside = aside_folder(place.root) / "1" / "file 1.jpg"
    assert aside.read_bytes() == before["1/file 1.jpg"]
    again = back(place)
    assert (again.written, again.unchanged) == (0, 12)
    # And forward again: only what differs goes.
    forward = place.copy()
    assert forward.copied == 1
    assert place.there() == found


def test_the_old_hosts_own_newer_version_is_never_overwritten(place: Place) -> None:
    place.write("x", b"old")
    place.write("y", b"old")
    cut(place)
    place.write("x", b"newer on the old host")
    place.write("y", b"newer on the old host")
    put(place.remote, "y", b"newer at the remote")
    report = back(place)
    assert local(place)["x"] == b"newer on the old host"
    assert local(place)["y"] == b"newer at the remote"
    assert Path(report.kept[0]).read_bytes() == b"newer on the old host"


def test_links_odd_names_holes_and_times_come_back_as_they_were(file_place: Place, tmp_path: Path) -> None:
    from migrate.files import Choices  # noqa: PLC0415

    file_place.write("target", b"x")
    (file_place.root / "link").symlink_to("target")
    odd = file_place.root / os.fsdecode(b"odd\xff")
    odd.write_bytes(b"odd")
    holes = file_place.root / "holes"
    with holes.open("wb") as file:
        file.write(b"start")
        file.truncate(20_000_000)
    os.utime(holes, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    file_place.copy(Choices(links="keep", odd_names="escape"))
    for path in (file_place.root / "link", odd, holes):
        path.unlink()
    report = back(file_place)
    assert report.written == 3
    assert (file_place.root / "link").readlink() == Path("target")
    assert odd.read_bytes() == b"odd"
    assert holes.stat().st_size == 20_000_000
    assert holes.stat().st_blocks * 512 < 1_000_000
    assert holes.stat().st_mtime_ns == 1_600_000_000_000_000_000
    assert hashlib.sha1(holes.read_bytes()).digest() == hashlib.sha1(b"start" + b"\0" * 19_999_995).digest()


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped", "./x"])
def test_a_name_that_leads_out_of_the_folder_is_refused(s3_place: Place, name: str) -> None:
    s3_place.write("x", b"x")
    s3_place.copy()
    listed = s3_place.remote.head("x")
    assert listed is not None
    from dataclasses import replace  # noqa: PLC0415

    from migrate.files.back import _Back  # noqa: PLC0415

    report = BackReport()
    with Manifest(s3_place.path) as manifest:
        _Back(s3_place.root, s3_place.remote, manifest, report, dry_run=False).one(replace(listed, name=name))
    assert report.refused == [ascii(name)]
    assert not (s3_place.root.parent / "escaped").exists()


def test_a_link_in_the_way_is_not_followed_out_of_the_folder(s3_place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    s3_place.write("x", b"x")
    cut(s3_place)
    put(s3_place.remote, "trap/file", b"must not land outside")
    (s3_place.root / "trap").symlink_to(outside)
    report = back(s3_place)
    assert report.refused == ["'trap/file'"]
    assert [*outside.iterdir()] == []
