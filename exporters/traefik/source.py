"""Where the figures come from: followed files, standard input, or scrapes; exactly one of them.

The log is the truth about hosts, statuses and time, so it takes precedence: an exporter that has a log does
not scrape, and the two are never summed. The label `source` says which it was.
"""

import os
import select
from collections.abc import Callable
from typing import Protocol

from exporters.traefik.counts import Counts
from exporters.traefik.follow import Follower
from exporters.traefik.intake import Intake
from exporters.traefik.names import Names
from exporters.traefik.scrape import Scraper
from exporters.traefik.tail import LONGEST_LINE, Place

__all__ = ["FileSource", "ScrapeSource", "Source", "StreamSource"]

_READ = 64 * 1024


class Source(Protocol):
    """An input. label: `log` or `scrape`."""

    label: str

    @property
    def turns(self) -> int:
        """Return a number that changes when anything was read."""

    @property
    def seconds(self) -> float:
        """Return the pause between two turns in the background, or 0."""

    @property
    def places(self) -> list[Place]:
        """Return what must be saved to go on after a restart."""

    @property
    def lag_bytes(self) -> int:
        """Return the bytes that wait."""

    @property
    def format(self) -> str:
        """Return the format last read."""

    def work(self) -> None:
        """Do what waits for the network."""

    def read(self) -> bool:
        """Count what is there; return whether there may be more."""

    def health(self) -> tuple[bool, str]:
        """Return whether there is an input, and in words."""

    def close(self) -> None:
        """Let go of it."""


class FileSource:
    """Followed files."""

    label = "log"
    seconds = 0.0

    def __init__(self, patterns: tuple[str, ...], intake: Intake, places: list[Place]) -> None:
        self._patterns = patterns
        self._intake = intake
        self._counts = intake.folder.counts
        self._follower = Follower(patterns, intake.feed, too_long=self._too_long, places=places)
        self._note()

    def _too_long(self) -> None:
        self._intake.error("too_long")

    def _note(self) -> None:
        self._counts.rotations += self._follower.rotations
        self._counts.truncations += self._follower.truncations
        self._follower.rotations = self._follower.truncations = 0

    @property
    def turns(self) -> int:
        """Return the bytes of all places: they move when lines come that are no requests."""
        return sum(place.offset for place in self._follower.places)

    @property
    def places(self) -> list[Place]:
        """Return how far each file was read."""
        return self._follower.places

    @property
    def lag_bytes(self) -> int:
        """Return the bytes in the files that are not read yet."""
        return self._follower.lag_bytes

    @property
    def is_open(self) -> bool:
        """Return whether a file stands in its place."""
        return self._follower.is_open

    @property
    def format(self) -> str:
        """Return the format last read."""
        return self._intake.format

    def work(self) -> None:
        """Do nothing: files do not make one wait."""

    def read(self) -> bool:
        """Count the lines that are there. They are in the counts after `Intake.flush`."""
        more = self._follower.poll()
        self._note()
        return more

    def health(self) -> tuple[bool, str]:
        """Return true also while the file is absent: Traefik writes it at its first request."""
        if self._follower.denied:
            path, why = next(iter(self._follower.denied.items()))
            return False, f"{path}: {why}"
        if self._follower.is_open:
            return True, "ok"
        return True, f"waiting for {', '.join(self._patterns)}"

    def close(self) -> None:
        """Close the files."""
        self._follower.close()


class StreamSource:
    """Standard input; what is read once cannot be read again, so a restart loses what lay in the pipe."""

    label = "log"
    seconds = 0.0
    places: list[Place] = []  # noqa: RUF012 - never filled

    def __init__(self, file: int, intake: Intake) -> None:
        self._file = file
        self._intake = intake
        self._rest = b""
        self._skipping = False
        self.ended = False
        self.turns = 0

    @property
    def is_open(self) -> bool:
        """Return whether more can come."""
        return not self.ended

    @property
    def lag_bytes(self) -> int:
        """Return the bytes of the unended line."""
        return len(self._rest)

    @property
    def format(self) -> str:
        """Return the format last read."""
        return self._intake.format

    def work(self) -> None:
        """Do nothing in the background."""

    def read(self) -> bool:
        """Count the lines that are there, without waiting for more."""
        if self.ended or not select.select([self._file], [], [], 0)[0]:
            return False
        data = os.read(self._file, _READ)
        if not data:
            self.ended = True
            data = b"\n" if self._rest else b""
        self.turns += 1
        self._take(data)
        return not self.ended

    def _take(self, data: bytes) -> None:
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        start = 0
        if self._skipping and end:
            start, self._skipping = data.find(b"\n") + 1, False
        done = self._intake.feed(data[start:end]) if start < end else 0
        self._rest = b"" if self._skipping else data[start + done :]
        if len(self._rest) > 2 * LONGEST_LINE or (not end and len(self._rest) > LONGEST_LINE):
            self._intake.error("too_long")
            self._rest, self._skipping = b"", True

    def health(self) -> tuple[bool, str]:
        """Return whether the input is still open."""
        return not self.ended, "ok" if not self.ended else "standard input has ended"

    def close(self) -> None:
        """Leave it open: it is not ours."""


class ScrapeSource:
    """All tasks of Traefik, asked for their metrics."""

    label = "scrape"
    format = "scrape"
    lag_bytes = 0
    places: list[Place] = []  # noqa: RUF012 - never filled

    def __init__(self, scraper: Scraper, counts: Counts, names: Names, *, clock: Callable[[], float]) -> None:
        self.scraper = scraper
        self._counts = counts
        self._names = names
        self._clock = clock
        self.turns = 0

    @property
    def seconds(self) -> float:
        """Return the pause between two scrapes."""
        return self.scraper.seconds

    def work(self) -> None:
        """Scrape every task once."""
        self.scraper.work()

    def read(self) -> bool:
        """Count what the last scrapes brought."""
        if self.scraper.fold_into(self._counts, self._names, self._clock()):
            self.turns += 1
        return False

    def health(self) -> tuple[bool, str]:
        """Return whether a task answers."""
        good = self.scraper.up > 0
        return good, "ok" if good else f"no task of {self.scraper.address} answers"

    def close(self) -> None:
        """Nothing is open between two scrapes."""
