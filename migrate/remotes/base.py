"""What every remote does, and what it says of an object.

**The content hash.** SHA-1 and size name a content everywhere: B2 computes SHA-1 itself, for S3 and for B2's
large files it travels as metadata of the object. What *proves* that a remote holds the bytes is its own word:
B2's SHA-1 of the file or of each part, S3's MD5 (`Content-MD5` is checked by the server, and the ETag that it
answers must be ours), a local folder's bytes, read again. `Stored.tag` is that word, and it comes in a
listing: so one call tells of a thousand objects whether they still are what was put.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from migrate.remotes.bill import Bill

__all__ = [
    "CHUNK_BYTES",
    "About",
    "Body",
    "Capabilities",
    "Part",
    "Remote",
    "Source",
    "Stored",
    "Unfinished",
]

CHUNK_BYTES = 256 * 1024


class Source(Protocol):
    """Where bytes to be put come from: an open file, or what looks like one."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to so many bytes, b"" at the end."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Go to an offset."""

    def tell(self) -> int:
        """Return the offset."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the remote describes it.

    name: below the remote's prefix. size: bytes. sha1: hex, or "" where the remote does not say it.
    tag: the remote's own mark of the content, or "": it changes when the content does.
    mtime_ns: the source's time that was put with it, or the remote's own.
    """

    name: str
    size: int
    sha1: str = ""
    tag: str = ""
    mtime_ns: int = 0


@dataclass(slots=True)
class Body:
    """An object under way. chunks: its bytes, from offset `start`; stored: what the whole object is."""

    stored: Stored
    chunks: Iterator[bytes]
    start: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the remote confirmed. digest: hex, of the kind `Capabilities.part_digest` names."""

    number: int
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload in parts that was begun and neither finished nor abandoned."""

    name: str
    upload: str


@dataclass(frozen=True, slots=True)
class About:
    """What a remote says of the key and the bucket, in words. None: it does not say.

    rights: what the key may do. needless: of these, what nothing here needs. prefix: what it is limited to.
    lifecycle: what the bucket will do by itself. versions: whether replaced and deleted objects are kept.
    """

    rights: Sequence[str] | None = None
    needless: Sequence[str] = ()
    prefix: str = ""
    lifecycle: Sequence[str] | None = None
    versions: bool | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of remote can do, and its limits. Sizes in bytes.

    listed_tags_prove: whether a listing's tag was computed by the remote from the bytes. sends_ahead: whether
    `put_later` sends before it is asked for the answer.
    """

    kind: Literal["file", "s3", "b2"]
    part_digest: Literal["md5", "sha1"]
    least_part: int
    most_parts: int
    longest_name: int
    longest_segment: int
    listed_tags_prove: bool
    keeps_versions: bool
    lists_unfinished: bool = True
    sends_ahead: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


class Remote(Protocol):
    """A place for files. Names are text without a leading slash; all methods block and are thread-safe.

    Every method raises errors of `swarmstead.errors`: Unreachable and Throttled (retry), Corrupt (bytes are
    not those that were promised), Denied, Exhausted (cap, quota, disk), InputError (name, bucket).
    """

    url: str
    bill: Bill
    capabilities: Capabilities

    def put(
        self, name: str, source: Source, *, size: int, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Stored:
        """Store `size` bytes from where `source` (seekable) stands; return when the remote confirmed them.

        md5: hex, where the caller knows it already; else it is computed where it is needed.
        Raises Corrupt when the bytes are not those of `sha1`.
        """

    def put_later(
        self, name: str, data: bytes, *, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Callable[[], Stored]:
        """Send the bytes where the remote sends ahead; return what stores them as `put` does, once.

        So one thread has several small objects under way.
        """

    def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AbstractContextManager[Body | None]:
        """Open an object, or its bytes from `start` up to (not with) `end`; None where there is none.

        A body that breaks off or crawls raises Unreachable from `chunks`.
        """

    def head(self, name: str) -> Stored | None:
        """Describe an object, None where there is none."""

    def page(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Describe up to `limit` objects whose names follow `after`, by the names' UTF-8; none: the end."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Describe every object; sha1 may be missing in a listing."""

    def copy(self, source: str, target: str) -> Stored:
        """Copy an object at the remote itself. Raises InputError where there is none."""

    def delete(self, name: str) -> None:
        """Remove an object (where versions are kept, the newest is hidden); one not there is no error."""

    def begin(self, name: str, *, size: int, sha1: str, mtime_ns: int = 0) -> str:
        """Begin an upload in parts; return its id, good for any later process."""

    def put_part(
        self, name: str, upload: str, number: int, source: Source, *, size: int, digest: str
    ) -> Part:
        """Store one part, numbered from 1. Raises Corrupt when the bytes are not those of `digest`."""

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that the remote has of an upload; none where it knows the upload no longer."""

    def finish(self, name: str, upload: str, parts: Sequence[Part], *, size: int, sha1: str) -> Stored:
        """Make the object from its parts, in order."""

    def abandon(self, name: str, upload: str) -> None:
        """Forget an upload and its parts; one not there is no error."""

    def about(self) -> About:
        """Say what the key may do and what the bucket will do by itself."""

    def unfinished(self) -> Iterator[Unfinished]:
        """Return the uploads in parts that were begun below this remote's prefix."""
