"""What changed since the last pass, found while the store is scanned.

A scan of an unchanged folder gives its entries in the same order again (ext4: by hash of the name; xfs,
btrfs, tmpfs: by position), so the last pass is kept as plain columns in the order of its scan and compared
in step: no dictionary of a million sessions, 24 bytes each instead of some 200, and no hashing of names.
Where the order breaks, the entry is looked up further on; what is left over is settled at the end.
"""

import contextlib
from array import array
from collections.abc import Iterator

from .records import Entry

__all__ = ["Delta", "Known"]

_NEAR = 64
_MOST_PENDING = 50_000


class Known:
    """The sessions of the last pass, by columns in the order of its scan.

    places, stamps: as in `records.Entry`. marks: the keyed 64-bit hash of each session's Redis key.
    """

    __slots__ = ("marks", "places", "stamps")

    def __init__(self) -> None:
        self.places = array("Q")
        self.stamps = array("Q")
        self.marks = array("Q")

    def __len__(self) -> int:
        return len(self.places)

    def add(self, place: int, stamp: int, mark: int) -> None:
        """Append one session."""
        self.places.append(place)
        self.stamps.append(stamp)
        self.marks.append(mark)

    def extend(self, columns: "array[int]") -> None:
        """Append sessions given as all places, then all stamps, then all marks."""
        third = len(columns) // 3
        self.places.extend(columns[:third])
        self.stamps.extend(columns[third : 2 * third])
        self.marks.extend(columns[2 * third :])

    def fill(self, later: "Known") -> None:
        """Put the rows that came later where a position is reserved (mark 0), the others at the end."""
        rows = {place: n for n, place in enumerate(later.places)}
        at = -1
        with contextlib.suppress(ValueError):
            while rows:
                at = self.marks.index(0, at + 1)
                n = rows.pop(self.places[at], None)
                if n is not None:
                    self.stamps[at], self.marks[at] = later.stamps[n], later.marks[n]
        for place, n in rows.items():
            self.add(place, later.stamps[n], later.marks[n])


class Delta:
    """One comparison of a scan with the last pass.

    Feed it every entry; those it does not take as unchanged are to be read. After the scan call `rest`,
    then `missing`.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._at = 0
        self._misses = 0
        self._search_after = _NEAR
        self._skipped: list[tuple[int, int]] = []  # ranges of the last pass that the scan did not show (yet)
        self._pending: list[Entry] = []
        self._matched: set[int] = set()

    def unchanged(self, place: int, stamp: int) -> int:
        """Return the mark of the session if it stands as it was, else -1."""
        known, at = self._known, self._at
        try:
            if known.places[at] != place:
                at = self._search(place)
                if at < 0:
                    return -1
        except IndexError:
            return -1
        if known.stamps[at] != stamp:
            return -1
        self._at = at + 1
        self._misses = 0
        self._search_after = _NEAR
        return known.marks[at]

    def _search(self, place: int) -> int:
        """Look a little further; after ever more misses in a row, through to the end."""
        known, at = self._known, self._at
        self._misses += 1
        far = self._misses >= self._search_after
        try:
            found = known.places.index(place, at, len(known) if far else at + _NEAR)
        except ValueError:
            if far:
                self._search_after *= 2
            return -1
        self._skipped.append((at, found))
        self._at = found
        return found

    def later(self, entry: Entry) -> bool:
        """Keep an entry for `rest`; return False if there are too many: then it counts as changed now."""
        if len(self._pending) >= _MOST_PENDING:
            return False
        self._pending.append(entry)
        return True

    def rest(self) -> Iterator[tuple[Entry, int]]:
        """Yield the kept entries, each with its mark if it stands unchanged at another position, else -1.

        Entries that match are no longer missing.
        """
        known = self._known
        if self._at < len(known):
            self._skipped.append((self._at, len(known)))
            self._at = len(known)
        wanted = {entry[0] for entry in self._pending}
        at_place = {
            known.places[i]: i
            for start, end in self._skipped
            for i in range(start, end)
            if known.places[i] in wanted
        }
        matched: set[int] = set()
        for entry in self._pending:
            index = at_place.get(entry[0], -1)
            if index >= 0 and known.stamps[index] == entry[1]:
                matched.add(index)
                yield entry, known.marks[index]
            else:
                yield entry, -1
        self._pending = []
        self._matched = matched

    def missing(self) -> set[int]:
        """Return the marks that the scan did not show unchanged: changed, ended, or gone."""
        matched = self._matched
        marks = self._known.marks
        found = {marks[i] for start, end in self._skipped for i in range(start, end) if i not in matched}
        found.discard(0)  # a position whose row never came
        return found
