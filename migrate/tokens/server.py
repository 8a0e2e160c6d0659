"""The verifier as an HTTP server for Traefik's ForwardAuth."""

import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from swarmstead.errors import SwarmsteadError

from .verifier import Verifier

__all__ = ["token_server"]


def token_server(
    verifier: Verifier, host: str, port: int, *, clock: Callable[[], float] = time.time
) -> ThreadingHTTPServer:
    """Return the server.

    Traefik needs ``authResponseHeaders: [Cookie]`` and ``addAuthCookiesToResponse: [__Host-login]``.
    While the store is away it answers 503, which Traefik passes on: no login is taken for lost.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(HTTPStatus.OK, {})
                return
            try:
                answer = verifier.decide("; ".join(self.headers.get_all("Cookie", [])), clock())
            except SwarmsteadError:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "2"})
                return
            # Always a Cookie header, even an empty one: without it Traefik would delete the app's.
            headers = {"Cookie": answer.cookie}
            if answer.set_cookie:
                headers["Set-Cookie"] = answer.set_cookie
            self._answer(HTTPStatus.OK, headers)

        do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

        def _answer(self, status: HTTPStatus, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing: paths and cookies are the visitors' own."""

    return ThreadingHTTPServer((host, port), Handler)
