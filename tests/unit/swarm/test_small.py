"""Times, certificates, quorum, images, labels, pace: the small pure parts."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.engine import CLUSTER_SECONDS
from exporters.swarm.certificate import expiry
from exporters.swarm.kinds.labels import MOST_LABELS, LabelMetrics, metric_label
from exporters.swarm.kinds.service import image_parts
from exporters.swarm.rules.quorum import quorum
from exporters.swarm.times import seconds
from exporters.swarm.watch_cluster import Pace, deadline, patience, pause
from swarmstead.errors import UsageError
from tests.unit.swarm.builders import node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-24T20:48:23Z", 1795553303.0),
        ("2026-11-24T20:48:23.5Z", 1795553303.5),
        ("2026-11-24T20:48:23.123456789Z", 1795553303.1234567),
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
        (None, 0.0),
        ("yesterday at noon or so", 0.0),
    ],
)
def test_times(text: str | None, value: float) -> None:
    assert seconds(text) == pytest.approx(value, abs=1e-6)


def test_certificate_ends_when_openssl_says(tmp_path: Path) -> None:
    path = tmp_path / "node.crt"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    made = [*command, "-keyout", str(tmp_path / "key"), "-out", str(path), "-days", "90", "-subj", "/CN=n1"]
    subprocess.run(made, check=True, capture_output=True)
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-enddate", "-dateopt", "iso_8601"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    when = shown.strip().removeprefix("notAfter=").replace(" ", "T")
    assert expiry(path.read_text()) == seconds(when)
    # a node's file holds its own certificate and the root's: the earlier one counts
    assert expiry(path.read_text() * 2) == seconds(when)


@given(st.text(max_size=60))
def test_what_is_no_certificate_ends_never(text: str) -> None:
    assert expiry(f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----") is None


@pytest.mark.parametrize(
    ("managers", "margin"),
    [
        (["reachable"], 0),
        (["reachable"] * 2, 0),
        (["reachable"] * 3, 1),
        (["reachable", "reachable", "unreachable"], 0),
        (["reachable", "unreachable", "unreachable"], -1),
        (["reachable"] * 5, 2),
        (["reachable"] * 4, 1),
    ],
)
def test_quorum(managers: list[str], margin: int) -> None:
    nodes = [node(str(i), manager=reachability) for i, reachability in enumerate(managers)]
    found = quorum([*nodes, node("worker")])
    assert (found.managers, found.margin) == (len(managers), margin)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "", "")),
        ("nginx:1.27", ("nginx", "1.27", "")),
        ("127.0.0.1:5000/app", ("127.0.0.1:5000/app", "", "")),
        ("127.0.0.1:5000/app:v1@sha256:00ff", ("127.0.0.1:5000/app", "v1", "sha256:00ff")),
        ("a/b/c@sha256:00ff", ("a/b/c", "", "sha256:00ff")),
        ("", ("", "", "")),
    ],
)
def test_image_parts(image: str, parts: tuple[str, str, str]) -> None:
    assert image_parts(image) == parts


def test_labels_that_clash_are_refused() -> None:
    assert metric_label("com.example/team-1") == "label_com_example_team_1"
    with pytest.raises(UsageError, match="same label"):
        LabelMetrics(["a.b", "a-b"])
    with pytest.raises(UsageError, match="is empty"):
        LabelMetrics([], [""])
    with pytest.raises(UsageError, match=f"at most {MOST_LABELS}"):
        LabelMetrics([f"l{i}" for i in range(MOST_LABELS + 1)])
    assert LabelMetrics(["a", "a"]).service_metrics[0].labels == ("service", "stack", "mode", "label_a")
    assert LabelMetrics().service_metrics == ()


@given(st.floats(0, 100), st.booleans())
def test_polling_keeps_its_budget(cost: float, hinted: bool) -> None:
    """Whatever a poll costs and however much happens: its CPU over poll and pause stays within the budget."""
    pace = Pace(1.5, 0.01)
    wait = pause(pace, cost, hinted=hinted)
    assert wait >= min(cost / pace.budget, 60)
    assert wait >= (0.25 if hinted else 1.5)
    assert wait <= 60


def test_most_askings_are_impatient_and_some_are_not() -> None:
    waits = [deadline(timeouts) for timeouts in range(26)]
    assert waits.count(CLUSTER_SECONDS) == 2
    assert sorted(set(waits)) == [2.5, CLUSTER_SECONDS]
    # a leader cut off: its election takes some 20 s, in which no call may be the one that hangs
    assert sum(waits[: waits.index(CLUSTER_SECONDS)]) >= 25


def test_a_slow_engine_is_given_more_time_within_bounds() -> None:
    assert [patience(took) for took in (0.001, 1, 2, 4, 20)] == [2.5, 2.5, 4, 8, 10]
