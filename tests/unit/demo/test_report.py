"""The demo is good only if nothing was lost and no request failed but those that the dead node had."""

import pytest

from demo.report import Outcome, outcome
from demo.traffic import Failure, Report, picture

KILLED_AT = 1000.0


def judge(*failures: Failure, verified: bool = True, lost: str = "") -> Outcome:
    seen = Report(visitors=50, requests=1000, failures=list(failures), **({lost: 1} if lost else {}))
    return outcome(
        seen, killed_at=KILLED_AT, hold_seconds=1, down_after_seconds=14, verified=verified, steps={}
    )


@pytest.mark.parametrize(
    ("failure", "of_node"),
    [
        (Failure(1000.5, "connection", "page", lost=False), True),
        (Failure(1009.9, "status", "upload 504", lost=False), True),
        (Failure(999.0, "status", "page 502", lost=False), False),
        (Failure(1030.0, "timeout", "page", lost=False), False),
        (Failure(1001.0, "picture wrong", "/uploads/a.jpg", lost=True), False),
    ],
)
def test_only_what_the_dead_node_had_is_forgiven(failure: Failure, of_node: bool) -> None:
    seen = judge(failure)
    assert (seen.failed_of_killed_node, seen.failed_otherwise) == (int(of_node), int(not of_node))
    assert seen.good is of_node


@pytest.mark.parametrize("lost", ["logins_lost", "files_lost", "counters_lost"])
def test_a_loss_is_not_good(lost: str) -> None:
    assert not judge(lost=lost).good


def test_unproved_is_not_good() -> None:
    assert judge().good
    assert not judge(verified=False).good
    assert judge().as_dict()["good"] is True


def test_pictures_differ_and_begin_and_end_as_jpeg() -> None:
    one, other = picture(b"a" * 3000), picture(b"b" * 3000)
    assert one != other
    assert (one[:3], one[-2:]) == (b"\xff\xd8\xff", b"\xff\xd9")
