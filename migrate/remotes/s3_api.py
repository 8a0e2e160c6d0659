"""What boto3 does for an S3 remote: what is rare, and where keys are found as AWS's own tools look for them.

A module of its own since boto3 takes a third of a second to import and to make a client.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from migrate.remotes.base import About, Part, Unfinished
from migrate.remotes.bill import Bill
from migrate.remotes.s3_errors import ABSENT, error_of
from migrate.remotes.sigv4 import Key
from swarmstead.errors import Corrupt, Denied, InputError, SwarmsteadError, Unreachable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Api", "find_key"]


def find_key(subject: str) -> Callable[[], Key]:
    """Look for a key in the environment, the files, the machine's role; those of a role change.

    Raises Denied where there is none.
    """
    found = boto3.Session().get_credentials()
    if found is None:
        raise Denied(
            "no key for this remote",
            subject=subject,
            hint="Set SWARMSTEAD_REMOTE_KEY_ID and SWARMSTEAD_REMOTE_KEY_FILE, or AWS's variables.",
        )

    def now() -> Key:
        frozen = found.get_frozen_credentials()
        return Key(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    return now


class S3Api:
    """One bucket, and prefix with its slash, by boto3. The methods are `Remote`'s, but for proofs."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint: str,
        region: str,
        key: Callable[[], Key],
        bill: Bill,
    ) -> None:
        self._bucket, self._prefix, self._bill = bucket, prefix, bill
        now = key()
        # No retries of its own, and no checksums that B2 would refuse.
        self.client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=now.id,
            aws_secret_access_key=now.secret,
            aws_session_token=now.token,
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def _subject(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def _told(self, error: BotoCoreError | ClientError, name: str = "") -> SwarmsteadError:
        return _from_boto(error, self._subject(name))

    def copy(self, source: str, target: str) -> None:
        """Copy an object at the server. Raises InputError where there is none."""
        self._bill.count("copy")
        try:
            self.client.copy_object(
                Bucket=self._bucket,
                Key=self._prefix + target,
                CopySource={"Bucket": self._bucket, "Key": self._prefix + source},
            )
        except (BotoCoreError, ClientError) as error:
            if _code(error) in ABSENT:
                raise InputError("no such object", subject=self._subject(source)) from None
            raise self._told(error, source) from None

    def delete(self, name: str) -> None:
        """Remove an object; where the bucket keeps versions, the server only hides it."""
        self._bill.count("delete")
        try:
            self.client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except (BotoCoreError, ClientError) as error:
            if _code(error) not in ABSENT:
                raise self._told(error, name) from None

    def begin(self, name: str, *, content_type: str, metadata: dict[str, str]) -> str:
        """Begin an upload in parts; return its id."""
        self._bill.count("begin")
        try:
            return self.client.create_multipart_upload(
                Bucket=self._bucket,
                Key=self._prefix + name,
                ContentType=content_type,
                Metadata=metadata,
            )["UploadId"]
        except (BotoCoreError, ClientError) as error:
            raise self._told(error, name) from None

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that the server has."""
        found: dict[int, Part] = {}
        marker = 0
        while True:
            self._bill.count("parts")
            try:
                answer = self.client.list_parts(
                    Bucket=self._bucket, Key=self._prefix + name, UploadId=upload, PartNumberMarker=marker
                )
            except (BotoCoreError, ClientError) as error:
                if _code(error) in {"NoSuchUpload", *ABSENT}:
                    return {}
                raise self._told(error, name) from None
            for part in answer.get("Parts", []):
                number = part["PartNumber"]
                found[number] = Part(number, part["Size"], part["ETag"].strip('"'))
            marker = int(answer.get("NextPartNumberMarker") or 0)
            if not answer.get("IsTruncated") or not marker:
                return found

    def finish(self, name: str, upload: str, parts: Sequence[Part]) -> None:
        """Make the object from its parts. Raises Corrupt where its ETag is not the MD5 of their MD5s."""
        self._bill.count("finish")
        try:
            answer = self.client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._prefix + name,
                UploadId=upload,
                MultipartUpload={"Parts": [{"PartNumber": p.number, "ETag": f'"{p.digest}"'} for p in parts]},
            )
        except (BotoCoreError, ClientError) as error:
            raise self._told(error, name) from None
        tag = answer["ETag"].strip('"')
        joined = hashlib.md5(b"".join(bytes.fromhex(p.digest) for p in parts), usedforsecurity=False)
        ours = f"{joined.hexdigest()}-{len(parts)}"
        if tag != ours and re.fullmatch(r"[0-9a-f]{32}-\d+", tag) and not answer.get("SSEKMSKeyId"):
            raise Corrupt("the server joined other parts than were sent", subject=self._subject(name))

    def abandon(self, name: str, upload: str) -> None:
        """Forget an upload."""
        self._bill.count("abandon")
        try:
            self.client.abort_multipart_upload(Bucket=self._bucket, Key=self._prefix + name, UploadId=upload)
        except (BotoCoreError, ClientError) as error:
            if _code(error) not in {"NoSuchUpload", *ABSENT}:
                raise self._told(error, name) from None

    def about(self) -> About:
        """Say what the bucket will do; S3 does not tell what a key may do."""
        return About(lifecycle=self._lifecycle(), versions=self._versions())

    def _lifecycle(self) -> Sequence[str] | None:
        self._bill.count("buckets")
        try:
            answer = self.client.get_bucket_lifecycle_configuration(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as error:
            return () if _code(error) == "NoSuchLifecycleConfiguration" else None
        told: dict[str, Any] = dict(answer)
        if "Rules" not in told:  # a server that knows no lifecycles answers with something else (rclone's)
            return None
        return [_rule_in_words(dict(rule)) for rule in told["Rules"] if rule.get("Status") == "Enabled"]

    def _versions(self) -> bool | None:
        self._bill.count("buckets")
        try:
            return self.client.get_bucket_versioning(Bucket=self._bucket).get("Status") == "Enabled"
        except (BotoCoreError, ClientError):
            return None

    def unfinished(self) -> Iterator[Unfinished]:
        """Return the uploads that were begun."""
        self._bill.count("list")
        try:
            answer = self.client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix)
        except (BotoCoreError, ClientError) as error:
            if _code(error) == "NoSuchUpload":  # rclone's server, where nothing was begun yet
                return
            raise self._told(error) from None
        for found in answer.get("Uploads", []):
            yield Unfinished(found["Key"][len(self._prefix) :], found["UploadId"])


def _from_boto(error: BotoCoreError | ClientError, subject: str) -> SwarmsteadError:
    if isinstance(error, NoCredentialsError):
        return Denied("no key for this remote", subject=subject)
    if not isinstance(error, ClientError):
        return Unreachable(
            f"no answer ({type(error).__name__})", subject=subject, hint="Is the endpoint right?"
        )
    answer = error.response
    said = answer.get("Error", {})
    meta = answer.get("ResponseMetadata", {})
    return error_of(
        int(meta.get("HTTPStatusCode", 0)),
        str(said.get("Code", "")),
        str(said.get("Message", "")),
        subject=subject,
        retry_after=str(meta.get("HTTPHeaders", {}).get("retry-after", "")),
    )


def _code(error: BotoCoreError | ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _rule_in_words(rule: dict[str, Any]) -> str:
    where = rule.get("Filter", {}).get("Prefix") or rule.get("Prefix") or ""
    what = []
    if days := rule.get("Expiration", {}).get("Days"):
        what.append(f"deletes objects {days} days after they were put")
    if days := rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"):
        what.append(f"deletes replaced and deleted versions after {days} days")
    if days := rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"):
        what.append(f"forgets unfinished uploads after {days} days")
    return f"{where}*: {', '.join(what) or 'a rule that is not about deleting'}"
