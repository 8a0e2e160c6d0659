"""PHP's own session files, and those of frameworks that keep PHP's bytes under another name.

The bytes are the serialiser's (php, php_binary, php_serialize, igbinary) in the file as in Redis: a plain
transplant. Sources: ext/session/mod_files.c, phpredis redis_session.c, CodeIgniter 4
system/Session/Handlers, Symfony HttpFoundation RedisSessionHandler.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swarmstead.errors import InputError

from .files import FileSource
from .records import Record, Skip, Skipped

__all__ = ["Expired", "PhpFiles", "PhpFormat", "parse_save_path", "php_switch_lines"]

Expired = Literal["skip", "grace"]
_ID = re.compile(r"[A-Za-z0-9,-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PhpFormat:
    """Names and content of PHP's session files.

    max_lifetime: session.gc_maxlifetime in seconds. stem: what file names begin with.
    key_prefix: phpredis' ``PHPREDIS_SESSION:`` or its ``?prefix=``; Symfony's ``sf_s``; CodeIgniter's
        ``ci_session:<cookie>:``.
    expired: PHP's files handler never checks the age when it reads, only GC does, so an "expired" file may
        still be a login: ``grace`` gives such ones a full lifetime from now, ``skip`` leaves them.
    """

    max_lifetime: int = 1440
    key_prefix: bytes = b"PHPREDIS_SESSION:"
    stem: str = "sess_"
    depth: int = 0
    expired: Expired = "skip"
    title: str = "PHP files"
    locked: bool = True

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the one prefix."""
        return (self.key_prefix,)

    def key_of(self, name: str) -> bytes | None:
        """Return prefix and id."""
        stem = self.stem
        if not name.startswith(stem) or not _ID.fullmatch(name, len(stem)):
            return None
        return self.key_prefix + name[len(stem) :].encode()

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the file's place: the first `depth` characters of the id are folders."""
        if not key.startswith(self.key_prefix):
            return None
        identity = key[len(self.key_prefix) :].decode("latin-1")
        if not _ID.fullmatch(identity) or len(identity) <= self.depth:
            return None
        return (*identity[: self.depth], self.stem + identity)

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the very bytes; they live until mtime + gc_maxlifetime (GC's rule)."""
        if not data:
            return Skipped(Skip.EMPTY, key)
        expires_at = int(modified) + self.max_lifetime
        if expires_at <= now:
            if self.expired == "skip":
                return Skipped(Skip.EXPIRED, key)
            expires_at = int(now) + self.max_lifetime
        return Record(key, data, expires_at)

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return the very bytes, and the mtime that lets GC end it when Redis would."""
        return record.value, float(record.expires_at - self.max_lifetime)


class PhpFiles(FileSource):
    """PHP's session files under `path`; see `PhpFormat` for what the rest means."""

    def __init__(
        self,
        path: Path,
        *,
        depth: int = 0,
        max_lifetime: int = 1440,
        key_prefix: bytes = b"PHPREDIS_SESSION:",
        owner: int | None = None,
        expired: Expired = "skip",
        stem: str = "sess_",
        title: str = "PHP files",
    ) -> None:
        form = PhpFormat(
            max_lifetime=max_lifetime,
            key_prefix=key_prefix,
            depth=depth,
            expired=expired,
            stem=stem,
            title=title,
        )
        super().__init__(path, form, depth=depth, owner=owner)


def parse_save_path(value: str, *, temporary: Path = Path("/tmp")) -> tuple[int, Path]:  # noqa: S108
    """Return depth and folder of a session.save_path ``[N;[MODE;]]/path``; empty means the system's own.

    Raises InputError for a depth that is no number.
    """
    *options, path = value.strip().strip("\"'").split(";")
    try:
        depth = int(options[0]) if options else 0
    except ValueError:
        raise InputError("session.save_path has no number before its first ;", subject=value) from None
    return depth, Path(path) if path else temporary


def php_switch_lines(
    host: str,
    port: int = 6379,
    *,
    user: str = "",
    password: str = "",
    key_prefix: bytes = b"PHPREDIS_SESSION:",
) -> list[str]:
    """Return the php.ini lines that switch PHP to phpredis, with the locking that files had by themselves.

    password: as it stands in the line: a secret, or PHP's ``${NAME}`` of an environment variable.
    phpredis does not lock unless told, and its default of ten tries loses writes: 20 parallel increments
    keep 5 of 22 unlocked, 7 with the defaults, 22 with these lines.
    """
    words = [f"auth[]={word}" for word in (user, password) if word]
    if key_prefix != b"PHPREDIS_SESSION:":
        words.append(f"prefix={key_prefix.decode()}")
    query = "?" + "&".join(words) if words else ""
    return [
        "session.save_handler = redis",
        f'session.save_path = "tcp://{host}:{port}{query}"',
        "redis.session.locking_enabled = 1",
        "redis.session.lock_retries = -1",
        "redis.session.lock_wait_time = 10000",
    ]
