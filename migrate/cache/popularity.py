"""What nginx served from the folder by itself, learnt from its log in batches."""

import os
import re
from pathlib import Path

from migrate.cache.names import safe_name

__all__ = ["FORMAT", "HitsLog"]

FORMAT = "$status $request_method $uri"
"""nginx's log_format: `$uri` is decoded and cleaned, and what `try_files` found."""

_MOST_BYTES = 16 * 1024 * 1024
_READ_BYTES = 4 * 1024 * 1024
_ESCAPED = re.compile(rb"\\x([0-9A-F]{2})")  # nginx's own, for quotes and what is not ASCII
_SERVED = {b"200", b"206", b"304"}


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])


class HitsLog:
    """Reads a log on from where it was last, and empties it when it has grown (nginx appends to it).

    prefix: what precedes an object's name in `$uri`, with both slashes.
    """

    def __init__(self, path: Path, prefix: str = "/") -> None:
        self._path, self._prefix, self._at, self._rest = path, prefix.encode(), 0, b""

    def read(self) -> list[str]:
        """Return the names asked for since the last call."""
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._at:
                    self._at, self._rest = 0, b""
                file.seek(self._at)
                data = file.read(_READ_BYTES)
        except OSError:
            return []
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._at >= size > _MOST_BYTES:
            os.truncate(self._path, 0)
        return [name for line in lines if (name := self._name(line)) is not None]

    def _name(self, line: bytes) -> str | None:
        status, _, rest = line.partition(b" ")
        _, _, path = rest.partition(b" ")
        if status not in _SERVED or not path.startswith(self._prefix):
            return None
        try:
            name = _ESCAPED.sub(_byte, path[len(self._prefix) :]).decode()
        except UnicodeDecodeError:
            return None
        # `$uri` is decoded already: a percent sign in it is one.
        return safe_name("/" + name.replace("%", "%25").replace("?", "%3F").replace("#", "%23"))
