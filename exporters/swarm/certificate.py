"""When certificates end, read from their PEM: all we need of X.509, without a library for it."""

import binascii
from typing import Final

from exporters.swarm.times import seconds

__all__ = ["expiry"]

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_LONG: Final = 0x80


def expiry(pem: str) -> float | None:
    """Return the Unix time at which the first of a PEM's certificates ends; None for what is none."""
    ends = [
        end for block in pem.split(_BEGIN)[1:] if (end := _not_after(block.partition(_END)[0])) is not None
    ]
    return min(ends, default=None)


def _not_after(block: str) -> float | None:
    try:
        certificate = binascii.a2b_base64(block)
        _, tbs, _ = _element(_element(certificate)[1])
        tag, _, rest = _element(tbs)
        if tag != _VERSION:
            rest = tbs
        for _ in range(3):  # serial number, signature's algorithm, issuer
            _, _, rest = _element(rest)
        _, validity, _ = _element(rest)
        _, _, rest = _element(validity)
        tag, text, _ = _element(rest)
        return _time(tag, text.decode("ascii"))
    except (ValueError, IndexError):  # binascii.Error and UnicodeDecodeError are ValueErrors
        return None


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag, content and what follows of a DER element (X.690, 8.1)."""
    tag, length, start = data[0], data[1], 2
    if length & _LONG:
        start += length & ~_LONG
        length = int.from_bytes(data[2:start], "big")
    return tag, data[start : start + length], data[start + length :]


def _time(tag: int, text: str) -> float | None:
    if tag == _UTC_TIME:  # two digits of the year: 50 to 99 are of the last century (RFC 5280, 4.1.2.5.1)
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        return None
    if not text[:14].isdigit():
        return None
    when = f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14]}Z"
    return seconds(when) or None
