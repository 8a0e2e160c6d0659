"""The page of metrics and the server that serves it.

A kind of metric declares `Metric`s and fills `Family`s; a poller renders them into a `Section` when they
change, puts sections together into a `Page`, and gives it to the `Server` with one assignment::

    SEEN = Metric("example_seen_total", "Things seen.", "counter", ("host",))
    family = Family(SEEN)
    family.add(("shop",), 3)
    server.publish(Page([Section([family])]))
"""

from exporters.exposition.metric import Metric
from exporters.exposition.page import EMPTY, Family, Form, Page, Section
from exporters.exposition.server import Health, Server
from exporters.exposition.webconfig import WebConfig, load_web_config

__all__ = [
    "EMPTY",
    "Family",
    "Form",
    "Health",
    "Metric",
    "Page",
    "Section",
    "Server",
    "WebConfig",
    "load_web_config",
]
