"""Labels of services and nodes that were asked for by name: `swarm_service_labels`, `swarm_node_labels`.

As kube-state-metrics does it: ``com.example.team`` becomes ``label_com_example_team``. The list is given by
the operator, so the number of labels is bounded; names that become the same are refused at the start.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from exporters.engine import Node
from exporters.exposition import Metric
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.kinds.service import S
from exporters.swarm.view import ServiceView
from swarmstead.errors import UsageError

__all__ = ["MOST_LABELS", "LabelMetrics", "metric_label"]

MOST_LABELS: Final = 32
_LONGEST_VALUE: Final = 256


def metric_label(name: str) -> str:
    """Return the label of a metric for a label of a service or node."""
    return "label_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _checked(flag: str, names: Iterable[str]) -> dict[str, str]:
    """Return each label's name in the metric. Raises UsageError for too many and for those that clash."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label = metric_label(name)
        clash = next((other for other, used in found.items() if used == label), None)
        if clash is not None or not name:
            raise UsageError(
                f"{name!r} would become the same label as {clash!r}: {label}" if name else "is empty",
                subject=flag,
                hint="Name one of them only.",
            )
        found[name] = label
    if len(found) > MOST_LABELS:
        raise UsageError(f"names {len(found)} labels, at most {MOST_LABELS} are taken", subject=flag)
    return found


class LabelMetrics:
    """The two metrics for the labels on an operator's lists; none for an empty list. Raises UsageError."""

    def __init__(self, service_labels: Iterable[str] = (), node_labels: Iterable[str] = ()) -> None:
        self._service = _checked("--service-label", service_labels)
        self._node = _checked("--node-label", node_labels)
        self.service_metrics = self._metric(
            "swarm_service_labels", "Labels of a service.", S, self._service, "--service-label"
        )
        self.node_metrics = self._metric(
            "swarm_node_labels", "Labels of a node.", ("node_id", "hostname"), self._node, "--node-label"
        )

    @staticmethod
    def _metric(
        name: str, words: str, base: tuple[str, ...], labels: dict[str, str], flag: str
    ) -> tuple[Metric, ...]:
        if not labels:
            return ()
        return (
            Metric(
                name,
                f"{words} Those that {flag} names; 1.",
                labels=(*base, *labels.values()),
                when=f"Only with {flag}.",
            ),
        )

    def of_service(self, view: ServiceView) -> Iterator[Sample]:
        """Yield a service's labels."""
        have = view.service.spec.labels or {}
        for metric in self.service_metrics:
            yield metric, (*view.labels, *(have.get(name, "")[:_LONGEST_VALUE] for name in self._service)), 1

    def of_nodes(self, nodes: Iterable[Node]) -> Iterator[Sample]:
        """Yield each node's labels."""
        for node in nodes:
            have = node.spec.labels or {}
            for metric in self.node_metrics:
                base = node.id, node.description.hostname
                yield metric, (*base, *(have.get(name, "")[:_LONGEST_VALUE] for name in self._node)), 1
