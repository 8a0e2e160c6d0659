"""Times as the engine writes them."""

from calendar import timegm

__all__ = ["seconds"]


def seconds(text: str | None) -> float:
    """Return the Unix time of an RFC 3339 time in UTC; 0 for none, and for Go's zero time or what is no time.

    Written by hand because a task list holds thousands, with nine digits of fraction.
    """
    if not text or text.startswith("0001-") or len(text) < 20:  # noqa: PLR2004 - 2026-11-24T20:48:23Z
        return 0.0
    try:
        whole = timegm(
            (
                int(text[:4]),
                int(text[5:7]),
                int(text[8:10]),
                int(text[11:13]),
                int(text[14:16]),
                int(text[17:19]),
            )
        )
        fraction = float(text[19:-1]) if text[19] == "." else 0.0
    except ValueError:
        return 0.0
    return whole + fraction
