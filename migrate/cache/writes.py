"""PUT and DELETE, for apps and people that speak to the cache instead of writing into its folder."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from aiohttp import web

from migrate.cache.http import File, etag
from migrate.cache.names import OWN, parent_of, safe_name
from migrate.cache.store import Store

__all__ = ["Writer", "token_fits"]

_CHUNK_BYTES = 256 * 1024


class Confirms(Protocol):
    """Where changes are queued."""

    @property
    def order(self) -> int:
        """Return the number of the newest change."""

    def changed(self, name: str) -> None:
        """Look at a name and send what differs."""

    async def safe(self, since: int, seconds: float) -> bool:
        """Wait until what came after `since` is confirmed; False when late."""


def token_fits(request: web.BaseRequest, token: str) -> bool:
    """Return whether the request bears the token."""
    given = request.headers.get("Authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), b"Bearer " + token.encode())


class Writer:
    """Takes files in and removes them; answers when the remote has confirmed it.

    token: without one nothing is taken. wait: seconds until a 503, with what was sent kept and queued.
    room: makes room for so many bytes, False where there is none.
    """

    def __init__(
        self, store: Store, queue: Confirms, *, token: str, wait: float, room: Callable[[int], bool]
    ) -> None:
        self._store, self._queue, self._token, self._wait, self._room = store, queue, token, wait, room

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer PUT or DELETE."""
        if not token_fits(request, self._token):
            return web.Response(status=401 if self._token else 405, headers={"WWW-Authenticate": "Bearer"})
        name = safe_name(request.raw_path)
        if name is None:
            return web.Response(status=400, text="not a name for an object\n")
        since = self._queue.order
        try:
            if request.method == "DELETE":
                done = self._delete(name)
            else:
                done = await self._put(request, name)
        except OSError as error:
            return web.Response(status=409, text=f"{os.strerror(error.errno or 0)}\n")
        if done.status >= 400:  # noqa: PLR2004
            return done
        self._queue.changed(name)
        if await self._queue.safe(since, self._wait):
            return done
        return web.Response(
            status=503, text="kept here and queued, but not safe yet\n", headers={"Retry-After": "10"}
        )

    def _delete(self, name: str) -> web.Response:
        folder, last = parent_of(self._store.folder.descriptor, name)
        try:
            os.unlink(last, dir_fd=folder)
        finally:
            os.close(folder)
        return web.Response(status=204)

    async def _put(self, request: web.BaseRequest, name: str) -> web.Response:
        length = request.content_length
        if length is None:
            return web.Response(status=411)
        if not self._room(length):
            return web.Response(status=507, text="no room: what is here waits to be sent\n")
        temporary = self._store.root / OWN / "tmp" / secrets.token_hex(8)
        digest = hashlib.sha1(usedforsecurity=False)
        with temporary.open("xb") as file:
            try:
                async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                file.flush()
                os.fsync(file.fileno())
                wanted = request.headers.get("X-Content-Sha1", digest.hexdigest())
                if file.tell() != length or wanted.lower() != digest.hexdigest():
                    return web.Response(status=400, text="other bytes than were announced\n")
                temporary.chmod(0o644)
                folder, last = parent_of(self._store.folder.descriptor, name, make=True)
                try:
                    os.rename(temporary, last, dst_dir_fd=folder)
                finally:
                    os.close(folder)
                status = os.fstat(file.fileno())
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()
        tag = etag(File(name, status.st_size, status.st_mtime_ns))
        return web.Response(status=201, headers={"ETag": tag, "X-Content-Sha1": digest.hexdigest()})
