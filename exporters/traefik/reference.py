"""The pages docs/metrics/traefik-*.md, made by ``python -m exporters.traefik.reference docs/metrics``.

A test holds the pages in the repository to what this makes.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from exporters.exposition import Metric
from exporters.traefik import metrics as m

__all__ = ["pages"]

_REQUESTS: Final = """Counters of requests by host and service. An exporter counts what its own Traefik wrote,
so sum over instances: `sum by (host) (rate(traefik_rate_requests_total{source="log"}[5m]))`. They outlive
restarts."""
_WINDOWS: Final = """Rates made by the log's own time in the exporter: right from a site's first request
on, whatever the scrape interval. Sum over instances. A completed bucket is shown 5 s after its end; at a full
five minutes Prometheus still holds the one before, so a bar panel asks
`sum by (host) (traefik_rate_bucket_requests_per_second offset -1m)`."""
_CLUSTER: Final = """The windows merged over all exporters, with `--peers`: the same on each, so take
`max by (host, service)`."""
_ITSELF: Final = "What the exporter tells of itself and its input."
_KINDS: Final[dict[str, tuple[str, tuple[Metric, ...]]]] = {
    "traefik-requests": (_REQUESTS, m.REQUESTS),
    "traefik-windows": (_WINDOWS, m.WINDOWED),
    "traefik-cluster": (_CLUSTER, m.CLUSTER),
    "traefik-exporter": (_ITSELF, m.ITSELF),
}
_SEE: Final = "What the labels and outcomes mean, and what no figure can show: [traefik](../traefik.md)."


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    words = f"{metric.help} *Absent when {metric.when}.*" if metric.when else metric.help
    cells = (f"`{metric.name}`", metric.type, metric.unit or "–", labels, words, metric.source or "–")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (*cells, metric.stability)) + " |"


def _page(name: str, words: str, metrics: Iterable[Metric]) -> str:
    head = name.replace("-", " ").replace("traefik", "Traefik")
    lines = [
        f"# {head} metrics",
        "",
        words,
        "",
        _SEE,
        "",
        "| metric | type | unit | labels | what it tells | source of the rule | stability |",
        "|---|---|---|---|---|---|---|",
        *(_row(metric) for metric in metrics),
        "",
    ]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return each page's text by its file name."""
    return {f"{name}.md": _page(name, *kind) for name, kind in _KINDS.items()}


if __name__ == "__main__":
    for file, text in pages().items():
        Path(sys.argv[1], file).write_text(text, encoding="utf-8")
