"""Taking a lab away, whatever state it is in.

It trusts nothing: processes are found by their control group, links and packet filter rules by the
lab's mark. So it also clears up after a crash, a SIGKILL in the middle of `up`, or a lost folder.
"""

import contextlib
import shutil
import signal
from pathlib import Path

from lab import cgroups, network
from lab.errors import LabError
from lab.process import run, signal_all, wait_until
from lab.state import Record, home, locked

__all__ = ["take_down"]


def take_down(name: str) -> bool:
    """Remove everything of the lab; return whether there was anything.

    Nothing in a lab is worth a graceful stop, so all is SIGKILL.
    Raises LabError that names what could not be removed.
    """
    folder = home(name)
    tree = cgroups.read_tree()
    there = folder.exists() or any(group.exists() for group in tree.groups(name))
    lock = locked(folder) if folder.exists() else contextlib.nullcontext()
    with lock:
        _end(tree, name)
        record = Record.load(name)
        network.remove_all(f"swarmstead-lab:{name}", record.number if record else None)
        _end(tree, name)  # what was just being started when its tool died
        _unmount(folder)
        left = [str(group) for group in tree.groups(name) if not cgroups.remove(group)]
        if not wait_until(lambda: _removed(folder), timeout=5, every=0.1):
            left.append(str(folder))
    if left:
        raise LabError(
            f"Lab {name} is not wholly gone; left: {', '.join(left)}", f"Try again: lab down --name {name}"
        )
    return there


def _end(tree: cgroups.Tree, name: str) -> None:
    left = signal_all(lambda: cgroups.members(tree.group(name)), signal.SIGKILL)
    if left:
        raise LabError(f"Processes of lab {name} do not die: {sorted(left)}")


def _unmount(folder: Path) -> None:
    """Unmount what is mounted below the folder here; the nodes' own mounts went with their namespaces."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(folder):
            run(["umount", "-l", point])


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
