"""One open log file: how far it was read, and by which bytes it is known again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["CHUNK", "LONGEST_LINE", "Place", "Tail", "Truncated"]

CHUNK: Final = 128 * 1024  # decoding is fastest at 64 to 128 KiB
LONGEST_LINE: Final = 1024 * 1024
_MARK: Final = 1024  # bytes that prove a place; one line of a log is shorter and unique by its time


class Truncated(Exception):
    """The file is not the one that was read so far: cut, or cut and grown again."""


class Place(msgspec.Struct):
    """How far a file was read, as it is saved.

    head: the file's first bytes, up to 1 KiB of what was read. mark: the last ones before offset.
    skipping: whether offset lies inside a line that is too long. retired: renamed or deleted.
    """

    path: str
    inode: int
    offset: int = 0
    head: bytes = b""
    mark: bytes = b""
    skipping: bool = False
    retired: bool = False


class Tail:
    """Reads whole lines from one file. Raises OSError at the start when it cannot be opened."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._file = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
        self.idle_since = 0.0
        self._want = CHUNK
        self.size = os.fstat(self._file).st_size

    @classmethod
    def open(cls, path: Path) -> "Tail":
        """Open a file to read it from its start."""
        tail = cls(Place(str(path), 0))
        tail.place.inode = os.fstat(tail._file).st_ino
        return tail

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    @property
    def waiting(self) -> int:
        """Return the bytes that are not read yet."""
        return max(self.size - self.place.offset, 0)

    def agrees(self) -> bool:
        """Return whether the file still holds what was read before the offset, at its place."""
        place = self.place
        self.size = os.fstat(self._file).st_size
        if self.size < place.offset:
            return False
        mark = os.pread(self._file, len(place.mark), place.offset - len(place.mark))
        return mark == place.mark and os.pread(self._file, len(place.head), 0) == place.head

    def begins_with(self, head: bytes) -> bool:
        """Return whether the file's first bytes are these."""
        return bool(head) and os.pread(self._file, len(head), 0) == head

    def read(self, feed: Callable[[bytes], int], too_long: Callable[[], None], *, last: bool = False) -> bool:
        """Read one chunk and feed its whole lines; return whether there may be more.

        feed: takes whole lines, returns how many of their bytes are done with. last: nothing will be written
        to the file any more, so that a line without its newline is one too.
        Raises Truncated when the file is another one than was read so far.
        """
        place = self.place
        self.size = os.fstat(self._file).st_size
        if self.size < place.offset:
            raise Truncated
        if self.size == place.offset:
            return False
        before = len(place.mark)
        data = os.pread(self._file, before + self._want, place.offset - before)
        if data[:before] != place.mark:
            raise Truncated
        end = data.rfind(b"\n", before) + 1
        start = data.find(b"\n", before) + 1 if place.skipping else before
        done = feed(data[start:end]) if 0 < start < end or start == before < end else 0
        if done or (place.skipping and end):
            self._want = CHUNK
            self._advance(data, before, start + done, skipping=False)
            return True
        if len(data) - before >= self._want:
            return self._look_further(data, before, end, too_long)
        if last:
            feed(data[before:] + b"\n")
            self._advance(data, before, len(data), skipping=False)
        return False

    def _look_further(self, data: bytes, before: int, end: int, too_long: Callable[[], None]) -> bool:
        """Read more at once, up to the longest line; what is longer is passed over."""
        if self._want < LONGEST_LINE and not self.place.skipping:
            self._want = LONGEST_LINE + 1
        elif end and self._want < 2 * LONGEST_LINE:
            self._want = 2 * LONGEST_LINE + 1  # parts of one line, each in Docker's envelope
        else:
            if not self.place.skipping:
                too_long()
            self._want = CHUNK
            self._advance(data, before, end or len(data), skipping=not end)
        return True

    def _advance(self, data: bytes, before: int, end: int, *, skipping: bool) -> None:
        place = self.place
        place.offset += end - before
        place.skipping = skipping
        place.mark = (
            data[max(0, end - _MARK) : end] if end >= _MARK else (place.mark + data[before:end])[-_MARK:]
        )
        if len(place.head) < _MARK and place.offset > len(place.head):
            place.head = os.pread(self._file, min(_MARK, place.offset), 0)
