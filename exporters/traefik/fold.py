"""Fold cells into the counts: a cell is what was counted of lines that agree in all that decides a label."""

from collections.abc import Callable
from typing import Final

from exporters.traefik.counts import CLASSES, Counts, bounded
from exporters.traefik.hosts import OTHER, Hosts
from exporters.traefik.names import Names, bare_router
from exporters.traefik.outcome import SERVED, code_class, is_internal, is_routed, outcome
from exporters.traefik.record import CELL_HEAD, Key
from exporters.traefik.windows import KEEP, SLOT

__all__ = ["NO_HOST", "NO_SERVICE", "Folder"]

# Stands in a key for the host that the common log format does not have; no JSON can hold it.
NO_HOST: Final = "\ud800"
NO_SERVICE: Final = "-"  # of the generic common format, which does not tell whether a server was asked
_CODES: Final = range(100, 600)
_CLASS_INDEX: Final = {name: index for index, name in enumerate(CLASSES)}
_V1_TRAEFIK: Final = "Traefik"


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
        self.hosts = hosts
        self.names = names
        self.clock = clock
        self._most_services = most_services
        self._most_pairs = most_pairs
        self._most_entrypoints = most_entrypoints
        self._services = {service for _, service in counts.rows}
        self._entrypoints = {entrypoint for _, _, entrypoint in counts.requests}
        hosts.allow(counts.hosts)

    def fold(self, key: Key, cell: list[int], slot: int) -> None:
        """Add a cell. slot: start of the slot that its lines were written in, Unix seconds; 0 if unknown."""
        if slot < self.since:
            return
        raw_host, raw_service, router, raw_entrypoint, status, origin, address = key
        counts, number = self.counts, cell[0]
        if status == -1:
            counts.lines["other"] += number
            return
        if is_internal(router, raw_service):
            counts.lines["internal"] += number
            return
        counts.lines["request"] += number
        what = outcome(status, origin, router, raw_service)
        entrypoint = self._entrypoint(raw_entrypoint, number)
        service = self._service(raw_service, router, raw_entrypoint, address, number)
        if raw_host == NO_HOST:
            service = "" if service == NO_SERVICE else service or bare_router(router)
            host = ""
        else:
            routed = is_routed(router, raw_service)
            host = self.hosts.label(raw_host, routed=routed, requests=number)
        pair = self._pair(host, service, number)
        requests = counts.requests.setdefault((*pair, entrypoint), [0] * len(CLASSES))
        requests[_CLASS_INDEX[code_class(status)]] += number
        self._row(pair, what, status, cell, slot)

    def _row(self, pair: tuple[str, str], what: str, status: int, cell: list[int], slot: int) -> None:
        counts, number = self.counts, cell[0]
        row = counts.row(pair)
        row.outcomes[what] += number
        code = status if status in _CODES else 0
        row.codes[code] = row.codes.get(code, 0) + number
        row.response_bytes = bounded(row.response_bytes, cell[1])
        row.request_bytes = bounded(row.request_bytes, cell[2])
        if what in SERVED:
            row.nanoseconds = bounded(row.nanoseconds, cell[3])
            counts.durations_from["origin"] += cell[4]
            counts.durations_from["total"] += sum(cell[CELL_HEAD:]) - cell[4]
            row.buckets = [a + b for a, b in zip(row.buckets, cell[CELL_HEAD:], strict=True)]
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
        if code_class(status) == "5xx":
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
