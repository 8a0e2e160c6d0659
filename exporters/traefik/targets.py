"""Every address behind a name, and one GET of each: Swarm's DNS answers ``tasks.NAME`` with all of them.

The service's own name must not be used: its virtual address leads to another task each time, whose counters
then look like constant restarts.
"""

import socket
from typing import Final

from swarmstead.errors import Unreachable, UsageError

__all__ = ["Target", "fetch", "resolve", "split_address"]

Target = tuple[str, int]
_MOST_BYTES: Final = 32 * 1024 * 1024


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Return name and port of ``NAME[:PORT]``. Raises UsageError."""
    name, colon, port = text.rpartition(":")
    if not colon:
        return text, default_port
    if not name or not port.isdigit():
        raise UsageError("is not NAME:PORT", subject=text)
    return name.strip("[]"), int(port)


def resolve(name: str, port: int) -> list[Target]:
    """Return every address of a name, sorted. Raises Unreachable when there is none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreachable(f"no address: {reason}", subject=name, hint="Is it in the same network?") from None
    return sorted({(str(address[0]), port) for *_, address in found})


def fetch(target: Target, path: str, seconds: float = 3) -> bytes:
    """Return the body of a page. Raises Unreachable for everything but a 200."""
    import http.client  # noqa: PLC0415 - a megabyte that reading a log does not need

    connection = http.client.HTTPConnection(*target, timeout=seconds)
    subject = f"http://{target[0]}:{target[1]}{path}"
    try:
        connection.request("GET", path, headers={"Accept": "text/plain", "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"does not answer: {str(error) or type(error).__name__}", subject=subject) from None
    finally:
        connection.close()
    if answer.status != http.client.OK or len(body) > _MOST_BYTES:
        raise Unreachable(f"answers {answer.status} with {len(body)} bytes", subject=subject)
    return body
