"""A read-only client of the Docker Engine API: the calls we make, and no others.

The version is negotiated by ``/_ping`` between 1.40 and 1.55. Where the ping names none (a proxy may take
headers away) paths without a version are used, which every engine takes as its own newest.
"""

import json
from collections.abc import Iterator
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from exporters.engine.address import Address
from exporters.engine.errors import EngineError
from exporters.engine.records import AttachedTask, Container, Disk, Event, Info, Node, Service, Task
from exporters.engine.wire import Answer, Wire

__all__ = ["LEAST", "MOST", "Engine", "Unchanged"]

LEAST: Final = (1, 40)
MOST: Final = (1, 55)
# An engine gives a call of its cluster 20 s (moby, swarmRequestTimeout) before it answers 500.
CLUSTER_SECONDS: Final = 25.0
QUICK_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 60.0
_KEPT: Final = 256 * 1024
_OK: Final = 200
_EVENTS: Final = {
    "type": ["container", "node", "service"],
    "event": [
        "start",
        "die",
        "destroy",
        "pause",
        "unpause",
        "oom",
        "health_status",
        "create",
        "update",
        "remove",
    ],
}
_T = TypeVar("_T")


class Unchanged(Generic[_T]):
    """A decoded answer, and what tells whether the next one is the same: its bytes, or a hash of many."""

    def __init__(self, kind: type[_T]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._before: bytes | None = None
        self.value: _T | None = None
        self.skipped = 0

    def take(self, body: bytes | bytearray, subject: str) -> tuple[_T, bool]:
        """Return the value and whether it is a new one. Raises EngineError for what is not what was asked."""
        mark = bytes(body) if len(body) <= _KEPT else _digest(body)
        if mark == self._before and self.value is not None:
            self.skipped += 1
            return self.value, False
        try:
            value = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            kind = "truncated" if "truncated" in str(error) else "malformed"
            raise EngineError(
                kind, f"the answer is not what was asked for: {error}", subject=subject
            ) from None
        self._before, self.value = mark, value
        return value, True

    def forget(self) -> None:
        """Take the next answer as new."""
        self._before = self.value = None


def _digest(body: bytes | bytearray) -> bytes:
    from hashlib import blake2b  # noqa: PLC0415 - brings libcrypto along, for large swarms only

    return blake2b(body, digest_size=16).digest()


def _filters(filters: dict[str, list[str]]) -> str:
    return "filters=" + quote(json.dumps(filters, separators=(",", ":")))


def _parse_version(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


class Engine:
    """One engine, over one connection: a thread that talks to it has an Engine of its own.

    Every call raises EngineError, within its deadline and whatever comes.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.wire = Wire(address)
        self.version: str | None = None
        self.nodes_answer = Unchanged(list[Node])
        self.services_answer = Unchanged(list[Service])
        self.tasks_answer = Unchanged(list[Task])
        self._info = msgspec.json.Decoder(Info)
        self._containers = msgspec.json.Decoder(list[Container])
        self._disk = msgspec.json.Decoder(Disk)
        self._event = msgspec.json.Decoder(Event)

    def ping(self, deadline: float = QUICK_SECONDS) -> str:
        """Ask for a sign of life, and settle the API's version; return the version in use, or ""."""
        answer = self._good("/_ping", deadline)
        theirs = _parse_version(answer.headers.get("api-version", ""))
        if theirs is not None and theirs < LEAST:
            raise EngineError(
                "http_other",
                f"speaks API {theirs[0]}.{theirs[1]} at most",
                subject=str(self.address),
                hint="Engine 19.03 (API 1.40) or later is needed.",
            )
        self.version = "" if theirs is None else "{}.{}".format(*min(theirs, MOST))
        return self.version

    def nodes(self, deadline: float = CLUSTER_SECONDS) -> tuple[list[Node], bool]:
        """Return the nodes, and whether the answer differs from the last. Managers only."""
        return self._list("/nodes", self.nodes_answer, deadline)

    def services(self, deadline: float = CLUSTER_SECONDS) -> tuple[list[Service], bool]:
        """Return the services, and whether the answer differs from the last. Managers only."""
        return self._list("/services", self.services_answer, deadline)

    def tasks(self, deadline: float = CLUSTER_SECONDS) -> tuple[list[Task], bool]:
        """Return the tasks with their history, and whether the answer differs from the last."""
        return self._list("/tasks", self.tasks_answer, deadline)

    def task_addresses(self, deadline: float = CLUSTER_SECONDS) -> dict[str, list[str]]:
        """Return the addresses (IP) of each service's running tasks in its networks, by service ID."""
        path = "/tasks?" + _filters({"desired-state": ["running"]})
        decoder = msgspec.json.Decoder(list[AttachedTask])
        found: dict[str, list[str]] = {}
        for task in self._decode(decoder, self._call(path, deadline), "GET /tasks"):
            for attachment in task.networks_attachments or ():
                addresses = [address.partition("/")[0] for address in attachment.addresses or ()]
                found.setdefault(task.service_id, []).extend(addresses)
        return found

    def info(self) -> Info:
        """Return what the engine says of itself; without quorum this too may take 20 s."""
        return self._decode(self._info, self._call("/info", CLUSTER_SECONDS), "GET /info")

    def containers(self, ids: list[str] | None = None) -> list[Container]:
        """Return the running containers of swarm tasks; or of these IDs, those of them that run."""
        chosen = {"label": ["com.docker.swarm.task.id"], "status": ["running"]}
        if ids is not None:
            chosen["id"] = ids
        answer = self._call(f"/containers/json?{_filters(chosen)}", SLOW_SECONDS)
        return self._decode(self._containers, answer, "GET /containers/json")

    def disk(self) -> Disk:
        """Return the disk's use. Slow: the engine walks its layers and volumes."""
        return self._decode(self._disk, self._call("/system/df", SLOW_SECONDS), "GET /system/df")

    def events(self, silence: float) -> Iterator[Event | None]:
        """Yield events as they come; first None, once the stream stands. Unreadable ones are passed over."""
        path = self._path(f"/events?{_filters(_EVENTS)}")
        for line in self.wire.stream(path, QUICK_SECONDS, silence):
            if not line:
                yield None
                continue
            try:
                yield self._event.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue

    def _path(self, path: str) -> str:
        if self.version is None:
            self.ping()
        return f"/v{self.version}{path}" if self.version else path

    def _call(self, path: str, deadline: float) -> Answer:
        try:
            return self._good(self._path(path), deadline)
        except EngineError as error:
            if error.kind in ("refused", "truncated") or error.status == 400:  # noqa: PLR2004
                self.version = None  # it may be another engine, or an upgraded one, when it is back
            raise

    def _good(self, path: str, deadline: float) -> Answer:
        answer = self.wire.get(path, deadline)
        if answer.status != _OK:
            raise EngineError.of_status(answer.status, _message(answer.body), "GET " + path.partition("?")[0])
        return answer

    def _list(self, path: str, known: Unchanged[_T], deadline: float) -> tuple[_T, bool]:
        return known.take(self._call(path, deadline).body, f"GET {path}")

    def _decode(self, decoder: "msgspec.json.Decoder[_T]", answer: Answer, subject: str) -> _T:
        try:
            return decoder.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            kind = "truncated" if "truncated" in str(error) else "malformed"
            raise EngineError(
                kind, f"the answer is not what was asked for: {error}", subject=subject
            ) from None


def _message(body: bytes | bytearray) -> str:
    """Return the words of an error's body: the engine's are JSON, a proxy's may be anything."""
    text = body[:4096].decode("utf-8", "replace").strip()
    try:
        decoded = json.loads(text)
    except ValueError:
        return " ".join(text.split())
    return str(decoded.get("message", "")) if isinstance(decoded, dict) else text
