"""HOST:PORT, as both exporters take it."""

from swarmstead.errors import UsageError

__all__ = ["split_listen"]

_MOST_PORT = 65535


def split_listen(text: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, :PORT or [v6]:PORT. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > _MOST_PORT:
        raise UsageError(f"is not HOST:PORT: {text}", subject="--listen")
    return host.strip("[]"), int(port)
