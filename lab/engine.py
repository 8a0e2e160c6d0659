"""A dockerd's HTTP API over its socket: what the lab itself asks, quicker than starting a client."""

import http.client
import json
import socket
from pathlib import Path
from typing import IO, Any

from lab.errors import EngineError

__all__ = ["Engine"]

_FAILED = 400


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Engine:
    """One engine. Every call makes its own connection, so threads may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def call(self, method: str, url: str, body: object = None, *, timeout: float = 30) -> Any:
        """Send a request and return its JSON answer, None where there is none.

        body: an object to send as JSON.
        timeout: seconds without a byte from the engine.
        Raises EngineError where the engine answers with an error, or not at all.
        """
        data = None if body is None else json.dumps(body).encode()
        with self._ask(method, url, data, "application/json", timeout) as answer:
            content = answer.read()
        try:
            return json.loads(content) if content.strip() else None
        except ValueError:
            return content.decode(errors="replace")

    def load(self, image: IO[bytes]) -> None:
        """Load an image archive, as `docker load` does."""
        with self._ask("POST", "/images/load?quiet=1", image, "application/x-tar", 300) as answer:
            words = answer.read().decode(errors="replace")
        if '"error"' in words:  # the engine answers 200 first and reads then
            raise EngineError(
                f"The image was not loaded: {words.strip()[-500:]}", status=200, subject=str(self.path)
            )

    def save(self, image: str, to: IO[bytes]) -> None:
        """Write an image archive, as `docker save` does."""
        with self._ask("GET", f"/images/{image}/get", None, "", 300) as answer:
            while chunk := answer.read(1 << 20):
                to.write(chunk)

    def image_id(self, image: str) -> str:
        """Return the id of the image of this name, "" where the engine has none."""
        try:
            return str(self.call("GET", f"/images/{image}/json")["Id"])
        except EngineError as missing:
            if missing.status == http.HTTPStatus.NOT_FOUND:
                return ""
            raise

    def answers(self, *, timeout: float = 2) -> bool:
        """Return whether the engine answers a ping within `timeout` seconds."""
        try:
            self.call("GET", "/_ping", timeout=timeout)
        except EngineError:
            return False
        return True

    def _ask(
        self, method: str, url: str, body: bytes | IO[bytes] | None, kind: str, timeout: float
    ) -> http.client.HTTPResponse:
        connection = _Connection(self.path, timeout)
        try:
            connection.request(method, url, body=body, headers={"Content-Type": kind} if kind else {})
            answer = connection.getresponse()
            if answer.status < _FAILED:
                return answer
            words = answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as broken:
            connection.close()
            raise EngineError(
                f"{method} {url}: no answer ({broken})", status=0, subject=str(self.path)
            ) from broken
        connection.close()
        raise EngineError(
            f"{method} {url}: {answer.status} {_message(words)}", status=answer.status, subject=str(self.path)
        )


def _message(words: str) -> str:
    try:
        return str(json.loads(words)["message"])
    except (ValueError, KeyError, TypeError):
        return words
