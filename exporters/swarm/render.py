"""Samples to sections. A service's text is kept and made again only when what it is made from changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from exporters.engine import Node
from exporters.exposition import Family, Metric, Section
from exporters.swarm.kinds import cluster, job, node, service, task, update
from exporters.swarm.kinds.labels import LabelMetrics
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.rules import failures
from exporters.swarm.view import ClusterView, ServiceView

__all__ = ["SERVICE_KINDS", "ClusterPage", "families", "section"]

SERVICE_KINDS: Final = (service, task, update, job)


def families(metrics: Iterable[Metric], samples: Iterable[Sample]) -> list[Family]:
    """Return one family per metric, in this order, with its samples; all samples must be of these metrics."""
    by_name = {metric.name: Family(metric) for metric in metrics}
    for metric, labels, value in samples:
        by_name[metric.name].add(labels, value)
    return list(by_name.values())


def section(metrics: Iterable[Metric], samples: Iterable[Sample]) -> Section:
    """Return a section of these metrics and samples."""
    return Section(families(metrics, samples))


class _Kept:
    """One service's text per metric, and what it was made from."""

    __slots__ = ("blocks", "until", "view")

    def __init__(self, view: ServiceView, blocks: list[str], until: float) -> None:
        self.view = view
        self.blocks = blocks
        self.until = until

    def holds(self, view: ServiceView) -> bool:
        """Return whether the text is still true, the nodes aside: nothing it is made from changed."""
        before = self.view
        return (
            view.now < self.until
            and before.service == view.service
            and before.tasks == view.tasks
            and before.failures == view.failures
            and before.restarts == view.restarts
        )


class ClusterPage:
    """Renders a cluster's view; made for one view after the other.

    `until` is the Unix time at which the last one made can change by time alone (a crash loop's end).
    """

    def __init__(self, labels: LabelMetrics) -> None:
        self._labels = labels
        self._kept: dict[str, _Kept] = {}
        self._nodes: Mapping[str, Node] = {}
        self._metrics: Sequence[Metric] = [
            *(metric for kind in SERVICE_KINDS for metric in kind.METRICS),
            *labels.service_metrics,
        ]
        self.until = float("inf")

    def render(self, view: ClusterView) -> list[Section]:
        """Return the cluster's sections."""
        if view.nodes != self._nodes:
            self._kept.clear()
            self._nodes = view.nodes
        nodes = section(
            [*node.METRICS, *self._labels.node_metrics],
            [*node.samples(view), *self._labels.of_nodes(view.nodes.values())],
        )
        return [section(cluster.METRICS, cluster.samples(view)), nodes, self._services(view)]

    def _services(self, view: ClusterView) -> Section:
        kept: dict[str, _Kept] = {}
        for each in view.of_services():
            before = self._kept.get(each.service.id)
            if before and before.holds(each):
                before.view = each  # equal, and lets go of the answer before
                kept[each.service.id] = before
            else:
                kept[each.service.id] = self._one(each)
        self._kept = kept
        self.until = min((each.until for each in kept.values()), default=float("inf"))
        whole = [Family(metric) for metric in self._metrics]
        for index, family in enumerate(whole):
            family.lines = [block for each in kept.values() if (block := each.blocks[index])]
        return Section(whole)

    def _one(self, view: ServiceView) -> _Kept:
        made = families(self._metrics, self._samples(view))
        _, until = failures.crash_looping(view.service, view.tasks, view.now)
        return _Kept(view, ["".join(family.lines) for family in made], until)

    def _samples(self, view: ServiceView) -> Iterator[Sample]:
        for kind in SERVICE_KINDS:
            yield from kind.samples(view)
        yield from self._labels.of_service(view)
