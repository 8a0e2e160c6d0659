"""One line of the access log, as far as we read it."""

import msgspec

__all__ = ["CELL_HEAD", "Key", "Line"]


class Line(
    msgspec.Struct,
    gc=False,
    rename={
        "backend": "BackendName",
        "response_bytes": "DownstreamContentSize",
        "status": "DownstreamStatus",
        "duration": "Duration",
        "frontend": "FrontendName",
        "origin_duration": "OriginDuration",
        "origin": "OriginStatus",
        "request_bytes": "RequestContentSize",
        "host": "RequestHost",
        "router": "RouterName",
        "address": "ServiceAddr",
        "service": "ServiceName",
        "entrypoint": "entryPointName",
        "time": "time",
    },
):
    """A JSON line. Fields stand in the file's order (logrus sorts keys), which decodes fastest.

    status: -1 where the line has none, so it is no request. origin: -1 where it was dropped.
    duration, origin_duration: nanoseconds. time: when the line was written, RFC 3339 with whole seconds.
    backend, frontend: v1's names for service and router.
    """

    backend: str = ""
    response_bytes: int = 0
    status: int = -1
    duration: int = 0
    frontend: str = ""
    origin_duration: int = 0
    origin: int = -1
    request_bytes: int = 0
    host: str = ""
    router: str = ""
    address: str = ""
    service: str = ""
    entrypoint: str = ""
    time: str = ""


Key = tuple[str, str, str, str, int, int, str]  # host, service, router, entrypoint, status, origin, address

# A cell: requests, response bytes, request bytes, nanoseconds, of them by OriginDuration, then the buckets.
CELL_HEAD = 5
