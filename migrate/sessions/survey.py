"""How many sessions a store holds, and of what kind, without writing anything."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .records import Record, Skip, Source

__all__ = ["Survey", "survey"]


@dataclass(slots=True)
class Survey:
    """Counts of sessions: live ones, and the others by what is wrong; the live ones' bytes."""

    live: int = 0
    value_bytes: int = 0
    others: Counter[Skip] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return {
            "live": self.live,
            "value_bytes": self.value_bytes,
            **{why.value: self.others[why] for why in Skip if why is not Skip.IGNORED},
        }


def survey(source: Source, *, clock: Callable[[], float] = time.time) -> Survey:
    """Read every session once. Raises InputError if the store cannot be listed."""
    found = Survey()
    for entry in source.entries(stamps=False):
        _, _, read = source.read(entry, clock())
        if isinstance(read, Record):
            found.live += 1
            found.value_bytes += len(read.value)
        else:
            found.others[read.why] += 1
    return found
