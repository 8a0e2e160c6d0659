"""The lab: some nodes joined to one Swarm."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from lab import cgroups, images, network
from lab.errors import EngineError, LabError, LabUnavailable
from lab.node import Node
from lab.preflight import preflight
from lab.process import wait_until
from lab.reset import reset
from lab.state import DEFAULT_NAME, MOST_NODES, Record, home, locked, names, root
from lab.teardown import take_down

__all__ = ["Lab"]

_T = TypeVar("_T")


class Lab:
    """A running lab. Make one with `Lab.up`, attach to one with `Lab.find`."""

    def __init__(self, record: Record) -> None:
        self.name = record.name
        self.record = record
        tree = cgroups.read_tree()
        self.nodes = [Node(record, tree, index) for index in range(1, record.nodes + 1)]

    def __repr__(self) -> str:
        return f"<Lab {self.name}: {len(self.nodes)} nodes, gateway {self.gateway}>"

    # Making and finding

    @classmethod
    def up(
        cls,
        nodes: int = 3,
        managers: int = 1,
        name: str = DEFAULT_NAME,
        *,
        heartbeat: float | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Self:
        """Boot the nodes and join them to a Swarm; as a context manager it is taken down at the end.

        managers: n1 to n<managers> manage, the others are workers.
        heartbeat: seconds between a node's signs of life, the engine's own default (5) without it.
            A node is called Down after about three of them.
        settings: more of every node's daemon.json.
        Raises LabUnavailable where the machine cannot hold a lab, LabError where the name is taken.
        Where it fails or is interrupted half-way, what it made is removed.
        """
        _check(nodes, managers)
        home(name)
        missing = preflight()
        if missing:
            raise LabUnavailable(missing)
        record = _claim(name, nodes, managers)
        try:
            with locked(home(name)):
                lab = cls(record)
                lab._boot(settings or {}, heartbeat)
        except BaseException:
            take_down(name)
            raise
        return lab

    @classmethod
    def find(cls, name: str = DEFAULT_NAME) -> Self:
        """Attach to a lab that is up. Raises LabError where there is none of that name."""
        home(name)
        record = Record.load(name)
        if record is None:
            there = ", ".join(names())
            raise LabError(
                f"There is no lab named {name}", f"There are: {there}" if there else "Make one: lab up"
            )
        return cls(record)

    def down(self) -> None:
        """Remove the lab with all it made."""
        take_down(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _boot(self, settings: Mapping[str, object], heartbeat: float | None) -> None:
        network.add_bridge(self.record)
        self.each(lambda node: node.start(settings))
        first, others = self.nodes[0], self.nodes[1:]
        spec = {"Dispatcher": {"HeartbeatPeriod": int(heartbeat * 1e9)}} if heartbeat else {}
        first.engine.call("POST", "/swarm/init", {**_addresses(first), "Spec": spec})
        tokens = first.engine.call("GET", "/swarm")["JoinTokens"]
        for node in others[: self.record.managers - 1]:  # one at a time: each changes Raft's membership
            _join(node, first, tokens["Manager"])
        self.each(lambda node: _join(node, first, tokens["Worker"]), others[self.record.managers - 1 :])
        self.wait_ready()

    # Its parts

    @property
    def gateway(self) -> str:
        """The host's address on the lab's bridge: servers there are in reach of every container."""
        return self.record.gateway

    @property
    def managers(self) -> list[Node]:
        """The nodes that were made managers by `up`."""
        return self.nodes[: self.record.managers]

    def node(self, name: str) -> Node:
        """Return the node of this name, as `n1`. Raises LabError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(
            f"There is no node {name} in lab {self.name}",
            f"There are: {', '.join(n.name for n in self.nodes)}",
        )

    def leader(self, *, timeout: float = 30) -> Node:
        """Return the manager that leads. Raises LabError where none does for `timeout` seconds."""
        found: list[Node] = []

        def look() -> bool:
            found.extend(self.node(row["Description"]["Hostname"]) for row in self._rows() if _leads(row))
            return bool(found)

        if not wait_until(look, timeout=timeout, every=0.2):
            raise LabError(f"Lab {self.name} has no leader", "Are most of its managers up? See: lab status")
        return found[0]

    def docker(self, *args: str, timeout: float = 120, stdin: bytes | None = None) -> str:
        """Run the docker client against the leader and return its stdout. Raises CommandFailed."""
        return self.leader().docker(*args, timeout=timeout, stdin=stdin)

    def swarm_nodes(self) -> dict[str, dict[str, Any]]:
        """Return what the Swarm says of each node, by host name, as the API's `/nodes` gives it.

        Empty where no manager answers.
        """
        rows = ((row["Description"].get("Hostname"), row) for row in self._rows())
        return {name: row for name, row in rows if name}  # one that just joined has no name yet

    def _rows(self) -> list[dict[str, Any]]:
        for node in self.nodes:
            if node.state != "up":
                continue
            try:
                rows: list[dict[str, Any]] = node.engine.call("GET", "/nodes", timeout=3)
            except EngineError:  # a worker, or a manager without quorum
                continue
            return [row for row in rows if row["Description"].get("Hostname")]  # else it is still joining
        return []

    def wait_ready(self, *, timeout: float = 60) -> None:
        """Wait until the Swarm calls every node ready. Raises LabError after `timeout` seconds."""
        states: dict[str, str] = {}

        def ready() -> bool:
            states.clear()
            states.update({name: row["Status"]["State"] for name, row in self.swarm_nodes().items()})
            return (
                len(states) >= len(self.nodes)
                and set(states.values()) == {"ready"}
                and all(self.each(Node.has_joined))  # the Swarm may not have noticed yet that it was off
            )

        if not wait_until(ready, timeout=timeout, every=0.1):
            raise LabError(f"Not every node of lab {self.name} is ready: {states or 'no manager answers'}")

    def each(self, act: Callable[[Node], _T], nodes: Iterable[Node] | None = None) -> list[_T]:
        """Do something with every node, or with these, at once; raise the first error when all have ended."""
        chosen = list(self.nodes if nodes is None else nodes)
        with ThreadPoolExecutor(max_workers=MOST_NODES) as pool:
            return list(pool.map(act, chosen))

    def heal(self, *nodes: Node) -> None:
        """Undo every partition, or all that these nodes are part of."""
        for node in nodes:
            for other in self.nodes:
                other.hear(node)
        self.each(Node.heal, nodes or None)

    def reset(self) -> None:
        """Bring the lab back to how `up` left it: all nodes alive, nothing deployed. Images stay."""
        reset(self)

    # Images

    def load_base(self, name: str) -> str:
        """Give every living node the base image of recipe `name`; return its tag, as `lab/python:bookworm`.

        Raises LabError where there is no such recipe or its Debian packages are not installed here.
        """
        archive = images.base_image(name)
        self.each(archive.load_into, self._living())
        return archive.tag

    def build(
        self,
        context: Path,
        tag: str,
        *,
        dockerfile: Path | None = None,
        build_args: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> None:
        """Build an image as `docker build` does, and give it to every living node.

        timeout: seconds for the build.
        Raises CommandFailed, with the build's output.
        """
        builder, *others = self._living()
        images.build(builder, context, tag, dockerfile, build_args or {}, timeout)
        images.spread(builder, others, tag, self.each)

    def _living(self) -> list[Node]:
        """Return the nodes that can be given something. Raises LabError where there is none."""
        living = [node for node in self.nodes if node.state == "up"]
        if not living:
            raise LabError(f"No node of lab {self.name} is up", "Start one: lab start n1")
        return living


def _check(nodes: int, managers: int) -> None:
    if not 1 <= nodes <= MOST_NODES:
        raise LabError(f"A lab has 1 to {MOST_NODES} nodes, not {nodes}")
    if not 1 <= managers <= nodes:
        raise LabError(f"Of {nodes} nodes, 1 to {nodes} can be managers, not {managers}")


def _claim(name: str, nodes: int, managers: int) -> Record:
    """Take the name and a free number; the record is on disk before anything else is made."""
    root().mkdir(parents=True, exist_ok=True)
    with locked(root()):
        if home(name).exists():
            raise LabError(f"There is a lab named {name} already", f"Remove it: lab down --name {name}")
        taken = [record.number for other in names() if (record := Record.load(other))]
        record = Record(name, network.free_number(taken), nodes, managers, os.getpid())
        home(name).mkdir()
        try:
            record.save()
        except BaseException:  # to wait for the disk may take long enough for a Ctrl-C
            shutil.rmtree(home(name), ignore_errors=True)
            raise
    return record


def _addresses(node: Node) -> dict[str, str]:
    return {"ListenAddr": f"{node.address}:2377", "AdvertiseAddr": node.address}


def _join(node: Node, first: Node, token: str) -> None:
    body = {**_addresses(node), "RemoteAddrs": [f"{first.address}:2377"], "JoinToken": token}
    deadline = time.monotonic() + 30
    while True:
        try:
            node.engine.call("POST", "/swarm/join", body)
        except EngineError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _leads(row: Mapping[str, Any]) -> bool:
    manager = row.get("ManagerStatus") or {}
    return bool(manager.get("Leader")) and manager.get("Reachability") == "reachable"
