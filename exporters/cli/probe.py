"""Ask the exporter that runs here for ``/healthz``: the image's health check.

It runs every few seconds for as long as the exporter lives, so it is a script of its own that imports next
to nothing: ``python3 -S -E probe.py [HOST:]PORT`` takes a tenth of the CPU of ``swarm-exporter --probe``.
"""

import os
import socket
import sys

__all__ = ["ask_health", "main"]


def ask_health(host: str, port: int, *, tls: bool = False, seconds: float = 4) -> tuple[bool, str]:
    """Return whether the exporter is well, and its own words or why it could not be asked."""
    local = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        with socket.create_connection((local, port), seconds) as plain:
            connection = _wrapped(plain) if tls else plain
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = b""
            while more := connection.recv(4096):
                answer += more
    except OSError as error:
        return False, f"no exporter answers on {local}:{port}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ")[1:2] == [b"200"], body.decode("utf-8", "replace").strip()


def _wrapped(plain: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415

    # It is our own listener on this machine, whose certificate names another host.
    return ssl._create_unverified_context().wrap_socket(plain)  # noqa: S323, SLF001


def main() -> int:
    """Ask at the address of the first argument, else of SWARMSTEAD_LISTEN, else at port 9323."""
    listen = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SWARMSTEAD_LISTEN", "9323")
    host, _, port = listen.rpartition(":")
    good, words = ask_health(host.strip("[]"), int(port), tls="SWARMSTEAD_WEB_CONFIG" in os.environ)
    sys.stdout.write(f"{words}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
