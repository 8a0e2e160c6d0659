"""What passes between a source of sessions and Redis: one record per session, or the reason there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

__all__ = ["Entry", "Read", "Record", "Skip", "Skipped", "Source"]

#: What a scan sees of a session without reading it: `place` (an inode, or a hash of the row's key) stays
#: while the session is not replaced; `stamp` (ctime in ns, or a hash of the row) changes whenever it is
#: written; `name` and `folder` say where it lies.
Entry: TypeAlias = tuple[int, int, str, int]


class Record(NamedTuple):
    """One session as Redis shall hold it; `expires_at` in Unix seconds, by the framework's own rule."""

    key: bytes
    value: bytes
    expires_at: int


class Skip(StrEnum):
    """Why an entry gave no record. The first two mean that the session has ended."""

    EXPIRED = "expired"
    EMPTY = "empty"
    LOCKED = "locked"  # a request holds it; the next pass looks again
    GONE = "gone"  # ended between the scan and the read
    REFUSED = "refused"  # a link, another owner, not a plain file
    UNREADABLE = "unreadable"  # the disk or the rights say no
    MALFORMED = "malformed"  # not what the framework writes, or its signature is wrong
    IGNORED = "ignored"  # no session at all: .gitignore, a counter file


@dataclass(frozen=True, slots=True)
class Skipped:
    """No record: why, under which key it would have been, and a word on what is wrong."""

    why: Skip
    key: bytes
    detail: str = ""


#: Place and stamp at the moment of reading, and what was read. A stamp of 0 means: look again next time.
Read: TypeAlias = tuple[int, int, "Record | Skipped"]


class Source(Protocol):
    """A store of sessions on the old host."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what the keys of its sessions in Redis begin with."""

    @property
    def title(self) -> str:
        """Return what to call it to a person."""

    def entries(self, *, stamps: bool = True) -> Iterator[Entry]:
        """Yield every session there is, in an order that stays while nothing changes.

        stamps: False spares looking at each one; its stamp is then 0.
        Raises InputError when the store cannot be listed at all.
        """

    def count(self) -> int:
        """Return how many entries there are now, by the quickest way."""

    def read(self, entry: Entry, now: float) -> Read:
        """Read one session.

        now: Unix seconds, of this moment or a little before; what was written less than a second before
            it gets stamp 0, since a clock tick may hide a second write.
        Never raises for the session's own faults.
        """

    def holds(self, key: bytes) -> bool:
        """Return whether the session of this Redis key is in the store now."""

    def canonical(self, key: bytes) -> bytes:
        """Return the key that the copy had, for a key that the app may have renamed since."""

    def restore(self, record: Record) -> bool:
        """Write one session back for a rollback; return False if it stands there already, byte for byte.

        Raises InputError for a key that is no session of this store.
        """

    def set_aside(self, key: bytes) -> bool:
        """Take a session that ended meanwhile out of the framework's sight, without deleting it."""
