"""A node: what tests and people do with one machine of the lab."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import cgroups, machine, network
from lab.engine import Engine
from lab.errors import EngineError, LabError
from lab.process import clean_environment, run, signal_all, state_of, wait_until
from lab.state import Record, home

__all__ = ["Node"]

_ALL = "*"


class Node:
    """One machine of the lab, with its own dockerd, address, host name and file system mounts."""

    def __init__(self, record: Record, tree: cgroups.Tree, index: int) -> None:
        self.name = f"n{index}"
        self.index = index
        self.address = record.address(index)
        self.folder = home(record.name) / self.name
        self.socket = self.folder / "docker.sock"
        self.engine = Engine(self.socket)
        self._record = record
        self._group = tree.group(record.name, self.name)

    def __repr__(self) -> str:
        return f"<Node {self.name} of lab {self._record.name}, {self.address}, {self.state}>"

    # What it is doing

    @property
    def anchor(self) -> int | None:
        """Process that holds the node's namespaces, None where the node is off."""
        return machine.read_anchor(self._group)

    @property
    def dockerd(self) -> int | None:
        """Process id of its dockerd, None where it does not run."""
        try:
            pid = int((self.folder / "docker.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if pid in cgroups.members(self._group / "host") else None

    @property
    def state(self) -> str:
        """Return `up`, `paused` or `down`: how its dockerd is."""
        pid = self.dockerd
        if pid is None:
            return "down"
        return "paused" if state_of(pid) in {"T", "t"} else "up"

    def has_joined(self) -> bool:
        """Return whether the node itself says that it is an active part of a Swarm."""
        try:
            return bool(self.engine.call("GET", "/info", timeout=5)["Swarm"]["LocalNodeState"] == "active")
        except EngineError:
            return False

    def members(self) -> set[int]:
        """Return the ids of all processes of the node: engine, containers, and what `exec` started."""
        return cgroups.members(self._group) - cgroups.members(self._group / "anchor")

    def has_container(self, identity: str) -> bool:
        """Return whether the kernel has a process of the container with this full id."""
        return bool(cgroups.members(self._group / identity))

    # Commands

    def docker(self, *args: str, timeout: float = 120, stdin: bytes | None = None) -> str:
        """Run the docker client against this node and return its stdout.

        timeout: seconds.
        Raises CommandFailed, which holds stderr.
        """
        return run([self._client(), *args], timeout=timeout, stdin=stdin, env=self.environment())

    def docker_json(self, *args: str, timeout: float = 120) -> Any:
        """Run the docker client and return its answer as data.

        `inspect` gives its list; `info` and `version` one object; `ls`, `ps` and the like one object a row.
        """
        if "inspect" in args:
            return json.loads(self.docker(*args, timeout=timeout))
        output = self.docker(*args, "--format", "{{json .}}", timeout=timeout)
        rows = [json.loads(line) for line in output.splitlines() if line.strip()]
        return rows[0] if args[0] in {"info", "version"} else rows

    def client(self, *args: str) -> subprocess.Popen[bytes]:
        """Start the docker client against this node, at our own terminal."""
        return subprocess.Popen([self._client(), *args], env=self.environment())

    @staticmethod
    def _client() -> str:
        return os.environ.get("SWARMSTEAD_LAB_DOCKER") or "docker"

    def environment(self) -> dict[str, str]:
        """Return an environment in which `docker` means this node and reads no settings of the user."""
        return clean_environment() | {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.folder / "client"),
            "DOCKER_CLI_HINTS": "false",
        }

    def exec(
        self, argv: Sequence[str], *, timeout: float = 60, stdin: bytes | None = None, cwd: Path | None = None
    ) -> str:
        """Run a program of the host inside the node and return its stdout. Raises CommandFailed."""
        return run(self.command(argv, cwd=cwd), timeout=timeout, stdin=stdin, env=self.inside())

    def popen(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a program of the host inside the node; it dies with the node. `options` are Popen's."""
        return subprocess.Popen(self.command(argv, cwd=cwd), env=self.inside() | dict(env or {}), **options)

    def command(self, argv: Sequence[str], *, cwd: Path | None = None) -> list[str]:
        """Return the host's command that runs `argv` inside the node. Raises LabError where it is off."""
        anchor = self.anchor
        if anchor is None:
            raise LabError(f"Node {self.name} is off", f"Start it: lab start {self.name}")
        return machine.enter(self._group, anchor, argv, cwd)

    @staticmethod
    def inside() -> dict[str, str]:
        """Return the environment of programs in a node: there, /run/docker.sock is the node's own."""
        return clean_environment() | {"DOCKER_HOST": "unix:///run/docker.sock"}

    # Power

    def start(self, settings: Mapping[str, object] | None = None) -> None:
        """Switch the node on, or start its dockerd again where only that was killed.

        settings: more of daemon.json; without it, those of the last start.
        Returns when dockerd answers. Raises LabError where it does not, or runs already.
        """
        if self.dockerd is not None:
            raise LabError(f"Node {self.name} runs already", f"If it is paused: lab resume {self.name}")
        machine.prepare(self.folder, self._group)
        anchor = self.anchor
        if anchor is None:
            anchor = machine.drop_anchor(self.folder, self._group, self.name)
            network.plug(self._record, self.index, anchor)
            self._apply_cuts(anchor)
        machine.start_dockerd(
            self.folder, self._group, anchor,
            gateway=self._record.gateway,
            parent="/" + "/".join(self._group.parts[-2:]),
            settings=self._settings(settings),
        )  # fmt: skip

    def kill(self, *, only_dockerd: bool = False) -> None:
        """End everything in the node by SIGKILL, as when a machine loses power.

        only_dockerd: end dockerd and its containerd; containers go on running.
        """
        if only_dockerd:
            pid = self.dockerd
            signal_all(lambda: {pid} if pid else set(), signal.SIGKILL)
            wait_until(lambda: not self._containerd(), timeout=5)
            return
        left = signal_all(lambda: cgroups.members(self._group), signal.SIGKILL)
        if left:
            raise LabError(f"Processes of {self.name} do not die: {sorted(left)}")

    def pause(self) -> None:
        """Stop every process of the node with SIGSTOP: a machine that hangs. Its cable stays alive."""
        signal_all(self.members, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused node go on."""
        signal_all(self.members, signal.SIGCONT)

    def _containerd(self) -> set[int]:
        """Return its containerd, which dies with dockerd by the kernel's parent-death signal."""
        return {pid for pid in cgroups.members(self._group / "host") if _program(pid) == "containerd"}

    def _settings(self, settings: Mapping[str, object] | None) -> Mapping[str, object]:
        path = self.folder / "settings.json"
        if settings is None:
            return dict(json.loads(path.read_text())) if path.exists() else {}
        path.write_text(json.dumps(dict(settings)))
        return settings

    # Network

    @property
    def cuts(self) -> list[str]:
        """Return the addresses it cannot hear, or ["*"] where its cable is out."""
        try:
            return sorted(set((self.folder / "cuts").read_text().split()))
        except OSError:
            return []

    def partition(self, *others: "Node") -> None:
        """Cut the node off: from `others`, in both directions, or from everything by pulling its cable."""
        if not others:
            self.cut_from(_ALL)
        for other in others:
            self.cut_from(other.address)
            other.cut_from(self.address)

    def heal(self) -> None:
        """Undo every cut of this node; what the other side does not hear is the other side's to heal."""
        if not self.cuts:
            return
        (self.folder / "cuts").unlink(missing_ok=True)
        anchor = self.anchor
        if anchor is not None:
            network.set_link(self._record, self.index, up=True)
            network.uncut_peers(anchor)

    def hear(self, other: "Node") -> None:
        """Undo a cut between this node and `other`, on this side; `other.heal()` is the other's part."""
        if other.address in self.cuts:
            (self.folder / "cuts").write_text(
                "".join(f"{cut}\n" for cut in self.cuts if cut != other.address)
            )
            anchor = self.anchor
            if anchor is not None:
                network.uncut_peer(anchor, other.address)

    def cut_from(self, address: str) -> None:
        """Stop hearing `address`, on this side only; "*" pulls the cable."""
        if address in self.cuts:
            return
        with (self.folder / "cuts").open("a") as file:
            file.write(f"{address}\n")
        anchor = self.anchor
        if anchor is not None:
            self._cut(anchor, address)

    def _apply_cuts(self, anchor: int) -> None:
        for address in self.cuts:
            self._cut(anchor, address)

    def _cut(self, anchor: int, address: str) -> None:
        if address == _ALL:
            network.set_link(self._record, self.index, up=False)
        else:
            network.cut_peer(anchor, address)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
