"""Logging: one line per event on standard error, with every known secret masked."""

import json
import logging
import sys
import time

__all__ = ["hide", "set_up_logging"]

_MASK = "[hidden]"
_SHORTEST_SECRET = 4
_secrets: set[str] = set()


def hide(secret: str) -> str:
    """Remember a secret so that no log line shows it; return it unchanged.

    Secrets shorter than four characters are not masked: that would garble every line.
    """
    if len(secret) >= _SHORTEST_SECRET:
        _secrets.add(secret)
    return secret


def masked(text: str) -> str:
    """Return the text with every remembered secret replaced."""
    for secret in _secrets:
        text = text.replace(secret, _MASK)
    return text


class _Text(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return masked(json.dumps(line, ensure_ascii=False))


def set_up_logging(*, level: str = "info", json_lines: bool = False) -> None:
    """Send the log to standard error, as text (UTC times) or as one JSON object per line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Json()
        if json_lines
        else _Text("%(asctime)sZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
