"""Threads that send files. A thread pool's futures cost more per small file than sending it does."""

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

from migrate.files.pace import Gate

__all__ = ["Crew"]

_GATHER_SECONDS = 0.02
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Crew(Generic[_Job, _Result]):
    """`most` threads that work on bundles of jobs, as many jobs at once as the gate lets through.

    work: takes a bundle and how many of it to have under way, and returns the result, or the error, of each
    job. Left by an error, the crew drops the bundles that nobody has begun; `outcomes` gives the others.
    """

    def __init__(
        self,
        work: Callable[[Sequence[_Job], int], Sequence[_Result | BaseException]],
        gate: Gate,
        *,
        most: int,
    ) -> None:
        self._work, self._gate = work, gate
        self._jobs: SimpleQueue[tuple[Sequence[_Job], int] | None] = SimpleQueue()
        self._done: SimpleQueue[list[tuple[_Job, _Result | BaseException]]] = SimpleQueue()
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
                bundle = self._jobs.get_nowait()
            except Empty:
                break
            self.under_way -= len(bundle[0]) if bundle else 0
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def give(self, jobs: Sequence[_Job], at_once: int) -> None:
        """Add a bundle, of which so many are worked on at once."""
        self.under_way += len(jobs)
        self._jobs.put((jobs, at_once))

    def outcomes(self, seconds: float) -> list[tuple[_Job, _Result | BaseException]]:
        """Return the jobs that ended, each with its result or error; wait so long for the first one."""
        found: list[tuple[_Job, _Result | BaseException]] = []
        try:
            if seconds:
                found += self._done.get(timeout=seconds)
                time.sleep(_GATHER_SECONDS)  # a wake-up for each would take the time of the threads
            while True:
                found += self._done.get_nowait()
        except Empty:
            pass
        self.under_way -= len(found)
        return found

    def _run(self) -> None:
        while bundle := self._jobs.get():
            jobs, at_once = bundle
            results: Sequence[_Result | BaseException]
            try:
                with self._gate.passing(at_once):
                    results = self._work(jobs, at_once)
            except BaseException as error:  # noqa: BLE001 - whoever takes the outcome raises it
                results = [error] * len(jobs)
            self._done.put([*zip(jobs, results, strict=True)])
