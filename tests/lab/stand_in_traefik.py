"""A stand-in for Traefik: writes its access log at a steady pace, and renames it away now and then.

With a real Traefik at /traefik it starts that one instead, with an app behind it, and sends it requests at
the same pace: then the log is Traefik's own, rotated by rename and SIGUSR1. What the stand-in does not
cover: any other version's fields, buffering, a slow disk. Standard library only: it runs in the lab's
Python image.
"""

import http.client
import http.server
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

LOG = Path("/var/log/traefik/access.json")
TRAEFIK = Path("/traefik")
PER_SECOND = 50
ROTATE_SECONDS = 20
HOSTS = ["shop.example.com"] * 3 + ["blog.example.com"] * 2
RULES = """
http:
  routers:
    shop: {rule: "Host(`shop.example.com`)", service: shop}
    blog: {rule: "Host(`blog.example.com`)", service: blog}
  services:
    shop: {loadBalancer: {servers: [{url: "http://127.0.0.1:9000"}]}}
    blog: {loadBalancer: {servers: [{url: "http://127.0.0.1:9000"}]}}
"""


def line(number: int) -> str:
    """Return the line of a request; one in ten is an error of the app's."""
    host = HOSTS[number % len(HOSTS)]
    status = 500 if number % 10 == 9 else 200
    name = f"{host.partition('.')[0]}@file"
    record = {
        "DownstreamContentSize": 18, "DownstreamStatus": status, "Duration": 2_000_000,
        "OriginDuration": 1_500_000,
        "OriginStatus": status, "RequestContentSize": 0, "RequestHost": host, "RequestMethod": "GET",
        "RouterName": name, "ServiceAddr": "127.0.0.1:9000", "ServiceName": name, "entryPointName": "web",
        "level": "info", "msg": "", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    return json.dumps(record, separators=(",", ":")) + "\n"


class Lines:
    """Writes lines itself."""

    def __init__(self) -> None:
        self._file = LOG.open("a", encoding="utf-8", buffering=1)

    def request(self, number: int) -> None:
        """Do one request."""
        self._file.write(line(number))

    def reopen(self) -> None:
        """Open the log anew, after some last lines into the old one."""
        for number in range(5):
            self.request(number)
        self._file.close()
        self._file = LOG.open("a", encoding="utf-8", buffering=1)


class App(http.server.BaseHTTPRequestHandler):
    """Answers 200, or 500 where the path asks for it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms between them otherwise

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(500 if self.path == "/500" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Real:
    """Runs a real Traefik (v2 or v3) and sends it the requests."""

    def __init__(self) -> None:
        app = http.server.ThreadingHTTPServer(("127.0.0.1", 9000), App)
        threading.Thread(target=app.serve_forever, daemon=True).start()
        rules = Path("/tmp/rules.yml")
        rules.write_text(RULES, encoding="utf-8")
        self._process = subprocess.Popen(
            [
                str(TRAEFIK), "--global.checknewversion=false", "--global.sendanonymoususage=false",
                "--entrypoints.web.address=127.0.0.1:8000", f"--providers.file.filename={rules}",
                "--accesslog=true", "--accesslog.format=json", f"--accesslog.filepath={LOG}",
            ]
        )  # fmt: skip
        time.sleep(2)

    def request(self, number: int) -> None:
        """Do one request."""
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=5)
        path = "/500" if number % 10 == 9 else "/"
        connection.request("GET", path, headers={"Host": HOSTS[number % len(HOSTS)]})
        connection.getresponse().read()
        connection.close()

    def reopen(self) -> None:
        """Have Traefik open its log anew."""
        self._process.send_signal(signal.SIGUSR1)


def main() -> None:
    """Do requests until SIGTERM; then stop at once."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    traffic: Lines | Real = Real() if TRAEFIK.exists() else Lines()
    begun, number, rotated = time.monotonic(), 0, 0
    while not ended.is_set():
        traffic.request(number)
        number += 1
        if number % (PER_SECOND * ROTATE_SECONDS) == 0:
            rotated += 1
            LOG.rename(LOG.with_name(f"access.json.{time.time_ns()}"))
            traffic.reopen()
        wait = begun + number / PER_SECOND - time.monotonic()
        if wait < -2:  # the machine was busy: go on from here instead of catching up
            begun -= wait
        ended.wait(max(0.0, wait))


if __name__ == "__main__":
    main()
    os._exit(0)
