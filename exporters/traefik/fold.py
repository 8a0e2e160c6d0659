"""Fold cells into the counts: a cell is what was counted of lines that agree in all that decides a label."""

from collections.abc import Callable
from operator import add
from typing import Final, NamedTuple

from exporters.traefik.counts import CLASSES, Counts, Row, bounded
from exporters.traefik.hosts import OTHER, Hosts
from exporters.traefik.names import Names, bare_router
from exporters.traefik.outcome import SERVED, code_class, is_internal, is_routed, outcome
from exporters.traefik.record import ADDRESS, CELL_HEAD, PUT, Key
from exporters.traefik.windows import KEEP, SLOT

__all__ = ["NO_HOST", "NO_SERVICE", "Folder"]

# Stands in a key for the host that the common log format does not have; no JSON can hold it.
NO_HOST: Final = "\ud800"
NO_SERVICE: Final = "-"  # of the generic common format, which does not tell whether a server was asked
_CODES: Final = range(100, 600)
_MOST_PLACES: Final = 4096
_CLASS_INDEX: Final = {name: index for index, name in enumerate(CLASSES)}
_V1_TRAEFIK: Final = "Traefik"


class _Place(NamedTuple):
    """Where the requests of a key are counted. kind: of `Counts.lines`; only `request` has the rest."""

    kind: str
    row: Row = Row()
    classes: list[int] = []  # noqa: RUF012 - never written to for other kinds
    column: int = 0
    outcome: str = ""
    code: int = 0
    is_error: bool = False


class Folder:
    """Knows the labels and their caps.

    most_services, most_pairs, most_entrypoints: what is beyond becomes ``other``, and is counted as folded.
    clock: Unix seconds; it bounds the log's own times. since: what was written before is passed over (`top`).
    """

    def __init__(
        self,
        counts: Counts,
        hosts: Hosts,
        names: Names,
        *,
        clock: Callable[[], float],
        most_services: int = 200,
        most_pairs: int = 1000,
        most_entrypoints: int = 32,
    ) -> None:
        self.counts = counts
        self.since = 0
        self._places: dict[Key, _Place] = {}
        self._hosts_then = -1
        self.hosts = hosts
        self.names = names
        self.clock = clock
        self._most_services = most_services
        self._most_pairs = most_pairs
        self._most_entrypoints = most_entrypoints
        self._services = {service for _, service in counts.rows}
        self._entrypoints = {entrypoint for _, _, entrypoint in counts.requests}
        hosts.allow(counts.hosts)

    def forget(self) -> None:
        """Work out every label anew: names or hosts were learnt."""
        self._places.clear()

    def is_new(self, key: Key) -> bool:
        """Return whether a key is of a site that labels or routers, as read last, do not tell of."""
        host, service, router, _, status, _ = key
        service = service.partition(ADDRESS)[0]
        if status == -1 or is_internal(router, service) or not is_routed(router, service):
            return False
        return self.names.is_new(service) or (host != NO_HOST and not self.hosts.knows(host))

    def put(self, key: Key, cell: list[int], slot: int) -> None:
        """Put a cell's new requests in their slot of time. slot: its start, Unix seconds; 0 if unknown."""
        number = cell[0] + sum(cell[CELL_HEAD:]) - cell[PUT]
        if number:
            cell[PUT] += number
            place = self._find(key, number)
            if place.kind == "request":
                self._put(place, number, slot)

    def fold(self, key: Key, cell: list[int]) -> None:
        """Add a cell whose requests are all put in their slots."""
        number = cell[PUT]
        place = self._find(key, 0)
        self.counts.lines[place.kind] += number
        if place.kind == "request":
            place.classes[place.column] += number
            self._add(place, cell, number)

    def _find(self, key: Key, number: int) -> _Place:
        if self.hosts.count != self._hosts_then:
            self._hosts_then = self.hosts.count
            self.forget()
        place = self._places.get(key)
        if place is None:
            # What a cap folds is counted when it is put, and never kept.
            place = self._work_out(key, number) if number else self._place(key, 0)
        return place

    def _work_out(self, key: Key, number: int) -> _Place:
        """Return where a key's requests are counted; kept, unless a cap folds them and must count that."""
        folded = sum(self.counts.folded.values())
        place = self._place(key, number)
        if sum(self.counts.folded.values()) == folded:
            if len(self._places) >= _MOST_PLACES:
                self.forget()
            self._places[key] = place
        return place

    def _place(self, key: Key, number: int) -> _Place:
        raw_host, raw_service, router, raw_entrypoint, status, origin = key
        raw_service, _, address = raw_service.partition(ADDRESS)
        if status == -1:
            return _Place("other")
        if is_internal(router, raw_service):
            return _Place("internal")
        entrypoint = self._entrypoint(raw_entrypoint, number)
        service = self._service(raw_service, router, raw_entrypoint, address, number)
        if raw_host == NO_HOST:
            service = "" if service == NO_SERVICE else service or bare_router(router)
            host = ""
        else:
            routed = is_routed(router, raw_service)
            host = self.hosts.label(raw_host, routed=routed, requests=number)
        pair = self._pair(host, service, number)
        what = code_class(status)
        return _Place(
            "request",
            self.counts.row(pair),
            self.counts.requests.setdefault((*pair, entrypoint), [0] * len(CLASSES)),
            _CLASS_INDEX[what],
            outcome(status, origin, router, raw_service),
            status if status in _CODES else 0,
            what == "5xx",
        )

    def _add(self, place: _Place, cell: list[int], number: int) -> None:
        counts, row = self.counts, place.row
        row.outcomes[place.outcome] += number
        row.codes[place.code] = row.codes.get(place.code, 0) + number
        row.response_bytes = bounded(row.response_bytes, cell[1])
        row.request_bytes = bounded(row.request_bytes, cell[2])
        if place.outcome in SERVED:
            row.nanoseconds = bounded(row.nanoseconds, cell[3])
            timed = cell[CELL_HEAD:]
            counts.durations_from["origin"] += sum(timed) - cell[4]
            counts.durations_from["total"] += cell[4]
            row.buckets = list(map(add, row.buckets, timed))

    def _put(self, place: _Place, number: int, slot: int) -> None:
        counts, row = self.counts, place.row
        now = int(self.clock())
        if not 0 < slot <= now:  # no time in the line, or a clock that is ahead of ours
            slot = now // SLOT * SLOT
        row.last = max(row.last, min(slot + SLOT, now))
        counts.last_line = max(counts.last_line, row.last)
        if slot < now - KEEP:
            counts.late += number
            return
        at = row.slots.setdefault(slot, [0, 0])
        at[0] += number
        if place.is_error:
            at[1] += number

    def _service(self, raw: str, router: str, entrypoint: str, address: str, number: int) -> str:
        if raw and raw != _V1_TRAEFIK:
            name = self.names.service(raw, address)
        else:
            name = self.names.of_router(router, entrypoint)
        if name in self._services or not name:
            return name
        if len(self._services) >= self._most_services:
            self.counts.folded["service"] += number
            return OTHER
        self._services.add(name)
        return name

    def _entrypoint(self, name: str, number: int) -> str:
        if name in self._entrypoints:
            return name
        if len(self._entrypoints) >= self._most_entrypoints:
            self.counts.folded["entrypoint"] += number
            return OTHER
        self._entrypoints.add(name)
        return name

    def _pair(self, host: str, service: str, number: int) -> tuple[str, str]:
        self.counts.folded["host"] += self.hosts.folded
        self.hosts.folded = 0
        if (host, service) in self.counts.rows or len(self.counts.rows) < self._most_pairs:
            return host, service
        self.counts.folded["pair"] += number
        return OTHER, OTHER
