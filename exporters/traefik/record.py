"""One line of the access log, as far as we read it, and how chunks of them are decoded."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import msgspec

__all__ = ["ADDRESS", "CELL_HEAD", "PUT", "Key", "Line", "LineDecoder"]

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
    "backend": "BackendName",
    "frontend": "FrontendName",
    "address": "ServiceAddr",
}


class Line(msgspec.Struct, gc=False, rename=_NAMES):
    """A JSON line. Fields stand in the file's order (logrus sorts keys), which decodes fastest.

    Each further field costs some 4 % of the decoding, since every key that is none of them is compared with
    all of them.

    status: -1 where the line has none, so it is no request. origin: -1 where it was dropped.
    duration, origin_duration: nanoseconds. time: when the line was written, RFC 3339 with whole seconds.
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


class _WideLine(Line, gc=False, rename=_NAMES):
    """A line with v1's names of service and router, and the server's address."""

    backend: str = ""
    frontend: str = ""
    address: str = ""


Key = tuple[str, str, str, str, int, int]  # host, service, router, entrypoint, status, origin
ADDRESS: Final = "\n"  # stands between a key's service and its server's address, where that is asked for

# A cell: requests without a duration, response bytes, request bytes, nanoseconds, durations that are not the
# server's own, requests that are in their slot already, then the buckets.
PUT: Final = 5
CELL_HEAD: Final = 6

_entrypoint = attrgetter("entrypoint")


class LineDecoder:
    """Decodes lines of any version.

    v1 names no entrypoint, v2 and v3 do unless told not to: lines without one are read with v1's names, too.
    """

    def __init__(self) -> None:
        self._plain = msgspec.json.Decoder(Line)
        self._wide = msgspec.json.Decoder(_WideLine)

    def lines(self, chunk: bytes, *, addresses: bool) -> Sequence[Line]:
        """Return the records of a chunk. Raises msgspec.DecodeError or UnicodeDecodeError.

        addresses: whether those of servers are asked for, after the service's name.
        """
        if not addresses:
            records = self._plain.decode_lines(chunk)
            if "" not in map(_entrypoint, records):
                return records
        wide = self._wide.decode_lines(chunk)
        for record in wide:
            if not record.entrypoint:
                record.service = record.service or record.backend
                record.router = record.router or record.frontend
            if addresses and record.address:
                record.service += ADDRESS + record.address
        return wide

    def line(self, line: bytes, *, addresses: bool) -> Line:
        """Return the record of one line. Raises the same, also where it holds more than one value."""
        records = self.lines(line, addresses=addresses)
        if len(records) != 1:
            raise msgspec.DecodeError("not one value")
        return records[0]
