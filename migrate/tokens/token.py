"""One token: a JWT (RFC 7519) read by the rules of RFC 8725."""

from dataclasses import dataclass
from typing import Any

import jwt

from .keys import KeyRing

__all__ = ["Claims", "issue", "read"]

_ALGORITHM = "HS256"
_TYPE = "swarmstead-login+jwt"
_LEEWAY_SECONDS = 60
_LARGEST = 1024


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: whose session, of which user (or ""), from when until when (Unix seconds)."""

    session: str
    user: str
    issued_at: int
    expires_at: int


def issue(keys: KeyRing, claims: Claims, *, issuer: str, audience: str) -> str:
    """Return the signed token, under 1 KiB; ValueError if the ids in it are too long for that."""
    body = {
        "iss": issuer,
        "aud": audience,
        "sub": claims.user or "-",
        "sid": claims.session,
        "iat": claims.issued_at,
        "exp": claims.expires_at,
    }
    headers = {"typ": _TYPE, "kid": keys.signing.kid}
    token = jwt.encode(body, keys.signing.secret, algorithm=_ALGORITHM, headers=headers)
    if len(token) > _LARGEST:
        raise ValueError("too long for a cookie")
    return token


def read(keys: KeyRing, token: str, *, issuer: str, audience: str, now: float) -> Claims | None:
    """Return what a token says, or None unless all of it holds.

    The algorithm is the key's, the type is fixed, `kid` only picks from our own keys, and issuer, audience,
    expiry, issue time and subject must be there.
    """
    if len(token) > _LARGEST:
        return None
    try:
        header = jwt.get_unverified_header(token)
        key = keys.find(header.get("kid"))
        if key is None or header.get("typ") != _TYPE or header.get("alg") != _ALGORITHM:
            return None
        body: dict[str, Any] = jwt.decode(
            token,
            key.secret,
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=issuer,
            options={
                "require": ["iss", "aud", "exp", "iat", "sub"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
    except jwt.InvalidTokenError:
        return None
    issued, expires, session, user = (body.get(name) for name in ("iat", "exp", "sid", "sub"))
    if not isinstance(issued, int) or not isinstance(expires, int):
        return None
    if not isinstance(session, str) or not isinstance(user, str):
        return None
    if now > expires + _LEEWAY_SECONDS or issued > now + _LEEWAY_SECONDS:
        return None
    return Claims(session, "" if user == "-" else user, issued, expires)
