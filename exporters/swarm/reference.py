"""The pages of docs/metrics, from the declarations: ``python -m exporters.swarm.reference docs/metrics``.

A test holds the pages in the repository to what this makes.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.kinds import cluster, engine, itself, job, node, service, task, update
from exporters.swarm.kinds.labels import LabelMetrics

__all__ = ["all_metrics", "pages"]

_KINDS: Final[Mapping[str, ModuleType]] = {
    "cluster": cluster,
    "node": node,
    "service": service,
    "task": task,
    "update": update,
    "job": job,
    "engine": engine,
    "exporter": itself,
}
_WHO: Final = {
    "engine": "Every node's instance gives these, for its own engine.",
    "exporter": "Every instance gives these, about itself.",
}
_LEADER: Final = "The instance on the leading manager gives these; all others leave them out."
_README: Final = """# Metrics of swarm-exporter

One instance runs on every node. The one on the leading manager answers for the cluster
(`swarm_cluster_*`, `swarm_node_*`, `swarm_service_*`); each answers for its own engine
(`swarm_engine_*`) and for itself (`swarm_exporter_*`).

- **Leader change.** The series of the cluster move to another instance. Aggregate over instances:
  `max by (service, stack, mode) (swarm_service_running_replicas)`.
- **No quorum.** Every manager says `swarm_cluster_quorum 0` and no other figure of the cluster: nobody can
  know it. A manager says so once its node list is unanswered for 2.5 s while its engine answers, so also
  during the 10 to 30 s of an election. What the living engines run is there all the time, in
  `swarm_engine_service_containers`. The recorded `service:swarm_service_desired_replicas:max` and
  `service:swarm_service_running_replicas:max` have no gap: while nobody answers, nobody can change what is
  desired, so for a minute it still counts, and what the engines confirm stands in for what runs.
- **Two witnesses.** `swarm_service_running_replicas` is what the managers believe. They notice a dead worker
  after some 15 s, a dead leader after some 45 s. `swarm_engine_service_containers` is what each engine runs
  itself; summed over the instances that answer it is true at once.
- **Counters** start at 0 with each instance and count what fails from then on: old history is never counted.
  `rate()` and `increase()` take a restart for the reset it is; a new leader's counters are new series, so sum
  over instances after the rate: `sum by (service, class) (increase(swarm_service_failures_total[10m]))`. What
  fails during an election is in the history the new leader finds, and is not counted.
- **Times, not ages.** `*_timestamp_seconds` are Unix times: an age is `time() -` the metric.
- **States** are one series per state, label `state`, 1 for the current one, all present.
- **Desired** follows swarmkit, not the number that was typed in: a global service wants one replica on each
  node that is not down, not drained and meets its constraints (a paused node keeps what it has); a
  replicated job wants at most as many at once as it allows, of those that have not completed; a global job
  wants every fitting node that has not completed it. So `running < desired` means the same in all four
  modes. Nothing is wanted of a node that is down: its replicated tasks are wanted elsewhere.
- **Stability.** A stable metric keeps its name, labels and meaning until the next major version.

| page | metrics |
|---|---|
"""


def _metrics(name: str) -> tuple[Metric, ...]:
    example = LabelMetrics(("NAME",), ("NAME",))
    extra = {
        "node": example.node_metrics,
        "service": example.service_metrics,
        "engine": (engine.LAST_ANSWER,),
    }
    found: tuple[Metric, ...] = (*_KINDS[name].METRICS, *extra.get(name, ()))
    return found


def all_metrics() -> list[Metric]:
    """Return every metric of the exporter; those with labels on request as for one label `NAME`."""
    return [metric for name in _KINDS for metric in _metrics(name)]


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    words = " ".join(filter(None, (metric.help, f"*{metric.when}*" if metric.when else "")))
    cells = (
        f"`{metric.name}`",
        metric.type,
        metric.unit or "–",
        labels,
        words,
        metric.source or "–",
        metric.stability,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _page(name: str, metrics: Iterable[Metric]) -> str:
    words = (_KINDS[name].__doc__ or "").strip()
    return "\n".join(
        [
            f"# {name.capitalize()} metrics",
            "",
            words,
            "",
            _WHO.get(name, _LEADER),
            "",
            "| metric | type | unit | labels | what it tells | source of the rule | stability |",
            "|---|---|---|---|---|---|---|",
            *(_row(metric) for metric in metrics),
            "",
        ]
    )


def pages() -> dict[str, str]:
    """Return each page's text by its file name."""
    made = {f"{name}.md": _page(name, _metrics(name)) for name in _KINDS}
    rows = (f"| [{name}]({name}.md) | {len(_metrics(name))} |" for name in _KINDS)
    return {"README.md": _README + "\n".join(rows) + "\n", **made}


if __name__ == "__main__":
    for name, text in pages().items():
        Path(sys.argv[1], name).write_text(text, encoding="utf-8")
