"""Remotes: one contract for a local folder, S3 and (by b2sdk) B2."""

from pathlib import Path
from urllib.parse import urlsplit

from migrate.remotes.base import Body, Remote, Stored
from swarmstead.errors import UsageError

__all__ = ["Body", "Remote", "Stored", "open_remote"]


def open_remote(url: str, *, endpoint: str = "", region: str = "", key_id: str = "", key: str = "") -> Remote:
    """Open ``file:///FOLDER`` or ``s3://BUCKET[/PREFIX]``. Raises UsageError for anything else."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        from migrate.remotes.local import LocalRemote  # noqa: PLC0415

        return LocalRemote(Path(parts.path))
    if parts.scheme == "s3" and parts.netloc:
        from migrate.remotes.s3 import S3Remote  # noqa: PLC0415 - boto3 costs half a second

        if not key_id or not key:
            raise UsageError("no key for the remote", subject=url, hint="Give its id and the key, by files.")
        prefix = parts.path.lstrip("/")
        return S3Remote(parts.netloc, prefix, endpoint=endpoint, region=region, key_id=key_id, key=key)
    raise UsageError("not a remote", subject=url, hint="Write s3://BUCKET/PREFIX or file:///FOLDER.")
