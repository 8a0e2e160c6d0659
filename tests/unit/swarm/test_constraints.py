"""Placement constraints, as swarmkit's own tests have them and where people get them wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.swarm.rules.constraints import matches, meets
from tests.unit.swarm.builders import node

NODE = node(
    "abc",
    labels={"zone": "A", "Disk": "ssd", "odd": "a!=b"},
    engine_labels={"storage": "fast"},
    manager="reachable",
    address="10.77.0.12",
)


@pytest.mark.parametrize(
    ("constraint", "met"),
    [
        ("node.id==abc", True),
        ("node.id == ABC", True),
        ("NODE.HOSTNAME==Host-ABC", True),
        ("node.hostname!=host-abc", False),
        ("node.role==manager", True),
        ("node.role!=manager", False),
        ("node.labels.zone==a", True),
        ("node.labels.zone != a", False),
        ("node.labels.disk==ssd", False),  # a label's name keeps its case
        ("NODE.LABELS.Disk==SSD", True),
        ("node.labels.missing!=x", True),
        ("node.labels.missing==", True),
        ("node.labels.missing==x", False),
        ("node.labels.odd==a!=b", True),  # == is looked for first
        ("engine.labels.storage==fast", True),
        ("engine.labels.storage!=fast", False),
        ("node.platform.os==linux", True),
        ("node.platform.arch==x86_64", True),
        ("node.platform.arch==amd64", False),  # only the platform filter knows both words
        ("node.ip==10.77.0.12", True),
        ("node.ip!=10.77.0.12", False),
        ("node.ip==10.77.0.0/24", True),
        ("node.ip!=10.78.0.0/24", True),
        ("node.ip==nonsense", False),
        ("node.ip!=nonsense", False),
        ("node.colour==red", False),
        ("node.colour!=red", False),
        ("no operator", False),
    ],
)
def test_constraint(constraint: str, met: bool) -> None:
    assert matches(NODE, constraint) is met


def test_worker_and_unreadable_address() -> None:
    worker = node("w", address="")
    assert matches(worker, "node.role==worker")
    assert matches(worker, "node.ip!=10.0.0.1")
    assert not matches(worker, "node.ip==10.0.0.1")


@given(
    st.text(st.characters(codec="ascii", exclude_characters="=!"), max_size=8), st.sampled_from(["zone", "x"])
)
def test_either_equal_or_not(value: str, label: str) -> None:
    equal, unequal = (matches(NODE, f"node.labels.{label}{op}{value}") for op in ("==", "!="))
    assert equal is not unequal


def test_all_of_several() -> None:
    assert meets(NODE, [])
    assert not meets(NODE, ["node.role==manager", "node.labels.zone==b"])
