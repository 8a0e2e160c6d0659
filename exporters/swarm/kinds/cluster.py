"""The cluster as a whole: quorum, managers, its certificate authority, how many objects it holds."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Final

from exporters.exposition import Metric
from exporters.swarm.certificate import expiry
from exporters.swarm.kinds.node import AVAILABILITIES, NODE_STATES
from exporters.swarm.kinds.sample import Sample
from exporters.swarm.rules.quorum import quorum
from exporters.swarm.times import seconds
from exporters.swarm.view import ClusterView

__all__ = ["METRICS", "lost", "samples"]

QUORUM = Metric(
    "swarm_cluster_quorum",
    "Whether the managers have a leader and a majority. 0 is said by every manager, 1 by the leader alone.",
    source="GET /nodes: without quorum it hangs, then says that there is no leader; or the leader reaches no "
    "majority (swarmkit, raft)",
    when="Absent on workers, and on managers that do not lead while there is a quorum.",
)
MANAGERS = Metric(
    "swarm_cluster_managers", "Managers of the swarm.", source="GET /nodes: those with a ManagerStatus"
)
REACHABLE = Metric(
    "swarm_cluster_managers_reachable",
    "Managers that the leader reaches.",
    source="GET /nodes: ManagerStatus.Reachability",
)
MARGIN = Metric(
    "swarm_cluster_quorum_margin",
    "Managers that may still be lost before the quorum is.",
    source="swarmkit, design/raft.md: reachable - (managers / 2 + 1)",
)
NODES = Metric(
    "swarm_cluster_nodes",
    "Nodes by role, availability and state.",
    labels=("role", "availability", "state"),
    source="GET /nodes",
)
ROOT_CA = Metric(
    "swarm_cluster_root_ca_expiry_timestamp_seconds",
    "When the swarm's root certificate ends, in Unix time.",
    unit="seconds",
    source="GET /nodes: Description.TLSInfo.TrustRoot, the earliest of its certificates (RFC 5280, 4.1.2.5)",
    when="Absent when no node gives it.",
)
ROTATION = Metric(
    "swarm_cluster_root_rotation_in_progress",
    "Whether the root certificate is being replaced.",
    source="GET /info: Swarm.Cluster.RootRotationInProgress",
    when="Absent when the engine's info cannot be read.",
)
OBJECTS = Metric(
    "swarm_cluster_objects",
    "Objects that the managers list; tasks with their history.",
    labels=("kind",),
    source="GET /nodes, /services, /tasks",
)
INFO = Metric(
    "swarm_cluster_info",
    "The swarm.",
    "info",
    ("cluster_id",),
    source="GET /info: Swarm.Cluster.ID",
    when="Absent when the engine's info cannot be read.",
)
CREATED = Metric(
    "swarm_cluster_created_timestamp_seconds",
    "When the swarm was made, in Unix time.",
    unit="seconds",
    source="GET /info: Swarm.Cluster.CreatedAt",
    when="Absent when the engine's info cannot be read.",
)

METRICS: Final = (QUORUM, MANAGERS, REACHABLE, MARGIN, NODES, ROOT_CA, ROTATION, OBJECTS, INFO, CREATED)


def lost() -> Iterator[Sample]:
    """Yield what a manager says that has no leader: no quorum, and nothing else."""
    yield QUORUM, (), 0


def samples(view: ClusterView) -> Iterator[Sample]:
    """Yield what the instance says that answers for the cluster."""
    nodes = view.nodes.values()
    managers = quorum(nodes)
    yield QUORUM, (), 1
    yield MANAGERS, (), managers.managers
    yield REACHABLE, (), managers.reachable
    yield MARGIN, (), managers.margin
    count = Counter((node.spec.role, node.spec.availability, node.status.state) for node in nodes)
    for labels in product(("manager", "worker"), AVAILABILITIES, NODE_STATES):
        yield NODES, labels, count[labels]
    ends = [
        expiry(root) for root in {n.description.tls_info.trust_root for n in nodes if n.description.tls_info}
    ]
    if known := [end for end in ends if end]:
        yield ROOT_CA, (), min(known)
    yield OBJECTS, ("nodes",), len(view.nodes)
    yield OBJECTS, ("services",), len(view.services)
    yield OBJECTS, ("tasks",), sum(map(len, view.tasks.values()))
    if view.cluster and view.cluster.id:
        yield INFO, (view.cluster.id,), 1
        yield CREATED, (), seconds(view.cluster.created_at)
        yield ROTATION, (), int(view.cluster.root_rotation_in_progress)
