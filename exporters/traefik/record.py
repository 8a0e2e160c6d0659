"""One line of the access log, as far as we read it, and how chunks of them are decoded."""

from collections.abc import Sequence
from typing import Final, Literal

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


class Line(msgspec.Struct, gc=False, rename=_NAMES):
    """A JSON line. Fields stand in the file's order (logrus sorts keys), which decodes fastest.

    status: -1 where the line has none, so it is no request. origin: -1 where it was dropped.
    duration, origin_duration: nanoseconds. time: when the line was written, RFC 3339 with whole seconds.
    address: the server's, where it is asked for. backend, frontend: v1's lines, which have them, are refused.
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
    backend: Literal[""] = ""
    frontend: Literal[""] = ""


class _WideLine(Line, gc=False, rename=_NAMES | {"address": "ServiceAddr"}):
    """A line of any version, with the server's address. It decodes slower."""

    backend: str = ""  # type: ignore[assignment]
    frontend: str = ""  # type: ignore[assignment]


Key = tuple[str, str, str, str, int, int, str]  # host, service, router, entrypoint, status, origin, address

# A cell: requests without a duration, response bytes, request bytes, nanoseconds, durations that are not the
# server's own, requests that are in their slot already, then the buckets.
PUT: Final = 5
CELL_HEAD: Final = 6


class LineDecoder:
    """Decodes lines of any version."""

    def __init__(self) -> None:
        self._plain = msgspec.json.Decoder(Line)
        self._wide = msgspec.json.Decoder(_WideLine)

    def lines(self, chunk: bytes, *, addresses: bool) -> Sequence[Line]:
        """Return the records of a chunk. Raises msgspec.DecodeError or UnicodeDecodeError.

        addresses: whether those of servers are asked for.
        """
        if not addresses:
            try:
                return self._plain.decode_lines(chunk)
            except msgspec.ValidationError:  # of v1, or wrong: then the next one says so
                pass
        records = self._wide.decode_lines(chunk)
        for record in records:
            record.service = record.service or record.backend
            record.router = record.router or record.frontend
            if not addresses:
                record.address = ""
        return records
