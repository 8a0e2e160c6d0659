"""Sessions in a table of the app's database, one row each: SQLite, MySQL, MariaDB or PostgreSQL."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from swarmstead.errors import InputError

from .database import Database
from .records import Entry, Read, Record, Skip, Skipped

__all__ = ["RowFormat", "RowSource"]

_PAGE = 1000
_AHEAD = 200


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
    if value is None:
        return b""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


class _Row(NamedTuple):
    """A row as the database gives it; `digest` is its own md5() of the payload."""

    identity: str
    payload: bytes
    when: bytes
    digest: bytes

    @property
    def stamp(self) -> int:
        """Return the number that changes with the row."""
        return _number(self.when, self.digest)


class RowSource:
    """One table of sessions in a database."""

    def __init__(self, database: Database, form: RowFormat) -> None:
        self.database, self.form = database, form
        if not all(name.isidentifier() for name in (form.table, *form.columns)):
            raise InputError("not the name of a table", subject=form.table)
        self._id, self._payload, self._when = form.columns
        self._listed: list[str] = []
        self._ahead: dict[str, _Row] = {}

    @property
    def title(self) -> str:
        """Return the store's name and database."""
        return f"{self.form.title} in {self.database.title}"

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what its keys in Redis begin with."""
        return self.form.prefixes

    def canonical(self, key: bytes) -> bytes:
        """Return the key itself."""
        return key

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def entries(self, *, stamps: bool = True) -> Iterator[Entry]:
        """Yield every row, by id; page by page, so that no transaction of ours stays open.

        stamps: hashed by the database, so that payloads do not travel. Without them `read` is expected for
            each entry at once, and reads some of the page ahead.
        """
        columns = f"{self._id}, {self._when}, md5({self._payload})" if stamps else self._id
        source = f"select {columns} from {self.form.table}"  # noqa: S608
        page = f"order by {self._id} limit {_PAGE}"
        rows = self.database.rows(f"{source} {page}")
        while rows:
            self._ahead = {}
            self._listed = [] if stamps else [str(row[0]) for row in rows]
            for identity, *stamp in rows:
                name = str(identity)
                yield _number(name.encode()), _number(*map(_bytes, stamp)) if stamps else 0, name, 0
            full = len(rows) == _PAGE
            rows = self.database.rows(f"{source} where {self._id} > ? {page}", rows[-1][0]) if full else []
        self._listed, self._ahead = [], {}

    def count(self) -> int:
        """Return how many rows there are."""
        ((count,),) = self.database.rows(f"select count(*) from {self.form.table}")  # noqa: S608
        return int(count)

    def _fetch(self, identities: list[str]) -> dict[str, _Row]:
        columns = f"{self._id}, {self._payload}, {self._when}, md5({self._payload})"
        marks = ", ".join("?" * len(identities))
        query = f"select {columns} from {self.form.table} where {self._id} in ({marks})"  # noqa: S608
        found = self.database.rows(query, *identities)
        return {str(row[0]): _Row(str(row[0]), *map(_bytes, row[1:])) for row in found}

    def _row(self, identity: str) -> _Row | None:
        """Return a row; while a page is listed without stamps, the ones after it are fetched with it."""
        if identity not in self._ahead:
            wanted = [identity]
            if identity in self._listed:
                start = self._listed.index(identity)
                wanted = self._listed[start : start + _AHEAD]
            self._ahead = self._fetch(wanted)
        return self._ahead.pop(identity, None)

    def read(self, entry: Entry, now: float) -> Read:
        """Read one row, as it stands now or stood a moment ago."""
        place, _, identity, _ = entry
        key = self.form.key_of(identity)
        if key is None:
            return place, 0, Skipped(Skip.IGNORED, b"")
        row = self._row(identity)
        if row is None:
            return place, 0, Skipped(Skip.GONE, key)
        return place, row.stamp, self.form.record(key, row.payload, row.when.decode("latin-1"), now)

    def holds(self, key: bytes) -> bool:
        """Return whether the row of this Redis key is there."""
        identity = self.form.id_of(key)
        return identity is not None and identity in self._fetch([identity])

    def restore(self, record: Record) -> bool:
        """Write the row back."""
        identity = self.form.id_of(record.key)
        if identity is None:
            raise InputError("a key in Redis is no session of this store", subject=self.title)
        payload, when = self.form.row(record)
        row = self._fetch([identity]).get(identity)
        if row and (row.payload, row.when) == (payload, when.encode()):
            return False
        table, values = self.form.table, (payload.decode("utf-8"), when, identity)
        change = (
            f"update {table} set {self._payload} = ?, {self._when} = ? where {self._id} = ?"  # noqa: S608
            if row
            else f"insert into {table} ({self._payload}, {self._when}, {self._id}) values (?, ?, ?)"  # noqa: S608
        )
        self.database.change((change, values))
        return True

    def set_aside(self, key: bytes) -> bool:
        """Move the row of an ended session into the table ``swarmstead_ended_<table>``."""
        identity = self.form.id_of(key)
        if identity is None:
            return False
        table = self.form.table
        aside, row = f"swarmstead_ended_{table}", f"from {table} where {self._id} = ?"
        self.database.change((f"create table if not exists {aside} as select * from {table} where 1 = 0", ()))  # noqa: S608
        move = f"insert into {aside} select * {row}"
        return self.database.change((move, (identity,)), (f"delete {row}", (identity,))) > 0
