"""What people ask a running cache to do, by a socket in its own folder that only its user can open."""

import asyncio
import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import TYPE_CHECKING, Any

from aiohttp import web

from migrate.cache.names import OWN, open_folder, sendable
from swarmstead.errors import Refused, SwarmsteadError, Unreachable

if TYPE_CHECKING:
    from migrate.cache.node import Node

__all__ = ["Control", "ask", "control_path"]

_MOST_BYTES = 16 * 1024 * 1024
_PATIENCE_SECONDS = 600


def control_path(folder: int) -> Path:
    """Return the socket's path, by a descriptor of the cache's folder: a socket's path must be short."""
    return Path(f"/proc/self/fd/{folder}/{OWN}/control.sock")


class Control:
    """Answers ``POST /evict``, ``POST /warm`` (a JSON list of names) and ``GET /status``, as JSON."""

    def __init__(self, node: "Node") -> None:
        self._node = node

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await request.content.read(_MOST_BYTES)
        names = [name for name in json.loads(body or b"[]") if isinstance(name, str) and sendable(name)]
        if request.raw_path == "/status":
            return web.json_response(self._status())
        if request.raw_path == "/evict":
            return web.json_response(await asyncio.to_thread(self._evict, names))
        if request.raw_path == "/warm":
            return web.json_response(await self._warm(names))
        return web.Response(status=404)

    def _status(self) -> dict[str, Any]:
        node = self._node
        return {
            "files": node.store.files,
            "bytes": node.store.used,
            "limit_bytes": node.store.max_bytes,
            "queued": len(node.queue),
            "oldest_queued_seconds": round(node.queue.oldest_seconds, 1),
            "unsendable": len(node.unsendable),
            "remote_up": node.remote_up,
            "uptime_seconds": round(time.time() - node.started),
        }

    def _evict(self, names: list[str]) -> dict[str, list[str]]:
        done: dict[str, list[str]] = {"evicted": [], "kept": []}
        for name in names:
            done["evicted" if self._node.store.evict(name) else "kept"].append(name)
        return done

    async def _warm(self, names: list[str]) -> dict[str, list[str]]:
        done: dict[str, list[str]] = {"here": [], "fetched": [], "absent": [], "not_kept": [], "failed": []}
        room = asyncio.Semaphore(8)

        async def one(name: str) -> None:
            async with room:
                done[await self._fetch(name)].append(name)

        await asyncio.gather(*map(one, names))
        return done

    async def _fetch(self, name: str) -> str:
        if self._node.store.index.get(name) is not None:
            return "here"
        try:
            fill = self._node.filler.fill(name)
        except SwarmsteadError:
            return "failed"
        try:
            await fill.done.wait()
            if fill.error is not None:
                return "failed"
            return "absent" if fill.stored is None else "fetched" if fill.kept else "not_kept"
        finally:
            fill.release()


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("cache", timeout=_PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.settimeout(_PATIENCE_SECONDS)
        self.sock.connect(str(self._path))


def ask(root: Path, what: str, names: list[str] | None = None) -> Mapping[str, Any]:
    """Ask the cache of a folder; return its answer. Raises Refused where none runs."""
    try:
        folder = open_folder(str(root))
    except OSError as error:
        raise Refused(f"no such folder: {error.strerror}", subject=str(root)) from None
    connection = _Connection(control_path(folder))
    try:
        connection.request("POST", f"/{what}", json.dumps(names or []))
        answer = connection.getresponse()
        data = answer.read()
    except (FileNotFoundError, ConnectionRefusedError):
        raise Refused(
            "no cache runs on this folder", subject=str(root), hint="Start it: migrate cache serve --help"
        ) from None
    except OSError as error:
        raise Unreachable(f"the cache does not answer: {type(error).__name__}", subject=str(root)) from None
    finally:
        connection.close()
    found: Mapping[str, Any] = json.loads(data)
    return found
