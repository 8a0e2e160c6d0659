"""Rails: sessions in a cache FileStore to RedisCacheStore, byte for byte.

Sources: Rails 6.1 activesupport cache/file_store.rb (folders by Adler-32 of the escaped key) and cache.rb
(Entry). The value is a Marshal dump, which is neither loaded nor changed; its expiry is read off its last
bytes, where Marshal writes the two floats as text.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

from .files import FileSource
from .records import Record, Skip, Skipped

__all__ = ["RailsFiles", "RailsFormat"]

_KEY = re.compile(rb"[ -~]{0,64}_session_id:2::[0-9a-f]{64}")
_TIMES = re.compile(rb":\x10@created_atf.([0-9.e+]+):\x10@expires_in(?:f.([0-9.e+]+)|(0))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RailsFormat:
    """tmp/cache/XXX/YYY/<escaped key>; `lifetime` in seconds for sessions without an expiry of their own."""

    lifetime: int = 30 * 86400
    key_prefix: bytes = b"_session_id:2::"
    title: str = "Rails FileStore"
    locked: bool = False

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the one prefix."""
        return (self.key_prefix,)

    def key_of(self, name: str) -> bytes | None:
        """Return the key that the escaped name stands for; other cache entries are no sessions."""
        key = unquote_plus(name).encode("utf-8", "surrogateescape")
        return key if key.startswith(self.key_prefix) and _KEY.fullmatch(key) else None

    def path_of(self, key: bytes) -> tuple[str, ...] | None:
        """Return the two folders and the escaped name."""
        if not key.startswith(self.key_prefix) or not _KEY.fullmatch(key):
            return None
        name = quote_plus(key, safe="*-._")
        rest, first = divmod(zlib.adler32(name.encode()), 0x1000)
        return f"{first:03X}", f"{rest % 0x1000:03X}", name

    def record(self, key: bytes, data: bytes, modified: float, now: float) -> Record | Skipped:
        """Return the very bytes; they live as long as the entry says."""
        if not data:
            return Skipped(Skip.EMPTY, key)
        if data[:2] != b"\x04\x08":
            return Skipped(Skip.MALFORMED, key, "no Marshal dump")
        times = list(_TIMES.finditer(data))
        if not times:
            return Skipped(Skip.MALFORMED, key, "its expiry is not where Rails 5 and 6 write it")
        created, lasts = float(times[-1][1]), times[-1][2]
        expires_at = int(created + float(lasts)) if lasts else int(modified) + self.lifetime
        return Skipped(Skip.EXPIRED, key) if expires_at <= now else Record(key, data, expires_at)

    def file(self, record: Record) -> tuple[bytes, float]:
        """Return the very bytes; the expiry stands inside them."""
        return record.value, float(record.expires_at - self.lifetime)


class RailsFiles(FileSource):
    """Rails' cache FileStore under `path`."""

    def __init__(self, path: Path, *, lifetime: int = 30 * 86400, owner: int | None = None) -> None:
        super().__init__(path, RailsFormat(lifetime), depth=2, owner=owner)
