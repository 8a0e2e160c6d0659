"""What HTTP asks of a stored file: validators, conditions and ranges (RFC 9110), as pure functions."""

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

__all__ = ["Answer", "File", "answer", "content_type", "etag", "http_date"]

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)
_TAG = re.compile(r'(?:W/)?"[^"]*"')
_LONGEST_HEADER = 4096

_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("image/avif", ".avif")
_TYPES.add_type("application/xhtml+xml", ".xhtml")
# Pages and pictures with scripts, uploaded by a stranger, would run in the app's origin: they are sandboxed.
_ACTIVE = ("text/html", "/xml", "+xml")


@dataclass(frozen=True, slots=True)
class File:
    """A stored file. size: bytes. mtime_ns: nanoseconds since the epoch."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: bytes from `start` up to (not with) `end`, with these headers."""

    status: int
    headers: dict[str, str]
    start: int = 0
    end: int = 0


def etag(file: File) -> str:
    """Return the entity tag that nginx gives the same file, so that both answer alike."""
    return f'"{file.mtime_ns // 1_000_000_000:x}-{file.size:x}"'


def http_date(mtime_ns: int) -> str:
    """Return a time as HTTP writes it, in whole seconds."""
    return format_datetime(datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC), usegmt=True)


def content_type(name: str) -> tuple[str, bool]:
    """Return the type of a name, and whether a browser must not show it inside the app's origin."""
    kind, encoding = _TYPES.guess_type(name, strict=False)
    if encoding or kind is None:
        kind = "application/octet-stream"
    active = kind.endswith(_ACTIVE)
    return (kind + "; charset=utf-8" if kind.startswith("text/") else kind), active


def _seconds(value: str) -> float | None:
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _matches(header: str, tag: str) -> bool:
    """Compare weakly: `*` or a list of tags (RFC 9110, 13.1.2)."""
    return header.strip() == "*" or tag in {found.removeprefix("W/") for found in _TAG.findall(header)}


def _not_modified(headers: Mapping[str, str], file: File, tag: str) -> bool:
    if (wanted := headers.get("If-None-Match")) is not None:
        return _matches(wanted[:_LONGEST_HEADER], tag)
    if (since := headers.get("If-Modified-Since")) is not None:
        when = _seconds(since[:_LONGEST_HEADER])
        return when is not None and file.mtime_ns // 1_000_000_000 <= when
    return False


def _failed(headers: Mapping[str, str], file: File, tag: str) -> bool:
    if (wanted := headers.get("If-Match")) is not None:
        return not _matches(wanted[:_LONGEST_HEADER], tag)
    if (since := headers.get("If-Unmodified-Since")) is not None:
        when = _seconds(since[:_LONGEST_HEADER])
        return when is not None and file.mtime_ns // 1_000_000_000 > when
    return False


def _range_counts(headers: Mapping[str, str], file: File, tag: str) -> bool:
    """Whether If-Range lets the range count: only for exactly this file."""
    condition = headers.get("If-Range")
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == tag
    return _seconds(condition[:_LONGEST_HEADER]) == file.mtime_ns // 1_000_000_000


def _range(header: str, size: int) -> tuple[int, int] | bool | None:
    """Return (start, end), None where the whole is to be sent, False where nothing of it is there.

    Several ranges in one request are answered with the whole, as RFC 9110, 14.2 allows: they are an old
    way to make a server do much for little.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else False
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return False
    return int(first), min(int(last) + 1, size) if last else size


def answer(headers: Mapping[str, str], file: File, *, max_age: int = 0) -> Answer:
    """Decide how a GET or HEAD of this file is answered.

    headers: the request's, looked up without regard to case. max_age: seconds a browser may keep it unasked.
    """
    tag = etag(file)
    kind, active = content_type(file.name)
    common = {
        "ETag": tag,
        "Last-Modified": http_date(file.mtime_ns),
        "Cache-Control": f"public, max-age={max_age}" if max_age else "no-cache",
        "Accept-Ranges": "bytes",
    }
    if _failed(headers, file, tag):
        return Answer(412, common)
    if _not_modified(headers, file, tag):
        return Answer(304, common)
    common |= {"Content-Type": kind, "X-Content-Type-Options": "nosniff"}
    if active:
        common["Content-Security-Policy"] = "sandbox"
    asked = headers.get("Range")
    if asked is not None and _range_counts(headers, file, tag):
        found = _range(asked[:_LONGEST_HEADER], file.size)
        if found is False:
            return Answer(416, common | {"Content-Range": f"bytes */{file.size}"})
        if isinstance(found, tuple):
            start, end = found
            common["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
            return Answer(206, common, start, end)
    return Answer(200, common, 0, file.size)
