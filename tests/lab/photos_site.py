"""The photos app on its old host beside a lab, with what it needs to move."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from demo import parts
from demo.entry import ADMIN_PORT, Entry
from demo.images import ROOT
from demo.oldhost import OldHost
from lab import Lab

__all__ = ["VISITORS", "Site", "photos_site"]

VISITORS = 20
_PATIENCE_SECONDS = 60


class Site:
    """The photos app on its old host, with visitors, an entry, a Redis and an S3 server."""

    def __init__(self, lab: Lab, folder: Path, migrate_image: str) -> None:
        self.lab, self.folder, self.migrate_image = lab, folder, migrate_image
        self.address = lab.node("n1").address
        folder.chmod(0o711)
        parts.make_network(lab, parts.EDGE)
        self.s3 = parts.S3Server(folder, lab.gateway, _port(lab, 1), "photos")
        self.old = OldHost(folder / "oldhost", ROOT / "examples" / "photos", lab.gateway, _port(lab, 2))
        self.password = secrets.token_urlsafe(12) + "&%+ /:"
        redis = ["redis-server", "--bind", lab.gateway, "--port", str(_port(lab, 3)), "--save", ""]
        (folder / "redis.conf").write_text(f'requirepass "{self.password}"\n')
        redis.insert(1, str(folder / "redis.conf"))
        self._redis = parts.start_quietly(*redis, log=folder / "redis.log")
        self.values = folder / "values.yml"
        self.values.write_text(yaml.safe_dump(self._values(migrate_image)))
        self.entry = Entry(self.address)
        self._traffic: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        lab = self.lab
        self.s3.start()
        self.old.start()
        parts.wait_for_port(lab.gateway, _port(lab, 3))
        old, image = f"{lab.gateway}:{_port(lab, 2)}", lab.load_base("haproxy")
        parts.deploy_entry(lab, self.folder, old=old, service="photos_web", port=8080, image=image)

    def _secret(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def _values(self, migrate_image: str) -> dict[str, Any]:
        to = [sys.executable, "-m", "demo.entry", f"{self.address}:{ADMIN_PORT}"]
        return {
            "sessions.folder": str(self.old.sessions),
            "sessions.redis": f"redis://{self.lab.gateway}:{_port(self.lab, 3)}",
            "sessions.password_file": self._secret("redis.password", f"{self.password}\n"),
            "files.0.remote": f"s3://{self.s3.bucket}/uploads",
            "files.0.endpoint": self.s3.endpoint,
            "files.0.key_id_file": self._secret("key-id", self.s3.access_key),
            "files.0.key_file": self._secret("key", self.s3.secret_key),
            "image.base": "lab/php:bookworm",
            "image.give": "load",
            "image.nodes": [f"unix://{node.socket}" for node in self.lab.nodes],
            "cache.image": migrate_image,
            "deploy.docker_host": f"unix://{self.lab.node('n1').socket}",
            "deploy.endpoint_mode": "dnsrr",
            "entry.hold": [*to, "hold"],
            "entry.to_new": [*to, "new"],
            "entry.to_old": [*to, "old"],
            "entry.ready": [*to, "ready", "3"],
        }

    def start_visitors(self) -> None:
        self._traffic = parts.start_quietly(
            sys.executable, "-m", "demo.traffic", f"http://{self.address}", f"--clients={VISITORS}",
            f"--report={self.folder / 'seen.json'}", f"--port={_port(self.lab, 4)}",
            log=self.folder / "traffic.log",
        )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(list(self.old.sessions.glob("sess_*"))) < VISITORS or not any(
            (self.old.app / "uploads").iterdir()
        ):
            said = (self.folder / "traffic.log").read_text()
            assert self._traffic.poll() is None, said
            assert time.monotonic() < deadline, f"the visitors do not come: {said}"
            time.sleep(0.2)

    def end_visitors(self) -> dict[str, Any]:
        assert self._traffic is not None
        self._traffic.send_signal(signal.SIGTERM)
        self._traffic.wait(120)
        self._traffic = None
        seen: dict[str, Any] = json.loads((self.folder / "seen.json").read_text())
        return seen

    def migrate(self, *words: str, kill_at: str = "", check: bool = True) -> list[dict[str, Any]]:
        """Run `migrate`, return its events; kill_at: SIGKILL it when it begins the step of this name."""
        command = [sys.executable, "-m", "migrate", *words, "--state", str(self.folder / "state"), "--json"]
        events: list[dict[str, Any]] = []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                events.append(json.loads(line))
                if kill_at and events[-1].get("name") == kill_at:
                    process.kill()
            said = process.stderr.read()
        if check and not kill_at:
            assert process.returncode == 0, said
        return events

    def app(self, **options: Any) -> list[dict[str, Any]]:
        words = ["app", str(self.old.app), "--name", "photos", "--yes"]
        saved = (self.folder / "state" / "plan.yml").exists()
        return self.migrate(*words, *([] if saved else ["--values", str(self.values)]), **options)

    def clear_up(self) -> None:
        for process in (self._traffic, self._redis):
            if process is not None:
                process.kill()
                process.wait(10)
        self.old.stop()
        self.s3.stop()


def _port(lab: Lab, number: int) -> int:
    """Return a port at the lab's own gateway, so that labs side by side do not meet."""
    assert lab.gateway
    return 18100 + number


@contextmanager
def photos_site(lab: Lab, migrate_image: str) -> Iterator[Site]:
    """Start the old host, its entry, a Redis and an S3 server; end them in the end."""
    lab.load_base("php")
    # Not pytest's tmp_path: it is closed to www-data, who serves the old host.
    with tempfile.TemporaryDirectory(prefix="swarmstead-test-") as name:
        site = Site(lab, Path(name), migrate_image)
        try:
            site.start()
            yield site
        finally:
            site.clear_up()
