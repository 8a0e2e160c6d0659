"""One contract, every remote."""

import hashlib
import io

import pytest

from migrate.remotes import Part, Remote
from swarmstead.errors import Corrupt, InputError


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def put(remote: Remote, name: str, data: bytes, mtime_ns: int = 0) -> None:
    stored = remote.put(name, io.BytesIO(data), size=len(data), sha1=sha1(data), mtime_ns=mtime_ns)
    assert (stored.name, stored.size, stored.sha1) == (name, len(data), sha1(data))


def read(remote: Remote, name: str, start: int = 0, end: int | None = None) -> bytes | None:
    with remote.get(name, start=start, end=end) as body:
        return None if body is None else b"".join(body.chunks)


NAMES = [
    "plain.jpg",
    "a folder/with space & more/§.png",
    "naïve/日本語.txt",
    "percent%20encoded+plus.txt",
    "quote'\"<>.txt",
    "e\u0301 decomposed.txt",
    "\u00e9 composed.txt",
    "dots..in.name.",
]


def test_what_was_put_comes_back_whatever_its_name(remote: Remote) -> None:
    for number, name in enumerate(NAMES):
        put(remote, name, f"content {number}".encode())
    for number, name in enumerate(NAMES):
        assert read(remote, name) == f"content {number}".encode()
    assert [found.name for found in remote.list()] == sorted(NAMES, key=str.encode)


@pytest.mark.parametrize("size", [0, 1, 300_000, 9_000_000])
def test_sizes(remote: Remote, size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    put(remote, "sized.bin", data)
    assert read(remote, "sized.bin") == data
    found = remote.head("sized.bin")
    assert found is not None
    assert (found.size, found.sha1) == (size, sha1(data))


def test_put_later_stores_what_put_would_and_many_may_be_under_way(remote: Remote) -> None:
    put(remote, "replaced", b"before")
    datas = {"empty": b"", "replaced": b"after", **{f"many/{n}": bytes([n]) * n * 999 for n in range(1, 9)}}
    ends = {
        name: remote.put_later(name, data, sha1=sha1(data), mtime_ns=1_700_000_000_123_000_000)
        for name, data in datas.items()
    }
    for name, end in reversed(ends.items()):
        stored = end()
        assert (stored.name, stored.size, stored.sha1) == (name, len(datas[name]), sha1(datas[name]))
    for name, data in datas.items():
        assert read(remote, name) == data
        found = remote.head(name)
        assert found is not None
        assert (found.sha1, found.mtime_ns) == (sha1(data), 1_700_000_000_123_000_000)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (0, None), (3, 7), (9, 10), (5, None), (0, 100), (10, None), (50, 60), (4, 4)]
)
def test_ranges_are_those_of_a_slice(remote: Remote, start: int, end: int | None) -> None:
    put(remote, "range", b"0123456789")
    assert read(remote, "range", start, end) == b"0123456789"[start:end]
    with remote.get("range", start=start, end=end) as body:
        assert body is not None
        assert body.stored.size == 10
        assert body.start == min(start, 10)
        assert b"".join(body.chunks) == b"0123456789"[start:end]


def test_what_is_not_there_is_none_and_no_error(remote: Remote) -> None:
    assert remote.head("absent") is None
    assert read(remote, "absent") is None
    remote.delete("absent")


def test_delete_then_put_again(remote: Remote) -> None:
    put(remote, "folder/x", b"one")
    remote.delete("folder/x")
    assert remote.head("folder/x") is None
    assert read(remote, "folder/x") is None
    assert [*remote.list()] == []
    put(remote, "folder/x", b"two")
    assert read(remote, "folder/x") == b"two"


def test_bytes_that_are_not_those_announced_are_refused_and_not_kept(remote: Remote) -> None:
    with pytest.raises(Corrupt):
        remote.put("wrong", io.BytesIO(b"abc"), size=3, sha1=sha1(b"abd"))
    assert remote.head("wrong") is None


def test_pages_follow_names_by_their_bytes_and_keep_to_the_prefix(
    remote: Remote, request: pytest.FixtureRequest
) -> None:
    names = ["a", "a-b", "a/b", "a/b2/c", "a0", "b/1", "b/2", "z~"]
    if "moto" not in request.node.name and remote.capabilities.kind != "b2":
        names.remove("a")  # a file and a folder of one name: no local folder has that, nor rclone's
    for name in names:
        put(remote, name, name.encode())
    found: list[str] = []
    while page := remote.page(after=found[-1] if found else "", limit=3):
        found += [stored.name for stored in page]
    assert found == names
    assert [stored.name for stored in remote.list("a/")] == ["a/b", "a/b2/c"]
    assert [stored.name for stored in remote.page(prefix="b/", after="b/1")] == ["b/2"]


def test_the_tag_of_a_listing_is_that_of_the_put_until_the_content_changes(remote: Remote) -> None:
    first = remote.put("t", io.BytesIO(b"one"), size=3, sha1=sha1(b"one"))
    (listed,) = remote.list()
    assert first.tag
    assert listed.tag == first.tag
    head = remote.head("t")
    assert head is not None
    assert head.tag == first.tag
    remote.put("t", io.BytesIO(b"two"), size=3, sha1=sha1(b"two"))
    (after,) = remote.list()
    assert after.tag != first.tag


def test_the_time_of_the_source_is_kept_to_the_millisecond(remote: Remote) -> None:
    when = 1_700_000_000_123_456_789
    put(remote, "timed", b"x", mtime_ns=when)
    found = remote.head("timed")
    assert found is not None
    assert found.mtime_ns // 10**6 == when // 10**6


def test_copy_at_the_remote(remote: Remote) -> None:
    put(remote, "original", b"bytes" * 100)
    copied = remote.copy("original", "folder/copy")
    assert copied.size == 500
    assert read(remote, "folder/copy") == b"bytes" * 100
    with pytest.raises(InputError):
        remote.copy("absent", "x")


def parts_of(remote: Remote, data: bytes) -> list[tuple[int, bytes, str]]:
    size = max(remote.capabilities.least_part, 5 * 1024 * 1024)
    kind = remote.capabilities.part_digest
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [(n, piece, hashlib.new(kind, piece).hexdigest()) for n, piece in enumerate(pieces, 1)]


def test_an_upload_in_parts_goes_on_after_a_break(remote: Remote) -> None:
    data = bytes(range(256)) * 4096 * 12
    pieces = parts_of(remote, data)
    assert len(pieces) == 3
    upload = remote.begin("large", size=len(data), sha1=sha1(data), mtime_ns=1_700_000_000_000_000_000)
    for number, piece, digest in pieces[:2]:
        remote.put_part("large", upload, number, io.BytesIO(piece), size=len(piece), digest=digest)
    assert remote.head("large") is None
    # A later process knows only name and id.
    there = remote.parts("large", upload)
    assert there == {n: Part(n, len(piece), digest) for n, piece, digest in pieces[:2]}
    assert [(found.name, found.upload) for found in remote.unfinished()] == [("large", upload)]
    number, piece, digest = pieces[2]
    last = remote.put_part("large", upload, number, io.BytesIO(piece), size=len(piece), digest=digest)
    stored = remote.finish("large", upload, [there[1], there[2], last], size=len(data), sha1=sha1(data))
    assert stored.size == len(data)
    assert read(remote, "large") == data
    found = remote.head("large")
    assert found is not None
    assert (found.sha1, found.tag) == (sha1(data), stored.tag)
    assert [*remote.unfinished()] == []


def test_a_part_with_other_bytes_is_refused(remote: Remote) -> None:
    upload = remote.begin("bad", size=10, sha1=sha1(b"x"))
    digest = hashlib.new(remote.capabilities.part_digest, b"other").hexdigest()
    with pytest.raises((Corrupt, InputError)):  # rclone forgets the upload, too
        remote.put_part("bad", upload, 1, io.BytesIO(b"bytes"), size=5, digest=digest)
    remote.abandon("bad", upload)
    assert remote.parts("bad", upload) == {}
    remote.abandon("bad", upload)


def test_calls_and_bytes_are_on_the_bill(remote: Remote) -> None:
    put(remote, "x", b"12345")
    read(remote, "x")
    remote.head("x")
    [*remote.list()]
    calls = remote.bill.calls
    assert (calls["put"], calls["get"], calls["head"]) == (1, 1, 1)
    assert calls["list"] >= 1
    assert (remote.bill.sent_bytes, remote.bill.received_bytes) == (5, 5)
