"""One node's cache, put together: its folder, its sockets and what runs in the background."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from migrate.cache.barrier import Barrier, Late
from migrate.cache.changes import Expected, Freshness, Stream
from migrate.cache.control import Control, control_path
from migrate.cache.eviction import new_policy
from migrate.cache.fast import FastServer
from migrate.cache.fill import Filler, Source
from migrate.cache.metrics import page
from migrate.cache.names import sendable
from migrate.cache.peers import PeersFirst, parse_peers
from migrate.cache.popularity import HitsLog
from migrate.cache.queue import Queue
from migrate.cache.reads import NODE, PEER, Reads
from migrate.cache.store import Store
from migrate.cache.watch import Watch
from migrate.cache.writes import Writer
from migrate.remotes import Breaker, Remote
from swarmstead.errors import SwarmsteadError

__all__ = ["Node", "Options"]

log = logging.getLogger("cache")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_MOST_UNSENDABLE = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a node's cache is to be.

    root: the folder. socket: unix socket for reads. barrier: unix socket for writing requests; the app's
    sockets are beside it. listen: (address, port) for reads, peers and metrics. peers: NAME:PORT of all
    caches. redis: URL. token: for PUT and DELETE. hits: nginx's log; hits_prefix: before a name in it.
    Times in seconds, sizes in bytes.
    """

    root: Path
    max_bytes: int
    socket: Path | None = None
    barrier: Path | None = None
    listen: tuple[str, int] | None = None
    policy: str = "gdsf-cost"
    days: float = 7.0
    max_share: float = 0.5
    min_free: int = 0
    max_age: int = 0
    wait: float = 20.0
    late: Late = "refuse"
    fresh_seconds: float = 60.0
    peers: str = ""
    redis: str = ""
    stream: str = "swarmstead:files"
    token: str = ""
    hits: Path | None = None
    hits_prefix: str = "/"
    drain: float = 20.0


class Node:
    """Use it as ``await Node(options, remote).serve(stop)``; `remote` should fail fast (policy PROMPT).

    sender: a remote for the queue, where its breaker must not be that of the reads. breaker: of `remote`.
    """

    def __init__(
        self,
        options: Options,
        remote: Remote,
        *,
        sender: Remote | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.options, self.started, self._breaker = options, time.time(), breaker
        self.node = secrets.token_hex(8)
        self.nginx_hits = 0
        self.unsendable: set[str] = set()
        self.store = Store(
            options.root,
            new_policy(options.policy, days=options.days),
            max_bytes=options.max_bytes,
            max_share=options.max_share,
            min_free=options.min_free,
        )
        expected = Expected()
        group = hashlib.sha256(remote.url.encode()).hexdigest()[:16]
        self._expected = expected
        self.peers: PeersFirst | None = None
        source: Source = remote
        if options.peers:
            name, port = parse_peers(options.peers)
            self.peers = PeersFirst(remote, name, port, node=self.node, group=group, expected=expected)
            source = self.peers
        self.stream: Stream | None = None
        if options.redis:
            self.stream = Stream(
                options.redis, options.stream, node=self.node, heard=self._heard, missed=self._missed
            )
        self.filler = Filler(self.store, source, expected=expected)
        self.fresh = Freshness(self.store, remote, seconds=options.fresh_seconds, dropped=self._dropped)
        self.reads = Reads(
            self.store,
            self.filler,
            max_age=options.max_age,
            fresh=self.fresh,
            pending=self._pending,
            group=group,
        )
        self.queue = Queue(self.store, sender or remote, told=self._told)
        self._writer = Writer(
            self.store, self.queue, token=options.token, wait=options.wait, room=self.store.has_room
        )
        self.barrier: Barrier | None = None
        if options.barrier is not None:
            self.barrier = Barrier(options.barrier.parent, self, wait=options.wait, late=options.late)
        self._watch: Watch | None = None  # until it serves, and where the kernel gives none
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def remote_up(self) -> bool:
        """Return whether the remote is believed to answer."""
        return self._breaker is None or not self._breaker.is_open

    # What the barrier asks

    def mark(self) -> int:
        """Return the number of the newest change known."""
        return self.queue.order

    async def safe(self, since: int, seconds: float) -> bool:
        """Learn all that was written until now, and wait for what came after `since`; False when late."""
        until = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                if self._watch is not None:
                    await self._watch.caught_up()
                # What the kernel did not tell is known only when all files have been looked at.
                while self._looking is not None and not self._looking.done():
                    await asyncio.shield(self._looking)
        except TimeoutError:
            return False
        return await self.queue.safe(since, until - time.monotonic())

    # What happens in the folder, here and elsewhere

    def _changed(self, name: str) -> None:
        if sendable(name):
            self.queue.changed(name)
        elif len(self.unsendable) < _MOST_UNSENDABLE and name not in self.unsendable:
            self.unsendable.add(name)
            log.warning("this name cannot be an object's, so the file stays on this node: %s", ascii(name))

    def _lost(self) -> None:
        log.warning("the kernel dropped events: all files are looked at")
        self._looking = self._background(self.queue.reconcile(deletions=True))

    async def _told(self, name: str, sha1: str) -> None:
        self._expected.put(name, sha1)
        self._forget(name, sha1)
        if self.stream is not None:
            await self.stream.tell(name, sha1)

    def _heard(self, name: str, sha1: str) -> None:
        if not sendable(name):
            return
        self._expected.put(name, sha1)
        self._forget(name, sha1)

    def _forget(self, name: str, sha1: str) -> None:
        """Let go of what is known or fetched under a name that has another hash by now."""
        self.filler.changed(name)
        self.reads.forget(name)
        row = self.store.index.get(name)
        if row is not None and row.sha1 != sha1:
            self.store.evict(name, stale=True)

    def _pending(self, name: str) -> bool:
        """Learn what the app has just done; return whether the remote is still to be told of this name."""
        if self._watch is not None:
            self._watch.drain()
        return name in self.queue

    def _dropped(self, name: str) -> None:
        self.reads.forget(name)

    def _missed(self) -> None:
        self.fresh.all_doubtful()

    # Serving

    async def serve(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Serve until told to stop; then send what is queued, for a while."""
        runners = await self._listen()
        try:
            self._watch = Watch(self.options.root, self._changed, self.queue.folder_gone, self._lost)
            self._watch.start()
        except SwarmsteadError as error:
            log.warning("%s; new files are found by looking every few seconds", error)
            self._watch = None
        self.queue.resume()
        self._background(self._load())
        self._background(self._housekeeping())
        if self.stream is not None:
            self._background(self.stream.follow())
        if ready is not None:
            ready.set()
        await stop.wait()
        for runner in runners:
            await runner.cleanup()
        await self._close()

    async def _close(self) -> None:
        if self._watch is not None:
            await self._watch.caught_up()
        await self.queue.close(self.options.drain)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        if self._watch is not None:
            await self._watch.close()
        if self.stream is not None:
            await self.stream.close()
        await self.fresh.close()
        await self.filler.close()
        self.store.close()

    def _background(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work ended: %s", type(error).__name__, exc_info=error)

    async def _load(self) -> None:
        await asyncio.to_thread(self.store.load)
        await self.queue.reconcile(deletions=False)

    async def _housekeeping(self) -> None:
        """Learn popularity, keep the bound, remember; once a second, each as often as it is needed."""
        hits = HitsLog(self.options.hits, self.options.hits_prefix) if self.options.hits else None
        turn = 0
        while True:
            await asyncio.sleep(1)
            turn += 1
            if hits is not None:
                self._nginx(await asyncio.to_thread(hits.read))
            seen, self.reads.seen = self.reads.seen, []
            if seen:
                await asyncio.to_thread(self.store.hits, seen)
            if turn % 5 == 0:
                await asyncio.to_thread(self.store.make_room)
                if self._watch is None:
                    await self.queue.reconcile(deletions=False)
            if turn % 300 == 0:
                await asyncio.to_thread(self.store.remember)

    def _nginx(self, names: list[str]) -> None:
        self.nginx_hits += len(names)
        self.reads.seen += names
        for name in set(names):
            self.fresh(name)

    async def _listen(self) -> list[web.ServerRunner]:
        runners = []
        if self.options.socket is not None:
            runners.append(await listen_unix(self.options.socket, self._fast(self._front)))
        runners.append(
            await listen_unix(
                control_path(self.store.folder.descriptor), web.Server(Control(self).handle, access_log=None)
            )
        )
        if self.options.barrier is not None and self.barrier is not None:
            runners.append(
                await listen_unix(self.options.barrier, web.Server(self.barrier.handle, access_log=None))
            )
        if self.options.listen is not None:
            runner = await _runner(self._fast(self._open_front))
            await web.TCPSite(runner, *self.options.listen, backlog=1024).start()
            runners.append(runner)
        return runners

    def _fast(self, handler: Handler) -> FastServer:
        return FastServer(handler, self.reads.quick, self.reads.sent, max_age=self.options.max_age)

    async def _open_front(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer on the network: metrics too. Not at nginx's socket, where clients could ask for them."""
        if request.raw_path == "/metrics":
            return web.Response(body=page(self), headers={"Content-Type": "text/plain; version=0.0.4"})
        return await self._front(request)

    async def _front(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path == "/healthz":
            return web.Response(text="ok\n")
        if request.method in {"PUT", "DELETE"}:
            return await self._writer.handle(request)
        response = await self.reads.handle(request)
        if PEER in request.headers:
            response.headers[NODE] = self.node
        return response


async def _runner(server: web.Server) -> web.ServerRunner:
    runner = web.ServerRunner(server)
    await runner.setup()
    return runner


async def listen_unix(path: Path, server: web.Server) -> web.ServerRunner:
    runner = await _runner(server)
    await asyncio.to_thread(path.unlink, missing_ok=True)  # of a process that was killed
    await web.UnixSite(runner, str(path), backlog=1024).start()
    await asyncio.to_thread(path.chmod, 0o660)
    return runner
