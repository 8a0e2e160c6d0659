"""A node's cache in this process over a real folder as the cloud, which can be made to fail."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from aiohttp import ClientSession, UnixConnector

from migrate.cache import Node, Options
from migrate.remotes import Body, Remote, Stored, open_remote
from swarmstead.errors import Unreachable


@dataclass
class Cloud:
    """A remote that counts, and fails, lies or dawdles when told to."""

    real: Remote
    down: bool = False
    gets: list[str] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)
    chunk: int = 0
    delay: float = 0.0
    break_after: int = -1
    lie: bool = False
    put_delay: float = 0.0
    before_put: Callable[[str], None] | None = None
    open_gate: threading.Event = field(default_factory=threading.Event)
    url: str = "file:///cloud/"

    def __post_init__(self) -> None:
        self.open_gate.set()

    def _check(self) -> None:
        if self.down:
            raise Unreachable("the cloud is away")

    @contextmanager
    def get(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[Body | None]:
        self._check()
        self.gets.append(name)
        self.open_gate.wait(20)
        with self.real.get(name, start=start, end=end) as body:
            if body is None:
                yield None
                return
            sha1 = (self.real.head(name) or body.stored).sha1
            stored = Stored(name, body.stored.size, sha1, body.stored.tag, body.stored.mtime_ns)
            yield Body(stored, self._chunks(body), body.start)

    def _chunks(self, body: Body) -> Iterator[bytes]:
        sent = 0
        for whole in body.chunks:
            step = self.chunk or len(whole)
            for at in range(0, len(whole), step):
                if 0 <= self.break_after <= sent:
                    raise Unreachable("the body broke off")
                time.sleep(self.delay)
                part = whole[at : at + step]
                sent += len(part)
                yield bytes(len(part)) if self.lie else part

    def put(self, name: str, source: BinaryIO, *, size: int, sha1: str, **more: Any) -> Stored:
        self._check()
        if self.before_put:
            self.before_put(name)
        time.sleep(self.put_delay)
        self._check()
        stored = self.real.put(name, source, size=size, sha1=sha1, **more)
        self.puts.append(name)
        return stored

    def head(self, name: str) -> Stored | None:
        self._check()
        return self.real.head(name)

    def delete(self, name: str) -> None:
        self._check()
        self.real.delete(name)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        return self.real.list(prefix)


class World:
    """Folders, a cloud, and as many nodes as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "cloud").mkdir()
        self.cloud = Cloud(open_remote(f"file://{folder}/cloud"))

    def put(self, name: str, data: bytes) -> None:
        path = self.folder / "cloud" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def stored(self, name: str) -> bytes | None:
        try:
            return (self.folder / "cloud" / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def options(self, number: int = 1, **more: Any) -> Options:
        root = self.folder / f"n{number}"
        root.mkdir(exist_ok=True)
        given: dict[str, Any] = {
            "root": root / "up",
            "max_bytes": 10_000_000,
            "socket": root / "c.sock",
            "barrier": root / "b.sock",
            "fresh_seconds": 0.0,
            "wait": 5.0,
            "drain": 2.0,
        }
        return Options(**(given | more))

    @asynccontextmanager
    async def node(self, number: int = 1, **more: Any) -> AsyncIterator["Running"]:
        options = self.options(number, **more)
        node = Node(options, self.cloud)  # type: ignore[arg-type]
        stop, ready = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(node.serve(stop, ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            waiting.cancel()
            serving.result()
        connector = UnixConnector(str(options.socket), limit=200)
        async with ClientSession(connector=connector, auto_decompress=False) as http:
            try:
                yield Running(node, http, options.root)
            finally:
                stop.set()
                await serving


@dataclass
class Running:
    node: Node
    http: ClientSession
    root: Path

    async def get(self, name: str, **headers: str) -> tuple[int, bytes, Any]:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.http.get(f"http://cache/{name}", headers=named) as answer:
            return answer.status, await answer.read(), answer.headers

    async def settled(self) -> None:
        """Wait until all that was written is confirmed."""
        assert await self.node.safe(-1, 10)


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("c"))
