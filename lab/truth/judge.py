"""Whether a sample tells the truth. Pure: samples, the oracle's history and what was done, in; verdicts, out.

A figure is right if it was true at some time in the last two seconds: a scraper sees the past, but not a
distant one. Seconds are counted by the oracle's own rounds, five in one, so that on a machine that is too
busy for those the engines and the exporters have their time, too. A container that is being stopped may be
counted or not: it has left its place once the managers want it gone. While the managers themselves have not
noticed a lost node, and for two seconds more, what is said of desired and running is not judged; what engines
say of themselves (verified) is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from lab.truth.oracle import Oracle, Snapshot, containers_of, slots
from lab.truth.world import Timeline, World, wanted

__all__ = ["FIGURES", "FRESH", "Sample", "Verdict", "judge", "judge_all"]

FRESH = 10
"""Rounds of the oracle, 2 s, that a figure may be old."""
CHURNING = 30
"""Rounds that it may be old for a service whose tasks live shorter than a report to the managers takes."""
STOPPING = 15
"""Rounds that a container may take to stop; longer, and it counts."""
_BEHIND = 3
"""Rounds that the oracle itself may come to see a change later than an exporter."""
FIGURES = ("running", "desired", "verified")


@dataclass(frozen=True)
class Sample:
    """What one source said at one time: by figure, by service. A figure that it does not have is absent.

    began, ended: monotonic seconds of the asking.
    """

    source: str
    began: float
    ended: float
    figures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure of one service in one sample. got: None where nothing was said."""

    source: str
    at: float
    figure: str
    service: str
    got: int | None
    allowed: frozenset[int | None]
    kind: str
    excused: bool

    @property
    def wrong(self) -> bool:
        """Whether the sample misleads."""
        return not self.excused and self.got not in self.allowed


def judge(sample: Sample, oracle: Oracle, timeline: Timeline) -> list[Verdict]:
    """Judge each figure of each service that was there."""
    since, until = oracle.before(sample.began, FRESH), sample.ended
    worlds = timeline.worlds(since, until)
    snapshots = list(oracle.between(since, oracle.after(until, _BEHIND)))
    longer = list(oracle.between(oracle.before(sample.began, CHURNING), oracle.after(until, _BEHIND)))
    staying = oracle.serving(oracle.after(until, STOPPING))
    noticing = timeline.excused(since, until)
    telling = timeline.telling(sample.began)
    kind = timeline.kind(sample.began)
    here = {each for world in timeline.worlds(sample.began, until) for each in world.services.values()}
    verdicts = []
    for service in sorted(here, key=lambda each: each.name):
        for figure, values in sample.figures.items():
            if figure == "desired" and not service.judged:
                continue
            seen = longer if service.churns else snapshots
            allowed = _ALLOWED[figure](service.name, worlds, seen, staying)
            got = values.get(service.name, 0 if figure == "verified" else None)
            excused = telling if figure == "verified" else noticing
            verdicts.append(
                Verdict(
                    sample.source, sample.began, figure, service.name, got, frozenset(allowed), kind, excused
                )
            )
    return verdicts


_Allowed = Callable[[str, Sequence[World], Sequence[Snapshot], Set[str]], set[int | None]]


def _running(
    name: str, worlds: Sequence[World], snapshots: Sequence[Snapshot], staying: Set[str]
) -> set[int | None]:
    """Return what may be said: all between the least and the most, since nodes are not seen at one moment."""
    known = [world for world in worlds if _known(name, world)]
    least = [slots(seen, name, world.governed, staying) for world in known for seen in snapshots]
    most = [slots(seen, name, world.governed) for world in known for seen in snapshots]
    allowed: set[int | None] = set(range(min(least), max(most) + 1)) if known else set()
    return allowed if len(known) == len(worlds) else allowed | {None}


def _desired(
    name: str, worlds: Sequence[World], _snapshots: Sequence[Snapshot], _staying: Set[str]
) -> set[int | None]:
    return {wanted(world, world.services[name]) if _known(name, world) else None for world in worlds}


def _verified(
    name: str, worlds: Sequence[World], snapshots: Sequence[Snapshot], _staying: Set[str]
) -> set[int | None]:
    return {count for world in worlds for count in containers_of(snapshots, name, world.watched)}


def _known(name: str, world: World) -> bool:
    return world.quorum and name in world.services


_ALLOWED: Mapping[str, _Allowed] = {"running": _running, "desired": _desired, "verified": _verified}


def judge_all(samples: Iterable[Sample], oracle: Oracle, timeline: Timeline) -> list[Verdict]:
    """Judge all samples, in their order."""
    return [verdict for sample in samples for verdict in judge(sample, oracle, timeline)]
