"""What the demo proved: the figures of its end, for a person and as JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from demo.traffic import Failure, Report

__all__ = ["Outcome", "outcome"]

# The entry ends the requests that a dead node had when two checks, half a second apart, have failed: in a
# second or two, and later on a machine that is busy.
IN_FLIGHT_SECONDS = 12.0
_DEATHLY = {"timeout", "connection", "status"}


@dataclass(frozen=True)
class Outcome:
    """The demo's figures. Times in seconds."""

    visitors: int
    requests: int
    pictures: int
    pictures_checked: int
    logins_lost: int
    counters_lost: int
    files_lost: int
    failed_of_killed_node: int
    failed_otherwise: int
    longest_wait_seconds: float
    hold_seconds: float
    node_reported_down_after_seconds: float
    verified: bool
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Return whether nothing was lost and no request failed that a living node had."""
        lost = self.logins_lost + self.counters_lost + self.files_lost + self.failed_otherwise
        return lost == 0 and self.verified

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {**asdict(self), "good": self.good}

    def table(self) -> RenderableType:
        """Return the closing report."""
        rows = {
            "Visitors, all logged in from the start": self.visitors,
            "Requests they made": self.requests,
            "Pictures uploaded": self.pictures,
            "Looks at a picture, hash compared": self.pictures_checked,
            "Logins lost": self.logins_lost,
            "Counters that went back": self.counters_lost,
            "Pictures lost": self.files_lost,
            "Requests the killed node took with it": self.failed_of_killed_node,
            "Requests that failed otherwise": self.failed_otherwise,
            "Requests waited at the switch (s)": f"{self.hold_seconds:.2f}",
            "Longest wait of any request (s)": f"{self.longest_wait_seconds:.1f}",
            "Node reported down after (s)": f"{self.node_reported_down_after_seconds:.1f}",
            "migrate verify": "all proved" if self.verified else "NOT PROVED",
        }
        table = Table(title="What happened", show_header=False, title_justify="left")
        for name, value in rows.items():
            table.add_row(name, str(value))
        return table


def is_of_killed_node(failure: Failure, killed_at: float) -> bool:
    """Return whether a request failed because the node died that had it."""
    return failure.how in _DEATHLY and 0 <= failure.at - killed_at <= IN_FLIGHT_SECONDS


def outcome(
    seen: Report,
    *,
    killed_at: float,
    hold_seconds: float,
    down_after_seconds: float,
    verified: bool,
    steps: dict[str, float],
) -> Outcome:
    """Judge what the visitors saw. killed_at: Unix time in seconds of the node's death."""
    of_node = [failure for failure in seen.failures if is_of_killed_node(failure, killed_at)]
    return Outcome(
        visitors=seen.visitors,
        requests=seen.requests,
        pictures=seen.pictures,
        pictures_checked=seen.pictures_checked,
        logins_lost=seen.logins_lost,
        counters_lost=seen.counters_lost,
        files_lost=seen.files_lost,
        failed_of_killed_node=len(of_node),
        failed_otherwise=len(seen.failures) - len(of_node),
        longest_wait_seconds=round(seen.slowest_seconds, 2),
        hold_seconds=round(hold_seconds, 2),
        node_reported_down_after_seconds=round(down_after_seconds, 1),
        verified=verified,
        steps=steps,
    )
