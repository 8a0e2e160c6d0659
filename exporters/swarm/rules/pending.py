"""Why a task is not scheduled, by the scheduler's words (swarmkit, manager/scheduler/{filter,pipeline}.go).

A replicated service's task says ``no suitable node (X on 2 nodes; Y on 1 node)``, a global one's bare
``X on 1 node``.
"""

from typing import Final

__all__ = ["REASONS", "reason"]

# In the order in which they name a cause when several stand together: what only some nodes lack comes
# before what was asked for, since a constraint that excludes the other nodes is meant to.
_WORDS: Final = (
    ("host-mode port already in use", "host_port"),
    ("max replicas per node limit exceed", "max_replicas"),
    ("insufficient resources", "insufficient_resources"),
    ("missing plugin", "missing_plugin"),
    ("unsupported platform", "platform"),
    ("CSI volume", "volume"),
    ("not available for new tasks", "node_unavailable"),
    ("scheduling constraints not satisfied", "constraints"),
)
REASONS: Final = (*(name for _, name in _WORDS), "other", "none")


def reason(error: str) -> str:
    """Return one of REASONS for a pending task's error; `none` while the scheduler has not said anything."""
    if not error:
        return "none"
    return next((name for words, name in _WORDS if words in error), "other")
