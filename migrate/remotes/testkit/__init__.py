"""Test servers for remotes, part of the product: try a migration, or test your own code, without an account.

::

    with B2Server.running("pictures") as server:
        server.faults.add(Fault("status", status=503, code="service_unavailable", retry_after="1"))
        remote = open_remote("b2://pictures", endpoint=server.url, key_id=server.key.id, key=server.key.key)

``python -m migrate.remotes.testkit`` serves B2's API until it is stopped.
"""

from migrate.remotes.testkit.b2 import B2Server, Key
from migrate.remotes.testkit.faults import Fault, Faults
from migrate.remotes.testkit.s3 import S3Proxy

__all__ = ["B2Server", "Fault", "Faults", "Key", "S3Proxy"]
