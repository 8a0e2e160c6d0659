"""Sessions in a table of the app's database: read-only, one row per session (SQLite)."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from swarmstead.errors import InputError

from .records import Entry, Read, Record, Skip, Skipped

__all__ = ["RowFormat", "RowSource"]


class RowFormat(Protocol):
    """How a framework keeps sessions in a table: id, payload, and a time whose meaning is its own."""

    @property
    def title(self) -> str:
        """Return the store's name."""

    @property
    def table(self) -> str:
        """Return the table's name."""

    @property
    def columns(self) -> tuple[str, str, str]:
        """Return the columns of id, payload and time."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what its keys in Redis begin with."""

    def key_of(self, identity: str) -> bytes | None:
        """Return the Redis key of an id; None for one that the framework does not make."""

    def id_of(self, key: bytes) -> str | None:
        """Return the id of a Redis key; None for a key that is no session."""

    def record(self, key: bytes, payload: bytes, when: str, now: float) -> Record | Skipped:
        """Return the session for Redis."""

    def row(self, record: Record) -> tuple[bytes, str]:
        """Return payload and time of the row for a session from Redis."""


def _number(*parts: bytes) -> int:
    digest = hashlib.blake2b(b"\0".join(parts), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


class RowSource:
    """One table of sessions in the SQLite file `path`."""

    def __init__(self, path: Path, form: RowFormat) -> None:
        self.path, self.form = path, form
        names = (form.table, *form.columns)
        if not all(name.isidentifier() for name in names):
            raise InputError("not the name of a table", subject=form.table)
        self._id, self._payload, self._when = form.columns
        self._db: sqlite3.Connection | None = None

    @property
    def title(self) -> str:
        """Return the store's name and file."""
        return f"{self.form.title} in {self.path}"

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what its keys in Redis begin with."""
        return self.form.prefixes

    def canonical(self, key: bytes) -> bytes:
        """Return the key itself."""
        return key

    def close(self) -> None:
        """Close the database."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def _open(self, *, write: bool = False) -> sqlite3.Connection:
        if write:
            self.close()
        if self._db is None:
            mode = "rw" if write else "ro"
            try:
                self._db = sqlite3.connect(
                    f"file:{self.path}?mode={mode}", uri=True, isolation_level=None, timeout=30
                )
                self._db.execute(f"select 1 from {self.form.table} limit 1")  # noqa: S608
            except sqlite3.Error as error:
                self.close()
                raise InputError(
                    f"the table {self.form.table} cannot be read ({error})", subject=str(self.path)
                ) from None
        return self._db

    def entries(self, *, stamps: bool = True) -> Iterator[Entry]:
        """Yield every row, by id."""
        query = f"select {self._id}, {self._payload}, {self._when} from {self.form.table} order by 1"  # noqa: S608
        for identity, payload, when in self._open().execute(query):
            place = _number(_bytes(identity))
            yield place, _number(_bytes(payload), _bytes(when)) if stamps else 0, str(identity), 0

    def read(self, entry: Entry, now: float) -> Read:
        """Read one row as it stands now."""
        place, _, identity, _ = entry
        key = self.form.key_of(identity)
        if key is None:
            return place, 0, Skipped(Skip.IGNORED, b"")
        query = f"select {self._payload}, {self._when} from {self.form.table} where {self._id} = ?"  # noqa: S608
        row = self._open().execute(query, (identity,)).fetchone()
        if row is None:
            return place, 0, Skipped(Skip.GONE, key)
        payload, when = _bytes(row[0]), _bytes(row[1])
        return place, _number(payload, when), self.form.record(key, payload, when.decode("latin-1"), now)

    def holds(self, key: bytes) -> bool:
        """Return whether the row of this Redis key is there."""
        query = f"select 1 from {self.form.table} where {self._id} = ?"  # noqa: S608
        return self._open().execute(query, (self.form.id_of(key),)).fetchone() is not None

    def restore(self, record: Record) -> bool:
        """Write the row back."""
        identity = self.form.id_of(record.key)
        if identity is None:
            raise InputError("a key in Redis is no session of this store", subject=self.title)
        payload, when = self.form.row(record)
        text = payload.decode("utf-8")
        db = self._open(write=True)
        form, key = self.form, self._id
        same = f"{key} = ? and {self._payload} = ? and {self._when} = ?"
        if db.execute(f"select 1 from {form.table} where {same}", (identity, text, when)).fetchone():  # noqa: S608
            return False
        update = f"update {form.table} set {self._payload} = ?, {self._when} = ? where {key} = ?"  # noqa: S608
        if not db.execute(update, (text, when, identity)).rowcount:
            columns = f"{key}, {self._payload}, {self._when}"
            insert = f"insert into {form.table} ({columns}) values (?, ?, ?)"  # noqa: S608
            db.execute(insert, (identity, text, when))
        return True

    def set_aside(self, key: bytes) -> bool:
        """Move the row of an ended session into the table ``swarmstead_ended``."""
        identity = self.form.id_of(key)
        db = self._open(write=True)
        table = self.form.table
        db.execute("begin immediate")
        db.execute(f"create table if not exists swarmstead_ended as select * from {table} where 0")  # noqa: S608
        db.execute(f"insert into swarmstead_ended select * from {table} where {self._id} = ?", (identity,))  # noqa: S608
        gone = db.execute(f"delete from {table} where {self._id} = ?", (identity,)).rowcount  # noqa: S608
        db.execute("commit")
        return gone > 0
