"""What can go wrong between us and an engine, each by a name that may be a label."""

from typing import Final

from swarmstead.errors import Unreachable

__all__ = ["KINDS", "EngineError"]

KINDS: Final = (
    "refused",
    "timeout",
    "http_403",
    "http_404",
    "http_500",
    "http_503",
    "http_other",
    "too_large",
    "malformed",
    "truncated",
    "no_leader",
    "not_manager",
)
_STATUSES: Final = {403: "http_403", 404: "http_404", 500: "http_500", 503: "http_503"}
# moby's and swarmkit's own words of a manager without a leader: at first the deadline, later the reason.
_NO_LEADER: Final = ("does not have a leader", "too few managers are online", "context deadline exceeded")

_UNAVAILABLE: Final = 503
# moby, daemon/cluster/errors.go: a worker's answer, and that of a manager that is being made.
_NOT_MANAGER: Final = ("not a swarm manager", "Manager is being prepared")


class EngineError(Unreachable):
    """An engine did not give what was asked for. kind: one of KINDS, bounded; status: HTTP's, or 0."""

    def __init__(self, kind: str, what: str, *, subject: str = "", hint: str = "", status: int = 0) -> None:
        super().__init__(what, subject=subject, hint=hint)
        self.kind = kind
        self.status = status

    @classmethod
    def of_status(cls, status: int, message: str, subject: str) -> "EngineError":
        """Return the error of an HTTP status that is not 2xx, with the engine's own words."""
        kind = _STATUSES.get(status, "http_other")
        if any(words in message for words in _NO_LEADER):
            kind = "no_leader"
        elif status == _UNAVAILABLE and any(words in message for words in _NOT_MANAGER):
            kind = "not_manager"
        return cls(kind, f"answered {status}: {message[:300] or 'nothing'}", subject=subject, status=status)
