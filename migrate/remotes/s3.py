"""``s3://BUCKET[/PREFIX]`` at any endpoint, by boto3.

The hash travels as the object's own metadata (``x-amz-meta-sha1``), and the server proves what it took by the
MD5 that it answers as ETag (single-part uploads).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from migrate.remotes.base import CHUNK_BYTES, Body, Stored
from swarmstead.errors import Corrupt, Denied, SwarmsteadError, Throttled, Unreachable

__all__ = ["S3Remote"]

_MISSING = {"404", "NoSuchKey", "NotFound"}
_DENIED = {"403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_SLOW = {"429", "503", "SlowDown", "ServiceUnavailable"}


def _told(error: Exception, subject: str) -> SwarmsteadError:
    """Return our error for boto3's."""
    if not isinstance(error, ClientError):
        return Unreachable(
            f"no answer ({type(error).__name__})", subject=subject, hint="Is the endpoint right?"
        )
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _DENIED:
        return Denied(
            f"the server refused the key ({code})", subject=subject, hint="Check the key and its rights."
        )
    if code in _SLOW:
        return Throttled(f"the server asks to slow down ({code})", subject=subject)
    return Unreachable(f"the server answered {code}", subject=subject)


class S3Remote:
    """One bucket (and prefix). Checksum options are `when_required`: B2 refuses the new headers."""

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str = "", region: str = "", key_id: str, key: str
    ) -> None:
        self.url = f"s3://{bucket}/{prefix}"
        self._bucket, self._prefix = bucket, prefix and prefix.rstrip("/") + "/"
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path"},
            max_pool_connections=32,
        )
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=region or "us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=key,
            config=config,
        )

    def _where(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def put(self, name: str, source: BinaryIO, *, size: int, sha1: str) -> None:
        """Store the bytes; the server's MD5 must be ours."""
        body = source.read()
        if (len(body), hashlib.sha1(body, usedforsecurity=False).hexdigest()) != (size, sha1):
            raise Corrupt("the file changed while it was read", subject=name)
        try:
            answer = self._client.put_object(**self._where(name), Body=body, Metadata={"sha1": sha1})
        except (ClientError, BotoCoreError) as error:
            raise _told(error, f"{self.url}{name}") from None
        if answer["ETag"].strip('"') != hashlib.md5(body, usedforsecurity=False).hexdigest():
            raise Corrupt("the server took other bytes than were sent", subject=name)

    @contextmanager
    def get(self, name: str) -> Iterator[Body | None]:
        """Open an object."""
        try:
            answer = self._client.get_object(**self._where(name))
        except ClientError as error:
            if str(error.response["Error"]["Code"]) in _MISSING:
                yield None
                return
            raise _told(error, f"{self.url}{name}") from None
        except BotoCoreError as error:
            raise _told(error, f"{self.url}{name}") from None
        body = answer["Body"]
        try:
            stored = Stored(name, answer["ContentLength"], answer["Metadata"].get("sha1", ""))
            yield Body(stored, body.iter_chunks(CHUNK_BYTES))
        finally:
            body.close()

    def head(self, name: str) -> Stored | None:
        """Describe an object."""
        try:
            answer = self._client.head_object(**self._where(name))
        except ClientError as error:
            if str(error.response["Error"]["Code"]) in _MISSING:
                return None
            raise _told(error, f"{self.url}{name}") from None
        except BotoCoreError as error:
            raise _told(error, f"{self.url}{name}") from None
        return Stored(name, answer["ContentLength"], answer["Metadata"].get("sha1", ""))

    def list(self) -> Iterator[Stored]:
        """Describe every object, without hashes: S3 lists none."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        try:
            for page in pages:
                for row in page.get("Contents", ()):
                    yield Stored(row["Key"].removeprefix(self._prefix), row["Size"], "")
        except (ClientError, BotoCoreError) as error:
            raise _told(error, self.url) from None

    def delete(self, name: str) -> None:
        """Remove an object (a versioned bucket keeps the old version)."""
        try:
            self._client.delete_object(**self._where(name))
        except (ClientError, BotoCoreError) as error:
            raise _told(error, f"{self.url}{name}") from None
