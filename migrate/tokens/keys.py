"""The keys that sign tokens: one that signs, and those still accepted."""

import base64
import binascii
import re
from dataclasses import dataclass, field

from swarmstead.errors import UsageError

__all__ = ["Key", "KeyRing"]

_SHORTEST = 32
_MOST = 2
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """One secret of at least 256 bits, and the id that tokens name it by."""

    kid: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """At most two keys: the first signs, both are accepted.

    Rotate by putting a new one in front; drop the old one a token's lifetime later.
    """

    keys: tuple[Key, ...]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read ``KID:BASE64`` a line, newest first. Raises UsageError for anything that is no strong key."""
        keys = []
        for number, line in enumerate(text.split(), 1):
            kid, colon, encoded = line.partition(":")
            try:
                secret = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                secret = b""
            if not colon or not _KID.fullmatch(kid) or len(secret) < _SHORTEST:
                raise UsageError(
                    "not KID:BASE64 of at least 32 bytes",
                    subject=f"SWARMSTEAD_TOKEN_SECRET, line {number}",
                    hint="Make one: migrate tokens key",
                )
            keys.append(Key(kid, secret))
        if not keys or len(keys) > _MOST or len({key.kid for key in keys}) != len(keys):
            raise UsageError(
                "one or two keys with ids of their own are needed", subject="SWARMSTEAD_TOKEN_SECRET"
            )
        return cls(tuple(keys))

    @property
    def signing(self) -> Key:
        """Return the key that signs."""
        return self.keys[0]

    def find(self, kid: object) -> Key | None:
        """Return the accepted key of that id."""
        return next((key for key in self.keys if key.kid == kid), None)
