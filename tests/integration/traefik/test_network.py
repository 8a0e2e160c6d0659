"""Scrapes, peers and learning over real sockets: pages that real Traefik processes gave, on loopback."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.exposition import Form
from exporters.traefik import Exporter, Options
from exporters.traefik.learn import Learner
from exporters.traefik.peers import Peers
from exporters.traefik.targets import fetch, resolve
from swarmstead.errors import Unreachable
from tests.unit.traefik.kit import GOLDEN, capture, total
from tests.unit.traefik.test_intake import line

PLAIN = Form(openmetrics=False, gzip=False)


class Pages:
    """A server whose pages can be changed; what it has no page for is a 404."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.pages.get(self.path.partition("?")[0])
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def pages() -> Iterator[Pages]:
    served = Pages()
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_scrapes_count_what_grew_and_a_restart_from_zero(pages: Pages) -> None:
    exporter = Exporter(Options(scrape=pages.address))
    pages.pages["/metrics"] = capture("v3-metrics-1-before-removal.txt.gz")
    exporter.read_all()
    assert total(exporter.counts) == 0  # what was before we looked is nobody's rate
    pages.pages["/metrics"] = capture("v3-metrics-7-after-restart-traffic.txt.gz")
    exporter.read_all()
    assert total(exporter.counts) > 0
    text = exporter.show().body(PLAIN).decode()
    assert 'traefik_rate_requests_total{source="scrape",host="",service="' in text
    assert 'traefik_rate_scrape_targets{state="up"} 1\n' in text
    assert "traefik_rate_outcomes_total" not in text
    assert "traefik_rate_log_up" not in text
    del pages.pages["/metrics"]
    exporter.read_all()
    assert exporter.source.health()[0] is False
    assert "traefik_rate_scrape_errors_total 1\n" in exporter.show().body(PLAIN).decode()


def test_with_a_log_nothing_is_scraped(pages: Pages, tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    log.write_bytes(line())
    exporter = Exporter(Options(log=(str(log),), scrape=pages.address))
    exporter.read_all()
    assert 'source="scrape"' not in exporter.show().body(PLAIN).decode()


def test_hosts_are_learnt_from_the_api_and_kept_when_it_is_gone(pages: Pages, tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    log.write_bytes(line(RequestHost="shop.example.org") + line(RequestHost="forged.example.net"))
    pages.pages["/api/http/routers"] = (GOLDEN / "swarm-routers.json").read_bytes()
    exporter = Exporter(Options(log=(str(log),), traefik_api=f"http://{pages.address}"))
    exporter.learner.first()
    exporter.learn()
    exporter.read_all()
    assert {host for host, _ in exporter.counts.rows} == {"shop.example.org", "other"}
    pages.pages.clear()
    exporter.learner.work()
    exporter.learn()
    assert exporter.learner.up == {"api": False}
    assert "blog.example.org" in exporter.hosts.names


def test_rubbish_from_the_api_is_told_not_raised(pages: Pages) -> None:
    for rubbish in (b"", b"[", b"[1]", b'{"a": 1}', b'[{"rule": 5}]'):
        pages.pages["/api/http/routers"] = rubbish
        learner = Learner(pages.address, "", {})
        learner.first()
        assert learner.take() is not None


def test_peers_are_merged_and_oneself_is_not_counted_twice(pages: Pages, tmp_path: Path) -> None:
    exporters = []
    for name in ("a", "b"):
        log = tmp_path / name
        log.write_bytes(line() * 3)
        exporters.append(Exporter(Options(log=(str(log),), peers=pages.address)))
    first, second = exporters
    second.read_all()
    first.read_all()
    pages.pages["/metrics"] = second.show().body(PLAIN)
    assert isinstance(first.peers, Peers)
    first.peers.work()
    assert (first.peers.up, first.peers.down) == (2, 0)
    pages.pages["/metrics"] = first.show().body(PLAIN)
    first.peers.work()
    assert first.peers.up == 1
    pages.pages.clear()
    first.peers.work()
    assert (first.peers.up, first.peers.down) == (1, 1)


def test_an_address_that_is_none_says_so() -> None:
    with pytest.raises(Unreachable, match="no address"):
        resolve("nobody.invalid", 80)
    with pytest.raises(Unreachable, match="does not answer"):
        fetch(("127.0.0.1", 1), "/metrics")
