"""Laravel: files or the database's `sessions` table to its Redis (or any cache) session driver.

Sources: illuminate/session FileSessionHandler and DatabaseSessionHandler, illuminate/cache RedisStore.
The driver wraps the payload once more with PHP's serialize(); encrypted payloads travel as they are.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path

from swarmstead.errors import InputError

from .database import Database
from .files import FileSource
from .records import Record, Skip, Skipped
from .rows import RowSource

__all__ = ["LaravelFiles", "LaravelFormat", "LaravelRows", "key_prefix", "unwrap", "wrap"]

_ID = re.compile(r"[A-Za-z0-9]{40}", re.ASCII)
_WRAPPED = re.compile(rb's:(\d+):"(.*)";', re.DOTALL)


def key_prefix(app_name: str, version: int, *, redis: str | None = None, cache: str | None = None) -> bytes:
    """Return what session keys begin with, by config/database.php and config/cache.php of that version.

    redis, cache: REDIS_PREFIX and CACHE_PREFIX where the app sets them. Up to 10 the cache appends ``:``.
    """
    if version >= 13:  # noqa: PLR2004
        name = re.sub(r"[^a-z0-9]+", "-", app_name.lower()).strip("-")
        first = redis if redis is not None else f"{name}-database-"
        return (first + (cache if cache is not None else f"{name}-cache-")).encode()
    name = re.sub(r"[^a-z0-9]+", "_", app_name.lower()).strip("_")
    first = redis if redis is not None else f"{name}_database_"
    if version >= 11:  # noqa: PLR2004
        return (first + (cache if cache is not None else f"{name}_cache_")).encode()
    second = cache if cache is not None else f"{name}_cache"
    return (first + (f"{second}:" if second else "")).encode()


def wrap(payload: bytes) -> bytes:
    """Return PHP's serialize() of the string."""
    return b's:%d:"%b";' % (len(payload), payload)


def unwrap(value: bytes) -> bytes:
    """Return the string that PHP's serialize() wrapped; InputError if it is none, to the byte."""
    found = _WRAPPED.fullmatch(value)
    if found is None or int(found[1]) != len(found[2]):
        raise InputError("a value in Redis is no wrapped Laravel session")
    return found[2]


@dataclass(frozen=True, slots=True)
class LaravelFormat:
    """storage/framework/sessions/<40 letters and digits>; `lifetime` in seconds (SESSION_LIFETIME × 60)."""

    key_prefix: bytes
    lifetime: int = 7200
    title: str = "Laravel files"
    locked: bool = True

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the one prefix."""
        return (self.key_prefix,)

    def key_of(self, name: str) -> bytes | None:
        """Return prefix and id."""
        return self.key_prefix + name.encode() if _ID.fullmatch(name) else None

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the file's name."""
        name = key[len(self.key_prefix) :].decode("latin-1")
        return (name,) if key.startswith(self.key_prefix) and _ID.fullmatch(name) else None

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the wrapped payload; Laravel itself refuses a file older than its lifetime."""
        if not data:
            return Skipped(Skip.EMPTY, key)
        expires_at = int(modified) + self.lifetime
        return Skipped(Skip.EXPIRED, key) if expires_at <= now else Record(key, wrap(data), expires_at)

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return the payload and the mtime."""
        return unwrap(record.value), float(record.expires_at - self.lifetime)


class LaravelFiles(FileSource):
    """Laravel's session files under `path`."""

    def __init__(self, path: Path, prefix: bytes, *, lifetime: int = 7200, owner: int | None = None) -> None:
        super().__init__(path, LaravelFormat(prefix, lifetime), owner=owner)


@dataclass(frozen=True, slots=True)
class _Rows:
    form: LaravelFormat
    title: str = "Laravel rows"
    table: str = "sessions"
    columns: tuple[str, str, str] = ("id", "payload", "last_activity")

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        return self.form.prefixes

    def key_of(self, identity: str) -> bytes | None:
        return self.form.key_of(identity)

    def id_of(self, key: bytes) -> str | None:
        path = self.form.path_of(key)
        return path[0] if path else None

    def record(self, key: bytes, payload: bytes, when: str, now: float) -> Record | Skipped:
        try:
            return self.form.record(key, base64.b64decode(payload, validate=True), float(when), now)
        except (binascii.Error, ValueError):
            return Skipped(Skip.MALFORMED, key, "no base64 payload, or no number as last_activity")

    def row(self, record: Record) -> tuple[bytes, str]:
        payload, modified = self.form.file(record)
        return base64.b64encode(payload), str(int(modified))


class LaravelRows(RowSource):
    """Laravel's `sessions` table."""

    def __init__(
        self, database: Database, prefix: bytes, *, lifetime: int = 7200, table: str = "sessions"
    ) -> None:
        super().__init__(database, _Rows(LaravelFormat(prefix, lifetime), table=table))
