"""Swarm state to metrics: what the managers believe, and what each node's own engine runs.

Data flow one way: `exporters.engine` answers, `rules` (pure functions) judge, `kinds` name the samples,
`render` makes them text, the watchers (`watch_cluster`, `watch_engine`) decide when.
"""

from exporters.swarm.exporter import Exporter, Options, once, serve
from exporters.swarm.watch_cluster import Pace

__all__ = ["Exporter", "Options", "Pace", "once", "serve"]
