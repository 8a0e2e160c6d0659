"""A file that must hold still while it is read: what tells that it did, its bytes and its hashes."""

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from swarmstead.errors import Corrupt

__all__ = ["Still", "hashes", "whole"]


@dataclass(frozen=True, slots=True)
class Still:
    """What must not have changed between the first look and the last."""

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: BinaryIO | int) -> "Still":
        """Look at an open file, or a descriptor."""
        status = os.fstat(file if isinstance(file, int) else file.fileno())
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def whole(descriptor: int, size: int) -> bytes:
    """Return all of a file, read in one go. Raises Corrupt where it has not so many bytes."""
    data = os.read(descriptor, size + 1)
    while len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
        data += more
    if len(data) != size:
        raise Corrupt("it changed while it was read")
    return data


def hashes(file: BinaryIO, size: int, part_size: int, kind: str) -> tuple[str, tuple[str, ...]]:
    """Return the SHA-1 of a file of `size` bytes and the digests of its parts, hashed by two threads.

    Raises Corrupt when the file ends early.
    """
    parts: list[str] = []

    def by_parts() -> None:
        with Path(f"/proc/self/fd/{file.fileno()}").open("rb", buffering=0) as source:
            try:
                parts.extend(
                    _digest(source, min(part_size, size - start), kind) for start in range(0, size, part_size)
                )
            except Corrupt:
                return  # too few digests tell it

    if kind == "sha1" and part_size >= size:
        whole = _digest(file, size, "sha1")
        return whole, (whole,)
    thread = threading.Thread(target=by_parts, name="hash")
    thread.start()
    try:
        whole = _digest(file, size, "sha1")
    finally:
        thread.join()
    if len(parts) != -(-size // part_size):
        raise Corrupt("it became shorter while it was read")
    return whole, tuple(parts)


def _digest(source: BinaryIO, size: int, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    buffer = memoryview(bytearray(1024 * 1024))
    left = size
    while left:
        count = source.readinto(buffer[: min(left, len(buffer))])  # type: ignore[attr-defined]
        if not count:
            raise Corrupt("it became shorter while it was read")
        digest.update(buffer[:count])
        left -= count
    return digest.hexdigest()
