"""What to evict next: five policies over names and sizes, without files or clocks.

The default, ``gdsf-cost``, is Greedy-Dual-Size-Frequency (Cherkasova, HPL-98-69) with the time that fetching
an object again would cost in place of a constant: what is small and often asked for stays, and an inflating
base lets what was popular long ago go. A new object competes with those that are held: take it in first, then
evict, and it may be the one to go. ``sieve`` (NSDI'24) and ``s3-fifo`` (SOSP'23) follow their papers.
"""

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Protocol

__all__ = ["POLICIES", "Age", "GdsfCost", "Lru", "Policy", "S3Fifo", "Sieve", "fetch_seconds", "new_policy"]

LATENCY_SECONDS = 0.05
BYTES_PER_SECOND = 20_000_000
_DAY = 86_400
_MAIN = 4


def fetch_seconds(size: int) -> float:
    """Return about how long an object of so many bytes takes to come from the cloud."""
    return LATENCY_SECONDS + size / BYTES_PER_SECOND


class Policy(Protocol):
    """Which name goes next. Times are seconds since the epoch; sizes are bytes."""

    def add(self, name: str, size: int, now: float) -> None:
        """Take in a name that was just fetched or written."""

    def hit(self, name: str, now: float) -> None:
        """Learn that a name was asked for, or is in use; a name not held is ignored."""

    def remove(self, name: str, *, evicted: bool = False) -> None:
        """Forget a name; evicted: because `victim` named it."""

    def victim(self, now: float) -> str | None:
        """Return the name to evict next, None for none. The caller removes it, or hits it to spare it."""

    def memory(self, name: str) -> tuple[int, float]:
        """Return what to keep of a name over a restart: how often it was asked for, and its rank."""

    def restore(self, name: str, size: int, count: int, rank: float) -> None:
        """Take in a name as it was; called in the order of ranks."""


def _weight(size: int) -> float:
    """Return what an object's fetching counts for.

    The time per byte is given a quarter of its weight: an object asked for once or twice is no sure sign of
    a third time, and large ones take the room of many. `bench/eviction.py` measured it on four traces.
    """
    return LATENCY_SECONDS + size / (4 * BYTES_PER_SECOND)


class GdsfCost:
    """Evicts the least of ``base + times asked for x weight / size``; the base is the last one evicted."""

    def __init__(self, cost: Callable[[int], float] = _weight) -> None:
        self._cost = cost
        self._base = 0.0
        self._held: dict[str, tuple[float, int, int]] = {}  # priority, times asked for, size
        self._heap: list[tuple[float, str]] = []

    def _put(self, name: str, count: int, size: int) -> None:
        priority = self._base + count * self._cost(size) / max(size, 1)
        self._held[name] = priority, count, size
        heappush(self._heap, (priority, name))
        if len(self._heap) > 4 * len(self._held) + 1024:
            self._heap = [(kept[0], held) for held, kept in self._held.items()]
            heapify(self._heap)

    def add(self, name: str, size: int, now: float) -> None:
        """Take in a name."""
        self._put(name, self._held[name][1] if name in self._held else 1, size)

    def hit(self, name: str, now: float) -> None:
        """Raise a name's priority."""
        if held := self._held.get(name):
            self._put(name, held[1] + 1, held[2])

    def remove(self, name: str, *, evicted: bool = False) -> None:
        """Forget a name; an evicted one raises the base."""
        held = self._held.pop(name, None)
        if held and evicted:
            self._base = max(self._base, held[0])

    def victim(self, now: float) -> str | None:
        """Return the name of the least priority."""
        while self._heap:
            priority, name = self._heap[0]
            if name in self._held and self._held[name][0] == priority:
                return name
            heappop(self._heap)  # it was asked for since, or is gone
        return None

    def memory(self, name: str) -> tuple[int, float]:
        """Return times asked for and priority."""
        priority, count, _ = self._held.get(name, (0.0, 0, 0))
        return count, priority

    def restore(self, name: str, size: int, count: int, rank: float) -> None:
        """Take in a name; the least rank of all is the base."""
        if not self._held:
            self._base = rank
        self._held[name] = rank, max(count, 1), size
        heappush(self._heap, (rank, name))


class Lru:
    """Evicts what was not asked for the longest."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, float] = OrderedDict()

    def add(self, name: str, size: int, now: float) -> None:
        """Take in a name."""
        self._used[name] = now
        self._used.move_to_end(name)

    def hit(self, name: str, now: float) -> None:
        """Move a name to the end."""
        if name in self._used:
            self.add(name, 0, now)

    def remove(self, name: str, *, evicted: bool = False) -> None:
        """Forget a name."""
        self._used.pop(name, None)

    def victim(self, now: float) -> str | None:
        """Return the first name."""
        return next(iter(self._used), None)

    def memory(self, name: str) -> tuple[int, float]:
        """Return when it was asked for last."""
        return 1, self._used.get(name, 0.0)

    def restore(self, name: str, size: int, count: int, rank: float) -> None:
        """Take in a name."""
        self._used[name] = rank


class Age(Lru):
    """As LRU, and `overdue` names what was not asked for in so many days, also while there is room."""

    def __init__(self, days: float = 7) -> None:
        super().__init__()
        self._seconds = days * _DAY

    def overdue(self, now: float) -> str | None:
        """Return a name that was not asked for in time, None for none."""
        name = self.victim(now)
        return name if name is not None and self._used[name] + self._seconds < now else None


class Sieve:
    """One queue and a hand that walks from oldest to newest: it evicts the first not visited since.

    The paper evicts before it inserts, and we after: so the hand passes by the newest. If it met it, it would
    find it unvisited, evict it, and do so with each one that comes, for ever.
    """

    def __init__(self) -> None:
        self._queue: OrderedDict[str, bool] = OrderedDict()  # oldest first; whether visited
        self._newer: dict[str, str] = {}
        self._older: dict[str, str] = {}
        self._newest = self._hand = ""  # no hand: it begins at the oldest
        self._order = 0

    def add(self, name: str, size: int, now: float) -> None:
        """Take in a name at the head of the queue."""
        if name in self._queue:
            self._queue[name] = True
        else:
            self.restore(name, size, 0, 0)
            self._newest = name

    def hit(self, name: str, now: float) -> None:
        """Mark a name as visited; it does not move."""
        if name in self._queue:
            self._queue[name] = True

    def remove(self, name: str, *, evicted: bool = False) -> None:
        """Forget a name; the hand on it moves on."""
        if self._queue.pop(name, None) is None:
            return
        newer, older = self._newer.pop(name, ""), self._older.pop(name, "")
        if newer:
            self._link(older, newer)
        else:
            self._newer.pop(older, None)
        if name == self._hand:
            self._hand = "" if newer == self._newest else newer

    def _link(self, older: str, newer: str) -> None:
        if older:
            self._newer[older], self._older[newer] = newer, older
        else:
            self._older.pop(newer, None)

    def victim(self, now: float) -> str | None:
        """Return the first name without a mark, and clear the marks on the way."""
        if not self._queue:
            return None
        name = self._hand or next(iter(self._queue))
        while self._queue[name]:
            self._queue[name] = False
            newer = self._newer.get(name, "")
            name = newer if newer not in {"", self._newest} else next(iter(self._queue))
        self._hand = name
        return name

    def memory(self, name: str) -> tuple[int, float]:
        """Return the mark, and a rank that grows with each call: names are asked for in the queue's order."""
        self._order += 1
        return int(self._queue.get(name, False)), float(self._order)

    def restore(self, name: str, size: int, count: int, rank: float) -> None:
        """Take in a name."""
        self._link(next(reversed(self._queue), ""), name)
        self._queue[name] = count > 0


class S3Fifo:
    """A small queue for the new, a main one for what was asked for again, and ghosts."""

    def __init__(self, small_share: float = 0.1) -> None:
        self._small: OrderedDict[str, int] = OrderedDict()  # name -> size
        self._main: OrderedDict[str, int] = OrderedDict()
        self._ghost: OrderedDict[str, None] = OrderedDict()
        self._marks: dict[str, int] = {}
        self._share, self._small_bytes, self._bytes, self._order = small_share, 0, 0, 0

    def add(self, name: str, size: int, now: float) -> None:
        """Take in a name: among the main ones where its ghost is known."""
        if name in self._marks:
            self.remove(name)
        self._marks[name] = 0
        self._bytes += size
        if name in self._ghost:
            del self._ghost[name]
            self._main[name] = size
        else:
            self._small[name] = size
            self._small_bytes += size

    def hit(self, name: str, now: float) -> None:
        """Count up to three."""
        if name in self._marks:
            self._marks[name] = min(3, self._marks[name] + 1)

    def remove(self, name: str, *, evicted: bool = False) -> None:
        """Forget a name; one that the small queue evicts leaves a ghost."""
        if name not in self._marks:
            return
        del self._marks[name]
        if name in self._small:
            size = self._small.pop(name)
            self._small_bytes -= size
            if evicted:
                self._ghost[name] = None
                while len(self._ghost) > len(self._main) + 1:
                    self._ghost.popitem(last=False)
        else:
            size = self._main.pop(name)
        self._bytes -= size

    def victim(self, now: float) -> str | None:
        """Return the next of the small queue while it is above its share, else of the main one."""
        while self._marks:
            if self._small and (self._small_bytes > self._share * self._bytes or not self._main):
                name, size = next(iter(self._small.items()))
                if self._marks[name] == 0:
                    return name
                self._small.popitem(last=False)
                self._small_bytes -= size
                self._main[name], self._marks[name] = size, 0
            else:
                name, size = next(iter(self._main.items()))
                if self._marks[name] == 0:
                    return name
                self._main.move_to_end(name)
                self._marks[name] -= 1
        return None

    def memory(self, name: str) -> tuple[int, float]:
        """Return the count, with 4 added for the main queue."""
        self._order += 1
        return self._marks.get(name, 0) + (_MAIN if name in self._main else 0), float(self._order)

    def restore(self, name: str, size: int, count: int, rank: float) -> None:
        """Take in a name."""
        self._marks[name] = count % _MAIN
        self._bytes += size
        if count >= _MAIN:
            self._main[name] = size
        else:
            self._small[name] = size
            self._small_bytes += size


POLICIES: dict[str, Callable[[], Policy]] = {
    "gdsf-cost": GdsfCost,
    "sieve": Sieve,
    "s3-fifo": S3Fifo,
    "lru": Lru,
    "age": Age,
}


def new_policy(name: str, *, days: float = 7) -> Policy:
    """Return a policy by its name; days: for ``age``."""
    return Age(days) if name == "age" else POLICIES[name]()
