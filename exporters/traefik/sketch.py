"""The most frequent of a stream in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005)."""

import heapq

__all__ = ["SpaceSaving"]


class SpaceSaving:
    """Counts at most `size` things; a count is too high by at most the count it took over.

    Whatever makes up more than one in `size` of the stream is surely among them.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._counts: dict[str, int] = {}
        self._errors: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def add(self, thing: str) -> None:
        """Count one."""
        counts = self._counts
        if thing in counts:
            counts[thing] += 1
            return
        taken = 0
        if len(counts) >= self._size:
            taken = self._evict()
        counts[thing] = taken + 1
        self._errors[thing] = taken
        heapq.heappush(self._heap, (taken + 1, thing))

    def _evict(self) -> int:
        """Take the least one's place; the heap's counts lag behind and are mended on the way."""
        while True:
            noted, thing = self._heap[0]
            count = self._counts[thing]
            if noted == count:
                heapq.heappop(self._heap)
                del self._counts[thing], self._errors[thing]
                return count
            heapq.heapreplace(self._heap, (count, thing))

    def top(self, number: int) -> list[tuple[str, int, int]]:
        """Return the most frequent: thing, count, and by how much at most it is too high."""
        best = heapq.nlargest(number, self._counts.items(), key=lambda item: item[1])
        return [(thing, count, self._errors[thing]) for thing, count in best]
