"""All labs of this machine."""

from lab.process import state_of
from lab.state import Record, locked, names, root
from lab.teardown import take_down

__all__ = ["sweep"]


def sweep(prefix: str) -> list[str]:
    """Remove the labs whose name starts so and whose maker is dead; return their names.

    For labs that live no longer than the process that made them, as those of tests.
    """
    if not root().is_dir():
        return []
    with locked(root()):  # a lab just being made has its folder a moment before its record
        orphans = [name for name in names() if name.startswith(prefix) and _is_orphan(name)]
    for name in orphans:
        take_down(name)
    return orphans


def _is_orphan(name: str) -> bool:
    record = Record.load(name)
    return record is None or state_of(record.owner) in {"", "Z"}
