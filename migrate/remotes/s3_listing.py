"""S3's list of objects: one page of ListObjectsV2, from its XML.

Source: docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from migrate.remotes.base import Stored
from swarmstead.errors import Unreachable

__all__ = ["listed", "query"]


def query(prefix: str, after: str, limit: int) -> dict[str, str]:
    """Return the query of the page behind the name `after`; names come quoted, XML cannot hold all."""
    asked = {"list-type": "2", "encoding-type": "url", "max-keys": str(limit), "prefix": prefix}
    return {**asked, "start-after": after} if after else asked


def listed(page: bytes, *, prefix: str, subject: str) -> list[Stored]:
    """Return the objects of a page, their names without `prefix`.

    Raises Unreachable where it is no such page: whoever answered was not the server.
    """
    try:
        return list(_objects(ET.fromstring(page), len(prefix)))  # noqa: S314 - expat bounds expansion
    except (ET.ParseError, ValueError) as error:
        raise Unreachable(f"the server's list cannot be read ({error})", subject=subject) from None


def _objects(root: ET.Element, skip: int) -> Iterator[Stored]:
    quoted = _text(root, "EncodingType") == "url"
    for found in root.iterfind("{*}Contents"):
        key = _text(found, "Key")
        yield Stored(
            (unquote_plus(key) if quoted else key)[skip:],
            int(_text(found, "Size")),
            tag=_text(found, "ETag").strip('"'),
            mtime_ns=_nanoseconds(_text(found, "LastModified")),
        )


def _text(element: ET.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""


def _nanoseconds(text: str) -> int:
    when = datetime.fromisoformat(text)
    since = when.replace(tzinfo=when.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
