"""What the cache knows of each name, in SQLite: it survives kill -9, and a start reads nothing whole."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

__all__ = ["Index", "Row", "State"]


class State(IntEnum):
    """HERE: the remote confirmed these bytes. DIRTY: to be sent. GONE: to be deleted at the remote.

    ENTERING: written and right, but perhaps not yet under its name.
    """

    HERE = 0
    DIRTY = 1
    GONE = 2
    ENTERING = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One name. size in bytes; mtime_ns and inode as stat says them; sha1, tag: of what the remote confirmed.

    checked: when the remote was last asked about it, seconds since the epoch. count, rank: the policy's.
    """

    name: str
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    sha1: str = ""
    tag: str = ""
    state: State = State.HERE
    checked: float = 0.0
    count: int = 1
    rank: float = 0.0


_COLUMNS = "name, size, mtime_ns, inode, sha1, tag, state, checked, count, rank"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  name TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
  sha1 TEXT NOT NULL, tag TEXT NOT NULL, state INTEGER NOT NULL, checked REAL NOT NULL,
  count INTEGER NOT NULL, rank REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS queue ON objects (state) WHERE state IN (1, 2, 3);
"""
_PAGE = 1000


def _row(values: tuple[str, int, int, int, str, str, int, float, int, float]) -> Row:
    return Row(*values[:6], State(values[6]), *values[7:])


class Index:
    """One connection for many threads, one transaction for each call."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last rows: their files are then looked at again, never lost.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -8000")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def get(self, name: str) -> Row | None:
        """Return the row of a name."""
        with (
            self._lock,
            closing(
                self._db.execute(f"SELECT {_COLUMNS} FROM objects WHERE name = ?", (name,))  # noqa: S608
            ) as found,
        ):
            values = found.fetchone()
        return None if values is None else _row(values)

    def put(self, row: Row) -> None:
        """Write a row over what stood there."""
        values = (
            row.name, row.size, row.mtime_ns, row.inode, row.sha1, row.tag, int(row.state),
            row.checked, row.count, row.rank,
        )  # fmt: skip
        with self._lock:
            self._db.execute("REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def drop(self, name: str) -> None:
        """Forget a name."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE name = ?", (name,))

    def checked(self, name: str, when: float) -> None:
        """Remember that the remote still had what we have."""
        with self._lock:
            self._db.execute("UPDATE objects SET checked = ? WHERE name = ?", (when, name))

    def remember(self, memories: Iterable[tuple[int, float, str]]) -> None:
        """Keep (count, rank, name) of the policy."""
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany("UPDATE objects SET count = ?, rank = ? WHERE name = ?", memories)
            self._db.execute("COMMIT")

    def queued(self) -> list[Row]:
        """Return the rows that are not HERE."""
        with self._lock:
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM objects WHERE state IN (1, 2, 3)")  # noqa: S608
            return [*map(_row, rows)]

    def here(self) -> Iterator[Row]:
        """Return the rows that are HERE, by rank; rows changed meanwhile may be missing or stand twice."""
        rank, name = float("-inf"), ""
        query = (
            f"SELECT {_COLUMNS} FROM objects WHERE state = 0 AND (rank, name) > (?, ?) "  # noqa: S608
            "ORDER BY rank, name LIMIT 50000"
        )
        while True:
            with self._lock:
                page = [*map(_row, self._db.execute(query, (rank, name)))]
            if not page:
                return
            yield from page
            rank, name = page[-1].rank, page[-1].name

    def names(self, prefix: str = "") -> Iterator[str]:
        """Return the names below a folder (`prefix` ends in a slash), or all."""
        after = prefix
        end = prefix[:-1] + "0" if prefix else "\U0010ffff"  # "0" follows "/"
        while True:
            with self._lock:
                page = [
                    name
                    for (name,) in self._db.execute(
                        "SELECT name FROM objects WHERE name > ? AND name < ? ORDER BY name LIMIT ?",
                        (after, end, _PAGE),
                    )
                ]
            if not page:
                return
            yield from page
            after = page[-1]

    def sums(self) -> dict[State, tuple[int, int]]:
        """Return how many names and bytes are in each state."""
        with self._lock:
            rows = self._db.execute(
                "SELECT state, COUNT(*), SUM(size) FROM objects GROUP BY state"
            ).fetchall()
        return {State(state): (count, size) for state, count, size in rows}
