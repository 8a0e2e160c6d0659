"""The node's cache: files pulled on demand, and written through before a write is answered.

::

    node = Node(Options(root=Path("uploads"), max_bytes=2_000_000_000, socket=Path("cache.sock")), remote)
    await node.serve(stop)

- Reads: from the folder (by nginx or by us), else one GET at the origin for all who wait (`fill`, `reads`).
- Writes: the watched folder (`watch`), the queue to the remote (`queue`), the `barrier` before the app.
- The bound and what goes: `store`, `eviction`. What other nodes changed: `changes`, `peers`.
"""

from migrate.cache.eviction import POLICIES
from migrate.cache.node import Node, Options
from migrate.cache.store import Store

__all__ = ["POLICIES", "Node", "Options", "Store"]
