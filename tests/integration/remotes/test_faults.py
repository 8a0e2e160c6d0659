"""What servers do on bad days: every fault of the test kit, on B2 and on S3."""

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from migrate.remotes import Breaker, Policy, Remote, open_remote
from migrate.remotes.testkit import B2Server, Fault, Faults, S3Proxy
from swarmstead.errors import Corrupt, Denied, Exhausted, InputError, SwarmsteadError, Throttled, Unreachable
from tests.support.s3servers import KEY, KEY_ID, rclone_s3, s3_client

QUICK = Policy(deadline=8, first=0.01, longest=0.1)
DATA = bytes(range(256)) * 2000
SHA1 = hashlib.sha1(DATA).hexdigest()


class Bench:
    """A remote, the faults that its server shows, and how many versions a name has."""

    def __init__(self, kind: str, faults: Faults, endpoint: str, b2: B2Server | None) -> None:
        self.kind, self.faults, self.endpoint, self.b2 = kind, faults, endpoint, b2
        self.url = "b2://pictures" if b2 else f"s3://pictures/{time.monotonic_ns()}"
        self.remote = self.connect()

    def connect(self, policy: Policy = QUICK, breaker: Breaker | None = None) -> Remote:
        key_id, key = (self.b2.key.id, self.b2.key.key) if self.b2 else (KEY_ID, KEY)
        return open_remote(
            self.url, endpoint=self.endpoint, key_id=key_id, key=key, policy=policy, breaker=breaker
        )

    def put(self, name: str = "x", data: bytes = DATA, *, later: bool = False) -> None:
        sha1 = hashlib.sha1(data).hexdigest()
        if later:
            self.remote.put_later(name, data, sha1=sha1)()
        else:
            self.remote.put(name, io.BytesIO(data), size=len(data), sha1=sha1)

    def read(self, name: str = "x") -> bytes | None:
        with self.remote.get(name) as body:
            return None if body is None else b"".join(body.chunks)

    def count(self, method: str, part: str) -> int:
        return sum(1 for seen, target in self.faults.requests if seen == method and part in target)


@pytest.fixture(scope="module")
def s3_upstream() -> Iterator[str]:
    with rclone_s3() as server:
        yield server.url


@pytest.fixture(params=["b2", "s3"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as stack:
        if request.param == "b2":
            b2 = stack.enter_context(B2Server.running())
            yield Bench("b2", b2.faults, b2.url, b2)
        else:
            upstream: str = request.getfixturevalue("s3_upstream")
            proxy = stack.enter_context(S3Proxy.running(upstream))
            yield Bench("s3", proxy.faults, proxy.url, None)


def upload_path(bench: Bench) -> tuple[str, str]:
    return ("POST", "/upload/") if bench.kind == "b2" else ("PUT", "/pictures/")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500, times=3),
        Fault("status", status=503, code="SlowDown", retry_after="1"),
        Fault("status", status=429, code="too_many_requests", times=2),
        Fault("status", status=408, code="request_timeout"),
        Fault("drop", times=2),
        Fault("lost"),
    ],
    ids=lambda fault: f"{fault.kind}{fault.status}",
)
@pytest.mark.parametrize("later", [False, True])
def test_a_put_survives_a_bad_moment_and_makes_one_version(
    bench: Bench, fault: Fault, *, later: bool
) -> None:
    bench.put("warm", b"up")
    method, path = upload_path(bench)
    bench.faults.add(replace(fault, method=method, path=path))
    bench.put(later=later)
    assert bench.faults.shown >= 1
    assert bench.read() == DATA
    if bench.b2:
        assert bench.b2.versions("x") == ["upload"]
    elif fault.kind == "lost":  # it went through: a second put would make a second version
        assert bench.count("PUT", "/x") == 1


def test_retry_after_is_waited_for(bench: Bench) -> None:
    bench.put("warm", b"up")
    bench.faults.add(
        Fault("status", status=503, code="SlowDown", retry_after="1", method=upload_path(bench)[0])
    )
    started = time.monotonic()
    bench.put()
    assert time.monotonic() - started >= 1
    assert bench.remote.bill.slowed == 1


@pytest.mark.parametrize("later", [False, True])
def test_bytes_that_change_under_way_are_noticed_and_sent_again(bench: Bench, *, later: bool) -> None:
    bench.put("warm", b"up")
    method, path = upload_path(bench)
    bench.faults.add(Fault("flip", method=method, path=path))
    bench.put(later=later)
    assert bench.faults.shown == 1
    assert bench.read() == DATA


def test_a_body_that_breaks_off_goes_on_where_it_broke(bench: Bench) -> None:
    bench.put()
    bench.faults.requests.clear()
    bench.faults.add(Fault("torn", method="GET", times=2))
    assert bench.read() == DATA
    assert bench.faults.shown == 2
    assert bench.remote.bill.received_bytes == len(DATA)


def test_a_body_that_breaks_off_and_was_replaced_meanwhile_is_corrupt_not_a_mix(bench: Bench) -> None:
    bench.put()
    bench.faults.add(Fault("torn", method="GET"))
    with bench.remote.get("x") as body:
        assert body is not None
        first = next(body.chunks)
        bench.put(data=b"another" * 73_143)
        with pytest.raises(Corrupt):
            b"".join([first, *body.chunks])


def test_a_crawling_body_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put()
    monkeypatch.setattr(
        "migrate.remotes.stream.metered.__kwdefaults__", {"clock": time.monotonic, "grace": 0.3}
    )
    bench.faults.add(Fault("slow", method="GET"))
    started = time.monotonic()
    assert bench.read() == DATA  # the next try goes on after the few bytes that came
    assert time.monotonic() - started < 5


def test_a_server_down_for_long_ends_at_the_deadline(bench: Bench) -> None:
    bench.put("warm", b"up")
    remote = bench.connect(Policy(deadline=1, first=0.05, longest=0.2))
    remote.head("warm")
    bench.faults.add(Fault("status", status=500, times=10_000))
    started = time.monotonic()
    with pytest.raises(Unreachable):
        remote.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)
    assert time.monotonic() - started < 3


def test_a_server_down_for_a_while_is_waited_for(bench: Bench) -> None:
    bench.put("warm", b"up")
    bench.faults.add(Fault("status", status=500, seconds=2.5, times=10_000))
    bench.put()
    assert bench.read() == DATA


def test_an_open_breaker_answers_at_once(bench: Bench) -> None:
    breaker = Breaker(failures=3, rest=30)
    remote = bench.connect(Policy(deadline=2, first=0.01, longest=0.02, fails_fast=True), breaker=breaker)
    bench.faults.add(Fault("status", status=500, times=10_000))
    with pytest.raises(Unreachable):
        remote.head("x")
    assert breaker.is_open
    asked = len(bench.faults.requests)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        remote.head("x")
    assert time.monotonic() - started < 0.1
    assert len(bench.faults.requests) == asked


@pytest.mark.parametrize("code", ["storage_cap_exceeded", "transaction_cap_exceeded"])
def test_a_cap_stops_at_once_and_says_so(bench: Bench, code: str) -> None:
    bench.put("warm", b"up")
    method, path = upload_path(bench)
    message = "Cannot upload files, storage cap exceeded."
    s3_code = "AccessDenied" if bench.kind == "s3" else code
    bench.faults.add(
        Fault("status", status=403, code=s3_code, message=message, method=method, path=path, times=9)
    )
    with pytest.raises(Exhausted) as told:
        bench.put()
    assert bench.faults.shown == 1
    assert not told.value.retryable


def test_a_wrong_key_is_denied_and_not_asked_for_twice(bench: Bench) -> None:
    for key_id, key in [("unknown", "key"), (bench.b2.key.id if bench.b2 else KEY_ID, "wrong")]:
        url = "b2://pictures" if bench.b2 else "s3://pictures"
        remote = open_remote(url, endpoint=bench.endpoint, key_id=key_id, key=key, policy=QUICK)
        with pytest.raises(Denied) as told:
            remote.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)
        assert key not in str(told.value) or key == "key"


def test_no_such_bucket(bench: Bench) -> None:
    key = bench.b2.key if bench.b2 else None
    url = f"{bench.kind}://nothere"
    remote = open_remote(
        url, endpoint=bench.endpoint, key_id=key.id if key else KEY_ID, key=key.key if key else KEY
    )
    with pytest.raises(InputError):
        remote.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)


def test_nothing_listens() -> None:
    remote = open_remote(
        "s3://pictures",
        endpoint="http://127.0.0.1:1",
        key_id="a",
        key="b",
        policy=Policy(deadline=0.2, first=0.05),
    )
    with pytest.raises(Unreachable):
        remote.head("x")


def test_expired_tokens_are_renewed() -> None:
    with B2Server.running() as b2:
        remote = open_remote("b2://pictures", endpoint=b2.url, key_id=b2.key.id, key=b2.key.key, policy=QUICK)
        remote.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)
        for work in (
            lambda: remote.put("y", io.BytesIO(DATA), size=len(DATA), sha1=SHA1),
            lambda: remote.head("x"),
            lambda: [*remote.list()],
            lambda: remote.delete("y"),
        ):
            b2.expire_tokens()
            work()
        b2.expire_tokens()
        with remote.get("x") as body:
            assert body is not None
            assert b"".join(body.chunks) == DATA
        assert b2.versions("y") == ["hide", "upload"]


def test_rights_of_an_application_key_decide_and_deleting_needs_no_right_to_delete() -> None:
    with B2Server.running() as b2:
        reader = b2.new_key("listFiles", "readFiles")
        node = b2.new_key("listBuckets", "listFiles", "readFiles", "writeFiles")

        def connect(key_id: str, key: str) -> Remote:
            return open_remote("b2://pictures", endpoint=b2.url, key_id=key_id, key=key, policy=QUICK)

        writing = connect(node.id, node.key)
        writing.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)
        reading = connect(reader.id, reader.key)
        assert [found.name for found in reading.list()] == ["x"]
        with pytest.raises(Denied):
            reading.put("y", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)
        with pytest.raises(Denied):
            reading.delete("x")
        writing.delete("x")
        assert b2.versions("x") == ["hide", "upload"]


def test_the_strict_server_refuses_the_headers_that_b2_refuses_and_we_send_none(s3_upstream: str) -> None:
    with S3Proxy.running(s3_upstream) as proxy:
        client = s3_client(proxy.url, tries=1)
        with pytest.raises(ClientError, match="Unsupported header"):
            client.put_object(Bucket="pictures", Key="trap", Body=b"x")
        assert proxy.refused
        proxy.refused.clear()
        remote = open_remote("s3://pictures/strict", endpoint=proxy.url, key_id=KEY_ID, key=KEY, policy=QUICK)
        remote.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1)
        md5 = hashlib.md5(DATA).hexdigest()
        upload = remote.begin("y", size=len(DATA), sha1=SHA1)
        part = remote.put_part("y", upload, 1, io.BytesIO(DATA), size=len(DATA), digest=md5)
        remote.finish("y", upload, [part], size=len(DATA), sha1=SHA1)
        remote.copy("x", "z")
        remote.delete("z")
        assert {found.name for found in remote.list()} == {"x", "y"}
        assert proxy.refused == []


EXPECTED: dict[int, type[SwarmsteadError]] = {
    401: Denied,
    403: Denied,
    408: Unreachable,
    429: Throttled,
    500: Unreachable,
    502: Unreachable,
    504: Unreachable,
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 418, 429, 500, 502, 503, 504, 507])
@pytest.mark.filterwarnings("ignore:bad request exception with an unknown")
def test_every_status_becomes_one_of_our_errors(bench: Bench, status: int) -> None:
    bench.put("warm", b"up")
    remote = bench.connect(Policy(deadline=0.05, first=0.01, longest=0.02, corrupt_tries=1))
    remote.head("warm")
    code = "access_denied" if status == 403 else "strange"
    bench.faults.add(Fault("status", status=status, code=code, message="said", times=500))
    for work in (
        lambda: remote.put("x", io.BytesIO(DATA), size=len(DATA), sha1=SHA1),
        lambda: [*remote.list()],
        lambda: remote.begin("x", size=len(DATA), sha1=SHA1),
    ):
        with pytest.raises(EXPECTED.get(status, SwarmsteadError)):
            work()
