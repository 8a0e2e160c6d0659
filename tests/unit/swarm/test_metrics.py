"""The declarations: named by Prometheus's rules, documented, and each on a page that equals the code."""

from pathlib import Path

import pytest

from exporters.exposition import Metric
from exporters.swarm.reference import all_metrics, pages

DOCS = Path(__file__).parents[3] / "docs" / "metrics"
BASE_UNITS = {"seconds", "bytes", "cores"}


@pytest.mark.parametrize("name", sorted(pages()))
def test_docs_are_what_the_code_says(name: str) -> None:
    made = pages()[name]
    assert (DOCS / name).read_text(encoding="utf-8") == made, (
        "renew with: python -m exporters.swarm.reference docs/metrics"
    )


def test_no_page_is_left_over() -> None:
    assert {path.name for path in DOCS.glob("*.md")} >= set(pages())


@pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)
def test_metric_is_named_and_told_by_the_rules(metric: Metric) -> None:
    assert metric.name.startswith(("swarm_", "process_"))
    assert metric.help.endswith("."), "a sentence"
    if metric.unit:
        assert metric.unit in BASE_UNITS
        assert f"_{metric.unit}" in metric.name
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.name.endswith("_info") == (metric.type == "info")
    assert not {"instance", "job", "le", "quantile"} & set(metric.labels), "Prometheus sets these"
    if metric.name.startswith(("swarm_node", "swarm_service", "swarm_engine", "swarm_cluster")):
        assert metric.source or metric.name.endswith("_labels"), "where does its rule come from?"


def test_every_name_is_declared_once() -> None:
    names = [metric.name for metric in all_metrics()]
    assert len(names) == len(set(names))


def test_no_label_can_hold_an_error_a_path_or_a_clients_choice() -> None:
    allowed = {
        "address", "api_version", "arch", "availability", "class", "cluster_id", "digest", "engine_version",
        "health", "hostname", "image", "kind", "label_NAME", "mode", "node_id", "os", "part", "reason",
        "role", "service", "service_id", "stack", "state", "tag", "type", "version",
    }  # fmt: skip
    assert {label for metric in all_metrics() for label in metric.labels} == allowed
