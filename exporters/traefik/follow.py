"""Follow log files through all that rotates them: nothing that a file still holds is lost or read twice.

A file is known by its inode and by what it held: the first and the last bytes read, up to 1 KiB each.

* Renamed, and a new one in its place (rename + SIGUSR1): the old one is read to its end, and for some seconds
  more, since Traefik goes on writing to it until it opens the new one.
* Truncated (copytruncate), also when it has grown past our place since: begun anew, after the rest of what
  was copied is read from the copy beside it.
* Deleted: read to its end as long as it is open. Absent: looked for at every poll.
* After a restart: each saved place is found again, by its inode in the folder or by its bytes in a copy;
  files rotated in between that were never seen are read whole.
"""

import glob
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from exporters.traefik.tail import Place, Tail, Truncated

__all__ = ["Follower"]

_ROTATED: Final = re.compile(r"[.-]\d[\d.T_:+-]*Z?(\.log)?\Z")  # .1 .2 -20261124 -2026-11-24.log
_GRACE_SECONDS: Final = 10.0
_GLOB_SECONDS: Final = 1.0


def _siblings(path: Path) -> list[Path]:
    """Return the rotated files of a log beside it: their names go on as rotation's names do."""
    stem = path.name.removesuffix(".log")
    found: list[Path] = []
    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:
        return []
    for name in names:
        rest = next((name[len(base) :] for base in (path.name, stem) if name.startswith(base)), "")
        if name != path.name and _ROTATED.match(rest):
            found.append(path.parent / name)
    return found


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


class Follower:
    """Follows files.

    patterns: paths, globs allowed. feed: takes whole lines, returns how many bytes are done with.
    too_long: called for each line above 1 MiB. places: what `places` returned before a restart.
    clock: monotonic seconds.
    """

    def __init__(
        self,
        patterns: Iterable[str],
        feed: Callable[[bytes], int],
        *,
        too_long: Callable[[], None] = lambda: None,
        places: Iterable[Place] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patterns = list(patterns)
        self._feed = feed
        self._too_long = too_long
        self._clock = clock
        self._tails: dict[int, Tail] = {}  # by inode
        self._paths: list[Path] = []
        self._globbed = -_GLOB_SECONDS
        self.rotations = 0
        self.truncations = 0
        self.denied: dict[str, str] = {}
        for place in places:
            self._resume(place)

    # What is told

    @property
    def places(self) -> list[Place]:
        """Return how far each file was read, to be saved."""
        return [tail.place for tail in self._tails.values()]

    @property
    def lag_bytes(self) -> int:
        """Return the bytes in the files that are not read yet."""
        return sum(tail.waiting for tail in self._tails.values())

    @property
    def is_open(self) -> bool:
        """Return whether a file in its place is open."""
        return any(not tail.place.retired for tail in self._tails.values())

    def close(self) -> None:
        """Close all files."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    # The work

    def poll(self, *, most_chunks: int = 64) -> bool:
        """Look at every file and read at most so many chunks of each; return whether there may be more."""
        more = False
        for inode, tail in list(self._tails.items()):
            more |= self._read(inode, tail, most_chunks)
        self._find()
        for inode, tail in list(self._tails.items()):
            if tail.place.offset == 0:
                more |= self._read(inode, tail, most_chunks)
        self._let_go()
        return more

    def _read(self, inode: int, tail: Tail, most_chunks: int) -> bool:
        before = tail.place.offset
        try:
            for _ in range(most_chunks):
                if not tail.read(self._feed, self._too_long):
                    break
            else:
                return True
        except Truncated:
            self._begin_anew(inode, tail)
            return True
        except OSError as error:
            self.denied[tail.place.path] = error.strerror or str(error)
        if tail.place.offset != before:
            tail.idle_since = self._clock()
        return False

    def _begin_anew(self, inode: int, tail: Tail) -> None:
        self.truncations += 1
        before = tail.place
        self._read_copy(before)
        tail.place = Place(before.path, inode, retired=before.retired)

    def _read_copy(self, place: Place) -> None:
        """Read the rest of what a file held before it was cut, from the copy that copytruncate made."""
        if not place.mark:
            return
        for path in _siblings(Path(place.path)):
            status = _status(path)
            if status is None or status.st_ino in self._tails or status.st_size < place.offset:
                continue
            try:
                copy = Tail(replace(place, path=str(path), inode=status.st_ino))
            except OSError:
                continue
            if copy.agrees():
                copy.place.retired = True
                copy.idle_since = self._clock()
                self._tails[status.st_ino] = copy
                while copy.read(self._feed, self._too_long):
                    pass
                return
            copy.close()

    def _find(self) -> None:
        """See which file stands at each path now."""
        now = self._clock()
        if now - self._globbed >= _GLOB_SECONDS:
            self._globbed = now
            self._paths = [
                Path(path)
                for pattern in self._patterns
                for path in sorted(glob.glob(pattern)) or [pattern]  # noqa: PTH207 - patterns may be absolute
            ]
        standing: set[int] = set()
        for path in self._paths:
            status = _status(path)
            if status is None:
                continue
            standing.add(status.st_ino)
            tail = self._tails.get(status.st_ino)
            if tail is None:
                self._open(path)
            else:
                tail.place.path = str(path)
        for inode, tail in self._tails.items():
            if inode not in standing and not tail.place.retired:
                tail.place.retired = True
                tail.idle_since = now
                self.rotations += 1

    def _open(self, path: Path) -> None:
        try:
            tail = Tail.open(path)
        except OSError as error:
            self.denied[str(path)] = error.strerror or str(error)
            return
        self.denied.pop(str(path), None)
        tail.idle_since = self._clock()
        for known in self._tails.values():
            # A copy that a glob finds beside its original: only what the original does not hold any more.
            if tail.begins_with(known.place.head) and known.place.offset <= tail.size:
                tail.place = replace(known.place, path=str(path), inode=tail.place.inode)
                break
        self._tails[tail.place.inode] = tail

    def _let_go(self) -> None:
        """Close files that were rotated away and have not grown for a while; an unended line is one, too."""
        now = self._clock()
        for inode, tail in list(self._tails.items()):
            if tail.place.retired and now - tail.idle_since > _GRACE_SECONDS:
                self._finish(tail)
                del self._tails[inode]

    def _finish(self, tail: Tail) -> None:
        try:
            while tail.read(self._feed, self._too_long, last=True):
                pass
        except (Truncated, OSError):
            pass
        tail.close()

    # After a restart

    def _resume(self, place: Place) -> None:
        """Find a saved place again, else what became of it."""
        path = Path(place.path)
        found = self._by_inode(path, place.inode)
        if found is not None and self._go_on(place, found):
            if found != path and not place.retired:
                self._read_unseen(path, found)
            return
        if not place.retired:
            self.truncations += 1
        self._read_copy(place)
        if found is not None and found != path and not place.retired:
            self._open_retired(path, found)  # cut first, and renamed since
            self._read_unseen(path, found)

    def _by_inode(self, path: Path, inode: int) -> Path | None:
        for candidate in (path, *_siblings(path)):
            status = _status(candidate)
            if status is not None and status.st_ino == inode and inode not in self._tails:
                return candidate
        return None

    def _go_on(self, place: Place, found: Path) -> bool:
        """Open a file at its saved place; return whether it still is the file that was read."""
        try:
            tail = Tail(replace(place, path=str(found)))
        except OSError:
            return False
        if not tail.agrees():
            tail.close()
            return False
        tail.place.path = place.path
        tail.idle_since = self._clock()
        self._tails[place.inode] = tail
        return True

    def _open_retired(self, path: Path, rotated: Path) -> None:
        """Open a file that was rotated away, to read it whole."""
        try:
            tail = Tail.open(rotated)
        except OSError:
            return
        tail.place.path = str(path)
        tail.place.retired = True
        tail.idle_since = self._clock()
        self._tails[tail.place.inode] = tail
        self.rotations += 1

    def _read_unseen(self, path: Path, renamed: Path) -> None:
        """Read files that came and were rotated away while we were not there: newer than the one we knew."""
        status = _status(renamed)
        since = status.st_mtime_ns if status else 0
        unseen: list[tuple[int, Path]] = []
        for sibling in _siblings(path):
            status = _status(sibling)
            if (
                status
                and sibling != renamed
                and status.st_mtime_ns > since
                and status.st_ino not in self._tails
            ):
                unseen.append((status.st_mtime_ns, sibling))
        for _, sibling in sorted(unseen):
            self._open_retired(path, sibling)
