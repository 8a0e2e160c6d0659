"""Threads that send files. A thread pool's futures cost more per small file than sending it does."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

from migrate.files.pace import Gate

__all__ = ["Crew"]

_GATHER_SECONDS = 0.02
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Crew(Generic[_Job, _Result]):
    """`most` threads that work on jobs, as many of them at once as the gate lets through.

    Left by an error, it drops the jobs that nobody has begun; `outcomes` still gives those that were.
    """

    def __init__(self, work: Callable[[_Job], _Result], gate: Gate, *, most: int) -> None:
        self._work, self._gate = work, gate
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[_Job, _Result | BaseException]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"copy-{n}") for n in range(most)]
        self.under_way = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while True:
            try:
                self._jobs.get_nowait()
            except Empty:
                break
            self.under_way -= 1
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """Return how many jobs nobody has begun."""
        return self._jobs.qsize()

    def give(self, job: _Job) -> None:
        """Add a job."""
        self.under_way += 1
        self._jobs.put(job)

    def outcomes(self, seconds: float) -> list[tuple[_Job, _Result | BaseException]]:
        """Return the jobs that ended, each with its result or error; wait so long for the first one."""
        found = []
        try:
            if seconds:
                found.append(self._done.get(timeout=seconds))
                time.sleep(_GATHER_SECONDS)  # a wake-up for each would take the time of the threads
            while True:
                found.append(self._done.get_nowait())
        except Empty:
            pass
        self.under_way -= len(found)
        return found

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                with self._gate:
                    result: _Result | BaseException = self._work(job)
            except BaseException as error:  # noqa: BLE001 - whoever takes the outcome raises it
                result = error
            self._done.put((job, result))
