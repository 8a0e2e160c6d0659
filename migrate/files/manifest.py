"""The manifest: each file of the source as it was seen, and as the remote confirmed it, in a SQLite ledger.

A row is `todo` until the remote has confirmed the file as it was last seen. Before a file is sent its row is
marked `sending`; what is found so marked by the next process may or may not have gone through, and is asked
for at the remote before it is sent again: so a kill makes no second version.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from migrate.files.names import shown
from migrate.files.scan import Found, Odd
from migrate.ledger import Ledger
from migrate.remotes import Stored

__all__ = ["LARGE_BYTES", "Confirmed", "Entry", "Manifest", "Row", "Upload"]

LARGE_BYTES = 8 * 1024 * 1024
"""Larger files are few, and are kept apart (the schema names the number, too: an index is on it)."""

_SCHEMA = """
create table if not exists entry (
    path blob primary key, name text not null,
    size integer, mtime_ns integer, ctime_ns integer,
    device integer, inode integer, mode integer, uid integer, gid integer, links integer, blocks integer,
    target blob, followed integer not null default 0,
    seen integer not null,
    sending integer not null default 0,
    sent_size integer, sent_mtime_ns integer, sent_ctime_ns integer, sha1 text, tag text
) strict, without rowid;
create index if not exists entry_name on entry (name);
create index if not exists entry_inode on entry (device, inode) where links > 1;
create index if not exists entry_large on entry (path) where size > 8388608;
create index if not exists entry_sending on entry (path) where sending;
create table if not exists odd (name text, kind text, why text, primary key (name, kind)) strict;
create table if not exists there (
    name text primary key, size integer not null, sha1 text not null, tag text not null
) strict, without rowid;
create table if not exists upload (
    name text primary key, id text not null, size integer not null, mtime_ns integer not null,
    ctime_ns integer not null, sha1 text not null, part_size integer not null, digests text not null
) strict;
create view if not exists row as
    select path, name, size, mtime_ns, ctime_ns, target, followed, sending,
        coalesce(sha1, '') as sha1, coalesce(tag, '') as tag, sent_size, sent_mtime_ns, sent_ctime_ns
    from entry where seen = (select cast(value as integer) from note where name = 'scan');
create view if not exists todo as
    select * from row
    where sha1 = '' or (sent_size, sent_mtime_ns, sent_ctime_ns) is not (size, mtime_ns, ctime_ns);
create view if not exists todo_large as select * from todo where size > 8388608;
create view if not exists todo_small as select * from todo where size <= 8388608;
create view if not exists gone as
    select path, name, size, mtime_ns, ctime_ns, target, followed, sending,
        coalesce(sha1, '') as sha1, coalesce(tag, '') as tag, sent_size, sent_mtime_ns, sent_ctime_ns
    from entry where seen < (select cast(value as integer) from note where name = 'scan');
"""

_TODO_LARGE = "select * from todo_large where path > ? order by path limit ?"
_TODO_SMALL = "select * from todo_small where path > ? order by path limit ?"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was when the remote confirmed it."""

    name: str
    size: int
    mtime_ns: int
    sha1: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A file of the source as last seen. sha1, tag, sent_*: what the remote confirmed last; "" for never.

    sending: 1 where an earlier pass may have sent it without hearing of it.
    """

    path: bytes
    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    target: bytes | None = None
    followed: int = 0
    sending: int = 0
    sha1: str = ""
    tag: str = ""
    sent_size: int | None = None
    sent_mtime_ns: int | None = None
    sent_ctime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the remote confirmed of a row, with the times that the file had while it was read."""

    path: bytes
    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    sha1: str
    tag: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts under way. digests: hex, one for each part, in order."""

    name: str
    id: str
    size: int
    mtime_ns: int
    ctime_ns: int
    sha1: str
    part_size: int
    digests: Sequence[str] = field(default_factory=tuple)


class Manifest:
    """One folder and its remote. Raises what Ledger raises: Busy, InputError."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path, schema=_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ledger.close()

    # The scan

    @property
    def scans(self) -> int:
        """Return the number of the last scan, 0 before the first."""
        return int(self.ledger.noted("scan", 0))

    def take(self, found: Iterable[Found | Odd]) -> int:
        """Write a scan down; return its number."""
        number = self.scans + 1
        with self.ledger.transaction() as db:
            db.execute("delete from odd")
            files: list[tuple[object, ...]] = []
            for one in found:
                if isinstance(one, Odd):
                    db.execute("insert or replace into odd values (?, ?, ?)", (one.name, one.kind, one.why))
                    continue
                files.append(_seen(one, number))
                if len(files) >= _BATCH:
                    self._put(files)
                    files.clear()
            self._put(files)
            self._set_apart(number)
            db.execute("insert or replace into note values ('scan', ?)", (json.dumps(number),))
        return number

    def _put(self, files: list[tuple[object, ...]]) -> None:
        self.ledger.db.executemany(
            "insert into entry (path, name, size, mtime_ns, ctime_ns, device, inode, mode, uid, gid, links,"
            " blocks, target, followed, seen) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (path) do update set name = excluded.name, size = excluded.size,"
            " mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, device = excluded.device,"
            " inode = excluded.inode, mode = excluded.mode, uid = excluded.uid, gid = excluded.gid,"
            " links = excluded.links, blocks = excluded.blocks, target = excluded.target,"
            " followed = excluded.followed, seen = excluded.seen",
            files,
        )

    def _set_apart(self, number: int) -> None:
        """Let no two files have one object: an escaped name or a kept link gives way to a file's own name."""
        db = self.ledger.db
        clashing = db.execute(
            "select path, name from entry where seen = ?1 and cast(path as text) is not name and exists"
            " (select 1 from entry as other where other.name = entry.name and other.path is not entry.path"
            " and other.seen = ?1)",
            (number,),
        ).fetchall()
        for path, name in clashing:
            db.execute("delete from entry where path = ?", (path,))
            why = f"its object's name {name} is another file's"
            db.execute("insert or replace into odd values (?, 'clash', ?)", (shown(path), why))

    def odd(self) -> list[Odd]:
        """Return what the last scan found and did not take."""
        return [Odd(*row) for row in self.ledger.db.execute("select name, why, kind from odd order by name")]

    def totals(self) -> dict[str, int]:
        """Return counts of the last scan: files, bytes, todo, todo_bytes, hard_links, sparse, links, gone."""
        db = self.ledger.db
        files, size, hard, sparse, links = db.execute(
            "select count(*), total(size), count(*) filter (where links > 1),"
            " count(*) filter (where blocks * 512 < size), count(*) filter (where target is not null)"
            " from entry where seen = ?",
            (self.scans,),
        ).fetchone()
        todo, todo_bytes = db.execute("select count(*), total(size) from todo").fetchone()
        return {
            "files": files,
            "bytes": int(size),
            "todo": todo,
            "todo_bytes": int(todo_bytes),
            "hard_links": hard,
            "sparse": sparse,
            "links": links,
            "gone": db.execute("select count(*) from gone").fetchone()[0],
        }

    def names(self) -> Iterator[str]:
        """Return the objects' names of the last scan."""
        for row in self.ledger.db.execute("select name from entry where seen = ?", (self.scans,)):
            yield row[0]

    # The copy

    def todo(self, after: bytes, limit: int, *, large: bool) -> list[Row]:
        """Return the next files that the remote has not confirmed as they are, by path: large, or not."""
        return self._rows(_TODO_LARGE if large else _TODO_SMALL, (after, limit))

    def gone(self) -> list[Row]:
        """Return the files that the last scan did not see any more."""
        return self._rows("select * from gone order by path")

    def is_wanted(self, name: str) -> bool:
        """Return whether a file of the last scan has this object's name."""
        return self.row(name) is not None

    def rows(self) -> list[Row]:
        """Return the files of the last scan, by the bytes of the objects' names."""
        return self._rows("select * from row order by name")

    def row(self, name: str) -> Row | None:
        """Return the file of an object's name."""
        return next(iter(self._rows("select * from row where name = ?", (name,))), None)

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Row]:
        return [Row(*row) for row in self.ledger.db.execute(query, values)]

    def sending(self, rows: Sequence[Row]) -> None:
        """Mark files as under way."""
        with self.ledger.transaction() as db:
            db.executemany("update entry set sending = 1 where path = ?", [(row.path,) for row in rows])

    def confirm(self, done: Sequence[Confirmed], failed: Sequence[bytes] = ()) -> None:
        """Record what the remote confirmed; `failed` are paths that certainly did not go through."""
        with self.ledger.transaction() as db:
            db.executemany(
                "update entry set sending = 0, sent_size = ?, sent_mtime_ns = ?, sent_ctime_ns = ?, sha1 = ?,"
                " tag = ? where path = ?",
                [(c.size, c.mtime_ns, c.ctime_ns, c.sha1, c.tag, c.path) for c in done],
            )
            db.executemany("delete from upload where name = ?", [(c.name,) for c in done])
            db.executemany("update entry set sending = 0 where path = ?", [(path,) for path in failed])

    def doubt(self, names: Iterable[str]) -> None:
        """Take the confirmation of objects back: the next pass looks at them and sends what is missing."""
        with self.ledger.transaction() as db:
            db.executemany(
                "update entry set sending = 0, sha1 = null, tag = null, sent_size = null where name = ?",
                [(name,) for name in names],
            )
            db.executemany("delete from there where name = ?", [(name,) for name in names])

    def drop(self, rows: Sequence[Row]) -> None:
        """Take files out that are no longer at the source, nor at the remote."""
        with self.ledger.transaction() as db:
            db.executemany("delete from entry where path = ?", [(row.path,) for row in rows])

    # What the remote had before

    def learn(self, objects: Iterable[Stored]) -> None:
        """Write down what the remote has, once."""
        with self.ledger.transaction() as db:
            db.executemany(
                "insert or replace into there values (?, ?, ?, ?)",
                ((one.name, one.size, one.sha1, one.tag) for one in objects),
            )
            self.ledger.record(db, "learnt")

    def there(self, name: str) -> Stored | None:
        """Return what the remote had under a name before the first copy."""
        row = self.ledger.db.execute("select * from there where name = ?", (name,)).fetchone()
        return Stored(*row) if row else None

    def began_empty(self) -> bool:
        """Return whether the remote had nothing before the first copy."""
        return self.ledger.db.execute("select 1 from there limit 1").fetchone() is None

    # Uploads in parts

    def upload(self, name: str) -> Upload | None:
        """Return the upload in parts that was begun for a name."""
        row = self.ledger.db.execute("select * from upload where name = ?", (name,)).fetchone()
        if row is None:
            return None
        values: list[Any] = [*row[:-1], tuple(json.loads(row[-1]))]
        return Upload(*values)

    def begun(self, upload: Upload) -> None:
        """Record an upload in parts."""
        with self.ledger.transaction() as db:
            db.execute(
                "insert or replace into upload values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    upload.name,
                    upload.id,
                    upload.size,
                    upload.mtime_ns,
                    upload.ctime_ns,
                    upload.sha1,
                    upload.part_size,
                    json.dumps(list(upload.digests)),
                ),
            )

    def forget_upload(self, name: str) -> None:
        """Take an upload out."""
        with self.ledger.transaction() as db:
            db.execute("delete from upload where name = ?", (name,))

    # By name, for whoever keeps files in step outside of passes

    def get(self, name: str) -> Entry | None:
        """Return what the remote confirmed of a file."""
        row = self.ledger.db.execute(
            "select name, sent_size, sent_mtime_ns, sha1, tag from entry where name = ? and sha1 is not null",
            (name,),
        ).fetchone()
        return Entry(*row) if row else None

    def add(self, *entries: Entry) -> None:
        """Record files as confirmed."""
        number = self.scans
        with self.ledger.transaction() as db:
            db.executemany(
                "insert into entry (path, name, size, mtime_ns, ctime_ns, seen, sent_size, sent_mtime_ns,"
                " sent_ctime_ns, sha1, tag) values (?1, ?2, ?3, ?4, 0, ?5, ?3, ?4, 0, ?6, ?7)"
                " on conflict (path) do update set sending = 0, size = ?3, mtime_ns = ?4, ctime_ns = 0,"
                " seen = ?5, sent_size = ?3, sent_mtime_ns = ?4, sent_ctime_ns = 0, sha1 = ?6, tag = ?7",
                [(e.name.encode(), e.name, e.size, e.mtime_ns, number, e.sha1, e.tag) for e in entries],
            )

    def forget(self, name: str) -> None:
        """Take a file out."""
        with self.ledger.transaction() as db:
            db.execute("delete from entry where name = ?", (name,))

    def all(self) -> Iterator[Entry]:
        """Return every confirmed file by name."""
        rows: list[tuple[Any, ...]] = self.ledger.db.execute(
            "select name, sent_size, sent_mtime_ns, sha1, tag from entry where sha1 is not null order by name"
        ).fetchall()
        for row in rows:
            yield Entry(*row)


def _seen(one: Found, number: int) -> tuple[object, ...]:
    return (
        one.path or one.name.encode(),
        one.name,
        one.size,
        one.mtime_ns,
        one.ctime_ns,
        one.device,
        one.inode,
        one.mode,
        one.uid,
        one.gid,
        one.links,
        one.blocks,
        one.target,
        int(one.followed),
        number,
    )
