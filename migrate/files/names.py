"""What may be an object's name, and what to do with a file name that may not. Pure functions over bytes."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrate.remotes import Capabilities

__all__ = ["LIMITS", "Limits", "escaped", "shown", "trouble", "twins"]

_FIRST_PRINTABLE, _DELETE = 32, 127
_SAFE_PERCENT = ord("%")


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths in bytes of UTF-8. B2's are the narrowest: 1,024 in all, 250 between two slashes."""

    name: int = 1024
    segment: int = 250

    @classmethod
    def of(cls, capabilities: Capabilities) -> "Limits":
        """Return a remote's limits."""
        return cls(capabilities.longest_name, capabilities.longest_segment)


LIMITS = Limits()


def trouble(path: bytes, limits: Limits = LIMITS) -> str:
    """Return why a path cannot be an object's name, "" where it can."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    if any(byte < _FIRST_PRINTABLE or byte == _DELETE for byte in path):
        return "its name has a control character"
    if path.startswith(b"/") or path.endswith(b"/") or b"//" in path or not path:
        return "its name begins or ends with a slash, or has two in a row"
    if len(path) > limits.name:
        return f"its name is too long: {len(path)} bytes, the remote takes {limits.name}"
    longest = max(len(segment) for segment in path.split(b"/"))
    if longest > limits.segment:
        return f"a part of its name is too long: {longest} bytes, the remote takes {limits.segment}"
    return ""


def escaped(path: bytes) -> str:
    """Return a name for a path that has none of its own: what cannot be is written ``%XX``, % is ``%25``.

    Reversible by URL decoding. A name that is only too long stays too long.
    """
    out = []
    for letter in path.decode("utf-8", errors="surrogateescape"):
        code = ord(letter)
        if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - a byte that is no UTF-8, as Python carries it
            out.append(f"%{code - 0xDC00:02X}")
        elif code < _FIRST_PRINTABLE or code in (_DELETE, _SAFE_PERCENT):
            out.append(f"%{code:02X}")
        else:
            out.append(letter)
    return "".join(out)


def shown(path: bytes) -> str:
    """Return a path fit to be shown: text where it is printable text, else escaped as Python writes it."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return ascii(path)[2:-1]
    return text if text.isprintable() else ascii(text)[1:-1]


def twins(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Return names that differ only by case or by the way accents are written, each with its first twin.

    They stay apart on every remote, but not on a Mac or Windows disk.
    """
    first: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        other = first.setdefault(key, name)
        if other != name:
            yield name, other
