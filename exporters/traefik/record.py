"""One line of the access log, as far as we read it, and how chunks of them are decoded."""

from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["CELL_HEAD", "PUT", "Key", "Line", "LineDecoder"]

_NAMES: Final = {
    "response_bytes": "DownstreamContentSize",
    "status": "DownstreamStatus",
    "duration": "Duration",
    "origin_duration": "OriginDuration",
    "origin": "OriginStatus",
    "request_bytes": "RequestContentSize",
    "host": "RequestHost",
    "router": "RouterName",
    "service": "ServiceName",
    "entrypoint": "entryPointName",
    "time": "time",
    "address": "(not read)",
    "backend": "BackendName",
    "frontend": "FrontendName",
}
_V1: Final = (b'"BackendName"', b'"FrontendName"')


class Line(msgspec.Struct, gc=False, rename=_NAMES):
    """A JSON line. Fields stand in the file's order (logrus sorts keys), which decodes fastest.

    status: -1 where the line has none, so it is no request. origin: -1 where it was dropped.
    duration, origin_duration: nanoseconds. time: when the line was written, RFC 3339 with whole seconds.
    address: the server's, where it is asked for.
    """

    response_bytes: int = 0
    status: int = -1
    duration: int = 0
    origin_duration: int = 0
    origin: int = -1
    request_bytes: int = 0
    host: str = ""
    router: str = ""
    service: str = ""
    entrypoint: str = ""
    time: str = ""
    address: str = ""


class _WideLine(Line, gc=False, rename=_NAMES | {"address": "ServiceAddr"}):
    """A line of any version, with the server's address: decoded slower.

    backend, frontend: v1's names for service and router.
    """

    backend: str = ""
    frontend: str = ""


Key = tuple[str, str, str, str, int, int, str]  # host, service, router, entrypoint, status, origin, address

# A cell: requests without a duration, response bytes, request bytes, nanoseconds, durations that are not the
# server's own, requests that are in their slot already, then the buckets.
PUT: Final = 5
CELL_HEAD: Final = 6


def _is_named(line: Line) -> bool:
    return bool(line.router or line.service)


class LineDecoder:
    """Decodes lines of any version. No file goes from v2 to v1 and back, so its two ends tell of a chunk."""

    def __init__(self) -> None:
        self._plain = msgspec.json.Decoder(Line)
        self._wide = msgspec.json.Decoder(_WideLine)

    def lines(self, chunk: bytes, *, addresses: bool) -> Sequence[Line]:
        """Return the records of a chunk. Raises msgspec.DecodeError or UnicodeDecodeError.

        addresses: whether those of servers are asked for.
        """
        if not addresses:
            records = self._plain.decode_lines(chunk)
            if all(map(_is_named, records[:1] + records[-1:])) or not any(name in chunk for name in _V1):
                return records
        wide = self._wide.decode_lines(chunk)
        for record in wide:
            record.service = record.service or record.backend
            record.router = record.router or record.frontend
            if not addresses:
                record.address = ""
        return wide

    def line(self, line: bytes, *, addresses: bool) -> Line:
        """Return the record of one line. Raises the same, also where it holds more than one value."""
        records = self.lines(line, addresses=addresses)
        if len(records) != 1:
            raise msgspec.DecodeError("not one value")
        return records[0]
