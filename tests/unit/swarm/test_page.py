"""The page: whole text for captured clusters, equal to what prometheus_client reads and writes."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import parser as text_parser
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as TheirMetric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.registry import Collector

from exporters.engine import Disk, Info
from exporters.exposition import Form, Page, Section
from exporters.swarm.kinds import cluster, engine, itself, node
from exporters.swarm.kinds.engine import EngineView
from exporters.swarm.kinds.itself import Stats
from exporters.swarm.kinds.labels import LabelMetrics
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.render import SERVICE_KINDS, ClusterPage, section
from exporters.swarm.rules.failures import FailureCounter
from exporters.swarm.witness import Witness
from tests.unit.swarm.scenarios import scenario

WHOLE = Path(__file__).parents[2] / "golden" / "swarm"
PAGES = ["29/networks-stack", "20.10/updates-settled", "29/crash-40s", "29/jobs", "20.10/worker-killed-20s"]
TEXT = Form(openmetrics=False, gzip=False)
OPENMETRICS = Form(openmetrics=True, gzip=False)


def _read(text: bytes) -> Iterator[TheirMetric]:
    yield from text_parser.text_string_to_metric_families(text.decode())


def _read_openmetrics(text: bytes) -> Iterator[TheirMetric]:
    yield from openmetrics_parser.text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]


def _sections(name: str) -> list[Section]:
    """Return the sections of a scenario's page, but the exporter's own."""
    data = scenario(name)
    info = data.decode("info", Info)
    witness = Witness()
    witness.take_list(data.containers(), 0)
    disk = data.decode("system-df", Disk) if "system-df" in data.answers else None
    seen = EngineView(True, info, "1.41", witness.counts(), {}, disk)
    page = ClusterPage(LabelMetrics(["tier"], ["zone"]))
    return [*page.render(data.view()), section(engine.METRICS, engine.samples(seen))]


@pytest.mark.parametrize("name", PAGES)
def test_whole_page(name: str) -> None:
    """Names, help, types, labels, order and values, as a user of the metrics sees them.

    Renew with SWARMSTEAD_TEST_RENEW=1, and read the difference.
    """
    path = WHOLE / f"{name.replace('/', '-')}.txt"
    made = Page(_sections(name)).body(TEXT).decode()
    if os.environ.get("SWARMSTEAD_TEST_RENEW"):
        path.write_text(made)
    assert made == path.read_text()


def _samples(name: str) -> Iterator[Sample]:
    view = scenario(name).view()
    yield from cluster.samples(view)
    yield from node.samples(view)
    for of in view.of_services():
        for kind in SERVICE_KINDS:
            yield from kind.samples(of)
    yield from itself.samples(Stats("0.0.0"))


class _Theirs(Collector):
    """The same samples through prometheus_client's own families."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.families: dict[str, TheirMetric] = {}
        for metric, labels, value in samples:
            make = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
            family = self.families.setdefault(
                metric.name, make(metric.name, metric.help, labels=metric.labels)
            )
            family.add_metric(list(labels), value)  # type: ignore[attr-defined]

    def collect(self) -> Iterator[TheirMetric]:
        yield from self.families.values()


@pytest.mark.parametrize("name", PAGES)
def test_our_text_says_what_the_library_says(name: str) -> None:
    samples = list(_samples(name))
    registry = CollectorRegistry()
    registry.register(_Theirs(samples))
    metrics = dict.fromkeys(metric for metric, _, _ in samples)
    ours = Page([section(metrics, samples)])
    read = {f.name: (f.type, f.documentation, f.samples) for f in _read(ours.body(TEXT))}
    theirs = {f.name: (f.type, f.documentation, f.samples) for f in _read(generate_latest(registry))}
    assert read == theirs
    openmetrics = {f.name: f.samples for f in _read_openmetrics(ours.body(OPENMETRICS))}
    assert {s.name: s.value for of in openmetrics.values() for s in of} == {
        s.name: s.value for _, _, of in read.values() for s in of
    }


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_good_openmetrics_with_each_family_once(name: str) -> None:
    text = Page(_sections(name)).body(OPENMETRICS).decode()
    families = list(_read_openmetrics(text.encode()))
    assert len({f.name for f in families}) == len(families) == text.count("# TYPE")


def test_what_did_not_change_is_not_rendered_again() -> None:
    """A kept text is dropped when what it is made from changed: service, tasks, nodes, counters, time."""
    page = ClusterPage(LabelMetrics())
    counter = FailureCounter()
    for name in (
        "29/idle",
        "29/worker-killed-2s",
        "29/worker-killed-20s",
        "29/worker-restarted",
        "29/node-paused",
    ):
        view = scenario(name).view(failures=counter)
        kept = Page(page.render(view)).body(TEXT)
        assert kept == Page(page.render(view)).body(TEXT)
        assert kept == Page(ClusterPage(LabelMetrics()).render(view)).body(TEXT), name


def test_environment_secrets_and_configs_never_reach_the_page() -> None:
    """The stack `shop` has a secret, a config and a health check's command."""
    text = Page(_sections("29/networks-stack")).body(TEXT).decode()
    assert 'service="shop_web"' in text
    for hidden in ("shop_pw", "shop_cf", "urllib", "p2pl7reojbw5v56a5z3001dji", "JoinToken"):
        assert hidden not in text


def test_counters_that_start_anew_are_shown_anew() -> None:
    """A manager that leads again counts from 0, also when the cluster is as it was."""
    page, counter = ClusterPage(LabelMetrics()), FailureCounter()
    scenario("29/crash-11s").view(failures=counter)
    counted = Page(page.render(scenario("29/crash-40s").view(failures=counter))).body(TEXT).decode()
    anew = Page(page.render(scenario("29/crash-40s").view())).body(TEXT).decode()
    series = (
        'swarm_service_failures_total{service="crashfast",stack="",mode="replicated",class="exit_nonzero"}'
    )
    assert f"{series} 0\n" in anew
    assert f"{series} 0\n" not in counted
