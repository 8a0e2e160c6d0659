"""The time in which users wait is bounded."""

import signal

import pytest

from migrate.app.window import Deadline
from swarmstead.errors import Refused, Stopped
from swarmstead.stop import Stop


def test_the_deadline_asks_to_stop_and_says_why() -> None:
    deadline = Deadline(Stop(), 0.0)
    deadline.wait(1)
    assert deadline.requested
    with pytest.raises(Refused, match="while requests were held"):
        deadline.check()


def test_a_signal_still_counts() -> None:
    stop = Stop()
    deadline = Deadline(stop, 60)
    assert not deadline.requested
    stop.request(signal.SIGTERM)
    assert deadline.wait(5)
    with pytest.raises(Stopped):
        deadline.check()
