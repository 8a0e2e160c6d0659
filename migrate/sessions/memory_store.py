"""Express's MemoryStore, saved from the living process: what would otherwise die with it.

SIGUSR1 opens Node's inspector (127.0.0.1:9229); Runtime.queryObjects finds every MemoryStore by its
prototype, and one function call copies its sessions out as JSON. The app is not stopped and not changed.
"""

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import aiohttp

from swarmstead.errors import InputError, Unreachable

from .express import ExpressFormat
from .records import Entry, Read, Record, Skip, Skipped

__all__ = ["MemoryStore"]

_FIND = "process.mainModule.require('express-session').MemoryStore.prototype"
_COPY = "function () { return JSON.stringify(Object.assign({}, ...this.map((store) => store.sessions))) }"
_TRIES = 50


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1


class MemoryStore:
    """The MemoryStores of the Node process `pid`; 0: an inspector that listens already at `port`."""

    def __init__(self, pid: int, *, port: int = 9229, key_prefix: bytes = b"sess:", ttl: int = 86400) -> None:
        self.pid, self.port = pid, port
        self.form = ExpressFormat(key_prefix, ttl, title="Express MemoryStore")
        self._sessions: dict[str, bytes] = {}

    @property
    def title(self) -> str:
        """Return the store's name and process."""
        return f"{self.form.title} of process {self.pid}"

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return the one prefix."""
        return self.form.prefixes

    def canonical(self, key: bytes) -> bytes:
        """Return the key itself."""
        return key

    def entries(self, *, stamps: bool = True) -> Iterator[Entry]:
        """Yield every session of one look into the process. Raises Unreachable if it lets nobody look."""
        self._sessions = asyncio.run(self._fetch())
        for sid, data in sorted(self._sessions.items()):
            yield _number(sid.encode()), _number(data) if stamps else 0, sid, 0

    def count(self) -> int:
        """Return how many sessions there are."""
        return sum(1 for _ in self.entries(stamps=False))

    def read(self, entry: Entry, now: float) -> Read:
        """Return the session as it was at that look."""
        place, _, sid, _ = entry
        key = self.form.key_of(sid + ".json")
        data = self._sessions.get(sid)
        if key is None or data is None:
            return place, 0, Skipped(Skip.IGNORED, b"")
        return place, _number(data), self.form.record(key, data, now, now)

    def holds(self, key: bytes) -> bool:
        """Return whether the last look had it."""
        path = self.form.path_of(key)
        return path is not None and path[0].removesuffix(".json") in self._sessions

    def restore(self, record: Record) -> bool:
        """Refuse: nothing can be put back into a process."""
        raise InputError("a MemoryStore takes nothing back", subject=self.title, hint="Stay on Redis.")

    def set_aside(self, key: bytes) -> bool:
        """Return that nothing was done."""
        return False

    async def _fetch(self) -> dict[str, bytes]:
        if self.pid:
            os.kill(self.pid, signal.SIGUSR1)
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client:
                return await self._ask(client, await self._address(client))
        except (aiohttp.ClientError, OSError, KeyError, ValueError) as error:
            raise Unreachable(
                f"the process lets nobody look into it ({type(error).__name__})",
                subject=self.title,
                hint="Node 8 or newer, started without --disable-sigusr1; express-session must be its own.",
            ) from None

    async def _address(self, client: aiohttp.ClientSession) -> str:
        for left in range(_TRIES, 0, -1):
            try:
                async with client.get(f"http://127.0.0.1:{self.port}/json/list") as answer:
                    found = await answer.json(content_type=None)
                    return str(found[0]["webSocketDebuggerUrl"])
            except aiohttp.ClientConnectionError:
                if left == 1:
                    raise
                await asyncio.sleep(0.1)
        raise ValueError("no inspector")

    async def _ask(self, client: aiohttp.ClientSession, address: str) -> dict[str, bytes]:
        async with client.ws_connect(address, max_msg_size=0) as socket:

            async def call(number: int, method: str, **parameters: Any) -> dict[str, Any]:
                await socket.send_json({"id": number, "method": method, "params": parameters})
                while True:
                    message = json.loads(await socket.receive_str())
                    if message.get("id") == number:
                        result: dict[str, Any] = message["result"]
                        return result

            prototype = await call(1, "Runtime.evaluate", expression=_FIND)
            objects = await call(2, "Runtime.queryObjects", prototypeObjectId=prototype["result"]["objectId"])
            copied = await call(
                3,
                "Runtime.callFunctionOn",
                functionDeclaration=_COPY,
                objectId=objects["objects"]["objectId"],
                returnByValue=True,
            )
        sessions = json.loads(copied["result"]["value"])
        return {sid: text.encode() for sid, text in sessions.items()}
