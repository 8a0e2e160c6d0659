"""Work shows itself: a bar on a terminal, one JSON line per event with ``--json``, silence with ``--quiet``.

Progress goes to standard error, JSON events to standard output, so that a table or a report on standard
output stays clean. Texts and fields never hold secrets or session ids.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from swarmstead.logs import masked

__all__ = ["Job", "JsonReporter", "QuietReporter", "Reporter"]

_JSON_INTERVAL_SECONDS = 1.0


class Job(Protocol):
    """One long job under way; amounts are items, or bytes where it was opened with ``unit="bytes"``."""

    def advance(self, amount: int = 1) -> None:
        """So much more is done."""

    def expect(self, total: int) -> None:
        """Set the total, once it is known."""


class Reporter(Protocol):
    """Where a command tells what it does."""

    def event(self, name: str, /, **fields: object) -> None:
        """Tell one thing that happened: `name` is stable for scripts, the fields are JSON values."""

    def say(self, text: str) -> None:
        """Tell a person a line."""

    def job(
        self, title: str, *, total: int | None = None, unit: str = "items"
    ) -> AbstractContextManager[Job]:
        """Open a long job; it ends with the context."""


class _SilentJob:
    def advance(self, amount: int = 1) -> None:
        pass

    def expect(self, total: int) -> None:
        pass


class QuietReporter:
    """Tells nothing."""

    def event(self, name: str, /, **fields: object) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    @contextmanager
    def job(self, title: str, *, total: int | None = None, unit: str = "items") -> Iterator[Job]:
        """Give a job that shows nothing."""
        yield _SilentJob()


class _JsonJob:
    def __init__(self, reporter: "JsonReporter", title: str, total: int | None, unit: str) -> None:
        self._reporter, self._title, self._total, self._unit = reporter, title, total, unit
        self._done, self._started = 0, time.monotonic()
        self._told = self._started

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if time.monotonic() - self._told >= _JSON_INTERVAL_SECONDS:
            self.tell("progress")

    def expect(self, total: int) -> None:
        self._total = total

    def tell(self, event: str) -> None:
        self._told = time.monotonic()
        elapsed = self._told - self._started
        self._reporter.event(
            event,
            job=self._title,
            done=self._done,
            total=self._total,
            unit=self._unit,
            rate_per_second=round(self._done / elapsed, 1) if elapsed > 0 else 0,
        )


class JsonReporter:
    """One JSON object per line on standard output; a long job tells itself at most once a second."""

    def event(self, name: str, /, **fields: object) -> None:
        """Write the event."""
        sys.stdout.write(masked(json.dumps({"event": name, **fields}, ensure_ascii=False)) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Do nothing: what a script needs comes as an event."""

    @contextmanager
    def job(self, title: str, *, total: int | None = None, unit: str = "items") -> Iterator[Job]:
        """Tell the job as ``progress`` events and a final ``done``."""
        job = _JsonJob(self, title, total, unit)
        yield job
        job.tell("done")
