"""Faults that a test server shows: which requests, how often, what."""

import threading
import time
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Fault", "Faults"]

Kind = Literal["status", "torn", "slow", "flip", "drop", "lost"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    kind: ``status`` answers with an error instead of acting; ``torn`` cuts the answer's body in the middle
    and closes; ``slow`` sends the body a byte at a time; ``flip`` turns a bit of the body under way (of the
    request where it has one, else of the answer); ``drop`` closes without acting; ``lost`` acts and closes
    without an answer. method, path: which requests, by equality and by a part of the target.
    times: how many requests meet it. seconds: until when, from its adding; 0 for no end.
    """

    kind: Kind
    method: str = ""
    path: str = ""
    times: int = 1
    seconds: float = 0
    status: int = 500
    code: str = "internal_error"
    message: str = "a fault of the test kit"
    retry_after: str = ""


class Faults:
    """The faults still to be shown, and a count of requests. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, float]] = []
        self.shown = 0
        self.requests: list[tuple[str, str]] = []

    def add(self, *faults: Fault) -> None:
        """Show these from now on, each before those added later."""
        with self._lock:
            self._waiting.extend((fault, time.monotonic()) for fault in faults)

    def clear(self) -> None:
        """Show none any more."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, target: str) -> Fault | None:
        """Return the fault that this request meets, and use it up by one."""
        with self._lock:
            self.requests.append((method, target))
            now = time.monotonic()
            self._waiting = [
                (fault, since)
                for fault, since in self._waiting
                if fault.times > 0 and (not fault.seconds or now - since < fault.seconds)
            ]
            for index, (fault, since) in enumerate(self._waiting):
                if fault.method in ("", method) and fault.path in target:
                    self._waiting[index] = replace(fault, times=fault.times - 1), since
                    self.shown += 1
                    return fault
            return None
