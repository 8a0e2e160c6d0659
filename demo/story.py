"""The demo's story, step by step, on real parts."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from demo import images, parts, stacks
from demo.entry import Entry
from demo.move import Move
from demo.oldhost import OldHost
from demo.report import Outcome, outcome
from demo.screen import Screen
from demo.traffic import Failure, Report
from demo.watch import Prometheus
from lab import Lab
from swarmstead.stop import Stop

__all__ = ["Story"]

_S3_PORT, _OLD_PORT, _TRAFFIC_PORT = 9300, 8081, 9200
_PROMETHEUS_PORT = 9090
_LOGIN_PATIENCE_SECONDS = 60
_DOWN_PATIENCE_SECONDS = 60
_RECOVERY_PATIENCE_SECONDS = 60
_CALM_SECONDS = 5

LAB = "Three Docker engines on this machine join to a Swarm"
IMAGES = "Images are built"
SERVERS = "Redis, an S3 server, the entry, Prometheus with the exporter"
HOST = "The photos app on one host; visitors log in and upload"
APP = "migrate app: sessions to Redis, pictures to S3, three replicas"
VERIFY = "migrate verify"
KILL = "Node n3 is killed; the exporter says so"
GOES_ON = "The app goes on with all its replicas"
CHECK = "Every picture is read once more"


class Story:
    """One telling. clear_up may be called at any moment, and removes all that was made."""

    def __init__(self, folder: Path, console: Console, stop: Stop, *, clients: int, name: str) -> None:
        folder.chmod(0o711)  # nginx's and php-fpm's workers pass through
        self._folder, self._stop, self._clients, self._name = folder, stop, clients, name
        titles = [LAB, IMAGES, SERVERS, HOST, APP, VERIFY, KILL, GOES_ON, CHECK]
        self._prometheus: Prometheus | None = None
        self._screen = Screen(
            console, titles, lambda: self._prometheus.figures(Move.SERVICE) if self._prometheus else {}
        )
        self._ends: list[Callable[[], None]] = []
        self._traffic: subprocess.Popen[bytes] | None = None

    def tell(self) -> Outcome:
        """Run the whole story and return its figures. Raises what went wrong, or Stopped."""
        with self._screen.running():
            lab = self._make_lab()
            exporters = self._build(lab)
            entry, s3, password = self._start_servers(lab, exporters)
            old = self._start_app(lab)
            move = Move(self._folder, lab, s3, old, password)
            hold_seconds = self._migrate(move)
            verified = self._verify(move)
            killed_at, down_after = self._kill(lab)
            self._recover(entry)
            seen = self._end_traffic()
        return outcome(
            seen,
            killed_at=killed_at,
            hold_seconds=hold_seconds,
            down_after_seconds=down_after,
            verified=verified,
            steps=self._screen.seconds,
        )

    def addresses(self) -> str:
        """Return where to look."""
        lab = Lab.find(self._name)
        n1 = lab.node("n1")
        return (
            f"The app:     http://{n1.address}/\n"
            f"Prometheus:  http://{n1.address}:{_PROMETHEUS_PORT}/\n"
            f"The Swarm:   ./run lab docker --name {self._name} n1 service ls"
        )

    def clear_up(self) -> None:
        """End all that runs and remove the lab."""
        for end in reversed(self._ends):
            end()
        self._ends.clear()

    def _make_lab(self) -> Lab:
        with self._screen.step(LAB) as note:
            lab = Lab.up(nodes=3, managers=1, name=self._name)
            self._ends.append(lab.down)
            note(f"{len(lab.nodes)} nodes")
        return lab

    def _build(self, lab: Lab) -> str:
        with self._screen.step(IMAGES) as note:
            for name in ("php", "redis", "haproxy", "prometheus", "python"):
                self._stop.check()
                note(name)
                lab.load_base(name)
            note("exporters")
            tag = images.build_exporters(lab, self._folder)
            note("migrate")
            images.build_migrate(lab, self._folder)
            note("")
        return tag

    def _start_servers(self, lab: Lab, exporters: str) -> tuple[Entry, parts.S3Server, Path]:
        with self._screen.step(SERVERS):
            for network in (parts.EDGE, parts.MONITORING):
                parts.make_network(lab, network)
            s3 = parts.S3Server(self._folder, lab.gateway, _S3_PORT, "photos")
            s3.start()
            self._ends.append(s3.stop)
            password = stacks.deploy_redis(lab, self._folder)
            entry = parts.deploy_entry(
                lab,
                self._folder,
                old=f"{lab.gateway}:{_OLD_PORT}",
                service=Move.SERVICE,
                port=Move.PORT,
                image="lab/haproxy:bookworm",
            )
            stacks.deploy_monitoring(lab, self._folder, exporters, f"{lab.gateway}:{_TRAFFIC_PORT}")
            address = lab.node("n1").address
            parts.wait_for_port(address, _PROMETHEUS_PORT)
            self._prometheus = Prometheus(f"http://{address}:{_PROMETHEUS_PORT}")
        return entry, s3, password

    def _start_app(self, lab: Lab) -> OldHost:
        with self._screen.step(HOST) as note:
            old = OldHost(
                self._folder / "oldhost", images.ROOT / "examples" / "photos", lab.gateway, _OLD_PORT
            )
            old.start()
            self._ends.append(old.stop)
            self._traffic = parts.start_quietly(
                sys.executable,
                "-m",
                "demo.traffic",
                f"http://{lab.node('n1').address}",
                f"--clients={self._clients}",
                f"--report={self._folder / 'seen.json'}",
                f"--port={_TRAFFIC_PORT}",
                log=self._folder / "traffic.log",
            )
            self._ends.append(self._traffic.kill)
            self._wait(self._all_logged_in, _LOGIN_PATIENCE_SECONDS, "not every visitor could log in")
            self._stop.wait(_CALM_SECONDS)
            note(f"{self._clients} visitors")
        return old

    def _all_logged_in(self) -> bool:
        return self._prometheus is not None and self._prometheus.value("demo_logins_kept") == self._clients

    def _migrate(self, move: Move) -> float:
        with self._screen.step(APP) as note:
            hold_seconds = move.apply(note)
            note(f"requests waited {hold_seconds:.2f} s at the switch")
        return hold_seconds

    def _verify(self, move: Move) -> bool:
        with self._screen.step(VERIFY) as note:
            verified, words = move.verify()
            note(words)
        return verified

    def _kill(self, lab: Lab) -> tuple[float, float]:
        with self._screen.step(KILL) as note:
            self._stop.wait(_CALM_SECONDS)
            killed_at = time.time()
            lab.node("n3").kill()
            down = 'swarm_node_state{hostname="n3",state="down"} == 1'
            prometheus = self._prometheus
            assert prometheus is not None
            self._wait(
                lambda: bool(prometheus.query(down)), _DOWN_PATIENCE_SECONDS, "n3 was not reported down"
            )
            after = time.time() - killed_at
            note(f"down after {after:.0f} s")
        return killed_at, after

    def _recover(self, entry: Entry) -> None:
        with self._screen.step(GOES_ON) as note:
            self._wait(
                lambda: entry.ready() == Move.REPLICAS,
                _RECOVERY_PATIENCE_SECONDS,
                "not all replicas came back",
            )
            self._stop.wait(_CALM_SECONDS)
            note(f"{Move.REPLICAS} replicas ready")

    def _end_traffic(self) -> Report:
        with self._screen.step(CHECK) as note:
            traffic = self._traffic
            assert traffic is not None
            traffic.send_signal(signal.SIGTERM)
            traffic.wait(timeout=120)
            seen = json.loads((self._folder / "seen.json").read_text(encoding="utf-8"))
            report = Report(**{**seen, "failures": [Failure(**failure) for failure in seen["failures"]]})
            note(f"{report.pictures} pictures")
        return report

    def _wait(self, condition: Callable[[], bool], seconds: float, words: str) -> None:
        end = time.monotonic() + seconds
        while not condition():
            self._stop.check()
            if time.monotonic() > end:
                raise TimeoutError(f"{words} within {seconds:.0f} s")
            self._stop.wait(0.3)
