"""The declared metrics: named by the rules, each on a page that equals the code."""

from pathlib import Path

import pytest

from exporters.exposition import Metric
from exporters.traefik import METRICS, OUTCOMES
from exporters.traefik.reference import pages

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(pages()))
def test_docs_are_what_the_code_says(name: str) -> None:
    assert (DOCS / "metrics" / name).read_text(encoding="utf-8") == pages()[name], (
        "renew with: python -m exporters.traefik.reference docs/metrics"
    )


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_is_named_by_the_rules(metric: Metric) -> None:
    assert metric.name.startswith(("traefik_rate_", "process_"))
    assert metric.help.endswith(".")
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert not {"path", "client", "agent", "error"} & set(metric.labels)


def test_every_outcome_is_explained() -> None:
    text = (DOCS / "traefik.md").read_text(encoding="utf-8")
    assert all(f"| `{what}` |" in text for what in OUTCOMES)
