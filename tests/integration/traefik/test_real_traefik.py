"""What a real Traefik logs of each kind of request, counted beside what the client knows it sent.

The golden captures hold some 280 cases of three versions; this is the living process, of whatever version.
"""

import http.client
import http.server
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.exposition import Form
from exporters.traefik import Exporter, Options
from tests.support.traefik import RealTraefik, traefik_with

SHOP = "shop.example.com"
PLAIN = Form(openmetrics=False, gzip=False)


class App(http.server.BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ws":
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            )
            self.close_connection = True
            return
        if self.path == "/slow":
            time.sleep(0.5)
        self.send_response(500 if self.path == "/500" else 200)
        self.send_header("Content-Length", "1000" if self.path == "/cut" else "2")
        self.end_headers()
        self.wfile.write(b"ok")
        if self.path == "/cut":
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def dynamic(app: str) -> dict[str, Any]:
    """Return routers for each way that a request can end."""

    def router(rule: str, service: str, *middlewares: str) -> dict[str, Any]:
        return {"rule": rule, "service": service, "entryPoints": ["web"], "middlewares": list(middlewares)}

    return {"http": {
        "routers": {
            "shop": router(f"Host(`{SHOP}`)", "shop"),
            "admin": router(f"Host(`{SHOP}`) && PathPrefix(`/admin`)", "shop", "auth"),
            "moved": router(f"Host(`{SHOP}`) && PathPrefix(`/moved`)", "shop", "away"),
            "dead": router("Host(`dead.example.com`)", "dead"),
            "empty": router("Host(`empty.example.com`)", "empty"),
            "pages": router("Host(`pages.example.com`)", "failing", "pages"),
        },
        "middlewares": {
            "auth": {"basicAuth": {"users": ["alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="]}},
            "away": {"redirectRegex": {"regex": ".*", "replacement": "https://example.com/"}},
            "pages": {"errors": {"status": ["500-599"], "service": "shop", "query": "/ok"}},
        },
        "services": {
            "shop": {"loadBalancer": {"servers": [{"url": f"http://{app}"}]}},
            "failing": {"loadBalancer": {"servers": [{"url": f"http://{app}"}]}},
            "dead": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}},
            "empty": {"loadBalancer": {"servers": []}},
        },
    }}  # fmt: skip


class Client:
    """Sends requests and keeps count of what should be counted of them."""

    def __init__(self, web: str) -> None:
        self._web = web
        self.sent: Counter[tuple[str, str]] = Counter()

    def get(self, host: str, path: str, outcome: str, *, label: str = "", **headers: str) -> None:
        """Send a request. label: the host's, where it is not `host`."""
        connection = http.client.HTTPConnection(self._web, timeout=5)
        connection.request("GET", path, headers={"Host": host, **headers})
        try:
            connection.getresponse().read()
        except (http.client.IncompleteRead, http.client.RemoteDisconnected):
            assert outcome == "aborted"
        finally:
            connection.close()
        self.sent[label or host, outcome] += 1

    def leave(self, head: str, seconds: float, outcome: str) -> None:
        """Send a head by hand, wait, and leave."""
        address, _, port = self._web.partition(":")
        with socket.create_connection((address, int(port)), timeout=5) as connection:
            connection.sendall(f"GET {head} HTTP/1.1\r\nHost: {SHOP}\r\n".encode())
            connection.sendall(
                b"Upgrade: websocket\r\nConnection: Upgrade\r\n" if outcome == "websocket" else b""
            )
            connection.sendall(b"\r\n")
            time.sleep(seconds)
        self.sent[SHOP, outcome] += 1

    def every_kind(self) -> None:
        """Send every kind of request some times."""
        for _ in range(3):
            self.get(SHOP, "/ok", "app")
            self.get(SHOP, "/500", "app_error")
            self.get(SHOP, "/admin", "answered")
            self.get(SHOP, "/moved", "answered")
            self.get(SHOP, "/cut", "aborted")
            self.get("dead.example.com", "/", "backend_error")
            self.get("empty.example.com", "/", "no_server")
            self.get("pages.example.com", "/500", "error_page")
            self.get("nobody.example.net", "/", "unrouted", label="other")
            self.get("SHOP.example.com.", "/ok", "app", label=SHOP)
            self.get(
                SHOP, "/ok", "app", **{"X-Forwarded-Host": "forged.example.net", "User-Agent": 'x" 200 1'}
            )
        self.leave("/ws", 0.3, "websocket")
        self.leave("/slow", 0.2, "client_gone")


@pytest.fixture(scope="module")
def traefik(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTraefik]:
    app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    with traefik_with(dynamic(f"127.0.0.1:{app.server_port}"), tmp_path_factory.mktemp("real")) as running:
        yield running
    app.shutdown()
    app.server_close()


def outcomes(exporter: Exporter) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (host, _), row in exporter.counts.rows.items():
        for outcome, number in row.outcomes.items():
            if number:
                found[host, outcome] += number
    return found


def until(holds: Callable[[], bool]) -> bool:
    """Return whether it holds within some seconds: a line is written after its answer."""
    end = time.monotonic() + 10
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_every_kind_is_counted_through_rotation_and_restart(traefik: RealTraefik, tmp_path: Path) -> None:
    options = Options(log=(str(traefik.log),), state=tmp_path / "state", traefik_api=f"http://{traefik.api}")

    def begin() -> Exporter:
        exporter = Exporter(options)
        exporter.learner.first()
        exporter.learn()
        return exporter

    exporter, client = begin(), Client(traefik.web)
    exporter.read_all()
    before = outcomes(exporter)

    def agrees() -> bool:
        exporter.read_all()
        return outcomes(exporter) - before == client.sent

    client.every_kind()
    assert until(agrees), (outcomes(exporter) - before, client.sent)
    traefik.rotate()
    client.every_kind()
    exporter.read_all()
    exporter.close()
    client.every_kind()
    traefik.rotate()
    client.every_kind()
    exporter = begin()
    assert until(agrees), (outcomes(exporter) - before, client.sent)
    page = exporter.show().body(PLAIN).decode()
    assert "forged" not in page
    assert "nobody" not in page
    assert 'traefik_rate_log_errors_total{kind="malformed"} 0\n' in page
    exporter.source.close()


def test_scrapes_see_what_servers_answered_and_no_more(traefik: RealTraefik) -> None:
    exporter, client = Exporter(Options(scrape=traefik.metrics)), Client(traefik.web)
    exporter.read_all()
    client.every_kind()

    def counted() -> Counter[str]:
        exporter.read_all()
        return Counter(
            {service: sum(row.codes.values()) for (_, service), row in exporter.counts.rows.items()}
        )

    # /ok thrice in three spellings, /500, the pages for the other's errors, the websocket, the one that left.
    assert until(lambda: counted()["shop@file"] == 17), counted()
    assert counted()["failing@file"] == 3
