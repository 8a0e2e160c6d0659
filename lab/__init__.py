"""A real multi-node Docker Swarm on one machine, for tests, demos and benches. See docs/lab.md."""

from lab.cluster import Lab
from lab.errors import CommandFailed, EngineError, LabError, LabUnavailable
from lab.node import Node
from lab.preflight import preflight

__all__ = ["CommandFailed", "EngineError", "Lab", "LabError", "LabUnavailable", "Node", "preflight"]
