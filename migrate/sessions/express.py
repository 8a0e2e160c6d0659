"""Express: session-file-store's JSON files to connect-redis.

Redis holds the same JSON without ``__lastAccess``. Sources: session-file-store lib/session-file-helpers.js,
connect-redis 9 (key ``sess:<sid>``; TTL up to cookie.expires, else a day).
"""

import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmstead.errors import InputError

from .files import FileSource
from .records import Record, Skip, Skipped

__all__ = ["ExpressFiles", "ExpressFormat"]

_NAME = re.compile(r"([A-Za-z0-9_-]{8,256})\.json", re.ASCII)
_LAST_ACCESS = re.compile(rb',"__lastAccess":\d+')
_DAY = 86400


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(value, dict):
        # kruptein's string
        raise ValueError("encrypted with the store's secret: decrypt it in Node first")  # noqa: TRY004
    if not isinstance(value.get("cookie"), dict):
        raise ValueError("no cookie in it: encrypted? Decrypt it in Node first")  # noqa: TRY004
    return value


def _expires(cookie: dict[str, Any]) -> float | None:
    text = cookie.get("expires")
    if not isinstance(text, str):
        return None
    return dt.datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class ExpressFormat:
    """sessions/<sid>.json; `ttl` is the file store's own option in seconds, `key_prefix` connect-redis'."""

    key_prefix: bytes = b"sess:"
    ttl: int = 3600
    title: str = "Express files"
    locked: bool = False

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the one prefix."""
        return (self.key_prefix,)

    def key_of(self, name: str) -> bytes | None:
        """Return prefix and id."""
        found = _NAME.fullmatch(name)
        return self.key_prefix + found[1].encode() if found else None

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the file's name."""
        name = key[len(self.key_prefix) :].decode("latin-1") + ".json"
        return (name,) if key.startswith(self.key_prefix) and _NAME.fullmatch(name) else None

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the JSON without ``__lastAccess``: the very bytes around it, where it stands once."""
        if not data:
            return Skipped(Skip.EMPTY, key)
        try:
            value = _parse(data)
            last = float(value.pop("__lastAccess", modified * 1000)) / 1000
            cookie = value["cookie"]
            age = float(cookie.get("originalMaxAge") or self.ttl * 1000) / 1000
            expires = _expires(cookie)
        except (ValueError, TypeError, OverflowError) as error:
            return Skipped(Skip.MALFORMED, key, str(error))
        if last + age < now or (expires is not None and expires <= now):
            return Skipped(Skip.EXPIRED, key)
        text, found = _LAST_ACCESS.subn(b"", data)
        if found != 1:
            text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return Record(key, text, math.ceil(expires if expires is not None else last + _DAY))

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return the JSON with ``__lastAccess`` again."""
        try:
            cookie = _parse(record.value)["cookie"]
            age = cookie.get("originalMaxAge")
            expires = _expires(cookie)
            last = (expires * 1000 - float(age)) if expires and age else (record.expires_at - _DAY) * 1000
        except (ValueError, TypeError) as error:
            raise InputError(f"a value in Redis is no Express session: {error}") from None
        text = record.value.rstrip()[:-1] + b',"__lastAccess":%d}' % int(last)
        return text, last / 1000


class ExpressFiles(FileSource):
    """session-file-store's files under `path`."""

    def __init__(
        self, path: Path, *, key_prefix: bytes = b"sess:", ttl: int = 3600, owner: int | None = None
    ) -> None:
        super().__init__(path, ExpressFormat(key_prefix, ttl), owner=owner)
