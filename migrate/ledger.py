"""The ledger: which steps of a long job are done, in one SQLite file.

A step and the record that it is done commit together: what a step writes into the ledger's own tables
stands in the same transaction as its record. What it does to the world outside must therefore be
idempotent, since after a kill between the two it is done again. (Habit of sqlite-utils' migrations.py.)

The file is mode 0600 and is locked by one process at a time: a second one gets `Busy`.
"""

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swarmstead.errors import Busy, InputError

__all__ = ["Ledger"]

_SCHEMA = """
create table if not exists step (
    name text primary key,
    finished_at real not null,
    result text not null
) strict;
create table if not exists note (name text primary key, value text not null) strict;
"""


class Ledger:
    """The record of one job.

    path: the SQLite file; its folder is made (0700) if missing.
    schema: further `create table if not exists` statements of the job's own.
    Raises Busy when another process has it open, InputError when the file is no ledger.
    """

    def __init__(self, path: Path, *, schema: str = "") -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(
            path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Busy(
                "another process works on this job", subject=str(path), hint="Wait for it, or stop it first."
            ) from None
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        try:
            self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self.db.execute("pragma journal_mode=wal")
            self.db.execute("pragma synchronous=full")
            self.db.executescript(_SCHEMA + schema)
        except sqlite3.DatabaseError as error:
            os.close(self._lock)
            raise InputError(
                f"not a ledger ({error})", subject=str(path), hint="Move it away; the job then starts anew."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the lock."""
        self.db.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all that is written inside, or nothing."""
        self.db.execute("begin immediate")
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    @property
    def lock_descriptor(self) -> int:
        """Return the descriptor that holds the lock: a child that inherits it holds it too, until it ends."""
        return self._lock

    def done(self, name: str) -> bool:
        """Return whether the step is recorded as done."""
        return self.db.execute("select 1 from step where name = ?", (name,)).fetchone() is not None

    def result(self, name: str) -> Any:
        """Return what the step gave back when it was done; KeyError if it was not."""
        row = self.db.execute("select result from step where name = ?", (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return json.loads(row[0])

    def step(
        self,
        name: str,
        work: Callable[[], object],
        save: Callable[[sqlite3.Connection, Any], None] | None = None,
    ) -> Any:
        """Do `work` unless the step is recorded as done; return its JSON result, now or from the record.

        work: acts on the world outside, and must bear being done twice.
        save: writes what is to be kept of the result into the ledger's tables, in one transaction with
            the record that the step is done.
        """
        if self.done(name):
            return self.result(name)
        result = json.loads(json.dumps(work()))
        with self.transaction() as db:
            if save is not None:
                save(db, result)
            self.record(db, name, json.dumps(result))
        return result

    @staticmethod
    def record(db: sqlite3.Connection, name: str, result: str = "null") -> None:
        """Record a step as done inside a transaction that the caller opened; `result` is JSON text."""
        db.execute("insert or replace into step values (?, ?, ?)", (name, time.time(), result))

    def undo(self, name: str) -> None:
        """Forget that the step was done."""
        with self.transaction() as db:
            db.execute("delete from step where name = ?", (name,))

    def steps(self) -> Mapping[str, float]:
        """Return the done steps in order, each with its Unix time in seconds."""
        return dict(self.db.execute("select name, finished_at from step order by finished_at, rowid"))

    def note(self, name: str, value: object) -> None:
        """Keep a JSON value under a name."""
        with self.transaction() as db:
            db.execute("insert or replace into note values (?, ?)", (name, json.dumps(value)))

    def noted(self, name: str, default: Any = None) -> Any:
        """Return the value kept under a name, or the default."""
        row = self.db.execute("select value from note where name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])
