"""Copies: whole, resumed, changed under way, and never a second version."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrate.files import Choices, Manifest, Timetable, copy_pass, open_below
from migrate.files import send as sending
from migrate.remotes import Remote
from migrate.remotes.testkit import B2Server, Fault, S3Proxy
from swarmstead.errors import Denied, Exhausted, Refused, Stopped
from swarmstead.stop import Stop
from tests.integration.files.conftest import Place


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 12 MiB be a large file, of parts as small as S3 takes."""
    monkeypatch.setattr("migrate.files.send.LARGE_BYTES", 1024 * 1024)
    monkeypatch.setattr("migrate.files.parts.PART_BYTES", 5 * 1024 * 1024)
    monkeypatch.setattr("migrate.files.send.IN_PARTS_BYTES", 10 * 1024 * 1024)


def test_a_tree_arrives_and_a_second_pass_sends_nothing(place: Place) -> None:
    files = place.tree()
    first = place.copy()
    assert (first.seen, first.copied, first.unchanged) == (40, 40, 0)
    assert place.there() == files
    puts = place.remote.bill.calls["put"]
    second = place.copy()
    assert (second.copied, second.unchanged) == (0, 40)
    assert place.remote.bill.calls["put"] == puts


def test_delta_passes_send_what_is_new_or_changed(place: Place) -> None:
    place.tree(5)
    place.copy()
    place.write("1/file 1.jpg", b"changed")
    place.write("new/one", b"new")
    report = place.copy()
    assert (report.copied, report.bytes) == (2, 10)
    assert place.there()["1/file 1.jpg"] == b"changed"


def test_a_touched_file_is_read_again_but_not_sent_again(b2_place: Place, b2: B2Server) -> None:
    path = b2_place.write("x.jpg", b"same")
    b2_place.copy()
    os.utime(path, (1, 1))
    path.chmod(0o600)
    report = b2_place.copy()
    assert (report.copied, report.unchanged) == (0, 1)
    assert b2.versions("x.jpg") == ["upload"]


def test_a_lost_manifest_makes_no_second_version(place: Place) -> None:
    files = place.tree(20)
    place.copy()
    place.path.unlink()
    puts = place.remote.bill.calls["put"]
    report = place.copy()
    assert (report.copied, report.unchanged) == (0, 20)
    assert place.remote.bill.calls["put"] == puts
    assert place.there() == files


def test_a_pass_that_was_cut_between_put_and_record_asks_first(b2_place: Place, b2: B2Server) -> None:
    b2_place.tree(10)
    b2_place.copy()
    with Manifest(b2_place.path) as manifest, manifest.ledger.transaction() as db:
        # As a kill after the puts and before their record leaves it.
        db.execute("update entry set sending = 1, sha1 = null, tag = null, sent_size = null")
        db.execute("delete from there")
    report = b2_place.copy()
    assert (report.copied, report.unchanged) == (0, 10)
    for number in range(10):
        assert b2.versions(f"{number % 7}/file {number}.jpg") == ["upload"]


@pytest.mark.usefixtures("small_parts")
def test_a_large_file_goes_in_parts_and_on_where_it_broke(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(12 * 1024 * 1024)
    place.write("large.bin", data)
    real = type(place.remote).put_part
    numbers: list[int] = []

    def put_part(self: Remote, name: str, upload: str, number: int, *rest: object, **more: object) -> object:
        numbers.append(number)
        if number == 3 and numbers.count(3) == 1:
            raise Denied("the way is cut")
        return real(self, name, upload, number, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(place.remote), "put_part", put_part)
    with pytest.raises(Denied):
        place.copy(Choices(transfers=1))
    assert numbers == [1, 2, 3]
    report = place.copy(Choices(transfers=1))
    assert numbers == [1, 2, 3, 3]
    assert report.copied == 1
    assert place.there() == {"large.bin": data}
    assert [*place.remote.unfinished()] == []
    assert place.verify()[1] == ["= large.bin"]


@pytest.mark.usefixtures("small_parts")
def test_a_large_file_that_changed_meanwhile_begins_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("large.bin", os.urandom(12 * 1024 * 1024))

    def cut(*_: object, **__: object) -> None:
        raise Denied("the way is cut")

    with monkeypatch.context() as patch:
        patch.setattr(type(place.remote), "finish", cut)
        with pytest.raises(Denied):
            place.copy()
    data = os.urandom(11 * 1024 * 1024)
    place.write("large.bin", data)
    place.copy()
    assert place.there() == {"large.bin": data}
    assert [*place.remote.unfinished()] == []


def writer(path: Path, until: float) -> Iterator[int]:
    number = 0
    while time.monotonic() < until:
        number += 1
        with path.open("r+b") as file:
            file.write(bytes([number % 256]) * 3_000_000)
        yield number


def test_a_file_that_is_written_while_read_is_taken_again_until_it_holds_still(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.write("busy", b"\0" * 3_000_000)
    real = sending.Sender._take
    writes = iter([b"1" * 3_000_000, b"2" * 2_000_000])

    def take(self: sending.Sender, *given: object) -> object:
        result = real(self, *given)  # type: ignore[arg-type]
        for data in writes:  # somebody writes between our reading and our last look
            path.write_bytes(data)
            break
        return result

    monkeypatch.setattr(sending.Sender, "_take", take)
    report = place.copy()
    assert report.changing == []
    assert place.there() == {"busy": b"2" * 2_000_000}
    assert place.verify()[0].proved


def test_a_small_file_that_is_written_while_it_is_under_way_is_taken_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        place.write(f"busy {number}", b"0")
    real, written = type(place.remote).put_later, set[str]()

    def put_later(self: Remote, name: str, *given: object, **more: object) -> object:
        end = real(self, name, *given, **more)  # type: ignore[arg-type]
        if name not in written:  # somebody writes while the answer is on its way
            written.add(name)
            (place.root / name).write_text(name * 9)
        return end

    monkeypatch.setattr(type(place.remote), "put_later", put_later)
    report = place.copy()
    assert (report.changing, report.copied) == ([], 6)
    assert place.there() == {f"busy {number}": f"busy {number}".encode() * 9 for number in range(6)}
    assert place.verify()[0].proved


def test_a_file_that_never_holds_still_is_named_and_taken_by_the_next_pass(
    file_place: Place,
) -> None:
    path = file_place.write("busy", b"\0" * 3_000_000)
    file_place.write("calm", b"calm")
    end = time.monotonic() + 3
    thread = threading.Thread(target=lambda: [*writer(path, end)])
    thread.start()
    report = file_place.copy()
    thread.join()
    assert report.changing in (["busy"], [])  # a lucky moment between two writes is a right copy, too
    last = file_place.copy()
    assert last.whole
    assert file_place.there() == {"busy": path.read_bytes(), "calm": b"calm"}


def test_what_lies_there_oddly_is_named_not_skipped(place: Place) -> None:
    place.write("good", b"x")
    (place.root / "link").symlink_to("good")
    os.mkfifo(place.root / "pipe")
    (place.root / os.fsdecode(b"\xff")).write_bytes(b"y")
    report = place.copy()
    assert {one.name for one in report.odd} == {"link", "pipe", "\\xff"}
    with pytest.raises(Refused, match="1 symbolic links"):
        place.copy(Choices(links="refuse"))
    with pytest.raises(Refused, match="2 cannot be sent"):
        place.copy(Choices(odd_names="refuse"))
    kept = place.copy(Choices(links="keep", odd_names="escape"))
    assert {one.name for one in kept.odd} == {"pipe"}
    assert place.there() == {"good": b"x", "link.rclonelink": b"good", "%FF": b"y"}
    place.copy(Choices(links="follow", odd_names="escape"))
    assert place.there()["link"] == b"x"


def test_an_escaped_name_gives_way_to_a_file_of_that_name(file_place: Place) -> None:
    (file_place.root / os.fsdecode(b"\xff")).write_bytes(b"odd")
    file_place.write("%FF", b"plain")
    report = file_place.copy(Choices(odd_names="escape"))
    assert file_place.there() == {"%FF": b"plain"}
    assert [one.kind for one in report.odd] == ["clash"]


def test_an_unreadable_file_is_named_and_the_rest_goes(
    file_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_place.write("secret", b"x")
    file_place.write("open", b"y")
    real = open_below

    def guarded(root: Path, name: bytes) -> int:
        if name == b"secret":
            raise PermissionError(13, "Permission denied")
        return real(root, name)

    monkeypatch.setattr(sending, "open_below", guarded)
    report = file_place.copy()
    assert report.unreadable == ["secret: Permission denied"]
    assert not report.whole
    assert file_place.there() == {"open": b"y"}


def test_deletions_are_kept_or_follow_and_too_many_are_refused(place: Place) -> None:
    place.tree(30)
    place.copy()
    (place.root / "0" / "file 0.jpg").unlink()
    kept = place.copy()
    assert (kept.gone, kept.deleted) == (["0/file 0.jpg"], 0)
    assert len(place.there()) == 30
    follow = place.copy(Choices(deletions="follow"))
    assert follow.deleted == 1
    assert len(place.there()) == 29
    for path in place.root.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(Refused, match="29 of 29 files are gone"):
        place.copy(Choices(deletions="follow"))
    assert len(place.there()) == 29


def test_what_somebody_else_wrote_is_kept_by_choice(place: Place) -> None:
    place.write("ours", b"one")
    place.write("theirs", b"one")
    place.copy()
    data = b"edited at the remote"
    sha1 = hashlib.sha1(data).hexdigest()
    place.remote.put("theirs", io.BytesIO(data), size=len(data), sha1=sha1)
    place.remote.put("new", io.BytesIO(data), size=len(data), sha1=sha1)
    for name in ("ours", "theirs", "new", "fresh"):
        place.write(name, b"two")
    report = place.copy(Choices(overwrite=False))
    assert sorted(report.theirs) == ["new", "theirs"]
    assert place.there() == {"ours": b"two", "fresh": b"two", "theirs": data, "new": data}


def test_b2_hides_and_deletes_no_version(b2_place: Place, b2: B2Server) -> None:
    for number in range(3):
        b2_place.write(f"x{number}", b"x")
    b2_place.copy()
    (b2_place.root / "x0").unlink()
    b2_place.copy(Choices(deletions="follow"))
    assert b2.versions("x0") == ["hide", "upload"]


def test_a_cap_ends_the_pass_at_once_and_what_went_is_recorded(b2_place: Place, b2: B2Server) -> None:
    b2_place.tree(30)
    b2_place.copy()
    files = {f"more/{n}": os.urandom(2000) for n in range(30)}
    for name, data in files.items():
        b2_place.write(name, data)
    b2.faults.add(Fault("status", status=403, code="storage_cap_exceeded", path="/upload/", times=10_000))
    with pytest.raises(Exhausted):
        b2_place.copy()
    b2.faults.clear()
    report = b2_place.copy()
    assert report.whole
    assert b2_place.verify()[0].proved
    assert all(b2.versions(name) == ["upload"] for name in files)


def test_a_stormy_server_ends_in_one_version_of_each(b2_place: Place, b2: B2Server) -> None:
    files = b2_place.tree(60)
    b2.faults.add(
        Fault("status", status=503, code="service_unavailable", retry_after="0", path="/upload/", times=7),
        Fault("lost", path="/upload/", times=5),
        Fault("flip", path="/upload/", times=3),
        Fault("status", status=401, code="expired_auth_token", path="/upload/", times=3),
        Fault("drop", path="/upload/", times=5),
    )
    report = b2_place.copy()
    assert b2.faults.shown >= 20
    assert report.whole
    assert b2_place.there() == files
    assert {tuple(b2.versions(name)) for name in files} == {("upload",)}


def test_a_stormy_s3_server_ends_with_all_of_it(s3_place: Place, proxy: S3Proxy) -> None:
    files = s3_place.tree(60)
    proxy.faults.add(
        *(
            replace(fault, method="PUT", path="/pictures/")
            for fault in (
                Fault("status", status=503, code="SlowDown", retry_after="0", times=7),
                Fault("lost", times=5),
                Fault("flip", times=3),
                Fault("drop", times=5),
            )
        )
    )
    report = s3_place.copy()
    assert proxy.faults.shown == 20
    assert report.whole
    assert s3_place.there() == files
    assert s3_place.verify(download=True)[0].proved


def test_told_to_stop_no_more_files_are_begun_and_the_next_pass_sends_the_rest(
    s3_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number:03}": b"%d" % number for number in range(200)}
    for name, data in files.items():
        s3_place.write(name, data)
    stop, real = Stop(), type(s3_place.remote).put_later

    def put_later(self: Remote, name: str, *given: object, **more: object) -> object:
        stop.request()
        return real(self, name, *given, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(type(s3_place.remote), "put_later", put_later)
        with Manifest(s3_place.path) as manifest, pytest.raises(Stopped):
            copy_pass(s3_place.root, s3_place.remote, manifest, stop=stop, choices=Choices(transfers=8))
    assert 1 <= len(s3_place.there()) <= 8
    report = s3_place.copy()
    assert report.whole
    assert s3_place.there() == files


def test_a_limit_of_bandwidth_holds(s3_place: Place) -> None:
    for number in range(10):
        s3_place.write(f"{number}", os.urandom(100_000))
    started = time.monotonic()
    s3_place.copy(Choices(limit=Timetable.parse("500k")))
    assert time.monotonic() - started >= 1.7  # 1 MB at 500 kB/s, less the last piece


def test_calls_are_counted_and_few(s3_place: Place, proxy: S3Proxy) -> None:
    s3_place.tree(50)
    proxy.faults.requests.clear()
    # One after the other: rclone's server answers 500 now and then to files that meet in a new folder.
    report = s3_place.copy(Choices(transfers=1))
    assert len(proxy.faults.requests) == 51  # a put for each file, and a listing
    assert report.bill["class_a"] == 50
    assert report.bill["class_c"] == 1
    proxy.faults.requests.clear()
    assert s3_place.verify()[0].proved
    assert len(proxy.faults.requests) <= 2  # a listing proves all
