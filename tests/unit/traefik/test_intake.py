"""Any bytes: no exception, no unbounded label, every counted line one request."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.traefik.clf import is_ambiguous, parse_clf
from exporters.traefik.state import State
from tests.unit.traefik.kit import NOW, capture, make_intake, outcomes, total

LINE: dict[str, Any] = {
    "DownstreamContentSize": 18,
    "DownstreamStatus": 200,
    "Duration": 2_000_000,
    "OriginDuration": 1_000_000,
    "OriginStatus": 200,
    "RequestHost": "shop.example.com",
    "RouterName": "shop@file",
    "ServiceName": "shop@file",
    "entryPointName": "web",
    "time": "2026-11-24T20:15:15Z",
}


def line(**changes: Any) -> bytes:
    return json.dumps({**LINE, **changes}, separators=(",", ":")).encode() + b"\n"


def counted(data: bytes, **options: Any) -> Any:
    intake = make_intake(**options)
    intake.feed(data)
    intake.flush()
    return intake.folder.counts


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
odd_lines = st.builds(
    lambda changes: line(**changes), st.dictionaries(st.sampled_from(sorted(LINE)), json_values, max_size=4)
)
clf_lines = st.sampled_from(capture("v3-clf.log.gz").splitlines(keepends=True))
docker_lines = st.builds(
    lambda text, stream: (
        json.dumps({"log": text, "stream": stream, "time": ""}, separators=(",", ":")).encode() + b"\n"
    ),
    st.sampled_from([line().decode(), "no json\n", "", "part"]),
    st.sampled_from(["stdout", "stderr"]),
)
anything = st.lists(
    st.one_of(
        st.binary(max_size=80), odd_lines, clf_lines, docker_lines, st.just(line()), st.just(line()[:40])
    )
).map(b"".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_any_bytes(data: bytes) -> None:
    data += b"\n"
    counts = counted(data, most_hosts=5)
    assert total(counts) == counts.lines["request"] == sum(outcomes(counts).values())
    handled = sum(counts.lines.values()) + sum(counts.errors.values()) - counts.errors["torn"]
    if not data.startswith(b'{"log":"'):
        assert handled == sum(1 for each in data.split(b"\n") if each.strip())
    assert len({host for host, _ in counts.rows} - {"", "other"}) <= 5
    msgspec.msgpack.encode(State(counts))  # whatever it counted can be saved


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(odd_lines, st.just(line()), clf_lines, st.binary(max_size=30).map(lambda b: b + b"\n"))
    ),
    st.data(),
)
def test_any_split_gives_the_same_counts(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(lines)
    if whole.startswith(b'{"log":"'):
        return
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 10]
    cuts = sorted(data.draw(st.sets(st.sampled_from(ends)) if ends else st.just(set())))
    one, many = make_intake(), make_intake()
    one.feed(whole)
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        many.feed(whole[start:end])
    one.flush()
    many.flush()
    assert many.folder.counts == one.folder.counts


@given(st.text(max_size=300))
def test_a_forged_host_makes_no_series_of_its_own_with_a_list(host: str) -> None:
    counts = counted(line(RequestHost=host), hosts=("shop.example.com",))
    assert {pair[0] for pair in counts.rows} <= {"shop.example.com", "other"}
    assert total(counts) == 1


def test_two_values_on_a_line_are_one_that_was_torn() -> None:
    counts = counted(line()[:-1] * 2 + b"\n" + line())
    assert counts.lines["request"] == 2
    assert counts.errors["torn"] == 1


def test_what_a_cap_folds_is_counted_in_every_slot_and_at_every_flush() -> None:
    intake = make_intake(most_services=1)
    for second in (b"15", b"22", b"29"):
        for service in ("shop@file", "blog@file"):
            intake.feed(line(ServiceName=service).replace(b":15Z", b":%sZ" % second))
    intake.flush()
    intake.feed(line(ServiceName="blog@file"))
    intake.flush()
    counts = intake.folder.counts
    assert counts.folded["service"] == 4
    assert total(counts) == 7


def test_forged_hosts_stop_at_the_cap_and_are_counted_as_folded() -> None:
    counts = counted(b"".join(line(RequestHost=f"h{n}.example.com") for n in range(1000)), most_hosts=10)
    assert len({host for host, _ in counts.rows}) == 11
    assert counts.folded["host"] == 990
    assert total(counts) == 1000


def test_unrouted_hosts_make_no_series() -> None:
    gone = {"RouterName": "", "ServiceName": "", "DownstreamStatus": 404, "OriginStatus": 0}
    counts = counted(b"".join(line(RequestHost=f"h{n}.example.com", **gone) for n in range(50)))
    assert list(counts.rows) == [("other", "")]
    assert outcomes(counts) == {"unrouted": 50}


@pytest.mark.parametrize("host", ["SHOP.example.com", "shop.example.com.", "Shop.Example.Com."])
def test_spellings_of_a_host_are_one(host: str) -> None:
    assert list(counted(line(RequestHost=host)).rows) == [("shop.example.com", "shop@file")]


def test_a_line_torn_by_a_full_disk_does_not_take_the_next_with_it() -> None:
    counts = counted(line()[:50] + line() + line())
    assert total(counts) == 2
    assert counts.errors["torn"] == 1


def test_broken_utf8_counts() -> None:
    counts = counted(line().replace(b"shop.example.com", b"sh\xffp.example.com"))
    assert total(counts) == 1


def test_durations_are_the_servers_own_and_never_a_websockets() -> None:
    counts = counted(
        line()
        + line(DownstreamStatus=0, OriginStatus=0, Duration=10**12)
        + line(OriginDuration=0, OriginStatus=200)
    )
    (row,) = counts.rows.values()
    assert row.nanoseconds == 1_000_000 + 2_000_000
    assert sum(row.buckets) == 2
    assert counts.durations_from == {"origin": 1, "total": 1}


def test_all_classes_are_there_from_the_first_request_on() -> None:
    counts = counted(line())
    assert list(counts.requests.values()) == [[0, 1, 0, 0, 0, 0]]


def test_traefiks_own_log_lines_are_no_requests() -> None:
    counts = counted(
        b'{"level":"info","msg":"Configuration loaded","time":"2026-11-24T20:15:15Z"}\n' + line()
    )
    assert counts.lines == {"request": 1, "internal": 0, "other": 1}


def test_a_docker_line_in_parts_is_one_line() -> None:
    text = line().decode()
    parts = [text[:30], text[30:60], text[60:]]
    envelopes = [
        json.dumps({"log": p, "stream": "stdout", "time": "t"}, separators=(",", ":")) + "\n" for p in parts
    ]
    intake = make_intake()
    first = envelopes[0].encode()
    assert intake.feed(first) == 0
    assert intake.feed("".join(envelopes).encode()) == sum(map(len, envelopes))
    intake.flush()
    assert total(intake.folder.counts) == 1
    assert intake.format == "docker"


# The common format


def test_a_forged_user_agent_neither_breaks_nor_hides_the_line() -> None:
    agent = rb"x\" 1 \"forged@file\" \"http://192.0.2.1:1\" 9ms"
    parsed = parse_clf(
        b'127.0.0.1 - - [24/Nov/2026:20:17:00 +0000] "GET / HTTP/1.1" 200 18 "-" "' + agent
        + b'" 162 "shop@file" "http://127.0.0.1:9102" 7ms'
    )  # fmt: skip
    assert parsed is not None
    assert (parsed.router, parsed.server, parsed.milliseconds) == (b"shop@file", b"http://127.0.0.1:9102", 7)


def test_a_user_name_that_reads_like_a_line_is_flagged() -> None:
    forged = b'bob [24/Nov/2026:20:17:00 +0000] "GET / HTTP/1.1" 500 1 "-" "-" 1 "a" "b" 1ms'
    plain = b'127.0.0.1 - - [24/Nov/2026:20:17:00 +0000] "GET / HTTP/1.1" 401 17 "-" "-" 5 "p@file" "-" 0ms'
    assert is_ambiguous(plain.replace(b"- - [", b"- " + forged + b" ["))
    assert not is_ambiguous(plain)


def test_now_bounds_the_time_in_a_line() -> None:
    counts = counted(
        line(time="2999-01-01T00:00:00Z") + line(time="rubbish") + line(time="1971-01-01T00:00:01Z")
    )
    (row,) = counts.rows.values()
    assert row.last <= NOW
    assert all(slot <= NOW for slot in row.slots)
    assert counts.late == 1
