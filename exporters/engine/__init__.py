"""A read-only Docker Engine API: connect, list, follow events; typed records of the fields we use."""

from exporters.engine.address import Address, parse_address
from exporters.engine.client import CLUSTER_SECONDS, Engine
from exporters.engine.errors import KINDS, EngineError
from exporters.engine.records import (
    Cluster,
    Container,
    Disk,
    Event,
    Info,
    Node,
    Requirements,
    Resources,
    Service,
    Task,
)

__all__ = [
    "CLUSTER_SECONDS",
    "KINDS",
    "Address",
    "Cluster",
    "Container",
    "Disk",
    "Engine",
    "EngineError",
    "Event",
    "Info",
    "Node",
    "Requirements",
    "Resources",
    "Service",
    "Task",
    "parse_address",
]
