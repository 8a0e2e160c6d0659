"""What changed since the last pass, found while the store is scanned.

A scan of an unchanged folder gives its entries in the same order again (ext4: by hash of the name; xfs,
btrfs, tmpfs: by position), so the last pass is kept as plain columns in the order of its scan and compared
in step: no dictionary of a million sessions, 24 bytes each instead of some 200, and no hashing of names.
The columns come from the ledger as the scan goes by, and go again; where the order breaks, the entry is
looked up further on; what is left over is settled at the end.
"""

from array import array
from collections.abc import Iterable, Iterator

from .records import Entry

__all__ = ["Columns", "Delta", "Known", "merged"]

_NEAR = 64
_MOST_PENDING = 10_000


class Columns:
    """Sessions by columns, in the order of a scan.

    places, stamps: as in `records.Entry`. marks: the keyed 64-bit hash of each session's Redis key; 0 for a
    position whose row comes later, or never.
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

    def take(self, other: "Columns", start: int, end: int) -> None:
        """Append some rows of another."""
        self.places.extend(other.places[start:end])
        self.stamps.extend(other.stamps[start:end])
        self.marks.extend(other.marks[start:end])

    def drop(self, end: int) -> None:
        """Let the first rows go."""
        del self.places[:end], self.stamps[:end], self.marks[:end]


def merged(chunks: "Iterable[array[int]]", later: Columns) -> Iterator[Columns]:
    """Yield the chunks of a pass, with the rows that came later where a position is reserved for them.

    Rows that nothing was reserved for come last.
    """
    rows = {place: n for n, place in enumerate(later.places)}
    for chunk in chunks:
        columns = Columns()
        columns.extend(chunk)
        at = -1
        while rows and (at := _next_reserved(columns, at + 1)) >= 0:
            n = rows.pop(columns.places[at], None)
            if n is not None:
                columns.stamps[at], columns.marks[at] = later.stamps[n], later.marks[n]
        yield columns
    rest = Columns()
    for place, n in rows.items():
        rest.add(place, later.stamps[n], later.marks[n])
    yield rest


def _next_reserved(columns: Columns, start: int) -> int:
    try:
        return columns.marks.index(0, start)
    except ValueError:
        return -1


class Known:
    """The sessions of the last pass, to be gone through once: as much as is needed is in `rows`.

    total: how many there are, at most.
    """

    def __init__(self, chunks: Iterable[Columns], total: int) -> None:
        self._chunks = iter(chunks)
        self.rows = Columns()
        self.total = total

    def reach(self, end: int | None) -> None:
        """Bring rows until there are `end` of them, or all."""
        while end is None or len(self.rows) < end:
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self.rows.take(chunk, 0, len(chunk))

    def turn(self) -> bool:
        """Let the present rows go and bring the next; False if there are none."""
        self.rows = Columns()
        self.reach(1)
        return len(self.rows) > 0


class Delta:
    """One comparison of a scan with the last pass.

    Feed it every entry; those it does not take as unchanged are to be read. After the scan call `rest`,
    then `missing`.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._rows = known.rows
        self._at = 0
        self._misses = 0
        self._search_after = _NEAR
        self._left = Columns()  # rows of the last pass that the scan did not show (yet)
        self._pending: list[Entry] = []
        self._matched: set[int] = set()

    def unchanged(self, place: int, stamp: int) -> int:
        """Return the mark of the session if it stands as it was, else -1."""
        rows, at = self._rows, self._at
        if at == len(rows):
            if not self._known.turn():
                return -1
            rows, at = self._rows, self._at = self._known.rows, 0
        if rows.places[at] != place:
            at = self._search(place)
            if at < 0:
                return -1
        if rows.stamps[at] != stamp:
            return -1
        self._at = at + 1
        return rows.marks[at]

    def _search(self, place: int) -> int:
        """Look a little further; after ever more misses in a row, through to the end."""
        rows, at = self._rows, self._at
        self._misses += 1
        far = self._misses >= self._search_after
        if at + _NEAR > len(rows):
            rows.drop(at)
            self._at = at = 0
        self._known.reach(None if far else at + _NEAR)
        try:
            found = rows.places.index(place, at, len(rows) if far else at + _NEAR)
        except ValueError:
            if far:
                self._search_after *= 2
            return -1
        self._left.take(rows, at, found)
        self._at = found
        self._misses, self._search_after = 0, _NEAR
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
        self._known.reach(None)
        self._left.take(self._rows, self._at, len(self._rows))
        self._at = len(self._rows)
        left = self._left
        wanted = {entry[0] for entry in self._pending}
        at_place = {place: i for i, place in enumerate(left.places) if place in wanted}
        matched: set[int] = set()
        for entry in self._pending:
            index = at_place.get(entry[0], -1)
            if index >= 0 and left.stamps[index] == entry[1]:
                matched.add(index)
                yield entry, left.marks[index]
            else:
                yield entry, -1
        self._pending = []
        self._matched = matched

    def missing(self) -> set[int]:
        """Return the marks that the scan did not show unchanged: changed, ended, or gone."""
        found = {mark for i, mark in enumerate(self._left.marks) if i not in self._matched}
        found.discard(0)  # a position whose row never came
        return found
