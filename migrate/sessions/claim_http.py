"""The ForwardAuth endpoint that claims sessions in front of an app which cannot be changed."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from swarmstead.errors import SwarmsteadError
from swarmstead.stop import Stop

from .claim import Claimer

__all__ = ["claim_server", "serve_claims"]


def claim_server(claimer: Claimer, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that answers every GET with 200 after claiming, 503 while Redis is away.

    Traefik's forwardAuth sends it each request's headers; with 200 the request goes on unchanged (name no
    authResponseHeaders). ``/healthz`` answers by itself.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = HTTPStatus.OK
            if self.path != "/healthz":
                try:
                    claimer.claim("; ".join(self.headers.get_all("Cookie", [])))
                except SwarmsteadError:
                    status = HTTPStatus.SERVICE_UNAVAILABLE
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing: paths and cookies are the visitors' own."""

    return ThreadingHTTPServer((host, port), Handler)


def serve_claims(claimer: Claimer, host: str, port: int, stop: Stop) -> None:
    """Serve until a stop is asked for."""
    server = claim_server(claimer, host, port)
    server.timeout = 0.5
    with server:
        while not stop.requested:
            server.handle_request()
