"""Twelve hours of a log in accelerated time, with restarts, kills and rotations: every sum is exact."""

import random
import time
from collections import Counter
from pathlib import Path

from exporters.exposition import Form
from exporters.traefik import Exporter, Options
from exporters.traefik.render import completed_bucket
from exporters.traefik.windows import BUCKET, bucket_total, window_total
from tests.unit.traefik.kit import total
from tests.unit.traefik.test_intake import line

BEGIN = 1_795_500_000 // BUCKET * BUCKET
HOURS = 12
PLAIN = Form(openmetrics=False, gzip=False)


class Clock:
    now = float(BEGIN)

    def __call__(self) -> float:
        return self.now


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def rotate(log: Path, number: int, exporter: Exporter) -> None:
    """Rename one time, copy and cut the next; the exporter has read all before a cut."""
    rotated = log.with_name(f"{log.name}.{number}")
    if number % 2:
        log.rename(rotated)
    else:
        exporter.read_all()
        exporter.show()
        rotated.write_bytes(log.read_bytes())
        log.write_bytes(b"")


def codes(exporter: Exporter) -> Counter[tuple[str, int]]:
    counted: Counter[tuple[str, int]] = Counter()
    for (host, _), row in exporter.counts.rows.items():
        for code, number in row.codes.items():
            counted[host, code] += number
    return counted


def test_twelve_hours(tmp_path: Path) -> None:
    rng = random.Random(6)
    clock, log, state = Clock(), tmp_path / "access.json", tmp_path / "state"
    options = Options(log=(str(log),), state=state, hosts=("a.example.com", "b.example.com"))
    exporter = Exporter(options, clock=clock)
    sent: Counter[tuple[str, int]] = Counter()
    by_bucket: Counter[tuple[str, int]] = Counter()
    shown: Counter[tuple[str, int]] = Counter()
    rotations, before = 0, 0
    while clock.now < BEGIN + HOURS * 3600:
        clock.now += 30
        with log.open("ab") as file:
            for _ in range(rng.randrange(18)):
                host, status = (
                    rng.choice(["a.example.com", "b.example.com"]),
                    rng.choice([200, 200, 200, 404, 503]),
                )
                file.write(
                    line(
                        RequestHost=host, DownstreamStatus=status, OriginStatus=status, time=stamp(clock.now)
                    )
                )
                sent[host, status] += 1
                by_bucket[host, int(clock.now) // BUCKET * BUCKET] += 1
        if rng.random() < 0.04:
            rotations += 1
            rotate(log, rotations, exporter)
        exporter.read_all()
        exporter.show()
        for (host, _), row in exporter.counts.rows.items():
            shown[host, completed_bucket(clock.now)] = bucket_total(row.slots, completed_bucket(clock.now))
        assert total(exporter.counts) >= before
        before = total(exporter.counts)
        if rng.random() < 0.1:
            if rng.random() < 0.5:
                exporter.close()  # else it is killed, after what it had shown was saved
            exporter = Exporter(options, clock=clock)
    assert codes(exporter) == sent
    assert rotations > 20
    for (host, bucket), number in by_bucket.items():
        if bucket <= completed_bucket(clock.now):
            assert shown[host, bucket] == number, (host, bucket)


def test_the_first_request_of_a_new_site_shows(tmp_path: Path) -> None:
    clock, log = Clock(), tmp_path / "access.json"
    exporter = Exporter(Options(log=(str(log),)), clock=clock)
    log.write_bytes(
        line(RequestHost="new.example.com", DownstreamStatus=500, OriginStatus=500, time=stamp(BEGIN + 1))
    )
    clock.now = BEGIN + 10
    exporter.read_all()
    (row,) = exporter.counts.rows.values()
    assert window_total(row.slots, clock.now, 60) == 1
    assert window_total(row.slots, clock.now, 60, 1) == 1
    text = exporter.show().body(PLAIN).decode()
    labels = '{source="log",host="new.example.com",service="shop@file"'
    assert f'traefik_rate_requests_per_second{labels},window="1m"}} {1 / 60!r}' in text
    for what in ("1xx", "2xx", "3xx", "4xx", "other"):
        assert f'{labels},entrypoint="web",code_class="{what}"}} 0\n' in text
    assert f"traefik_rate_bucket_requests{labels}}} 0\n" in text
    clock.now = BEGIN + BUCKET + 6
    text = exporter.show().body(PLAIN).decode()
    assert f"traefik_rate_bucket_requests{labels}}} 1\n" in text
    assert f"traefik_rate_bucket_requests_per_second{labels}}} {1 / 300!r}\n" in text
    assert f'traefik_rate_bucket_start_timestamp_seconds{{source="log"}} {BEGIN}\n' in text


def test_other_bounds_begin_the_histogram_anew_and_keep_the_rest(tmp_path: Path) -> None:
    clock, log, state = Clock(), tmp_path / "access.json", tmp_path / "state"
    log.write_bytes(line() * 3)
    first = Exporter(Options(log=(str(log),), state=state), clock=clock)
    first.read_all()
    first.close()
    second = Exporter(Options(log=(str(log),), state=state, buckets=(0.5, 0.1)), clock=clock)
    second.read_all()
    (row,) = second.counts.rows.values()
    assert (total(second.counts), row.buckets) == (3, [0, 0, 0])


def test_a_state_that_cannot_be_saved_is_told_and_serving_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    log.write_bytes(line())
    exporter = Exporter(Options(log=(str(log),), state=tmp_path / "absent" / "state"), clock=Clock())
    exporter.read_all()
    assert "traefik_rate_state_errors_total 1\n" in exporter.show().body(PLAIN).decode()
