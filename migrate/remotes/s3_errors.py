"""S3's errors as ours."""

import re
from collections.abc import Mapping

from swarmstead.errors import (
    Corrupt,
    Denied,
    Exhausted,
    InputError,
    SwarmsteadError,
    Throttled,
    Unreachable,
)

__all__ = ["ABSENT", "error_of", "from_body"]

ABSENT = {"NoSuchKey", "NotFound", "404"}
_CORRUPT = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidPart"}
_SLOW = {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "429"}
_FULL = {"QuotaExceeded", "EntityTooLarge", "StorageCapExceeded", "XMinioStorageFull"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_SERVER_ERROR, _TOO_MANY, _NO_ROOM, _UNAVAILABLE = 500, 429, 507, 503


def error_of(status: int, code: str, message: str, *, subject: str, retry_after: str = "") -> SwarmsteadError:
    """Return our error for an answer's HTTP status and S3's code and message."""
    if code in _CORRUPT:
        return Corrupt(f"the server received other bytes than were announced ({code})", subject=subject)
    if code in _FULL or status == _NO_ROOM or "cap exceeded" in message.lower():
        return Exhausted(
            f"the server takes no more ({message or code})", subject=subject, hint="Raise its cap or quota."
        )
    if code == "RequestTimeTooSkewed":
        return InputError(
            "this machine's clock is wrong", subject=subject, hint="Set it: timedatectl set-ntp true"
        )
    if code == "NoSuchBucket":
        return InputError("no such bucket", subject=subject, hint="Make it first, or mend the name.")
    if code in _ELSEWHERE:
        return InputError(
            f"the bucket lies in another region ({message})", subject=subject, hint="Set --region."
        )
    if code in _SLOW or status in {_TOO_MANY, _UNAVAILABLE}:
        wait = float(retry_after) if retry_after.isdigit() else 0
        return Throttled(
            f"the server asks to slow down ({code or status})", subject=subject, wait_seconds=wait
        )
    if code == "NoSuchUpload":
        return InputError("the server knows this upload no longer", subject=subject, hint="Begin it anew.")
    return _answer_of(status, code, message, subject)


def _answer_of(status: int, code: str, message: str, subject: str) -> SwarmsteadError:
    """Return our error where S3's code does not say more than the status."""
    if status in {401, 403} or code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
        return Denied(
            f"the server refused the key ({code or status})",
            subject=subject,
            hint="See what it may do: migrate remote check",
        )
    if status >= _SERVER_ERROR or status in {408, 409} or code == "RequestTimeout":
        return Unreachable(f"the server answered {status} {code}".rstrip(), subject=subject)
    return SwarmsteadError(f"the server answered {status} {code} {message}".rstrip(), subject=subject)


def from_body(status: int, headers: Mapping[str, str], body: str, subject: str) -> SwarmsteadError:
    """Return our error for an answer with S3's XML; unparsed, since it is short and may be anything."""
    code = re.search(r"<Code>([^<]{1,100})</Code>", body)
    message = re.search(r"<Message>([^<]{1,300})</Message>", body)
    return error_of(
        status,
        code[1] if code else "",
        message[1] if message else "",
        subject=subject,
        retry_after=headers.get("retry-after", ""),
    )
