"""What became of a request: one of ten outcomes, read from one line of the access log.

They exclude each other and cover every line, so their sum is the number of requests. The rules were read off
real processes of Traefik 1.7, 2.11 and 3.7 (tests/golden/traefik); what they cannot tell apart is said in
docs/traefik.md, once.
"""

from typing import Final

__all__ = ["OUTCOMES", "SERVED", "code_class", "is_internal", "is_routed", "outcome"]

OUTCOMES: Final = (
    "app",
    "app_error",
    "backend_error",
    "error_page",
    "no_server",
    "answered",
    "unrouted",
    "client_gone",
    "aborted",
    "websocket",
)
# A server answered, and the time is its own: these make the latency histogram.
SERVED: Final = frozenset({"app", "app_error", "backend_error", "error_page"})

_CLIENT_GONE = 499
_UNAVAILABLE = 503
_NOT_FOUND = 404
_GATEWAY = frozenset({502, 504})
_SERVER_ERRORS = range(500, 600)
_V1_TRAEFIK = "Traefik"
_V1_UNROUTED = "backend not found"
_CLASSES: Final = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")


def code_class(status: int) -> str:
    """Return 1xx to 5xx, or other: 0 of a websocket, 600 and more of a strange backend."""
    hundreds = status // 100
    return _CLASSES[hundreds] if 1 <= hundreds <= 5 else "other"  # noqa: PLR2004


def is_internal(router: str, service: str) -> bool:
    """Return whether a line is Traefik's own: a scrape, a ping, its API (v2 logs them, v3 does not).

    An entrypoint's redirect is internal by name (``web-to-websecure@internal``) and yet a visitor's request.
    """
    if service.endswith("@internal"):
        return True
    return router.endswith("@internal") and "-to-" not in router


def is_routed(router: str, service: str) -> bool:
    """Return whether a router that an operator made took the request, so that its host is likely a site's.

    Not so an entrypoint's redirect, which takes any host.
    """
    if service and service != _V1_TRAEFIK:
        return True
    by_entrypoint = router.endswith("@internal") or router.startswith("entrypoint redirect for ")
    return bool(router) and router != _V1_UNROUTED and not by_entrypoint


def outcome(status: int, origin: int, router: str, service: str) -> str:
    """Return the outcome of a request.

    status: DownstreamStatus. origin: OriginStatus, or -1 where the log has none. router, service: names as
    logged, "" where absent (v1: FrontendName, BackendName; ``Traefik`` there means that no server was asked).
    """
    if _CLIENT_GONE in (status, origin):
        return "client_gone"
    if not service or service == _V1_TRAEFIK:
        return _unserved(status, router)
    if status == 0:
        return "websocket"
    if origin == 0:
        return "aborted"
    if origin not in (-1, status):
        return "error_page"
    if status in _GATEWAY:
        return "backend_error"
    return "app_error" if status in _SERVER_ERRORS else "app"


def _unserved(status: int, router: str) -> str:
    if status == _UNAVAILABLE:
        return "no_server"
    if router == _V1_UNROUTED or (status == _NOT_FOUND and not router):
        return "unrouted"
    return "answered"
