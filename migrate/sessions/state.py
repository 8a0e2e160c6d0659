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

from .delta import Columns, Known, merged

__all__ = ["LATER", "State"]

#: The part of rows that come after the scan has passed them.
LATER = 99

_CHUNK = 8192
_COLUMNS = 3
_SCHEMA = """
create table if not exists chunk (
    n integer primary key autoincrement, part integer not null, data blob not null
) strict;
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
        keyed, from_bytes = hashlib.blake2b(digest_size=8, key=self._key).copy, int.from_bytes

        def mark(name: bytes) -> int:
            digest = keyed()
            digest.update(name)
            return from_bytes(digest.digest(), "little")

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
        """Return the sessions of the last pass, then those confirmed by one that did not end.

        They are read from the ledger as they are asked for: finish no pass while they are.
        """
        db, later = self.ledger.db, Columns()
        for (n,) in db.execute("select n from chunk where part = ? order by n", (LATER,)).fetchall():
            later.extend(self._chunk(n))
        scanned = db.execute("select n from chunk where part <> ? order by part, n", (LATER,)).fetchall()
        (size,) = db.execute("select coalesce(sum(length(data)), 0) from chunk").fetchone()
        return Known(merged((self._chunk(n) for (n,) in scanned), later), size // (8 * _COLUMNS))

    def _chunk(self, number: int) -> "array[int]":
        (data,) = self.ledger.db.execute("select data from chunk where n = ?", (number,)).fetchone()
        columns = array("Q")
        columns.frombytes(data)
        return columns

    def marks(self, *, after_chunk: int = 0) -> "Iterator[array[int]]":
        """Yield the marks that are known, by the chunk; of chunks after this number only."""
        query = "select n from chunk where n > ? order by n"
        for (number,) in self.ledger.db.execute(query, (after_chunk,)).fetchall():
            columns = self._chunk(number)
            yield columns[2 * (len(columns) // _COLUMNS) :]

    def begin(self, *, dry_run: bool = False) -> "Recording":
        """Begin the next pass; a dry run records nothing."""
        (last,) = self.ledger.db.execute("select coalesce(max(n), 0) from chunk").fetchone()
        return Recording(self, int(last), dry_run=dry_run)

    def reports(self) -> list[dict[str, Any]]:
        """Return the report of every complete pass, oldest first."""
        return [
            {"pass": number, "kind": kind, "finished_at": at, **json.loads(report)}
            for number, kind, at, report in self.ledger.db.execute("select * from pass order by number")
        ]


class Recording:
    """One pass under way.

    Sessions are recorded in the order of the scan, so that the next one can be compared in step: what must
    still be read when the scan comes by gets its place by `reserve`, and its row later, under `LATER`. The
    helpers of a first pass each have a part of their own.
    """

    def __init__(self, state: State, after_chunk: int, *, dry_run: bool = False) -> None:
        self._state, self._after, self._dry_run = state, after_chunk, dry_run
        self._new: dict[int, Columns] = {}

    def marks(self) -> "Iterator[array[int]]":
        """Yield the marks recorded in this pass."""
        self.save()
        return self._state.marks(after_chunk=self._after)

    def _part(self, part: int) -> Columns:
        new = self._new.setdefault(part, Columns())
        if len(new) >= _CHUNK:
            self.save()
            new = self._new.setdefault(part, Columns())
        return new

    def add(self, place: int, stamp: int, mark: int, part: int = 0) -> None:
        """Record one session that Redis has confirmed, or that stands unchanged."""
        self._part(part).add(place, stamp, mark)

    def reserve(self, place: int) -> None:
        """Keep a session's position in the scan; its row comes later, or never."""
        self.add(place, 0, 0)

    def add_many(self, rows: list[tuple[int, int, int]], part: int = 0) -> None:
        """Record the sessions of one confirmed batch."""
        if rows:
            places, stamps, marks = zip(*rows, strict=True)
            self.add_columns(array("Q", [*places, *stamps, *marks]), part)

    def add_columns(self, columns: "array[int]", part: int = 0) -> None:
        """Record sessions given as all places, then all stamps, then all marks."""
        self._part(part).extend(columns)

    def save(self) -> None:
        """Write what is recorded so far."""
        new, self._new = self._new, {}
        if self._dry_run:
            return
        with self._state.ledger.transaction() as db:
            for part, known in new.items():
                data = known.places.tobytes() + known.stamps.tobytes() + known.marks.tobytes()
                db.execute("insert into chunk (part, data) values (?, ?)", (part, data))

    def finish(self, kind: str, report: str) -> None:
        """Make this the last pass; `report` is JSON text."""
        self.save()
        with self._state.ledger.transaction() as db:
            db.execute("delete from chunk where n <= ?", (self._after,))
            db.execute(
                "insert into pass (kind, finished_at, report) values (?, ?, ?)", (kind, time.time(), report)
            )
