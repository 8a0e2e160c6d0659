"""Where an engine listens, as the docker CLI takes it: DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swarmstead.errors import UsageError

if TYPE_CHECKING:
    import ssl

__all__ = ["Address", "parse_address"]

_SOCKET = "unix:///var/run/docker.sock"
_PORT, _TLS_PORT = 2375, 2376


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's address.

    path: of a unix socket, else host and port. certificates: a directory with ca.pem, cert.pem and key.pem;
    verify: whether the server's certificate must be signed by ca.pem for that host.
    """

    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    certificates: Path | None = None
    verify: bool = True

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.path else f"tcp://{self.host}:{self.port}"

    def connect(self, timeout: float) -> socket.socket:
        """Return a connected socket. Raises OSError."""
        if self.path:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.settimeout(timeout)
            try:
                plain.connect(self.path)
            except OSError:
                plain.close()
                raise
            return plain
        plain = socket.create_connection((self.host, self.port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return plain
        try:
            return self._context().wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise

    def _context(self) -> "ssl.SSLContext":
        import ssl  # noqa: PLC0415 - some MiB that a unix socket does not need

        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificates:
            if self.verify and (self.certificates / "ca.pem").exists():
                context.load_verify_locations(self.certificates / "ca.pem")
            if (self.certificates / "cert.pem").exists():
                context.load_cert_chain(self.certificates / "cert.pem", self.certificates / "key.pem")
        return context


def parse_address(given: str | None, environment: Mapping[str, str]) -> Address:
    """Return the address given, else DOCKER_HOST's, else the engine's own socket.

    TLS is used with tcp:// when DOCKER_TLS_VERIFY is set or a DOCKER_CERT_PATH is given, as the CLI does
    (docker/cli, cli/context/docker). Raises UsageError.
    """
    text = given or environment.get("DOCKER_HOST") or _SOCKET
    parts = urlsplit(text)
    if parts.scheme == "unix" and parts.path:
        return Address(path=parts.path)
    if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
        raise UsageError(
            "is no address of an engine",
            subject=text,
            hint="Use unix:///var/run/docker.sock or tcp://HOST:2376",
        )
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    certificates = environment.get("DOCKER_CERT_PATH")
    tls = verify or bool(certificates) or parts.scheme == "https"
    try:
        port = parts.port or (_TLS_PORT if tls else _PORT)
    except ValueError:
        raise UsageError("has no good port", subject=text) from None
    return Address(
        host=parts.hostname,
        port=port,
        tls=tls,
        certificates=Path(certificates) if certificates else None,
        verify=verify or (parts.scheme == "https" and not certificates),
    )
