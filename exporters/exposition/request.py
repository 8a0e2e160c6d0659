"""The head of an HTTP/1.x request, as far as serving two paths needs it (RFC 9112)."""

from dataclasses import dataclass

__all__ = ["MOST_HEAD", "BadRequest", "Request", "parse_head"]

MOST_HEAD = 16 * 1024


class BadRequest(Exception):
    """What came is no request that we answer. status: the HTTP status that says so."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A request: method, path without query, headers with lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool


def parse_head(head: bytes) -> Request:
    """Return the request of a head, given without its closing empty line. Raises BadRequest."""
    try:
        first, *rest = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
    except ValueError:
        raise BadRequest(400) from None
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        raise BadRequest(505 if version.startswith("HTTP/") and target.startswith("/") else 400)
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400)
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    # A body would have to be read before the next request: we take none, and close instead.
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
    return Request(method, target.partition("?")[0], headers, keep_alive and not has_body)
