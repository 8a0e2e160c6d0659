"""The servers around the app: the entry, Redis, an S3 server, Prometheus with the exporter."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from demo import entry
from lab import Lab

__all__ = [
    "EDGE",
    "MONITORING",
    "S3Server",
    "deploy_entry",
    "deploy_stack",
    "make_network",
    "start_quietly",
    "wait_for_port",
]

EDGE, MONITORING = "edge", "monitoring"
_PATIENCE_SECONDS = 30


def wait_for_port(address: str, port: int, seconds: float = _PATIENCE_SECONDS) -> None:
    """Wait until somebody listens there; TimeoutError otherwise."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise TimeoutError(f"nobody listens at {address}:{port} after {seconds:.0f} s") from None
            time.sleep(0.05)
        else:
            return


def start_quietly(
    *command: str, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server of ours whose words go to a file and who ends with us."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )


def make_network(lab: Lab, name: str) -> None:
    """Make an overlay network that stacks share."""
    lab.docker("network", "create", "--driver", "overlay", "--attachable", name)


def deploy_stack(lab: Lab, name: str, *files: Path, variables: Mapping[str, str] | None = None) -> None:
    """Run `docker stack deploy` with the files merged; their variables come from `variables`."""
    environment = {**lab.node("n1").environment(), **(variables or {})}
    docker = shutil.which("docker") or "docker"
    deployed = subprocess.run(
        [
            docker,
            "stack",
            "deploy",
            "--resolve-image",
            "never",
            *(f"--compose-file={file}" for file in files),
            name,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if deployed.returncode:
        raise RuntimeError(f"docker stack deploy {name}: {deployed.stderr.strip()}")


def deploy_entry(lab: Lab, folder: Path, *, old: str, service: str, port: int, image: str) -> entry.Entry:
    """Deploy the entry on n1, with its port 80 and its runtime API on that node's address."""
    (folder / "haproxy.cfg").write_text(entry.configuration(old=old, service=service, port=port, replicas=10))
    (folder / "hold.lua").write_text(entry.hold_script())
    (folder / "active.map").write_text("site old\n")
    configs = {"haproxy.cfg": "haproxy.cfg", "hold.lua": "hold.lua", "active.map": "active.map"}
    used = "".join(
        f"\n          - {{source: {name.replace('.', '_')}, target: /usr/local/etc/entry/{name}}}"
        for name in configs
    )
    made = "".join(f"\n      {name.replace('.', '_')}: {{file: ./{name}}}" for name in configs)
    stack = folder / "entry.yml"
    stack.write_text(
        dedent(f"""\
    version: "3.8"
    services:
      haproxy:
        image: {image}
        command: ["haproxy", "-db", "-f", "/usr/local/etc/entry/haproxy.cfg"]
        stop_grace_period: 1s
        networks: [edge]
        configs:{used}
        ports:
          - {{target: 80, published: 80, mode: host}}
          - {{target: 8404, published: 8404, mode: host}}
          - {{target: {entry.ADMIN_PORT}, published: {entry.ADMIN_PORT}, mode: host}}
        deploy:
          endpoint_mode: dnsrr
          placement: {{constraints: [node.hostname == n1]}}
    configs:{made}
    networks:
      edge: {{external: true}}
    """)
    )
    deploy_stack(lab, "entry", stack)
    address = lab.node("n1").address
    wait_for_port(address, entry.ADMIN_PORT)
    return entry.Entry(address)


class S3Server:
    """A real S3 server (`rclone serve s3`) on the lab's gateway, with one bucket and its own keys."""

    def __init__(self, folder: Path, address: str, port: int, bucket: str) -> None:
        self.endpoint = f"http://{address}:{port}"
        self.bucket = bucket
        self.access_key = secrets.token_hex(8)
        self.secret_key = secrets.token_hex(16)
        self._folder = folder / "s3"
        self._log = folder / "s3.log"
        self._where = (address, port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        (self._folder / self.bucket).mkdir(parents=True, exist_ok=True)  # as it was, after a stop
        rclone = shutil.which("rclone") or "rclone"
        self._process = start_quietly(
            rclone,
            "serve",
            "s3",
            "--addr",
            f"{self._where[0]}:{self._where[1]}",
            str(self._folder),
            log=self._log,
            # rclone takes any flag from the environment (a list as CSV): keys do not belong in argv
            environment={"RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"'},
        )
        wait_for_port(*self._where)

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=10)
