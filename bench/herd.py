"""A herd: 50 clients ask for one cold 20 MiB object, origin at 2 MiB/s, beside nginx proxy_cache."""

import http.server
import os
import shutil
import socketserver
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench._harness import Bench
from bench._servers import Servers, free_port, servers

MEBI = 1024 * 1024
CLIENTS = 50


@dataclass(frozen=True, slots=True)
class Herd:
    """What a herd cost and how long it waited, in seconds."""

    gets: int
    origin_mebibytes: float
    worst_first_byte: float
    whole: float


class _Origin(http.server.BaseHTTPRequestHandler):
    """An S3 endpoint as far as a GET of one object goes, slow for all of its clients together or each."""

    protocol_version = "HTTP/1.1"
    body = b""
    rate = 2.0 * MEBI
    gets = 0
    sent = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        kind = type(self)
        with kind.lock:
            kind.gets += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(kind.body)))
        self.send_header("ETag", '"cold"')
        self.send_header("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")
        self.end_headers()
        step, started = 64 * 1024, time.monotonic()
        try:
            for at in range(0, len(kind.body), step):
                self.wfile.write(kind.body[at : at + step])
                with kind.lock:
                    kind.sent += step
                time.sleep(max(0.0, started + (at + step) / kind.rate - time.monotonic()))
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class _Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def origin(size: int) -> Iterator[tuple[type[_Origin], int]]:
    """Serve one object; yield the handler, which counts, and the port."""
    kind = type("Origin", (_Origin,), {"body": os.urandom(size), "lock": threading.Lock()})
    server = _Threads(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kind, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def ask(url: str, kind: type[_Origin]) -> Herd:
    """Let all clients ask at once."""
    kind.gets = kind.sent = 0
    command = [
        "curl",
        "-sf",
        "-o",
        "/dev/null",
        "-w",
        "%{time_starttransfer} %{time_total} %{size_download}",
        url,
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CLIENTS)]
    answers = [one.communicate()[0].split() for one in running]
    if any(int(size) != len(kind.body) for _, _, size in answers):
        raise SystemExit("a client did not get the whole object")
    return Herd(
        kind.gets,
        kind.sent / MEBI,
        max(float(first) for first, _, _ in answers),
        max(float(whole) for _, whole, _ in answers),
    )


def ours(run: Servers, kind: type[_Origin], port: int, turn: int) -> Herd:
    """Start a cache on an empty folder, and let the herd go."""
    keys = {"SWARMSTEAD_REMOTE_KEY_ID": "bench", "SWARMSTEAD_REMOTE_KEY": "bench-key"}
    mine = free_port()
    command = [
        "migrate",
        "cache",
        "serve",
        "--remote",
        "s3://bucket",
        "--endpoint",
        f"http://127.0.0.1:{port}",
    ]
    command += [
        "--dir",
        str(run.folder / f"up{turn}"),
        "--cache-listen",
        f"127.0.0.1:{mine}",
        "--min-free",
        "0",
    ]
    run.start([sys.executable, "-m", *command], mine, environment=keys)
    return ask(f"http://127.0.0.1:{mine}/a.bin", kind)


def nginx(run: Servers, kind: type[_Origin], port: int, turn: int) -> Herd:
    """Do the same with nginx: its lock as it is by default (5 s), the object as cold."""
    mine, folder = free_port(), run.folder / f"px{turn}"
    folder.mkdir()
    run.nginx(
        f"""worker_processes auto; pid /run/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{ access_log off; proxy_temp_path {folder}/t; client_body_temp_path {folder}/b;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/c keys_zone=c:1m;
  server {{ listen 127.0.0.1:{mine}; location / {{ proxy_pass http://127.0.0.1:{port};
    proxy_cache c; proxy_cache_valid 200 1h; proxy_cache_lock on; }} }} }}
""",
        mine,
    )
    return ask(f"http://127.0.0.1:{mine}/a.bin", kind)


def main() -> None:
    bench = Bench(__doc__, rounds=3)
    size = (5 if bench.quick else 20) * MEBI
    rounds = 1 if bench.quick else bench.rounds
    has_nginx = shutil.which("nginx") is not None
    if not has_nginx:
        bench.say("nginx is not installed; ours alone")
    mine: list[Herd] = []
    theirs: list[Herd] = []
    with servers() as run, origin(size) as (kind, port):
        for turn in range(rounds):
            mine.append(ours(run, kind, port, turn))
            bench.say(f"ours {mine[-1]}")
            if has_nginx:
                theirs.append(nginx(run, kind, port, turn))
                bench.say(f"nginx {theirs[-1]}")
    alone = size / kind.rate

    def add(figure: str, unit: str, pick: Sequence[float], beside: Sequence[float]) -> None:
        bench.add(
            figure,
            statistics.median(pick),
            unit=unit,
            peer=statistics.median(beside) if beside else None,
            peer_name="nginx proxy_cache, lock on",
            better="less",
            rounds=rounds,
        )

    add("origin gets", "GETs", [one.gets for one in mine], [one.gets for one in theirs])
    add(
        "origin bytes",
        "MiB",
        [one.origin_mebibytes for one in mine],
        [one.origin_mebibytes for one in theirs],
    )
    add(
        "worst first byte",
        "s",
        [one.worst_first_byte for one in mine],
        [one.worst_first_byte for one in theirs],
    )
    add(
        "whole",
        "x of one download",
        [one.whole / alone for one in mine],
        [one.whole / alone for one in theirs],
    )
    bench.done()


if __name__ == "__main__":
    main()
