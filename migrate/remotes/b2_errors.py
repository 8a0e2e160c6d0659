"""b2sdk's errors as ours."""

from b2sdk._internal.exception import ResourceNotFound  # v3 forgot this one
from b2sdk.v3 import exception as b2

from swarmstead.errors import (
    Corrupt,
    Denied,
    Exhausted,
    InputError,
    SwarmsteadError,
    Throttled,
    Unreachable,
)

__all__ = ["from_b2"]

_CORRUPT = (b2.FileSha1Mismatch, b2.PartSha1Mismatch, b2.ChecksumMismatch)
_DENIED = (b2.Unauthorized, b2.AccessDenied, b2.NotAllowedByAppKeyError, b2.RestrictedBucket)
_NO_BUCKET = (b2.NonExistentBucket, b2.BucketIdNotFound)


def from_b2(error: b2.B2Error, subject: str) -> SwarmsteadError:
    """Return our error for b2sdk's; its text is not passed on, since it may hold a key's id."""
    kind = type(error).__name__
    if isinstance(error, b2.CapExceeded):
        return Exhausted(
            f"a cap of the account is reached ({kind})",
            subject=subject,
            hint="Raise it at Caps & Alerts on BackBlaze's pages; then run this again, it goes on.",
        )
    if isinstance(error, b2.TooManyRequests | b2.ServiceError):
        wait = error.retry_after_seconds
        if isinstance(error, b2.TooManyRequests) or wait is not None:
            return Throttled(f"B2 asks to slow down ({kind})", subject=subject, wait_seconds=wait or 0)
        return Unreachable(f"B2 is not able to answer ({kind})", subject=subject)
    if isinstance(error, b2.InvalidAuthToken) and error.code == "expired_auth_token":
        # b2sdk logs in again and tries once; a second time the new token met another thread's old one.
        return Unreachable("a token expired", subject=subject)
    if isinstance(error, _CORRUPT) or (isinstance(error, b2.BadRequest) and _is_about_hash(error)):
        return Corrupt(f"B2 received other bytes than were announced ({kind})", subject=subject)
    return _final(error, kind, subject) or Unreachable(f"no answer from B2 ({kind})", subject=subject)


def _final(error: b2.B2Error, kind: str, subject: str) -> SwarmsteadError | None:
    """Return our error where no try could help, None where one may."""
    if isinstance(error, _DENIED):
        return Denied(
            f"B2 refused the key ({kind})",
            subject=subject,
            hint="See what it may do: migrate remote check",
        )
    if isinstance(error, b2.ClockSkew):
        return InputError(
            "this machine's clock is wrong", subject=subject, hint="Set it: timedatectl set-ntp true"
        )
    if isinstance(error, _NO_BUCKET):
        return InputError("no such bucket", subject=subject, hint="Make it first, or mend the name.")
    if isinstance(error, b2.UnusableFileName | b2.BadRequest | b2.MissingPart | ResourceNotFound):
        return InputError(f"B2 does not take this ({kind}: {error})", subject=subject)
    return None


def _is_about_hash(error: b2.BadRequest) -> bool:
    text = str(error).lower()
    return "sha1" in text or "checksum" in text
