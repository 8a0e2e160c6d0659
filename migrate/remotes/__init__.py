"""Remotes: one contract for a local folder, S3 and B2.

::

    remote = open_remote("b2://bucket/prefix", key_id=..., key=...)
    stored = remote.put(name, file, size=size, sha1=sha1)      # back only when the remote confirmed it
    with remote.get(name, start=0, end=1024) as body: ...      # None where there is none
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from migrate.remotes.base import (
    CHUNK_BYTES,
    About,
    Body,
    Capabilities,
    Part,
    Remote,
    Source,
    Stored,
    Unfinished,
)
from migrate.remotes.bill import Bill, Prices, monthly
from migrate.remotes.retry import PATIENT, PROMPT, Breaker, Policy, Retry
from migrate.remotes.trial import CheckReport, check
from swarmstead.errors import SwarmsteadError, UsageError

__all__ = [
    "CHUNK_BYTES",
    "PATIENT",
    "PROMPT",
    "About",
    "Bill",
    "Body",
    "Breaker",
    "Capabilities",
    "CheckReport",
    "Part",
    "Policy",
    "Prices",
    "Remote",
    "Source",
    "Stored",
    "Unfinished",
    "check",
    "monthly",
    "open_remote",
]


def open_remote(
    url: str,
    *,
    endpoint: str = "",
    region: str = "",
    key_id: str = "",
    key: str = "",
    policy: Policy = PATIENT,
    breaker: Breaker | None = None,
    wait: Callable[[float], bool] | None = None,
    told: Callable[[SwarmsteadError], None] | None = None,
) -> Remote:
    """Open ``file:///FOLDER``, ``s3://BUCKET[/PREFIX]`` or ``b2://BUCKET[/PREFIX]``.

    endpoint: URL of the S3 server, or of B2's API (its realm); "" for Amazon's and BackBlaze's own.
    key_id, key: without them S3 looks where AWS's tools do; B2 needs them.
    policy: PATIENT for a copy, PROMPT for a gateway. wait: sleeps, and returns True to stop trying.
    told: hears of every failed try. Raises UsageError for anything else, and what the remote raises.
    """
    from migrate.remotes.guarded import Guarded  # noqa: PLC0415 - kept out of the facade's own names

    parts = urlsplit(url)
    prefix = unquote(parts.path).strip("/")
    driver: Remote
    if parts.query or parts.fragment:
        raise UsageError("a remote has no ? or #", subject=url, hint="Give the endpoint by --endpoint.")
    if parts.scheme == "file" and prefix and not parts.netloc:
        from migrate.remotes.local import LocalRemote  # noqa: PLC0415

        return LocalRemote(Path("/" + prefix))
    if parts.scheme == "s3" and parts.netloc:
        from migrate.remotes.s3 import S3Remote  # noqa: PLC0415 - boto3 costs half a second

        driver = S3Remote(parts.netloc, prefix, endpoint=endpoint, region=region, key_id=key_id, key=key)
    elif parts.scheme == "b2" and parts.netloc:
        from migrate.remotes.b2 import B2Remote  # noqa: PLC0415 - b2sdk costs as much

        driver = B2Remote(parts.netloc, prefix, realm=endpoint, key_id=key_id, key=key)
    else:
        raise UsageError(
            "not a remote",
            subject=url,
            hint="Write b2://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///FOLDER.",
        )
    return Guarded(driver, Retry(policy, breaker, wait=wait, told=told))
