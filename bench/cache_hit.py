"""A cached 100 KB file: CPU per request of both modes beside nginx proxy_cache, caddy, rclone serve http."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench._harness import Bench
from bench._servers import Servers, cpu_seconds, free_port, servers
from migrate.cache.nginx import Site, config

SIZE = 100_000
CONNECTIONS = 32
_REQUESTS = re.compile(r"(\d+) requests in")
_BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")

_PROXY = """\
worker_processes auto; pid /run/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 10000;
  client_body_temp_path {folder}/pb; proxy_temp_path {folder}/pp; fastcgi_temp_path {folder}/pf;
  uwsgi_temp_path {folder}/pu; scgi_temp_path {folder}/ps;
  proxy_cache_path {folder}/pc keys_zone=c:10m max_size=1g;
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://127.0.0.1:{origin}; proxy_cache c; proxy_cache_valid 200 1h; }} }}
  server {{ listen 127.0.0.1:{origin}; root {files}; }}
}}
"""


def load(pid: int, url: str, seconds: int) -> float:
    """Ask for one URL over and over; return the server's CPU in microseconds per request."""
    before = cpu_seconds(pid)
    said = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url], capture_output=True, text=True, check=True
    ).stdout
    if bad := _BAD.search(said):
        raise SystemExit(f"{url}: {bad[0]}")
    found = _REQUESTS.search(said)
    if found is None:
        raise SystemExit(f"wrk said:\n{said}")
    return (cpu_seconds(pid) - before) * 1e6 / int(found[1])


def ours(run: Servers, files: Path) -> tuple[tuple[int, str], tuple[int, str]]:
    """Start our cache, and nginx in front of its folder; return both with the URL to ask for."""
    cache, port = run.cache(f"file://{files}", run.folder / "up", f"--socket={run.folder}/c.sock")
    front = free_port()
    site = Site(run.folder / "up", run.folder / "c.sock", "/", front, run.folder / "hits.log")
    nginx = run.nginx(config(site), front)
    subprocess.run(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{front}/a.jpg"], check=True)
    return (nginx, f"http://127.0.0.1:{front}/a.jpg"), (cache, f"http://127.0.0.1:{port}/a.jpg")


def peers(run: Servers, files: Path) -> dict[str, tuple[int, str]]:
    """Start the peers that are installed; return each with the URL to ask for."""
    found: dict[str, tuple[int, str]] = {}
    port, origin = free_port(), free_port()
    proxy = _PROXY.format(folder=run.folder, port=port, origin=origin, files=files)
    found["nginx proxy_cache"] = run.nginx(proxy, port), f"http://127.0.0.1:{port}/a.jpg"
    if shutil.which("caddy"):
        port = free_port()
        command = ["caddy", "file-server", "--root", str(files), "--listen", f"127.0.0.1:{port}"]
        home = {"HOME": str(run.folder), "XDG_DATA_HOME": str(run.folder), "XDG_CONFIG_HOME": str(run.folder)}
        found["caddy"] = run.start(command, port, environment=home), f"http://127.0.0.1:{port}/a.jpg"
    rclone = shutil.which("rclone") or str(Path(sys.prefix) / "bin" / "rclone")
    if Path(rclone).exists():
        port = free_port()
        command = [rclone, "serve", "http", str(files), "--addr", f"127.0.0.1:{port}"]
        command += ["--vfs-cache-mode", "full", "--cache-dir", str(run.folder / "rc")]
        found["rclone serve http"] = run.start(command, port), f"http://127.0.0.1:{port}/a.jpg"
    for _, url in found.values():
        subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
    return found


def main() -> None:
    bench = Bench(__doc__)
    if shutil.which("wrk") is None or shutil.which("nginx") is None:
        raise SystemExit("wrk and nginx are needed (requirements/debian.txt)")
    seconds = 2 if bench.quick else 5
    with servers() as run:
        files = run.folder / "files"
        files.mkdir(mode=0o755)
        (files / "a.jpg").write_bytes(os.urandom(SIZE))
        (nginx, python), beside = ours(run, files), peers(run, files)

        def measure(where: tuple[int, str]) -> Callable[[], float]:
            return lambda: load(*where, seconds)

        for name in ("nginx proxy_cache", "caddy", "rclone serve http"):
            if name not in beside:
                bench.say(f"the peer {name} is not installed")
                continue
            for mode, where in (("nginx mode", nginx), ("pure python", python)):
                if mode == "nginx mode" and name != "nginx proxy_cache":
                    continue
                bench.compare(
                    mode if name == "nginx proxy_cache" else f"{mode} beside {name}",
                    unit="us CPU per request",
                    ours=measure(where),
                    peer=measure(beside[name]),
                    peer_name=name,
                    better="less",
                )
    bench.done()


if __name__ == "__main__":
    main()
