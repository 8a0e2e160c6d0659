"""Whether a node's folder is what its index and the remote say: read only, also beside a running cache."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from migrate.cache.changes import still
from migrate.cache.folder import same
from migrate.cache.index import Index, State
from migrate.cache.names import OWN, open_below, open_folder
from migrate.cache.watch import walk
from migrate.remotes import Remote, Stored
from swarmstead.errors import Refused

__all__ = ["check"]


def check(root: Path, remote: Remote) -> Iterator[tuple[str, str]]:
    """Give (mark, name) for every file and every name of the index.

    ``=`` the bytes are those that the remote has. ``*`` they are not. ``+`` the file waits to be sent.
    ``-`` the remote lacks what was confirmed. ``!`` it cannot be read. Raises Refused where no cache was.
    """
    path = root / OWN / "index.db"
    if not path.exists():
        raise Refused("no cache has been here", subject=str(root), hint="Is --dir the folder it serves?")
    index, folder = Index(path), open_folder(str(root))
    try:
        there = {stored.name: stored for stored in remote.list()}
        for name, is_folder in walk(root):
            if not is_folder:
                yield _one(index, folder, name, there), name
    finally:
        os.close(folder)
        index.close()


def _one(index: Index, folder: int, name: str, there: dict[str, Stored]) -> str:
    try:
        with os.fdopen(open_below(folder, name), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return "!"
            sha1 = hashlib.file_digest(file, "sha1").hexdigest()
            row = index.get(name)
    except (OSError, UnicodeError):
        return "!"
    if row is None or row.state is State.DIRTY or not same(row, status):
        return "+"
    stored = there.get(name)
    if stored is None:
        return "-"
    return "=" if sha1 == row.sha1 and still(row, stored) else "*"
