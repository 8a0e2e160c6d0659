"""A clean stop: SIGINT and SIGTERM set a flag that long work looks at between its steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from swarmstead.errors import Stopped

__all__ = ["Stop", "stop_on_signals"]


class Stop:
    """Whether to stop, and a wait that ends early when so."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal_number = 0

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask for a stop."""
        self.signal_number = signal_number
        self._event.set()

    @property
    def requested(self) -> bool:
        """Return whether a stop was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds, or until a stop is asked for; return whether it was."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise Stopped when a stop was asked for. Call it between steps, never inside one."""
        if self.requested:
            raise Stopped(self.signal_number)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Give a Stop that SIGINT and SIGTERM set. A second signal acts at once, as if there were no handler."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.request(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
