"""A lab's control groups: what belongs to a node is what lives below its group.

Layout, in every hierarchy: ``swarmstead-LAB/NODE/{anchor,host,CONTAINER-ID}``. Anchor and host hold
processes in one hierarchy only (`home`); runc makes the containers' groups in all of them. Both kinds
of machine are handled: v2 has one hierarchy, v1 and hybrid have one per controller.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabUnavailable

__all__ = ["Tree", "members", "read_tree", "remove"]

# Controllers that runc joins on every v1 machine; any of them can tell a node's processes.
_HOMES = ("pids", "freezer", "devices", "memory")


@dataclass(frozen=True)
class Tree:
    """This machine's control group hierarchies."""

    home: Path
    every: tuple[Path, ...]

    def group(self, lab: str, *below: str) -> Path:
        """Return the lab's group in the home hierarchy, or one below it."""
        return self.home.joinpath(f"swarmstead-{lab}", *below)

    def groups(self, lab: str, *below: str) -> list[Path]:
        """Return the same group in every hierarchy, whether it is there or not."""
        return [root.joinpath(f"swarmstead-{lab}", *below) for root in self.every]


def read_tree(mountinfo: Path = Path("/proc/self/mountinfo")) -> Tree:
    """Find where control groups are mounted. Raises LabUnavailable where they are not.

    `mountinfo` is in the format of proc(5).
    """
    versions: dict[Path, str] = {}
    for line in mountinfo.read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split()[0]
        if kind in {"cgroup", "cgroup2"}:
            versions[Path(left.split()[4])] = kind
    if not versions:
        raise LabUnavailable("No control groups are mounted on /sys/fs/cgroup")
    if "cgroup" not in versions.values():
        return Tree(home=min(versions), every=(min(versions),))
    by_name = {
        part: path for path, kind in versions.items() if kind == "cgroup" for part in path.name.split(",")
    }
    for name in _HOMES:
        if name in by_name:
            return Tree(home=by_name[name], every=tuple(versions))
    raise LabUnavailable(f"None of the cgroup v1 controllers {', '.join(_HOMES)} is mounted")


def members(group: Path) -> set[int]:
    """Return the ids of the processes in the group and in those below it."""
    found: set[int] = set()
    for folder, _, files in os.walk(group):  # unlike rglob, it takes a group that vanishes while we look
        if "cgroup.procs" in files:
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
    return found


def remove(group: Path, *, timeout: float = 3) -> bool:
    """Remove the group with those below it; the kernel may need a moment after the last process."""
    deadline = time.monotonic() + timeout
    while group.is_dir():
        for path in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
        if time.monotonic() > deadline:
            return not group.is_dir()
        if group.is_dir():
            time.sleep(0.05)
    return True
