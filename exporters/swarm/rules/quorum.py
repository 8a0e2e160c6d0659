"""Quorum of the managers (swarmkit, design/raft.md: half of them, rounded down, plus one)."""

from collections.abc import Iterable
from dataclasses import dataclass

from exporters.engine import Node

__all__ = ["Quorum", "quorum"]


@dataclass(frozen=True, slots=True)
class Quorum:
    """Managers in all, those that are reachable, and how many more may be lost."""

    managers: int
    reachable: int

    @property
    def margin(self) -> int:
        """Return how many more managers may be lost; negative without quorum."""
        return self.reachable - (self.managers // 2 + 1)


def quorum(nodes: Iterable[Node]) -> Quorum:
    """Return the quorum as a node list shows it."""
    managers = [node.manager_status for node in nodes if node.manager_status]
    return Quorum(len(managers), sum(1 for manager in managers if manager.reachability == "reachable"))
