"""How fast to copy: a limit by the hour, and a concurrency that finds what the way bears."""

import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import click

from migrate.remotes import CHUNK_BYTES, Source
from swarmstead.errors import UsageError
from swarmstead.sizes import Size

__all__ = ["Climb", "Gate", "Limiter", "Paced", "Timetable", "climb"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES, _WEEK_MINUTES = 24 * 60, 7 * 24 * 60
_ENTRY = re.compile(r"(?:([a-z]{3})-)?(\d{1,2}):(\d{2}),(\S+)")


@dataclass(frozen=True, slots=True)
class Timetable:
    """Bytes per second from certain minutes of the week on. None: no limit."""

    steps: tuple[tuple[int, int | None], ...] = ((0, None),)

    @classmethod
    def parse(cls, text: str) -> "Timetable":
        """Read ``1M``, ``off``, or rclone's form ``08:00,512k 19:00,10M Sat-00:00,off``; local time.

        Raises UsageError naming the entry.
        """
        words = text.replace(";", " ").split()
        if len(words) == 1 and "," not in words[0]:
            return cls(((0, _rate(words[0])),))
        steps: dict[int, int | None] = {}
        for word in words:
            match = _ENTRY.fullmatch(word.lower())
            if not match or int(match[2]) > 23 or int(match[3]) > 59:  # noqa: PLR2004 - hours, minutes
                raise UsageError(
                    "not an entry of a timetable", subject=word, hint="Write 08:00,512k or Sat-08:00,10M."
                )
            day, hour, minute, rate = match.groups()
            if day and day not in _DAYS:
                raise UsageError("no such day", subject=word, hint="Days: Mon Tue Wed Thu Fri Sat Sun.")
            days = [_DAYS.index(day)] if day else range(7)
            for number in days:
                at = number * _DAY_MINUTES + int(hour) * 60 + int(minute)
                if day or at not in steps:
                    steps[at] = _rate(rate)
        if not steps:
            raise UsageError("an empty timetable", subject=text)
        return cls(tuple(sorted(steps.items())))

    def rate(self, minute_of_week: int) -> int | None:
        """Return the bytes per second allowed then."""
        index = bisect_right([at for at, _ in self.steps], minute_of_week % _WEEK_MINUTES) - 1
        return self.steps[index][1]  # before the first entry, the last of the week still holds: index -1


def _rate(text: str) -> int | None:
    if text.lower() in {"off", "0"}:
        return None
    try:
        return Size().convert(text, None, None)
    except click.BadParameter:
        raise UsageError("not a rate", subject=text, hint="Write 512k, 10M or off.") from None


class Limiter:
    """Lets no more bytes per second through than the timetable allows. Thread-safe."""

    def __init__(
        self,
        timetable: Timetable,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._timetable, self._clock, self._sleep, self._now = timetable, clock, sleep, now
        self._lock = threading.Lock()
        self._free_at = 0.0

    @property
    def idle(self) -> bool:
        """Return whether there never is a limit."""
        return all(rate is None for _, rate in self._timetable.steps)

    def take(self, amount: int) -> None:
        """Wait until so many bytes may go."""
        moment = self._now()
        rate = self._timetable.rate(moment.weekday() * _DAY_MINUTES + moment.hour * 60 + moment.minute)
        if rate is None:
            return
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at)
            self._free_at = start + amount / rate
        if start > now:
            self._sleep(start - now)


class Paced:
    """A source that is read no faster than a limiter allows."""

    def __init__(self, source: Source, limiter: Limiter) -> None:
        self._source, self._limiter = source, limiter

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes, when they may go."""
        data = self._source.read(CHUNK_BYTES if size < 0 else size)
        self._limiter.take(len(data))
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset."""
        return self._source.tell()


@dataclass(frozen=True, slots=True)
class Climb:
    """Where the search for the best concurrency stands. rate: bytes and files per second, as one number."""

    limit: int
    rate: float = 0.0
    up: bool = True


def climb(state: Climb, rate: float, *, slowed: bool, most: int) -> Climb:
    """Return the next concurrency: half when the server asked to slow down, else a step uphill.

    A step that made it faster is followed by another; one that did not is taken back.
    """
    if slowed:
        return Climb(max(1, state.limit // 2), 0.0, up=False)
    step = max(1, state.limit // 4)
    up = state.up if rate > state.rate * 1.03 else not state.up
    limit = state.limit + step if up else state.limit - step
    return Climb(min(most, max(1, limit)), rate, up)


class Gate:
    """Lets so many at once through; the number may change meanwhile."""

    def __init__(self, limit: int) -> None:
        self._condition = threading.Condition()
        self._limit, self._inside = limit, 0

    @property
    def limit(self) -> int:
        """Return how many may be inside."""
        return self._limit

    def set(self, limit: int) -> None:
        """Let so many in from now on; those inside finish."""
        with self._condition:
            self._limit = limit
            self._condition.notify_all()

    @contextmanager
    def passing(self, number: int) -> Iterator[None]:
        """Go through with so many, all or none; more than the limit go when nobody is inside."""
        with self._condition:
            while self._inside and self._inside + number > self._limit:
                self._condition.wait()
            self._inside += number
        try:
            yield
        finally:
            with self._condition:
                self._inside -= number
                self._condition.notify_all()
