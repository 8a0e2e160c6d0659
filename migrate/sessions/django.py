"""Django: session files or the `django_session` table, to the cache backend on Redis.

The string in the store is signed JSON; Redis holds a pickle of the dictionary. Whoever can write to the store
must not get a pickle of theirs into Redis, so the signature is checked first, by the app's SECRET_KEY, and
only JSON is decoded. Sources: django/core/signing.py, contrib/sessions/backends/{base,file,db,cache}.py, and
3.0's contrib/sessions/backends/base.py for the older signature.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
import math
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmstead.errors import InputError

from .database import Database
from .files import FileSource
from .plain import dump_plain, load_plain
from .records import Record, Skip, Skipped
from .rows import RowSource

__all__ = ["DjangoFiles", "DjangoFormat", "DjangoRows", "decode", "encode"]

_ID = re.compile(r"[a-z0-9]{32}", re.ASCII)
_LARGEST = 16 << 20
_CACHE = b"django.contrib.sessions.cache"
_SALT = "django.contrib.sessions.SessionStore"
_SALT_3_0 = "django.contrib.sessionsSessionStore"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _signature(value: bytes, secret: str) -> bytes:
    key = hashlib.sha256((_SALT + "signer" + secret).encode()).digest()
    return _base64(hmac.digest(key, value, "sha256"))


def _signature_3_0(value: bytes, secret: str) -> bytes:
    # SHA-1 is what Django up to 3.0 signs with.
    key = hashlib.sha1((_SALT_3_0 + secret).encode(), usedforsecurity=False).digest()
    return hmac.new(key, value, "sha1").hexdigest().encode()


def _loads(data: bytes) -> dict[str, Any]:
    if data[:1] == b"\x80":
        raise ValueError("made by PickleSerializer: it cannot be read safely")
    value = json.loads(data.decode("latin-1"))
    if not isinstance(value, dict):
        raise ValueError("no dictionary")  # noqa: TRY004 - one kind for all malformed sessions
    return value


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    plain = stream.decompress(data, _LARGEST)
    if stream.unconsumed_tail:
        raise ValueError("too large for a session")
    return plain


def decode(text: bytes, secrets: Sequence[str]) -> dict[str, Any]:
    """Return the session's dictionary, its signature checked by one of the keys (SECRET_KEY and fallbacks).

    Raises ValueError for a wrong signature or anything that is no signed JSON.
    """
    try:
        if text.count(b":") >= 2:  # noqa: PLR2004 - payload:timestamp:signature
            value, _, signature = text.rpartition(b":")
            if not any(hmac.compare_digest(signature, _signature(value, secret)) for secret in secrets):
                raise ValueError("its signature is not by this SECRET_KEY")
            payload = value.rpartition(b":")[0]
            packed = payload.startswith(b".")
            data = base64.urlsafe_b64decode(payload[packed:] + b"=" * (-len(payload[packed:]) % 4))
            return _loads(_inflate(data) if packed else data)
        signature, colon, data = base64.b64decode(text, validate=True).partition(b":")
        if not colon:
            raise ValueError("no signed session")
        if not any(hmac.compare_digest(signature, _signature_3_0(data, secret)) for secret in secrets):
            raise ValueError("its signature is not by this SECRET_KEY")
        return _loads(data)
    except (binascii.Error, zlib.error, json.JSONDecodeError, RecursionError, TypeError):
        raise ValueError("no signed session") from None


def encode(value: dict[str, Any], secret: str, *, now: float) -> bytes:
    """Return the dictionary as Django ≥ 3.1 signs it: ``[.]base64(JSON):time in base 62:HMAC``."""
    data = json.dumps(value, separators=(",", ":")).encode("latin-1")
    small = zlib.compress(data)
    payload = b"." + _base64(small) if len(small) < len(data) - 1 else _base64(data)
    number, digits = int(now), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    signed = payload + b":" + (digits or "0").encode()
    return signed + b":" + _signature(signed, secret)


@dataclass(frozen=True, slots=True)
class DjangoFormat:
    """SESSION_FILE_PATH/<cookie name><32 letters and digits>.

    secrets: SECRET_KEY, then SECRET_KEY_FALLBACKS. cookie: SESSION_COOKIE_NAME. age: SESSION_COOKIE_AGE in
    seconds. key_prefix, version: of the cache that takes the sessions.
    """

    secrets: tuple[str, ...] = field(repr=False)
    cookie: str = "sessionid"
    age: int = 1209600
    cache_prefix: str = ""
    version: int = 1
    title: str = "Django files"
    locked: bool = False
    clock: Callable[[], float] = time.time

    @property
    def key_prefix(self) -> bytes:
        """Return ``KEY_PREFIX:VERSION:django.contrib.sessions.cache``."""
        return f"{self.cache_prefix}:{self.version}:".encode() + _CACHE

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the one prefix."""
        return (self.key_prefix,)

    def key_of(self, name: str) -> bytes | None:
        """Return prefix and id; temporary files (``_out_``) are none."""
        identity = name.removeprefix(self.cookie)
        if not name.startswith(self.cookie) or not _ID.fullmatch(identity):
            return None
        return self.key_prefix + identity.encode()

    def id_of(self, key: bytes) -> str | None:
        """Return the id."""
        identity = key[len(self.key_prefix) :].decode("latin-1")
        return identity if key.startswith(self.key_prefix) and _ID.fullmatch(identity) else None

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the file's name."""
        identity = self.id_of(key)
        return None if identity is None else (self.cookie + identity,)

    def value_of(self, key: bytes, data: bytes) -> dict[str, Any] | Skipped:
        """Return the dictionary, or why there is none."""
        if not data:
            return Skipped(Skip.EMPTY, key)
        try:
            return decode(data, self.secrets)
        except ValueError as error:
            return Skipped(Skip.MALFORMED, key, str(error))

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the pickle; it lives until ``_session_expiry``, else mtime + SESSION_COOKIE_AGE."""
        value = self.value_of(key, data)
        if isinstance(value, Skipped):
            return value
        try:
            expires_at = int(modified + self.age)
            own = value.get("_session_expiry")
            if isinstance(own, str):
                expires_at = int(_moment(own))
            elif isinstance(own, int) and own:
                expires_at = int(modified + own)
        except (ValueError, OverflowError):
            return Skipped(Skip.MALFORMED, key, "its _session_expiry is no time")
        return made(key, value, expires_at, now)

    def text(self, record: Record) -> bytes:
        """Return the signed string for a session from Redis; InputError for what JSON cannot hold."""
        try:
            return encode(load_plain(record.value), self.secrets[0], now=self.clock())
        except (ValueError, TypeError) as error:
            raise InputError(f"a session in Redis cannot go back to signed JSON: {error}") from None

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return signed string and mtime."""
        text = self.text(record)
        own = load_plain(record.value).get("_session_expiry")
        age = own if isinstance(own, int) and own else self.age
        return text, float(record.expires_at - age)


def made(key: bytes, value: dict[str, Any], expires_at: int, now: float) -> Record | Skipped:
    """Return the record of a dictionary, or that it has expired."""
    return Skipped(Skip.EXPIRED, key) if expires_at <= now else Record(key, dump_plain(value), expires_at)


def _moment(text: str) -> float:
    """Return Unix seconds of an ISO date; without a zone it is UTC, as Django stores it."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.timestamp()


class DjangoFiles(FileSource):
    """Django's session files under `path`; see `DjangoFormat` for the rest."""

    def __init__(
        self,
        path: Path,
        secrets: Sequence[str],
        *,
        cookie: str = "sessionid",
        age: int = 1209600,
        cache_prefix: str = "",
        version: int = 1,
        owner: int | None = None,
    ) -> None:
        form = DjangoFormat(tuple(secrets), cookie, age, cache_prefix, version)
        super().__init__(path, form, owner=owner)


@dataclass(frozen=True, slots=True)
class _Rows:
    form: DjangoFormat
    title: str = "Django rows"
    table: str = "django_session"
    columns: tuple[str, str, str] = ("session_key", "session_data", "expire_date")

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        return self.form.prefixes

    def key_of(self, identity: str) -> bytes | None:
        return self.form.key_prefix + identity.encode() if _ID.fullmatch(identity) else None

    def id_of(self, key: bytes) -> str | None:
        return self.form.id_of(key)

    def record(self, key: bytes, payload: bytes, when: str, now: float) -> Record | Skipped:
        value = self.form.value_of(key, payload)
        if isinstance(value, Skipped):
            return value
        try:
            expires_at = math.floor(_moment(when))
        except ValueError:
            return Skipped(Skip.MALFORMED, key, "its expire_date is no time")
        return made(key, value, expires_at, now)

    def row(self, record: Record) -> tuple[bytes, str]:
        when = dt.datetime.fromtimestamp(record.expires_at, dt.UTC)
        return self.form.text(record), when.strftime("%Y-%m-%d %H:%M:%S")


class DjangoRows(RowSource):
    """Django's `django_session` table."""

    def __init__(
        self, database: Database, secrets: Sequence[str], *, cache_prefix: str = "", version: int = 1
    ) -> None:
        super().__init__(
            database, _Rows(DjangoFormat(tuple(secrets), cache_prefix=cache_prefix, version=version))
        )
