"""What lies below a folder: regular files to be moved, and all else, named."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Found", "Odd", "scan"]

_LONGEST_NAME_BYTES = 1024
_FIRST_PRINTABLE, _DELETE = 32, 127


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file. name: its path below the root, with slashes."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Odd:
    """Something that is not moved. name: escaped, fit to be shown. why: in words."""

    name: str
    why: str


def _odd_name(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    if any(ord(letter) < _FIRST_PRINTABLE or ord(letter) == _DELETE for letter in text):
        return "its name has a control character"
    return "its name is too long" if len(raw) > _LONGEST_NAME_BYTES else ""


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "" if stat.S_ISREG(mode) else "no regular file"


def scan(root: Path) -> Iterator[Found | Odd]:
    """Walk a folder in a stable order without following links."""
    stack = [os.fsencode(root)]
    top = len(stack[0]) + 1
    while stack:
        folder = stack.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Odd(repr(folder[top:]), f"cannot be read: {error.strerror}")
            continue
        stack.extend(entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False))
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                found = _look(entry, entry.path[top:])
                if found:
                    yield found


def _look(entry: "os.DirEntry[bytes]", raw: bytes) -> Found | Odd | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    why = _kind(status.st_mode) or _odd_name(raw)
    if why:
        return Odd(ascii(raw.decode(errors="surrogateescape")), why)
    return Found(raw.decode(), status.st_size, status.st_mtime_ns)
