"""What is counted of every case that was tried on real Traefik processes of three versions."""

import csv
from collections import Counter

import pytest

from tests.unit.traefik.kit import GOLDEN, capture, make_intake, outcomes, total

VERSIONS = ("v1", "v2", "v3")


def cases(version: str) -> list[dict[str, str]]:
    with (GOLDEN / "cases.tsv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["version"] == version]


CASES = [pytest.param(row, id=f"{v}-{row['case']}") for v in VERSIONS for row in cases(v) if row["line"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_case_is_there(version: str) -> None:
    assert len(cases(version)) >= 297  # EXPECTED.tsv of the captures: a row per line and per case without one
    assert sum(row["outcome"] == "no line" for row in cases(version)) in (33, 37, 40)


LINES = {version: capture(f"{version}-json.log.gz").splitlines() for version in VERSIONS}


@pytest.mark.parametrize("row", CASES)
def test_case(row: dict[str, str]) -> None:
    intake = make_intake()
    intake.feed(LINES[row["version"]][int(row["line"]) - 1] + b"\n")
    intake.flush()
    counts = intake.folder.counts
    assert sum(counts.errors.values()) == 0
    if row["outcome"] == "internal":
        assert counts.lines == {"request": 0, "internal": 1, "other": 0}
        return
    assert outcomes(counts) == {row["outcome"]: 1}
    ((host, service, entrypoint),) = counts.requests
    assert (service, entrypoint) == (row["service"], row["entrypoint"])
    assert host == "other" or host == host.lower()
    (classes,) = counts.requests.values()
    assert classes[("1xx", "2xx", "3xx", "4xx", "5xx", "other").index(row["class"])] == sum(classes) == 1


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("log", ["json", "json-drop"])
def test_mixed_traffic_is_counted_as_the_client_counted_it(version: str, log: str) -> None:
    sent: Counter[tuple[str, str]] = Counter()
    with (GOLDEN / f"{version}-mixed-sent.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            sent[row["host"].lower(), row["status seen by the client"]] += int(row["requests"])
    internal = b'"RouterName":"prometheus@internal"', b'"RouterName":"api@internal"', b"ping@internal"
    lines = [
        line
        for line in capture(f"{version}-{log}.log.gz").splitlines()
        if not any(name in line for name in internal)
    ]
    intake = make_intake(hosts=tuple({host for host, _ in sent}))
    intake.feed(b"\n".join(lines[-250:]) + b"\n")
    intake.flush()
    counted: Counter[tuple[str, str]] = Counter()
    for (host, _), row_ in intake.folder.counts.rows.items():
        for code, number in row_.codes.items():
            counted[host, str(code)] += number
    assert counted == sent


@pytest.mark.parametrize(
    ("version", "requests", "internal"), [("v1", 260, 0), ("v2", 263, 22), ("v3", 263, 0)]
)
def test_common_format(version: str, requests: int, internal: int) -> None:
    intake = make_intake()
    intake.feed(capture(f"{version}-clf.log.gz"))
    intake.flush()
    counts = intake.folder.counts
    assert counts.lines == {"request": requests, "internal": internal, "other": 0}
    assert counts.errors["not_json"] == (
        0 if version == "v1" else 1
    )  # the first half of a line forged by a user
    assert intake.format == "clf"
    assert {host for host, _ in counts.rows} == {""}
    by_json = Counter(row["outcome"] for row in cases(version) if row["line"])
    seen = outcomes(counts)
    if version != "v1":  # v1 writes the origin's status, so 503 and 413 are dashes
        for what in ("backend_error", "no_server", "unrouted", "websocket"):
            assert abs(seen[what] - by_json[what]) <= 1, what


def test_generic_common_format_tells_the_status_only() -> None:
    intake = make_intake()
    intake.feed(capture("v3-genericclf.log.gz"))
    intake.flush()
    assert total(intake.folder.counts) == 48
    assert set(intake.folder.counts.rows) == {("", "")}


@pytest.mark.parametrize("version", VERSIONS)
def test_ten_fields_count_the_same_requests(version: str) -> None:
    full, short = make_intake(), make_intake()
    full.feed(b"\n".join(LINES[version]) + b"\n")
    short.feed(capture(f"{version}-json-drop.log.gz"))
    for intake in (full, short):
        intake.flush()
    seen, expected = outcomes(short.folder.counts), outcomes(full.folder.counts)
    for what in ("backend_error", "no_server", "websocket", "client_gone"):
        assert abs(seen[what] - expected[what]) <= 3, what
    if version != "v1":
        assert seen["aborted"] == seen["error_page"] == 0  # OriginStatus was not kept: `check` says so
