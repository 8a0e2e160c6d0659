"""The demo's use of `migrate app` and `migrate verify`: as a person would, by their commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from demo.entry import ADMIN_PORT
from demo.images import MIGRATE
from demo.oldhost import OldHost
from demo.parts import EDGE, S3Server
from lab import Lab

__all__ = ["Move"]


class Move:
    """The photos app's move from its old host to the lab's Swarm."""

    SERVICE, PORT, REPLICAS = "photos_web", 8080, 3

    def __init__(self, folder: Path, lab: Lab, s3: S3Server, old: OldHost, redis_password: Path) -> None:
        self._app, self._state = old.app, folder / "state"
        self._log = folder / "migrate.log"
        values = folder / "values.yml"
        values.write_text(
            yaml.safe_dump(self._values(folder, lab, s3, old, redis_password)), encoding="utf-8"
        )
        self._values_file = values

    def _values(self, folder: Path, lab: Lab, s3: S3Server, old: OldHost, password: Path) -> dict[str, Any]:
        n1 = lab.node("n1")
        key_id, key = folder / "s3-key-id", folder / "s3-key"
        for path, text in ((key_id, s3.access_key), (key, s3.secret_key)):
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        to = [sys.executable, "-m", "demo.entry", f"{n1.address}:{ADMIN_PORT}"]
        return {
            "name": "photos",
            "sessions.folder": str(old.sessions),
            "sessions.redis": f"redis://{n1.address}:6379",
            "sessions.redis_in_swarm": "redis:6379",
            "sessions.password_file": str(password),
            "files.0.remote": f"s3://{s3.bucket}/uploads",
            "files.0.endpoint": s3.endpoint,
            "files.0.key_id_file": str(key_id),
            "files.0.key_file": str(key),
            "image.name": "photos",
            "image.base": "lab/php:bookworm",
            "image.give": "load",
            "image.nodes": [f"unix://{node.socket}" for node in lab.nodes],
            "cache.image": MIGRATE,
            "deploy.docker_host": f"unix://{n1.socket}",
            "deploy.replicas": self.REPLICAS,
            "deploy.networks": [EDGE],
            "deploy.endpoint_mode": "dnsrr",  # some kernels have no IPVS: a VIP would carry no traffic
            "entry.hold": [*to, "hold"],
            "entry.to_new": [*to, "new"],
            "entry.to_old": [*to, "old"],
            "entry.ready": [*to, "ready", str(self.REPLICAS)],
        }

    def apply(self, note: Callable[[str], None]) -> float:
        """Run `migrate app`; return how long requests were held, in seconds."""
        held = 0.0
        words = ("--name", "photos", "--values", str(self._values_file), "--yes")
        for event in self._run("app", str(self._app), *words):
            if event["event"] == "step":
                note(str(event["title"]))
            elif event["event"] == "step done" and event["name"] == "switch":
                held = float(event["result"]["held_seconds"])
        return held

    def verify(self) -> tuple[bool, str]:
        """Run `migrate verify`; return whether all is proved, and a few words."""
        last: dict[str, Any] = {}
        try:
            for event in self._run("verify"):
                last = event
        except RuntimeError as error:
            return False, str(error)
        return bool(last.get("proved")), "all proved" if last.get("proved") else json.dumps(last)[:200]

    def _run(self, *words: str) -> Iterator[dict[str, Any]]:
        """Run a subcommand of `migrate` and give its events; RuntimeError with its words where it fails."""
        command = [sys.executable, "-m", "migrate", *words, "--state", str(self._state), "--json"]
        with (
            self._log.open("a", encoding="utf-8") as log,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
            ) as process,
        ):
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                log.write(line)
                yield json.loads(line)
            said = process.stderr.read()
            log.write(said)
        if process.returncode:
            raise RuntimeError(f"migrate {words[0]} ended with {process.returncode}: {said.strip()}")
