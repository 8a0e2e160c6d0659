"""How long to go on asking: a policy, and a breaker that all threads share.

Told by the error's class alone: Throttled waits as long as the server said, Unreachable backs off with
jitter, Corrupt is tried again at once, everything else is final. A policy has a deadline of its own; b2sdk's
twenty tries (ten minutes and more of them against a server that answers 500) are switched off.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from swarmstead.errors import Corrupt, SwarmsteadError, Throttled, Unreachable

__all__ = ["PATIENT", "PROMPT", "Breaker", "Policy", "Retry", "next_wait"]

_T = TypeVar("_T")
_SLOWER = 2
"""Doublings more, where a server asked to slow down; a stray 500 is over by the next moment."""


@dataclass(frozen=True, slots=True)
class Policy:
    """deadline: seconds a call may take with all its tries. first, longest: waits in seconds.

    corrupt_tries: tries for bytes that arrive wrong. fails_fast: whether an open breaker is an error at once.
    """

    deadline: float
    first: float = 0.5
    longest: float = 30.0
    corrupt_tries: int = 4
    fails_fast: bool = False


PATIENT = Policy(deadline=1800, first=0.1)
"""For a long copy: a server may be away for minutes."""

PROMPT = Policy(deadline=2, first=0.2, longest=1, fails_fast=True)
"""For a gateway that a browser waits for: a hiccup is bridged, an outage is told soon."""


def next_wait(
    error: SwarmsteadError, *, attempt: int, elapsed: float, policy: Policy, jitter: float
) -> float | None:
    """Return the seconds to wait before the next try, None for no further try.

    attempt: tries so far. elapsed: seconds since the first. jitter: from 0 to 1.
    """
    if isinstance(error, Corrupt):
        return 0.0 if attempt < policy.corrupt_tries else None
    if not isinstance(error, Unreachable):
        return None
    doublings = min(attempt - 1, 30) + (_SLOWER if isinstance(error, Throttled) else 0)
    backoff = min(policy.longest, policy.first * 2.0**doublings) * (0.5 + jitter / 2)
    wait = max(backoff, error.wait_seconds) if isinstance(error, Throttled) else backoff
    return wait if elapsed + wait <= policy.deadline else None


class Breaker:
    """Opens after some failures in a row; then one call at a time tries whether the server is back.

    failures: in a row, until it opens. rest: seconds that it stays open at first; doubles up to `longest`.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        rest: float = 2.0,
        longest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._failures, self._rest, self._longest, self._clock = failures, rest, longest, clock
        self._row = 0
        self._closed_at = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether calls are held back now."""
        return self.seconds_left() > 0

    @property
    def failing(self) -> bool:
        """Return whether the last calls failed: it is open, or about to try whether the server is back."""
        with self._lock:
            return self._row >= self._failures

    def seconds_left(self) -> float:
        """Return for how many seconds calls are held back, 0 for none."""
        with self._lock:
            return max(0.0, self._closed_at - self._clock()) if self._row >= self._failures else 0.0

    def enter(self) -> float:
        """Return 0 where a call may go now, else the seconds to wait first.

        When the rest is over, the first to enter tries for all: the others wait for what it finds.
        """
        with self._lock:
            if self._row < self._failures:
                return 0.0
            left = self._closed_at - self._clock()
            if left > 0:
                return left
            self._closed_at = self._clock() + self._rest
            return 0.0

    def told(self, error: SwarmsteadError | None) -> None:
        """Learn how a call went; any answer but silence and 5xx shows that the server lives."""
        with self._lock:
            if not isinstance(error, Unreachable) or isinstance(error, Throttled):
                self._row = 0
                return
            self._row += 1
            if self._row >= self._failures:
                doublings = min(self._row - self._failures, 10)
                self._closed_at = self._clock() + min(self._longest, self._rest * 2.0**doublings)


class Retry:
    """Runs calls by a policy.

    wait: sleeps so many seconds, and returns True where the caller wants to stop: the last error is raised.
    """

    def __init__(
        self,
        policy: Policy,
        breaker: Breaker | None = None,
        *,
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[SwarmsteadError], None] | None = None,
    ) -> None:
        self.policy, self.breaker = policy, breaker or Breaker(clock=clock)
        self._wait, self._clock = wait or _sleep, clock
        self._told = [told] if told else []

    def hears(self, told: Callable[[SwarmsteadError], None]) -> None:
        """Tell of every failed try here, too."""
        self._told.append(told)

    def call(self, work: Callable[[], _T], subject: str) -> _T:
        """Return what `work` returns, tried as the policy allows. Raises its last error."""
        started, attempt = self._clock(), 0
        while True:
            self._enter(started, subject)
            attempt += 1
            try:
                result = work()
            except SwarmsteadError as error:
                self.breaker.told(error)
                for told in self._told:
                    told(error)
                wait = next_wait(
                    error,
                    attempt=attempt,
                    elapsed=self._clock() - started,
                    policy=self.policy,
                    jitter=random.random(),  # noqa: S311 - spreads load, guards nothing
                )
                if wait is None or (wait and self._wait(wait)):
                    raise
            else:
                self.breaker.told(None)
                return result

    def _enter(self, started: float, subject: str) -> None:
        while (left := self.breaker.enter()) > 0:
            over = self._clock() - started + left > self.policy.deadline
            if self.policy.fails_fast or over or self._wait(left):
                raise Unreachable(
                    "the remote has not answered for a while and is left in peace",
                    subject=subject,
                    hint=f"It is tried again in {left:.0f} s.",
                )


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
