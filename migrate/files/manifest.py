"""The manifest: each file that the remote has confirmed, in the job's own ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from migrate.ledger import Ledger

__all__ = ["Entry", "Manifest"]

_SCHEMA = """
create table if not exists file (
    name text primary key, size integer not null, mtime_ns integer not null, sha1 text not null
) strict;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was when the remote confirmed it."""

    name: str
    size: int
    mtime_ns: int
    sha1: str


class Manifest:
    """Confirmed files by name. Raises what Ledger raises."""

    def __init__(self, path: Path) -> None:
        self._ledger = Ledger(path, schema=_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ledger.close()

    def get(self, name: str) -> Entry | None:
        """Return what is recorded of a file."""
        row = self._ledger.db.execute("select * from file where name = ?", (name,)).fetchone()
        return Entry(*row) if row else None

    def add(self, *entries: Entry) -> None:
        """Record files as confirmed."""
        with self._ledger.transaction() as db:
            db.executemany(
                "insert or replace into file values (?, ?, ?, ?)",
                [(entry.name, entry.size, entry.mtime_ns, entry.sha1) for entry in entries],
            )

    def forget(self, name: str) -> None:
        """Take a file out."""
        with self._ledger.transaction() as db:
            db.execute("delete from file where name = ?", (name,))

    def all(self) -> Iterator[Entry]:
        """Return every entry by name."""
        for row in self._ledger.db.execute("select * from file order by name").fetchall():
            yield Entry(*row)
