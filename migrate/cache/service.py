"""The cache's process on a node: pulls what is asked for, and holds the answer of a write until it is safe.

Two unix sockets in a folder shared with the app's replicas on this node:

- ``cache.sock`` answers GET and HEAD of a file that the node lacks, by pulling it;
- ``barrier.sock`` passes a writing request on to the replica that sent it (its own socket, named in
  ``X-Swarmstead-Upstream``) and answers only when all that was written is confirmed by the remote.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector, web

from migrate.cache.folder import Folder
from swarmstead.errors import SwarmsteadError

__all__ = ["Cache"]

log = logging.getLogger("cache")

_UPSTREAM = re.compile(r"[a-z0-9-]{1,80}\.sock")
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}
_RETRY_SECONDS = 0.5
_ABSENT_SECONDS = 1.0


def safe_name(path: str) -> str | None:
    """Return the object's name of a request path, None where it is not below the folder."""
    parts = unquote(path, errors="strict").lstrip("/").split("/")
    if any(part in {"", ".", ".."} or part.startswith(".") or "\0" in part for part in parts):
        return None
    return "/".join(parts)


class Cache:
    """One node's cache.

    pull_socket, barrier_socket: in the folder shared with the app's replicas. wait_seconds: how long a
    write may wait for the remote before it is answered with 503; what it wrote is sent later.
    """

    def __init__(
        self, folder: Folder, *, pull_socket: Path, barrier_socket: Path, wait_seconds: float = 20
    ) -> None:
        self._folder, self._wait = folder, wait_seconds
        self._pull_socket, self._barrier_socket = pull_socket, barrier_socket
        self._pulls: dict[str, asyncio.Task[Path | None]] = {}
        self._absent: dict[str, float] = {}
        self._flush: asyncio.Task[bool] | None = None
        self._next: asyncio.Task[bool] | None = None

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until told to stop; then send what is still queued."""
        runners = [
            await self._listen(self._pull_socket, self._get),
            await self._listen(self._barrier_socket, self._pass_on),
        ]
        sweeper = asyncio.create_task(self._sweep())
        await stop.wait()
        sweeper.cancel()
        for runner in runners:
            await runner.cleanup()
        await self._safe()

    async def _listen(
        self, path: Path, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.AppRunner:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await asyncio.to_thread(path.unlink, missing_ok=True)  # of a process that was killed
        await web.UnixSite(runner, str(path)).start()
        await asyncio.to_thread(path.chmod, 0o660)
        return runner

    # Reads

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/healthz":
            return web.Response(text="ok\n")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405)
        name = safe_name(request.raw_path.partition("?")[0])
        if name is None or self._absent.get(name, 0) > time.monotonic():
            return web.Response(status=404)
        task = self._pulls.get(name)
        if task is None:
            task = self._pulls[name] = asyncio.create_task(asyncio.to_thread(self._folder.pull, name))
            task.add_done_callback(lambda _: self._pulls.pop(name, None))
        try:
            path = await asyncio.shield(task)
        except SwarmsteadError as error:
            log.warning("cannot pull: %s", error.what)
            return web.Response(status=503, headers={"Retry-After": "5"})
        if path is None:
            self._absent[name] = time.monotonic() + _ABSENT_SECONDS
            return web.Response(status=404)
        return web.FileResponse(path)

    # Writes

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        upstream = request.headers.get("X-Swarmstead-Upstream", "")
        if not _UPSTREAM.fullmatch(upstream):
            return web.Response(status=400, text="no upstream\n")
        headers = [
            (k, v) for k, v in request.headers.items() if k.lower() not in _HOP | {"x-swarmstead-upstream"}
        ]
        connector = UnixConnector(str(self._barrier_socket.with_name(upstream)))
        timeout = ClientTimeout(total=None, sock_connect=5)
        async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as http:
            try:
                async with http.request(
                    request.method,
                    f"http://app{request.raw_path}",
                    headers=headers,
                    data=request.content if request.body_exists else None,
                    allow_redirects=False,
                ) as answer:
                    body = await answer.read()
            except (ClientError, OSError):
                return web.Response(status=502)
        if not await self._safe():
            return web.Response(
                status=503, text="what you sent is kept, but not yet safe\n", headers={"Retry-After": "10"}
            )
        response = web.Response(status=answer.status, reason=answer.reason, body=body)
        for key, value in answer.headers.items():
            if key.lower() not in _HOP | {"content-length"}:
                response.headers.add(key, value)
        return response

    async def _safe(self) -> bool:
        """Wait until all that was written before now is confirmed; False where that takes too long.

        A flush under way may have looked before our file was there: the next one counts for us.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._flush))
        try:
            return await asyncio.wait_for(asyncio.shield(self._next), self._wait)
        except TimeoutError:
            return False

    async def _after(self, earlier: "asyncio.Task[bool] | None") -> bool:
        if earlier is not None:
            await asyncio.wait([earlier])
        self._flush, self._next = asyncio.current_task(), None
        while True:
            try:
                await asyncio.to_thread(self._folder.write_through)
            except SwarmsteadError as error:
                log.warning("the remote did not take a file: %s", error.what)
                await asyncio.sleep(_RETRY_SECONDS)
            except OSError as error:
                log.warning("a file cannot be read: %s", os.strerror(error.errno or 0))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return True

    async def _sweep(self) -> None:
        """Send what was written by no request, such as a cron job's files."""
        while True:
            await self._safe()
            await asyncio.sleep(2)
