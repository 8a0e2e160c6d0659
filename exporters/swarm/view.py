"""A cluster as one moment's answers show it, indexed for the rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporters.engine import Cluster, Node, Service, Task
from exporters.swarm.rules.failures import FailureCounter

__all__ = ["ClusterView", "ServiceView"]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Nodes by ID, services by ID, and the tasks of each service, as the managers list them.

    Tasks of services that are no longer listed are left out: the engine keeps some for long (on Engine
    20.10 those of removed jobs for good). now: Unix seconds of the answers.
    """

    nodes: Mapping[str, Node]
    services: Mapping[str, Service]
    tasks: Mapping[str, list[Task]]
    failures: FailureCounter
    now: float
    cluster: Cluster | None = None

    @classmethod
    def of(
        cls,
        nodes: list[Node],
        services: list[Service],
        tasks: list[Task],
        failures: FailureCounter,
        now: float,
        cluster: Cluster | None = None,
    ) -> "ClusterView":
        """Index three lists, and count the failures that are new in them."""
        by_service: dict[str, list[Task]] = {service.id: [] for service in services}
        for task in tasks:
            mine = by_service.get(task.service_id)
            if mine is not None:
                mine.append(task)
        by_id = {node.id: node for node in nodes}
        known = {service.id: service for service in services}
        failures.update(known, by_service, by_id)
        return cls(by_id, known, by_service, failures, now, cluster)

    def of_services(self) -> "list[ServiceView]":
        """Return each service with what concerns it, by name."""
        return [
            ServiceView(
                service,
                self.tasks[identity],
                self.nodes,
                dict(self.failures.failures(identity)),
                dict(self.failures.restarts(identity)),
                self.now,
            )
            for identity, service in sorted(self.services.items(), key=lambda item: item[1].spec.name)
        ]


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service, its tasks with their history, the nodes, its counters, and the time."""

    service: Service
    tasks: list[Task]
    nodes: Mapping[str, Node]
    failures: Mapping[str, int]
    restarts: Mapping[str, int]
    now: float

    @property
    def labels(self) -> tuple[str, str, str]:
        """Return service, stack and mode: the labels that every metric of a service has."""
        return self.service.spec.name, self.service.stack, self.service.mode
