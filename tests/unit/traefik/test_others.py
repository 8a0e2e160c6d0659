"""Scrapes, peers, `top` and its sketch."""

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.traefik import Counts, Exporter, Names, Options
from exporters.traefik.peers import Said, merge_bucket, merge_rates, read_peer
from exporters.traefik.scrape import Growth, fold_growth, growth, read_page
from exporters.traefik.sketch import SpaceSaving
from exporters.traefik.top import Watcher, quantile
from tests.unit.traefik.kit import capture, total
from tests.unit.traefik.test_intake import line
from tests.unit.traefik.test_replay import PLAIN, Clock, stamp

# Scrapes


def test_a_page_of_v3_and_one_of_v1_are_read() -> None:
    three = read_page(capture("v3-metrics-1-before-removal.txt.gz"))
    assert three.start > 1_700_000_000
    assert {kind for kind, _, _ in three.values} == {
        "requests",
        "bucket",
        "seconds",
        "request_bytes",
        "response_bytes",
    }
    assert not any(service.endswith("@internal") for _, service, _ in three.values)
    one = read_page(capture("v1-metrics.txt.gz"))
    assert {kind for kind, _, _ in one.values} == {"requests", "bucket", "seconds"}
    assert "shop" in {service for _, service, _ in one.values}


def test_growth_through_removal_and_restart_is_never_negative_and_never_the_past() -> None:
    pages = [
        read_page(capture(f"v3-metrics-{name}.txt.gz"))
        for name in ("1-before-removal", "2-first-scrape-after-removal", "7-after-restart-traffic")
    ]
    first = growth(None, pages[0])
    assert set(first.values()) == {0.0}
    for before, now in itertools.pairwise(pages):
        grown = growth(before, now)
        assert min(grown.values()) >= 0
    again = growth(pages[1], pages[2])
    assert again == dict(pages[2].values.items())  # another process: from zero


def test_a_series_that_fell_counts_from_zero() -> None:
    series = ("requests", "shop@swarm", "200")
    assert growth(Growth(1, {series: 30}), Growth(1, {series: 2})) == {series: 2}
    assert growth(Growth(1, {series: 30}), Growth(1, {series: 31})) == {series: 1}


def test_what_a_scrape_found_is_counted() -> None:
    page = read_page(capture("v3-metrics-7-after-restart-traffic.txt.gz"))
    counts = Counts([1])
    fold_growth(growth(Growth(page.start), page), counts, Names(), 1000.0)
    requests = sum(value for (kind, _, _), value in page.values.items() if kind == "requests")
    assert total(counts) == requests > 0
    assert counts.bounds[0] == 100_000_000  # Traefik's own
    for row in counts.rows.values():
        assert sum(row.buckets) == sum(row.codes.values())


# Peers

PAIR = ("shop.example.com", "shop_web")


def said(
    instance: str, *, heard: float = 1000, start: int = 600, number: float = 1, source: str = "log"
) -> Said:
    return Said(instance, source, heard, start, {(*PAIR, "1m"): number}, {PAIR: number}, {PAIR: number * 10})


def test_rates_are_summed_and_the_silent_run_out() -> None:
    assert merge_rates([said("a"), said("b", number=2), said("c", heard=900)], 1000) == {(*PAIR, "1m"): 3}


def test_a_lost_peer_keeps_what_it_said_of_the_running_bucket() -> None:
    alive = said("a", heard=1205, start=900)
    lost = said("b", heard=1100, start=600)
    assert merge_bucket([alive, lost], 900) == {PAIR: 1 + 10}
    assert merge_bucket([alive, said("c", heard=700, start=300)], 900) == {PAIR: 1}


def test_scrapes_are_never_added_to_logs_nor_to_each_other() -> None:
    scrapes = [said("s", source="scrape", number=5), said("t", source="scrape", number=5)]
    assert merge_rates([said("a"), *scrapes], 1000) == {(*PAIR, "1m"): 1}
    assert merge_rates(scrapes, 1000) == {(*PAIR, "1m"): 5}


def test_a_page_of_ours_is_understood_by_a_peer(tmp_path: Path) -> None:
    clock, log = Clock(), tmp_path / "access.json"
    log.write_bytes(line(time=stamp(clock.now)) * 6)
    clock.now += 10
    exporter = Exporter(Options(log=(str(log),)), clock=clock)
    exporter.read_all()
    heard = read_peer(exporter.show().body(PLAIN), clock.now)
    pair = ("shop.example.com", "shop@file")
    assert heard.instance == exporter.state.instance_id
    assert heard.rates[(*pair, "1m")] == pytest.approx(0.1)
    assert (heard.so_far[pair], heard.bucket[pair], heard.source) == (6, 0, "log")


# top


def test_quantiles_are_interpolated() -> None:
    assert quantile(0.5, [0.1, 0.2], [10, 10, 0]) == pytest.approx(0.1)
    assert quantile(0.95, [0.1, 0.2], [0, 100, 0]) == pytest.approx(0.195)
    assert quantile(0.95, [0.1, 0.2], [0, 0, 5]) == 0.2
    assert quantile(0.5, [0.1], [0, 0]) is None


def test_top_shows_the_window_only(tmp_path: Path) -> None:
    clock, log = Clock(), tmp_path / "access.json"
    old = line(time=stamp(clock.now - 3600), RequestHost="old.example.com") * 50
    log.write_bytes(old + line(time=stamp(clock.now - 20), RequestPath="/a?x=1", ClientHost="192.0.2.1") * 30)
    watcher = Watcher(Options(log=(str(log),)), 60, sketch=True, clock=clock)
    (row,) = watcher.look()
    assert (row.host, row.per_second, row.errors_per_second) == ("shop.example.com", 0.5, 0)
    assert row.p95 is not None
    assert row.p95 <= 0.005
    assert row.bytes_per_second == pytest.approx(30 * 18 / 60)
    assert watcher.paths.top(1)[0][0] in ("/a", "")
    clock.now += 120
    (row,) = watcher.look()
    assert row.per_second == 0


@given(st.lists(st.sampled_from("abcdefghij"), max_size=200), st.integers(2, 6))
def test_the_sketch_holds_what_is_frequent(stream: list[str], size: int) -> None:
    sketch, exact = SpaceSaving(size), Counter(stream)
    for thing in stream:
        sketch.add(thing)
    top = sketch.top(size)
    assert len(top) <= size
    for thing, count, error in top:
        assert count - error <= exact[thing] <= count
    for thing, number in exact.items():
        if number > len(stream) / size:
            assert thing in {name for name, _, _ in top}
