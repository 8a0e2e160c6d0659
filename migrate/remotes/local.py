"""``file:///FOLDER``: the embedded default, for one machine and for tests."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from migrate.remotes.base import CHUNK_BYTES, Body, Stored
from swarmstead.errors import Corrupt, InputError

__all__ = ["LocalRemote"]


class LocalRemote:
    """Objects as files below a folder; an object appears whole, by rename."""

    def __init__(self, root: Path) -> None:
        self.url = root.as_uri()
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in {"", ".", ".."} for part in parts) or "\0" in name:
            raise InputError("not a name for an object", subject=repr(name))
        return self._root.joinpath(*parts)

    def put(self, name: str, source: BinaryIO, *, size: int, sha1: str) -> None:
        """Store the bytes, checked while they are written."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, count = hashlib.sha1(usedforsecurity=False), 0
        handle, temporary = tempfile.mkstemp(prefix=".part-", dir=self._root)
        try:
            with os.fdopen(handle, "wb") as out:
                while chunk := source.read(CHUNK_BYTES):
                    out.write(chunk)
                    digest.update(chunk)
                    count += len(chunk)
                out.flush()
                os.fsync(out.fileno())
            if (count, digest.hexdigest()) != (size, sha1):
                raise Corrupt("the file changed while it was read", subject=name)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    @contextmanager
    def get(self, name: str) -> Iterator[Body | None]:
        """Open an object."""
        try:
            file = self._path(name).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            yield None
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            yield Body(Stored(name, size, ""), iter(lambda: file.read(CHUNK_BYTES), b""))

    def head(self, name: str) -> Stored | None:
        """Describe an object; its hash is computed."""
        try:
            with self._path(name).open("rb") as file:
                return Stored(
                    name, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha1").hexdigest()
                )
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def list(self) -> Iterator[Stored]:
        """Describe every object."""
        for path in sorted(self._root.rglob("*")):
            if path.is_file() and not path.name.startswith(".part-"):
                yield Stored(path.relative_to(self._root).as_posix(), path.stat().st_size, "")

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._path(name).unlink(missing_ok=True)
