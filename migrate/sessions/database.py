"""A database that holds sessions: what the three kinds have in common, and SQLite.

Reading never changes it: the connection is opened read-only, and again for writing only when the way back
asks for it. It belongs to the process that opened it, so that a fork has one of its own.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from swarmstead.errors import InputError, SwarmsteadError, Unreachable

from .resp import retrying

__all__ = ["Database", "Driver", "Row", "Statement", "sqlite"]

Row: TypeAlias = tuple[Any, ...]
#: SQL with ``?`` for each parameter, and the parameters.
Statement: TypeAlias = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Driver:
    """How one kind of database is spoken to, by Python's DB-API (PEP 249).

    connect: opens a connection in autocommit mode; its argument says whether to write.
    error: what the driver raises. told: the same as one of ours, with the database's name as subject.
    """

    connect: Callable[[bool], Any]
    error: type[Exception]
    told: Callable[[Exception], SwarmsteadError]
    placeholder: str = "%s"
    begin: str = "begin"


class Database:
    """One database, connected on first use.

    title: what to call it to a person, without a password.
    retry_seconds: how long a connection that is lost is sought again while reading.
    Raises Unreachable, Denied, or InputError for what is not there.
    """

    def __init__(self, title: str, driver: Driver, *, retry_seconds: float = 30.0) -> None:
        self.title, self.retry_seconds = title, retry_seconds
        self._driver = driver
        self._connection: Any = None
        self._writes = False
        self._process = 0
        self._reached = False

    def close(self) -> None:
        """Close the connection, if this process opened it."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            try:
                connection.close()
            except self._driver.error:
                return

    def _open(self, *, write: bool) -> Any:
        if self._connection is not None and self._process != os.getpid():
            # The parent's: to close it here would end it there.
            self._connection = None
        if write and not self._writes:
            self.close()
        if self._connection is None:
            self._connection = self._driver.connect(write)
            self._process, self._writes, self._reached = os.getpid(), write, True
        return self._connection

    def _do(self, statements: tuple[Statement, ...], *, write: bool) -> Any:
        """Run the statements on one cursor and return it; an error closes the connection."""
        try:
            cursor = self._open(write=write).cursor()
            if len(statements) > 1:
                cursor.execute(self._driver.begin)
            for query, parameters in statements:
                cursor.execute(query.replace("?", self._driver.placeholder), parameters)
            found = list(cursor.fetchall()) if cursor.description else cursor.rowcount
            if len(statements) > 1:
                cursor.execute("commit")
        except self._driver.error as error:
            self.close()
            raise self._driver.told(error) from None
        return found

    def rows(self, query: str, *parameters: object) -> list[Row]:
        """Return what a query finds; a connection lost on the way is sought again."""

        def ask() -> list[Row]:
            found: list[Row] = self._do(((query, parameters),), write=False)
            return found

        if not self._reached:
            return ask()
        return retrying(ask, seconds=self.retry_seconds)

    def change(self, *statements: Statement) -> int:
        """Run statements, all or none of them; return how many rows the last one touched."""
        touched: int = self._do(statements, write=True)
        return touched


def _md5(value: str | bytes | None) -> str | None:
    if value is None:
        return None
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sqlite(path: Path) -> Database:
    """Return the SQLite database in a file. The others' md5() is given to it."""

    def connect(write: bool) -> sqlite3.Connection:  # noqa: FBT001 - the driver's one question
        mode = "rw" if write else "ro"
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
        )
        db.create_function("md5", 1, _md5, deterministic=True)
        return db

    def told(error: Exception) -> SwarmsteadError:
        if "locked" in str(error) or "busy" in str(error):
            return Unreachable("the database stayed locked for 30 s", subject=str(path))
        return InputError(f"the database cannot be read ({error})", subject=str(path))

    driver = Driver(connect, sqlite3.Error, told, placeholder="?", begin="begin immediate")
    return Database(str(path), driver)
