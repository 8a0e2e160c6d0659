"""Servers that benches of the cache start: on loopback, on ports of their own, ended with the bench."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["ROOT", "Servers", "cpu_seconds", "free_port", "servers"]

ROOT = Path(__file__).parent.parent
_TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU-seconds, user and system, of a process and its children."""
    total = 0
    for one in _tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICK


class Servers:
    """A folder and the processes in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, command: list[str], port: int, *, environment: dict[str, str] | None = None) -> int:
        """Start a server, wait until it listens, return its process id."""
        log = (self.folder / f"server{len(self._running)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )
        self._running.append(process)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process.pid
            time.sleep(0.02)
        raise SystemExit(f"{command[0]} does not listen:\n{Path(log.name).read_text()[-2000:]}")

    def cache(self, remote: str, root: Path, *more: str) -> tuple[int, int]:
        """Start our cache on a port of its own; return process id and port."""
        port = free_port()
        command = [sys.executable, "-m", "migrate", "cache", "serve", "--remote", remote, "--dir", str(root)]
        command += ["--cache-listen", f"127.0.0.1:{port}", "--stale-after", "0", "--min-free", "0", *more]
        return self.start(command, port), port

    def nginx(self, config: str, port: int) -> int:
        """Start nginx with a configuration; return its process id."""
        path = self.folder / f"nginx{port}.conf"
        path.write_text(config)
        for name in ("/tmp/swarmstead-nginx", "/run/nginx.pid"):
            config = config.replace(name, f"{self.folder}/ng{port}")
        path.write_text(config)
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(self.folder), "-c", str(path)]
        user = "user root;" if os.geteuid() == 0 else ""  # the cache's socket is for its own user
        return self.start([*command, "-g", f"daemon off; {user}"], port)

    def close(self) -> None:
        """End them all."""
        for process in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def servers() -> Iterator[Servers]:
    """Give a folder for servers; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="swarmstead-bench-") as folder:
        Path(folder).chmod(0o755)
        one = Servers(Path(folder))
        try:
            yield one
        finally:
            one.close()
