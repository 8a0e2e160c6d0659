"""Bodies under way: counted, whole or an error, and never slower than a crawl."""

import time
from collections.abc import Callable, Iterator

from migrate.remotes.base import Source
from migrate.remotes.bill import Bill
from swarmstead.errors import Unreachable

__all__ = ["Window", "metered"]

_LEAST_BYTES_PER_SECOND = 512
_GRACE_SECONDS = 20.0


def metered(
    chunks: Iterator[bytes],
    *,
    length: int,
    bill: Bill,
    subject: str,
    clock: Callable[[], float] = time.monotonic,
    grace: float = _GRACE_SECONDS,
) -> Iterator[bytes]:
    """Pass chunks on. Raises Unreachable where they end before `length` bytes, or come at a crawl.

    A server that drips a byte now and then never meets a socket's timeout; here it does, after `grace`
    seconds of less than 512 bytes/s. The time that the reader takes is not counted against the server.
    """
    count, waited = 0, 0.0
    while True:
        asked = clock()
        try:
            chunk = next(chunks, b"")
        except OSError as error:
            raise Unreachable(
                f"the connection broke after {count} of {length} bytes ({type(error).__name__})",
                subject=subject,
            ) from None
        waited += clock() - asked
        if not chunk:
            break
        count += len(chunk)
        bill.receive(len(chunk))
        if waited > grace and count < waited * _LEAST_BYTES_PER_SECOND:
            raise Unreachable(f"{count} bytes in {waited:.0f} s: the server crawls", subject=subject)
        yield chunk
    if count != length:
        raise Unreachable(f"the body ended after {count} of {length} bytes", subject=subject)


class Window:
    """A part of a file as a file of its own, for clients that read up to the end."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self._size = source, size
        self._start, self._at = source.tell(), 0

    def __len__(self) -> int:
        return self._size

    def read(self, amount: int | None = -1) -> bytes:
        """Return up to so many bytes, b"" at the window's end."""
        left = self._size - self._at
        data = self._source.read(left if amount is None or amount < 0 else min(amount, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset within the window."""
        self._at = (0, self._at, self._size)[whence] + offset
        self._source.seek(self._start + self._at)
        return self._at

    def tell(self) -> int:
        """Return the offset within the window."""
        return self._at
