"""A sample before it is text."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from exporters.exposition import Metric

__all__ = ["Sample", "states"]

Sample: TypeAlias = tuple[Metric, tuple[str, ...], float]


def states(metric: Metric, labels: tuple[str, ...], names: Iterable[str], current: str) -> Iterator[Sample]:
    """Yield a StateSet: a sample per state, 1 for the current one. `state` is the metric's last label."""
    for name in names:
        yield metric, (*labels, name), 1 if name == current else 0
