"""Staged sessions are claimed at their first cookie: by WSGI, by ASGI, and by the ForwardAuth endpoint."""

import asyncio
import hashlib
import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.sessions import ClaimASGI, Claimer, ClaimWSGI, RedisTarget
from tests.support.programs import free_port

from .conftest import RedisServer, wait_for_port

ROOT = Path(__file__).parents[3]
SID = "Zq3vT0f9c1bXw8kLm5nP7rYs"
KEY = f"session:{SID}".encode()
COOKIE = f"other=1; session={SID}"


def stage(redis: RedisTarget, digest: str) -> None:
    name = hashlib.new(digest, KEY, usedforsecurity=False).hexdigest().encode()
    redis.call(b"SET", b"staged:" + name, b"the login", b"EX", 900)


def standing(redis: RedisTarget) -> tuple[object, object]:
    """Return the session's value, and how many are staged still."""
    return redis.call(b"GET", KEY), len([key for page in redis.keys(b"staged:") for key in page])


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"the app"]


def wsgi(middleware: ClaimWSGI, cookie: str) -> str:
    said: list[str] = []
    b"".join(middleware({"HTTP_COOKIE": cookie}, lambda *words: said.append(words[0])))
    return said[0]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def asgi(middleware: ClaimASGI, kind: str, *cookies: str) -> dict[str, Any]:
    """Return the first message of the answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    headers = [(b"cookie", cookie.encode()) for cookie in cookies]
    asyncio.run(middleware({"type": kind, "headers": headers}, receive, send))
    return sent[0]


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_wsgi_claims_once_and_keeps_the_expiry(redis: RedisTarget, digest: str) -> None:
    stage(redis, digest)
    middleware = ClaimWSGI(app, Claimer(redis))
    assert wsgi(middleware, "session=" + "x" * 24) == "200 OK"
    assert standing(redis) == (None, 1), "another's cookie claims nothing"
    assert wsgi(middleware, COOKIE) == "200 OK"
    assert standing(redis) == (b"the login", 0)
    left = redis.call(b"TTL", KEY)
    assert isinstance(left, int)
    assert 890 < left <= 900


def test_a_session_that_was_staged_late_is_claimed_and_one_that_ended_is_not(redis: RedisTarget) -> None:
    middleware = ClaimWSGI(app, Claimer(redis))
    wsgi(middleware, COOKIE)
    stage(redis, "md5")  # a straggler of the cut-over
    wsgi(middleware, COOKIE)
    assert standing(redis) == (b"the login", 0)
    redis.call(b"DEL", KEY)  # a logout
    wsgi(middleware, COOKIE)
    assert standing(redis) == (None, 0)


def test_what_lives_in_redis_is_not_overwritten(redis: RedisTarget) -> None:
    redis.call(b"SET", KEY, b"a newer login")
    stage(redis, "md5")
    wsgi(ClaimWSGI(app, Claimer(redis)), COOKIE)
    assert standing(redis) == (b"a newer login", 1)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_asgi_claims_also_from_several_cookie_headers(redis: RedisTarget, kind: str) -> None:
    stage(redis, "sha256")
    assert asgi(ClaimASGI(asgi_app, Claimer(redis)), kind, "other=1", f"session={SID}")["status"] == 200
    assert standing(redis) == (b"the login", 0)


def test_while_redis_is_away_nobody_is_taken_for_logged_out() -> None:
    away = Claimer(RedisTarget(f"redis://127.0.0.1:{free_port()}", retry_seconds=0.1))
    assert wsgi(ClaimWSGI(app, away), COOKIE).startswith("503")
    assert asgi(ClaimASGI(asgi_app, away), "http", COOKIE)["status"] == 503
    assert asgi(ClaimASGI(asgi_app, away), "websocket", COOKIE) == {"type": "websocket.close", "code": 1013}
    assert wsgi(ClaimWSGI(app, away), "") == "200 OK", "who has no cookie has nothing to lose"


@pytest.fixture
def forward_auth(redis_server: RedisServer) -> Iterator[int]:
    """Give the port of `migrate sessions claims`."""
    port = free_port()
    words = ["claims", "--to", redis_server.url, "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate", "sessions", *words],
        cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        told, _ = process.communicate(timeout=20)
    assert process.returncode in {0, 143}, told
    assert SID not in told


def test_forward_auth_claims_and_says_when_it_cannot(
    forward_auth: int, redis: RedisTarget, redis_server: RedisServer
) -> None:
    def get(path: str, cookie: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", forward_auth, timeout=20)
        connection.request("GET", path, headers={"Cookie": cookie})
        status = connection.getresponse().status
        connection.close()
        return status

    stage(redis, "md5")
    assert get("/", COOKIE) == 200
    assert standing(redis) == (b"the login", 0)
    redis_server.stop()
    assert get("/", "session=" + "y" * 24) == 503
    assert get("/healthz", "") == 200
