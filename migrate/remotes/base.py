"""What every remote does, and what it says of an object."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

__all__ = ["CHUNK_BYTES", "Body", "Remote", "Stored"]

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the remote describes it. sha1: hex, or "" where the remote does not know it."""

    name: str
    size: int
    sha1: str


@dataclass(slots=True)
class Body:
    """An object under way. chunks: its bytes; stored: what it is."""

    stored: Stored
    chunks: Iterator[bytes]


class Remote(Protocol):
    """A place for files. Names are text without a leading slash; errors are those of `swarmstead.errors`."""

    url: str

    def put(self, name: str, source: BinaryIO, *, size: int, sha1: str) -> None:
        """Store `size` bytes; return only when the remote has confirmed them. Raises Corrupt otherwise."""

    def get(self, name: str) -> AbstractContextManager[Body | None]:
        """Open an object, None where there is none."""

    def head(self, name: str) -> Stored | None:
        """Describe an object, None where there is none."""

    def list(self) -> Iterator[Stored]:
        """Describe every object; sha1 may be missing in a listing."""

    def delete(self, name: str) -> None:
        """Remove (or hide) an object; one that is not there is no error."""
