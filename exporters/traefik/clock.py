"""The time a line was written, as Unix seconds."""

from datetime import UTC, datetime

__all__ = ["unix_seconds"]


def unix_seconds(text: str) -> int:
    """Return the Unix time of an RFC 3339 text, or 0 when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    try:
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (OverflowError, ValueError):
        return 0
