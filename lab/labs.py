"""All labs of this machine."""

from pathlib import Path

from lab.state import Record, names
from lab.teardown import take_down

__all__ = ["sweep"]


def sweep(prefix: str) -> list[str]:
    """Remove the labs whose name starts so and whose maker is dead; return their names.

    For labs that live no longer than the process that made them, as those of tests.
    """
    swept = []
    for name in names():
        record = Record.load(name)
        orphan = record is None or not Path(f"/proc/{record.owner}").exists()
        if name.startswith(prefix) and orphan:
            take_down(name)
            swept.append(name)
    return swept
