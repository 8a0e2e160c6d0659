"""Work that waits for the network, on a thread of its own: what it finds is handed over by assignment."""

import logging
import threading
from typing import Protocol

from swarmstead.stop import Stop

__all__ = ["Background", "Worker"]

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """Something to do every so many seconds; 0 for never."""

    @property
    def seconds(self) -> float:
        """Return the pause between two turns."""

    def work(self) -> None:
        """Do one turn. It tells its failures by its own figures and raises OSError at most."""


class Background(threading.Thread):
    """Does a worker's turns until a stop."""

    def __init__(self, worker: Worker, stop: Stop) -> None:
        super().__init__(name=type(worker).__name__, daemon=True)
        self._worker = worker
        self._wanted = stop

    def run(self) -> None:
        """Work, and wait."""
        while not self._wanted.requested:
            try:
                self._worker.work()
            except OSError as error:
                _log.warning("%s: %s", self.name, error)
            if self._wanted.wait(self._worker.seconds):
                return
