r"""The common log format: read from both ends of the line, since what a client sends stands in its middle.

``<client> - <user> [<time>] "<method> <path> <protocol>" <status> <bytes> "<referer>" "<agent>" <count>
"<router>" "<server>" <milliseconds>ms``; the generic format ends after the agent. It has neither the host nor
the service, and Traefik prints the user, the query and a trusted X-Forwarded-For raw, quotes and newlines
included (all versions): a client can write a line about another one. Every line is one request all the same.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

__all__ = ["ClfLine", "is_ambiguous", "parse_clf", "parse_clf_time"]

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_TIME: Final = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")
_MIDDLE: Final = re.compile(rb'\] "\S+ \S+ \S+" (?:\d{1,3}|-) (?:\d+|-) (?:"|-)')
_BARE_END: Final = re.compile(rb'("[^"]*"|-) ("[^"]*"|-) (-?\d+)ms\Z')
_MOST_PARTS: Final = 5


class ClfLine(NamedTuple):
    """A line: status and size as numbers (0 for a dash), milliseconds -1 where the format has none."""

    time: bytes
    status: int
    size: int
    router: bytes
    server: bytes
    milliseconds: int


def parse_clf_time(text: bytes) -> int:
    """Return the Unix time of ``24/Nov/2026:20:16:35 +0000``, or 0 when it is none."""
    match = _TIME.match(text)
    if match is None or match[2] not in _MONTHS:
        return 0
    day, month, year, hour, minute, second = (
        int(match[1]), _MONTHS[match[2]], int(match[3]), int(match[4]), int(match[5]), int(match[6]),
    )  # fmt: skip
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        zone = timezone(-offset if match[7] == b"-" else offset)
        return int(datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        return 0


def is_ambiguous(line: bytes) -> bool:
    """Return whether the line can be read in two ways: someone tried to forge, or was very unlucky."""
    first = _MIDDLE.search(line)
    return first is not None and _MIDDLE.search(line, first.end() - 1) is not None


def parse_clf(line: bytes) -> ClfLine | None:
    """Return the line without its newline read, or None when it is no line of this format."""
    start = line.find(b" [")
    middle = line.find(b'] "', start)
    if start < 0 or middle < 0:
        return None
    parts = line[middle + 3 :].split(b" ", _MOST_PARTS)
    if len(parts) < _MOST_PARTS or parts[2][-1:] != b'"':
        return None
    status, size = _number(parts[3]), _number(parts[4])
    if status is None or size is None:
        return None
    router, server, milliseconds = _tail(line)
    return ClfLine(line[line.rfind(b"[", 0, middle) + 1 : middle], status, size, router, server, milliseconds)


def _tail(line: bytes) -> tuple[bytes, bytes, int]:
    """Return router, server and milliseconds from the line's end; empty and -1 in the generic format."""
    if not line.endswith(b"ms"):
        return b"", b"", -1
    quoted = line.rsplit(b'"', 4)
    if len(quoted) == _MOST_PARTS and quoted[2] == b" " and quoted[4][1:-2].isdigit():
        return quoted[1], quoted[3], int(quoted[4][1:-2])
    bare = _BARE_END.search(line)
    if bare is None:
        return b"", b"", -1
    return bare[1].strip(b'"'), bare[2].strip(b'"'), int(bare[3])


def _number(text: bytes) -> int | None:
    if text.isdigit():
        return int(text)
    return 0 if text == b"-" else None
