"""What the passes know between runs: a ledger of its own, which holds keyed hashes and never an id.

One pass appends its sessions in chunks as Redis confirms them; when it is complete, one transaction makes
it the last pass and drops the one before. After a kill, the last pass and the confirmed chunks of the one
that was killed are both known, so nothing is copied twice that need not be.
"""

import hashlib
import json
import secrets
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from migrate.ledger import Ledger

from .delta import Known

__all__ = ["State"]

_CHUNK = 8192
_COLUMNS = 3
_SCHEMA = """
create table if not exists chunk (n integer primary key autoincrement, data blob not null) strict;
create table if not exists pass (
    number integer primary key, kind text not null, finished_at real not null, report text not null
) strict;
"""


class State:
    """The record of one move of sessions.

    path: the ledger's file (mode 0600). Raises Busy when another process works on it.
    """

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path, schema=_SCHEMA)
        # Against kill -9 WAL needs no fsync; after a power cut the last chunks are copied again, no more.
        self.ledger.db.execute("pragma synchronous=normal")
        key = self.ledger.noted("key")
        if key is None:
            key = secrets.token_hex(32)
            self.ledger.note("key", key)
        self._key = bytes.fromhex(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ledger.close()

    def marker(self) -> Callable[[bytes], int]:
        """Return the function from a Redis key to its mark: 64 bits of BLAKE2b under this move's own key."""
        blake, key, from_bytes = hashlib.blake2b, self._key, int.from_bytes

        def mark(name: bytes) -> int:
            return from_bytes(blake(name, digest_size=8, key=key).digest(), "little")

        return mark

    def name(self, key: bytes) -> str:
        """Return what a session may be called in a report: its keyed hash."""
        return f"session {self.marker()(key):016x}"

    @property
    def passes(self) -> int:
        """Return the number of complete passes."""
        row = self.ledger.db.execute("select coalesce(max(number), 0) from pass").fetchone()
        return int(row[0])

    def known(self) -> Known:
        """Return the sessions of the last pass, then those confirmed by one that did not end."""
        known = Known()
        for (data,) in self.ledger.db.execute("select data from chunk order by n"):
            columns = array("Q")
            columns.frombytes(data)
            third = len(columns) // _COLUMNS
            known.places.extend(columns[:third])
            known.stamps.extend(columns[third : 2 * third])
            known.marks.extend(columns[2 * third :])
        return known

    def marks(self, *, after_chunk: int = 0) -> "Iterator[array[int]]":
        """Yield the marks that are known, by the chunk; of chunks after this number only."""
        query = "select data from chunk where n > ? order by n"
        for (data,) in self.ledger.db.execute(query, (after_chunk,)):
            columns = array("Q")
            columns.frombytes(data)
            yield columns[2 * (len(columns) // _COLUMNS) :]

    def begin(self) -> "Recording":
        """Begin the next pass."""
        (last,) = self.ledger.db.execute("select coalesce(max(n), 0) from chunk").fetchone()
        return Recording(self, int(last))

    def reports(self) -> list[dict[str, Any]]:
        """Return the report of every complete pass, oldest first."""
        return [
            {"pass": number, "kind": kind, "finished_at": at, **json.loads(report)}
            for number, kind, at, report in self.ledger.db.execute("select * from pass order by number")
        ]


class Recording:
    """One pass under way."""

    def __init__(self, state: State, after_chunk: int) -> None:
        self._state, self._after = state, after_chunk
        self._new = Known()

    def marks(self) -> "Iterator[array[int]]":
        """Yield the marks recorded in this pass."""
        self.save()
        return self._state.marks(after_chunk=self._after)

    def add(self, place: int, stamp: int, mark: int) -> None:
        """Record one session that Redis has confirmed, or that stands unchanged."""
        self._new.add(place, stamp, mark)
        if len(self._new) >= _CHUNK:
            self.save()

    def add_many(self, rows: list[tuple[int, int, int]]) -> None:
        """Record the sessions of one confirmed batch."""
        for place, stamp, mark in rows:
            self._new.add(place, stamp, mark)
        if len(self._new) >= _CHUNK:
            self.save()

    def save(self) -> None:
        """Write what is recorded so far."""
        if not len(self._new):
            return
        new, self._new = self._new, Known()
        data = new.places.tobytes() + new.stamps.tobytes() + new.marks.tobytes()
        with self._state.ledger.transaction() as db:
            db.execute("insert into chunk (data) values (?)", (data,))

    def finish(self, kind: str, report: str) -> None:
        """Make this the last pass; `report` is JSON text."""
        self.save()
        with self._state.ledger.transaction() as db:
            db.execute("delete from chunk where n <= ?", (self._after,))
            db.execute(
                "insert into pass (kind, finished_at, report) values (?, ?, ?)", (kind, time.time(), report)
            )
