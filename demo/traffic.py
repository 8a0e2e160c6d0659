"""The demo's visitors: clients that keep their cookie and check all they read.

Each logs in once, then looks at its page (its own counter must never go back), uploads pictures and looks
at them again (the hash must be right), on one connection per request as a browser behind a bad network
would. `python -m demo.traffic URL --clients 50 --report FILE --port 9200` runs until SIGTERM; Prometheus
finds the figures at that port, the report holds every failure with its time.
"""

import asyncio
import hashlib
import json
import random
import re
import signal
import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
import click
from prometheus_client import Counter, Gauge, start_http_server

__all__ = ["Failure", "Report", "Visitor"]

REQUESTS = Counter("demo_requests", "Requests sent by the demo's visitors.", ["kind"])
FAILURES = Counter("demo_failures", "Requests that failed, by how.", ["how"])
LOGINS = Gauge("demo_logins_kept", "Visitors who are still logged in.")
PICTURES = Gauge("demo_pictures", "Pictures uploaded and acknowledged.")

_USER = re.compile(r'id="user">([^<]*)<')
_VISITS = re.compile(r'id="visits">(\d+)<')
_TIMEOUT_SECONDS = 45
_PAUSE_SECONDS = 0.35
_UPLOAD_SHARE = 0.06
_PICTURE_SHARE = 0.35


@dataclass(frozen=True)
class Failure:
    """One thing a visitor should not have seen.

    at: Unix time in seconds. lost: no retry mends it (a login, a picture, a count).
    """

    at: float
    how: str
    detail: str
    lost: bool


@dataclass
class Report:
    """All that the visitors saw."""

    visitors: int = 0
    requests: int = 0
    pictures: int = 0
    pictures_checked: int = 0
    logins_lost: int = 0
    files_lost: int = 0
    counters_lost: int = 0
    slowest_seconds: float = 0
    failures: list[Failure] = field(default_factory=list)

    def fail(self, how: str, detail: str = "", *, lost: bool = False) -> None:
        """Note a failure."""
        FAILURES.labels(how).inc()
        self.failures.append(Failure(time.time(), how, detail, lost))


def picture(random_bytes: bytes) -> bytes:
    """Return a tiny valid PNG-like JPEG body: a JPEG header, a comment that makes it unique, an end mark."""
    comment = random_bytes[:60_000]
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + (
        b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + b"\xff\xd9"
    )


class Visitor:
    """One person with a cookie jar."""

    def __init__(self, url: str, name: str, report: Report, shared: list[tuple[str, str]]) -> None:
        self.url, self.name, self.report = url, name, report
        self.visits = 0
        self.logged_in = False
        self._shared = shared
        self._random = random.Random(name)

    async def run(self, stop: asyncio.Event) -> None:
        """Log in, then look around until told to stop."""
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        jar = aiohttp.CookieJar(unsafe=True)  # the entry is an address, not a name
        async with aiohttp.ClientSession(
            self.url, connector=connector, timeout=timeout, cookie_jar=jar
        ) as http:
            while not self.logged_in and not stop.is_set():
                await self._attempt("login", self._login(http))
            while not stop.is_set():
                await self._one(http)
                await asyncio.sleep(self._random.expovariate(1 / _PAUSE_SECONDS))

    async def _one(self, http: aiohttp.ClientSession) -> None:
        choice = self._random.random()
        if choice < _UPLOAD_SHARE:
            await self._attempt("upload", self._upload(http))
        elif choice < _UPLOAD_SHARE + _PICTURE_SHARE and self._shared:
            await self._attempt("picture", self._look(http))
        else:
            await self._attempt("page", self._page(http))

    async def _attempt(self, kind: str, work: Coroutine[None, None, None]) -> None:
        REQUESTS.labels(kind).inc()
        self.report.requests += 1
        started = time.monotonic()
        try:
            await work
        except TimeoutError:
            self.report.fail("timeout", kind)
        except aiohttp.ClientError as error:
            self.report.fail("connection", f"{kind}: {type(error).__name__}")
        self.report.slowest_seconds = max(self.report.slowest_seconds, time.monotonic() - started)

    async def _login(self, http: aiohttp.ClientSession) -> None:
        form = {"name": self.name, "password": "photos"}
        async with http.post("/login.php", data=form) as answer:
            text = await answer.text()
        if answer.status != HTTPStatus.OK or self.name not in text:
            self.report.fail("status", f"login {answer.status}")
            return
        self.logged_in = True
        LOGINS.inc()

    async def _page(self, http: aiohttp.ClientSession) -> None:
        async with http.get("/") as answer:
            text = await answer.text()
        if answer.status != HTTPStatus.OK:
            self.report.fail("status", f"page {answer.status}")
            return
        user, visits = _USER.search(text), _VISITS.search(text)
        if user is None or visits is None or user[1] != self.name:
            if self.logged_in:
                self.logged_in = False
                LOGINS.dec()
                self.report.logins_lost += 1
            self.report.fail("logged out", self.name, lost=True)
            return
        count = int(visits[1])
        if count <= self.visits:
            self.report.counters_lost += 1
            self.report.fail("counter went back", f"{self.name}: {self.visits} to {count}", lost=True)
        self.visits = count

    async def _upload(self, http: aiohttp.ClientSession) -> None:
        body = picture(self._random.randbytes(self._random.randrange(2_000, 60_000)))
        form = aiohttp.FormData()
        form.add_field("picture", body, filename="p.jpg", content_type="image/jpeg")
        async with http.post("/upload.php", data=form, allow_redirects=False) as answer:
            await answer.read()
        where = re.search(r"/uploads/[^&]+", answer.headers.get("Location", ""))
        if answer.status != HTTPStatus.FOUND or where is None:
            self.report.fail("status", f"upload {answer.status}")
            return
        self._shared.append((where[0], hashlib.sha256(body).hexdigest()))
        self.report.pictures += 1
        PICTURES.inc()

    async def _look(self, http: aiohttp.ClientSession) -> None:
        path, expected = self._random.choice(self._shared)
        async with http.get(path) as answer:
            body = await answer.read()
        if answer.status == HTTPStatus.NOT_FOUND:
            self.report.fail("picture missing", path, lost=True)
        elif answer.status != HTTPStatus.OK:
            self.report.fail("status", f"picture {answer.status}")
        elif hashlib.sha256(body).hexdigest() != expected:
            self.report.fail("picture wrong", path, lost=True)
        else:
            self.report.pictures_checked += 1


async def check_every_picture(url: str, shared: list[tuple[str, str]], report: Report) -> None:
    """Read each acknowledged picture once more; those missing or wrong are lost files."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(url, timeout=timeout) as http:
        for path, expected in shared:
            async with http.get(path) as answer:
                body = await answer.read()
            if answer.status != HTTPStatus.OK or hashlib.sha256(body).hexdigest() != expected:
                report.files_lost += 1
                report.fail("picture lost", f"{path}: {answer.status}", lost=True)


async def visit(url: str, clients: int) -> Report:
    """Let the visitors loose until SIGTERM, then check every picture."""
    report, shared = Report(visitors=clients), list[tuple[str, str]]()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    visitors = [Visitor(url, f"visitor{i}", report, shared) for i in range(clients)]
    await asyncio.gather(*(visitor.run(stop) for visitor in visitors))
    await check_every_picture(url, shared, report)
    return report


@click.command()
@click.argument("url")
@click.option("--clients", default=50, show_default=True, help="How many visitors.")
@click.option(
    "--report", type=click.Path(path_type=Path), required=True, help="Where to write what they saw."
)
@click.option("--port", default=9200, show_default=True, help="Where Prometheus finds the figures.")
def main(url: str, clients: int, report: Path, port: int) -> None:
    """Visit the demo's app at URL until SIGTERM."""
    start_http_server(port)
    seen = asyncio.run(visit(url, clients))
    report.write_text(json.dumps(asdict(seen)), encoding="utf-8")


if __name__ == "__main__":
    main()
