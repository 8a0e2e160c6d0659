"""What is decided for one request: which session it is of, which cookies go on, which token is set.

Traefik 3 forward.go: `authResponseHeaders: [Cookie]` replaces the app's Cookie header and deletes it if the
answer has none, so the answer always echoes one. The verifier never sees the app's Set-Cookie, so a token is
made at the first request after a login. A live cookie of the app beats the token: else an id that the app
has renewed (session_regenerate_id) would be undone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .keys import KeyRing
from .token import Claims, issue, read

__all__ = ["Answer", "Settings", "Verifier"]

_SID = re.compile(r"[A-Za-z0-9,_.:%=+/-]{8,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the app's sessions look.

    cookie: the app's cookie. key_prefix: of its sessions in Redis. lifetime: of a token in seconds; it is
    renewed once half of it has passed. audience: the app's name. token_cookie: ``__Host-`` makes browsers
    bind it to this host and https.
    """

    cookie: str
    key_prefix: str
    audience: str
    lifetime: int = 900
    issuer: str = "swarmstead"
    token_cookie: str = "__Host-login"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Traefik with 200: the Cookie for the app, maybe a Set-Cookie for the browser."""

    cookie: str
    set_cookie: str = ""


def _split(header: str) -> list[tuple[str, str]]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [(name, value) for name, equals, value in pairs if equals]


class Verifier:
    """Decides by two questions to the store.

    exists: whether the session of a Redis key is there; asked on every request, so a logout in the app ends
        the token too. epoch: Unix seconds before which no token of a user counts (logout everywhere), or 0.
    user_of: the user id within a session, for stacks where it is known; "" else.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyRing,
        *,
        exists: Callable[[str], bool],
        epoch: Callable[[str], int],
        user_of: Callable[[str], str] = lambda _session: "",
    ) -> None:
        self._settings, self._keys = settings, keys
        self._exists, self._epoch, self._user_of = exists, epoch, user_of

    def _live(self, sid: str | None) -> bool:
        return sid is not None and bool(_SID.fullmatch(sid)) and self._exists(self._settings.key_prefix + sid)

    def decide(self, header: str, now: float) -> Answer:
        """Return the answer for a request with this Cookie header."""
        settings = self._settings
        cookies = _split(header)
        own = next((value for name, value in cookies if name == settings.cookie), None)
        token = next((value for name, value in cookies if name == settings.token_cookie), None)
        others = [f"{n}={v}" for n, v in cookies if n not in {settings.cookie, settings.token_cookie}]
        claims = self._valid(token, now)
        if own is not None and self._live(own):
            session: str | None = own
        elif claims is not None and self._live(claims.session):
            session = claims.session
        else:
            # Nobody we know: the app decides about its cookie; a token that no longer counts is taken away.
            kept = [f"{settings.cookie}={own}"] if own is not None else []
            return Answer("; ".join([*kept, *others]), self._set("", 0) if token else "")
        echoed = "; ".join([f"{settings.cookie}={session}", *others])
        return Answer(echoed, self._renewed(session, claims, now))

    def _valid(self, token: str | None, now: float) -> Claims | None:
        if not token:
            return None
        settings = self._settings
        claims = read(self._keys, token, issuer=settings.issuer, audience=settings.audience, now=now)
        if claims is None or (claims.user and claims.issued_at < self._epoch(claims.user)):
            return None
        return claims

    def _renewed(self, session: str | None, claims: Claims | None, now: float) -> str:
        """Return a Set-Cookie if there is no token of this session yet, or half of its life is over."""
        settings = self._settings
        half = settings.lifetime / 2
        if session is None or (claims and claims.session == session and claims.expires_at - now > half):
            return ""
        made = Claims(session, self._user_of(session), int(now), int(now) + settings.lifetime)
        try:
            token = issue(self._keys, made, issuer=settings.issuer, audience=settings.audience)
        except ValueError:
            return ""
        return self._set(token, settings.lifetime)

    def _set(self, token: str, lifetime: int) -> str:
        name = self._settings.token_cookie
        return f"{name}={token}; Path=/; Max-Age={lifetime}; Secure; HttpOnly; SameSite=Lax"
