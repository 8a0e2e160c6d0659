"""Traefik's access log, or its metrics, to requests per second by host and service.

The pure core: `outcome` judges a line, `windows` sums over time, `names` and `hosts` bound the labels.
The edge: `Follower` reads files through every rotation, `Intake` decodes and counts, `Exporter` serves.
"""

from exporters.traefik.counts import Counts
from exporters.traefik.exporter import Exporter, Options, nanoseconds, serve
from exporters.traefik.fold import Folder
from exporters.traefik.follow import Follower
from exporters.traefik.hosts import Hosts
from exporters.traefik.intake import Intake
from exporters.traefik.metrics import METRICS
from exporters.traefik.names import Names
from exporters.traefik.outcome import OUTCOMES, outcome

__all__ = [
    "METRICS",
    "OUTCOMES",
    "Counts",
    "Exporter",
    "Folder",
    "Follower",
    "Hosts",
    "Intake",
    "Names",
    "Options",
    "nanoseconds",
    "outcome",
    "serve",
]
