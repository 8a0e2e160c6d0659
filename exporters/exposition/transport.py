"""A socket that never blocks, plain or with TLS, in three calls."""

import selectors
import socket
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl

__all__ = ["Plain", "Tls", "Transport", "Wait"]


class Wait(Exception):
    """Nothing goes now: call again when the socket is ready. mask: of `selectors`."""

    def __init__(self, mask: int) -> None:
        super().__init__(mask)
        self.mask = mask


class Transport(Protocol):
    """What the server needs of a connection. Every call may raise Wait, or OSError when it is gone."""

    @property
    def socket(self) -> socket.socket:
        """Return what to select on; with TLS it is another one than was given."""

    def handshake(self) -> None:
        """Finish what comes before the first byte."""

    def receive(self, size: int) -> bytes:
        """Return what came, or b"" at its end."""

    def send(self, data: memoryview) -> int:
        """Return how many bytes were taken."""

    def close(self) -> None:
        """Close it."""


class Plain:
    """A connection without TLS."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        self.socket = connection

    def handshake(self) -> None:
        """There is none."""

    def receive(self, size: int) -> bytes:
        """Return what came."""
        try:
            return self.socket.recv(size)
        except BlockingIOError:
            raise Wait(selectors.EVENT_READ) from None

    def send(self, data: memoryview) -> int:
        """Send what goes."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            raise Wait(selectors.EVENT_WRITE) from None

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class Tls:
    """A connection with TLS: reading may have to wait for writing, and the other way round."""

    def __init__(self, connection: socket.socket, context: "ssl.SSLContext") -> None:
        import ssl  # noqa: PLC0415 - some MiB that a server without TLS does not pay for

        connection.settimeout(0)
        self._want_read, self._want_write = ssl.SSLWantReadError, ssl.SSLWantWriteError
        self.socket = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def handshake(self) -> None:
        """Go on with the handshake."""
        try:
            self.socket.do_handshake()
        except self._want_read:
            raise Wait(selectors.EVENT_READ) from None
        except self._want_write:
            raise Wait(selectors.EVENT_WRITE) from None

    def receive(self, size: int) -> bytes:
        """Return what came."""
        try:
            return self.socket.recv(size)
        except self._want_read:
            raise Wait(selectors.EVENT_READ) from None
        except self._want_write:
            raise Wait(selectors.EVENT_WRITE) from None

    def send(self, data: memoryview) -> int:
        """Send what goes."""
        try:
            return self.socket.send(data)
        except self._want_read:
            raise Wait(selectors.EVENT_READ) from None
        except self._want_write:
            raise Wait(selectors.EVENT_WRITE) from None

    def close(self) -> None:
        """Close the socket without waiting for the other side's goodbye."""
        self.socket.close()
