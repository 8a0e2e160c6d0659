"""MySQL, MariaDB and PostgreSQL as databases that hold sessions.

``mysql://USER@HOST:PORT/DATABASE``, ``postgresql://…``, or for a server's socket ``mysql://USER@/DATABASE``
with its path (MySQL) or folder (PostgreSQL). The password never stands in it: it comes from
SWARMSTEAD_DATABASE_PASSWORD or its file. Error numbers: MySQL's
Server Error Message Reference; PostgreSQL's appendix A (SQLSTATE).
"""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

from swarmstead.errors import Denied, InputError, SwarmsteadError, Unreachable, UsageError

from .database import Database, Driver

__all__ = ["DatabaseAddress", "database_server"]

_PORTS = {"mysql": 3306, "postgresql": 5432}
_ALIASES = {"mariadb": "mysql", "pgsql": "postgresql", "postgres": "postgresql"}
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60
_HINT = "Set SWARMSTEAD_DATABASE_PASSWORD_FILE to the file of this user's password."

_MYSQL_DENIED = {1044, 1045, 1142, 1143, 1227, 1698, 3118}
#: The connection (2000 and up, or none), too many of them, shutdown, locks, an idle connection's end.
_MYSQL_AWAY = {0, 1040, 1053, 1205, 1213, 1317, 4031, *range(1152, 1162), *range(2000, 3000)}
_POSTGRES_DENIED = ("28", "42501")
#: Connection, rollback, resources, operator's intervention, system.
_POSTGRES_AWAY = ("08", "40", "53", "57", "58")
_POSTGRES_AUTH = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not"
)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is, and who we are there. socket: path (MySQL) or folder (PostgreSQL), else ""."""

    kind: str
    host: str
    port: int
    database: str
    user: str
    socket: str = ""
    tls: bool = False
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, *, password: str | None = None, socket: str = "", tls: bool = False) -> Self:
        """Read ``mysql://`` or ``postgresql://``; UsageError for anything else, and for a password in it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UsageError("not an address of a database", subject="--from", hint=_forms()) from None
        kind = _ALIASES.get(parts.scheme, parts.scheme)
        database = unquote(parts.path.strip("/"))
        if kind not in _PORTS or not database or not parts.username:
            raise UsageError("not an address of a database", subject="--from", hint=_forms())
        if parts.password:
            raise UsageError(
                "a password in an argument is seen by everyone on the host", subject="--from", hint=_HINT
            )
        return cls(
            kind=kind,
            host=parts.hostname or "localhost",
            port=port or _PORTS[kind],
            database=database,
            user=unquote(parts.username),
            socket=socket,
            tls=tls,
            password=password or "",
        )

    def __str__(self) -> str:
        place = self.socket or f"{self.host}:{self.port}"
        return f"{self.kind} {self.database} at {place}"


def _forms() -> str:
    return "mysql://USER@HOST:PORT/DATABASE or postgresql://USER@HOST:PORT/DATABASE"


def database_server(address: DatabaseAddress, *, retry_seconds: float = 30.0) -> Database:
    """Return the database at this address."""
    driver = _mysql(address) if address.kind == "mysql" else _postgres(address)
    return Database(str(address), driver, retry_seconds=retry_seconds)


def _mysql(address: DatabaseAddress) -> Driver:
    def connect(write: bool) -> Any:  # noqa: FBT001 - the driver's one question
        return pymysql.connect(
            host=address.host,
            port=address.port,
            unix_socket=address.socket or None,
            user=address.user,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_ANSWER_SECONDS,
            write_timeout=_ANSWER_SECONDS,
            init_command=f"set session transaction {'read write' if write else 'read only'}",
            ssl=ssl.create_default_context() if address.tls else None,
        )

    def told(error: Exception) -> SwarmsteadError:
        number = error.args[0] if error.args else 0
        text = str(error.args[1]) if len(error.args) > 1 else str(error)
        return _ours(address, text, denied=number in _MYSQL_DENIED, away=number in _MYSQL_AWAY)

    return Driver(connect, pymysql.MySQLError, told)


def _postgres(address: DatabaseAddress) -> Driver:
    def connect(write: bool) -> Any:  # noqa: FBT001 - the driver's one question
        settings = {
            "timezone": "UTC",
            "client_encoding": "UTF8",
            "statement_timeout": f"{_ANSWER_SECONDS}s",
            "default_transaction_read_only": "off" if write else "on",
        }
        return psycopg.connect(
            host=address.socket or address.host,
            port=address.port,
            user=address.user,
            password=address.password or None,
            dbname=address.database,
            connect_timeout=_CONNECT_SECONDS,
            sslmode="verify-full" if address.tls else "prefer",
            sslrootcert="system" if address.tls else None,
            tcp_user_timeout=_ANSWER_SECONDS * 1000,
            options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
            autocommit=True,
        )

    def told(error: Exception) -> SwarmsteadError:
        state = getattr(error, "sqlstate", None) or ""
        text = " ".join(str(error).split())
        denied = state.startswith(_POSTGRES_DENIED) or (not state and bool(_POSTGRES_AUTH.search(text)))
        away = state.startswith(_POSTGRES_AWAY) if state else 'database "' not in text
        return _ours(address, text, denied=denied, away=away)

    return Driver(connect, psycopg.Error, told)


def _ours(address: DatabaseAddress, text: str, *, denied: bool, away: bool) -> SwarmsteadError:
    """Return the driver's words as the error of ours that fits."""
    text, where = text.rstrip("."), str(address)
    if denied:
        return Denied(f"the database refuses {address.user} ({text})", subject=where, hint=_HINT)
    if away:
        return Unreachable(f"the database does not answer ({text})", subject=where)
    return InputError(f"the database cannot do what is asked ({text})", subject=where)
