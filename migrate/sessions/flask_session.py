"""Flask-Session's cachelib files: their names are one-way hashes, so they are staged and claimed.

A file's name is the hash of ``session:<sid>``; which sid that is shows only when its cookie comes. So the
session is put into Redis under ``staged:<hash>``, and `claim` renames it at the first cookie (RENAMENX keeps
the expiry). Sources: cachelib/file.py (md5 up to 0.15.0, sha256 from 0.16.0), flask_session/redis/redis.py.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from swarmstead.errors import InputError

from .files import FileSource
from .plain import dump_plain, load_plain
from .records import Record, Skip, Skipped

__all__ = ["FlaskFiles", "FlaskFormat", "HashName", "hashes"]

HashName = Literal["md5", "sha256"]
_NAME = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{64})", re.ASCII)
_SID = re.compile(rb"[A-Za-z0-9_.-]{16,256}")
_MD5_LENGTH = 32
_PICKLED_EXPIRY = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?(?:J(.{4})|\x8a\x05(.{5}))\.", re.DOTALL)
_COUNTER = {
    hashlib.new(name, b"__wz_cache_count", usedforsecurity=False).hexdigest() for name in ("md5", "sha256")
}


def hashes(key: bytes) -> tuple[str, str]:
    """Return the file names that cachelib may have given this key, newest first."""
    return (hashlib.sha256(key).hexdigest(), hashlib.md5(key, usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class FlaskFormat:
    """flask_session/<hash>: 4 bytes of expiry, then a pickle.

    key_prefix: SESSION_KEY_PREFIX. lifetime: PERMANENT_SESSION_LIFETIME in seconds, for files that never
    expire. hash_name: for the way back, by the app's cachelib. as_msgpack: write what Flask-Session ≥ 0.7
    writes by itself; where that cannot be done without loss the pickle goes over as it is, which 0.8 reads.
    """

    key_prefix: bytes = b"session:"
    lifetime: int = 31 * 86400
    hash_name: HashName = "sha256"
    as_msgpack: bool = True
    staged_prefix: bytes = b"staged:"
    title: str = "Flask-Session files"
    locked: bool = False

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the prefix of staged and of claimed sessions."""
        return (self.staged_prefix, self.key_prefix)

    def key_of(self, name: str) -> bytes | None:
        """Return the staged key; cachelib's counter file and its temporary files are none."""
        return self.staged_prefix + name.encode() if _NAME.fullmatch(name) and name not in _COUNTER else None

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the file's name, of a staged key or of a claimed one."""
        if key.startswith(self.staged_prefix):
            name = key[len(self.staged_prefix) :].decode("latin-1")
            return (name,) if _NAME.fullmatch(name) else None
        sid = key[len(self.key_prefix) :]
        if not key.startswith(self.key_prefix) or not _SID.fullmatch(sid):
            return None
        return (hashes(key)[0 if self.hash_name == "sha256" else 1],)

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the value for Redis; it lives until the expiry that stands in the file."""
        if not data:
            return Skipped(Skip.EMPTY, key)
        old = _PICKLED_EXPIRY.match(data)  # cachelib before 0.10: a pickled int
        if old:
            expires_at, value = int.from_bytes(old[1] or old[2], "little"), data[old.end() :]
        elif len(data) > 4:  # noqa: PLR2004 - struct "I"
            expires_at, value = struct.unpack("<I", data[:4])[0], data[4:]
        else:
            return Skipped(Skip.MALFORMED, key, "shorter than its expiry")
        if value[:1] != b"\x80" or value[-1:] != b".":
            return Skipped(Skip.MALFORMED, key, "no pickle after its expiry")
        expires_at = expires_at or int(now) + self.lifetime
        if expires_at <= now:
            return Skipped(Skip.EXPIRED, key)
        return Record(key, self._value(value), expires_at)

    def _value(self, pickled: bytes) -> bytes:
        if self.as_msgpack:
            try:
                value = load_plain(pickled)
                packed = msgspec.msgpack.encode(value)
                if msgspec.msgpack.decode(packed) == value:
                    return packed
            except (ValueError, TypeError, OverflowError, msgspec.MsgspecError):
                pass
        return pickled

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return expiry and pickle."""
        value = record.value
        try:
            if value[:1] != b"\x80" or value[-1:] != b".":
                decoded = msgspec.msgpack.decode(value)
                if not isinstance(decoded, dict):
                    raise InputError("a value in Redis is no Flask session")
                value = dump_plain(decoded)
        except (ValueError, msgspec.MsgspecError):
            raise InputError("a value in Redis is no Flask session") from None
        return struct.pack("<I", record.expires_at) + value, float(record.expires_at)


class FlaskFiles(FileSource):
    """Flask-Session's files under `path`; see `FlaskFormat` for the rest."""

    def __init__(
        self,
        path: Path,
        *,
        key_prefix: bytes = b"session:",
        lifetime: int = 31 * 86400,
        hash_name: HashName = "sha256",
        as_msgpack: bool = True,
        owner: int | None = None,
    ) -> None:
        form = FlaskFormat(key_prefix, lifetime, hash_name, as_msgpack)
        super().__init__(path, form, owner=owner)

    def canonical(self, key: bytes) -> bytes:
        """Return the staged key of a claimed one, by the name of its file."""
        path = self.form.path_of(key)
        staged = self.form.key_of(path[-1]) if path else None
        return staged or key
