"""What a lab keeps on disk, and the names that follow from it.

Everything of a lab is named after it or after its number, so `down` can find what is there even
where a crash left nothing but the record, or less.
"""

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError

__all__ = ["DEFAULT_NAME", "MOST_NODES", "Record", "home", "locked", "names", "root"]

DEFAULT_NAME = "lab"
MOST_NODES = 9
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def root() -> Path:
    """Return the folder that holds all labs: SWARMSTEAD_LAB_DIR, or the system's place for state."""
    return Path(os.environ.get("SWARMSTEAD_LAB_DIR") or "/var/lib/swarmstead-lab")


def home(name: str) -> Path:
    """Return the folder of one lab. Raises LabError where the name cannot be a lab's."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"Not a name for a lab: {name!r}", "Small letters, digits and '-', 20 at most, a letter first."
        )
    return root() / name


def names() -> list[str]:
    """Return the names of the labs that have a folder here, whole or half made."""
    if not root().is_dir():
        return []
    return sorted(path.name for path in root().iterdir() if path.is_dir() and _NAME.fullmatch(path.name))


@dataclass(frozen=True)
class Record:
    """What is decided before the first act: written before anything is made."""

    name: str
    number: int
    """Second byte of the subnet 10.NUMBER.0.0/24, and part of every link's name."""
    nodes: int
    managers: int
    owner: int
    """Process that called `up`."""

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"swl{self.number}"

    @property
    def gateway(self) -> str:
        """The host's address on the bridge."""
        return f"10.{self.number}.0.1"

    @property
    def mark(self) -> str:
        """What the bridge and the packet filter's rules carry, so that they are found by the lab's name."""
        return f"swarmstead-lab:{self.name}"

    def link(self, index: int) -> str:
        """Return the host's end of the cable of node `index` (1, 2, ...); 15 characters at most."""
        return f"{self.bridge}n{index}"

    def address(self, index: int) -> str:
        """Return the address of node `index` (1, 2, ...)."""
        return f"10.{self.number}.0.{10 + index}"

    def save(self) -> None:
        """Write the record whole or not at all."""
        path = home(self.name) / "lab.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1))
        new.replace(path)

    @classmethod
    def load(cls, name: str) -> "Record | None":
        """Return the lab's record, or None where there is none that can be read."""
        try:
            return cls(**json.loads((home(name) / "lab.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, *, timeout: float = 60) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it when we die.

    Raises LabError where another process holds it for longer than `timeout` seconds.
    """
    with _opened(path) as folder:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as busy:
                if time.monotonic() > deadline:
                    raise LabError(
                        "Another process is at work here", "Wait for it to end.", subject=str(path)
                    ) from busy
                time.sleep(0.05)
        yield
