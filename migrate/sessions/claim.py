"""Claiming staged sessions at the first cookie, where file names are one-way hashes (Flask-Session).

The app's server wraps its app: ``app.wsgi_app = ClaimWSGI(app.wsgi_app, Claimer(target))``; an ASGI app the
same with `ClaimASGI`. In front of an app that cannot be changed, `migrate sessions claims` answers Traefik's
ForwardAuth and does the same. Once a lifetime has passed, take it out again.
"""

import re
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, TypeAlias

from swarmstead.errors import SwarmsteadError

from .flask_session import hashes
from .target import RedisTarget

__all__ = ["ClaimASGI", "ClaimWSGI", "Claimer"]

_SID = re.compile(r"[A-Za-z0-9_.-]{16,256}", re.ASCII)
_NOTHING, _CLAIMED = 0, 1
# 2: the session is there already.
_RENAME = b"""
if redis.call('EXISTS', KEYS[1]) == 1 then return 2 end
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('RENAMENX', KEYS[i], KEYS[1]) return 1 end
end
return 0
"""
_MOST_REMEMBERED = 50_000

_Scope: TypeAlias = MutableMapping[str, Any]
_App: TypeAlias = Callable[
    [_Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]
]
_WSGI: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


_AWAY: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "http": (
        {"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"2")]},
        {"type": "http.response.body", "body": b"The session store does not answer; try again.\n"},
    ),
    "websocket": ({"type": "websocket.close", "code": 1013},),
}


class Claimer:
    """Renames ``staged:<hash>`` to ``session:<sid>`` when the sid's cookie comes; the expiry stays.

    signed: the cookie is ``sid.signature`` (SESSION_USE_SIGNER); the app itself checks it, and a sid that
    nobody knows claims nothing. Thread-safe. What was found once is not looked for again; what was not may
    still be staged, by the stragglers of a cut-over.
    """

    def __init__(
        self,
        target: RedisTarget,
        *,
        cookie: str = "session",
        key_prefix: str = "session:",
        signed: bool = False,
    ) -> None:
        self._target, self._cookie, self._prefix, self._signed = target, cookie, key_prefix, signed
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def sid_of(self, header: str) -> str | None:
        """Return the session id of a Cookie header, if it has a valid one."""
        try:
            morsel = SimpleCookie(header).get(self._cookie)
        except CookieError:
            return None
        if morsel is None:
            return None
        sid = morsel.value.rpartition(".")[0] if self._signed else morsel.value
        return sid if _SID.fullmatch(sid) else None

    def claim(self, header: str) -> bool:
        """Claim the session of a Cookie header; return whether one was staged. Raises as Redis answers."""
        sid = self.sid_of(header)
        if sid is None or sid in self._seen:
            return False
        key = (self._prefix + sid).encode()
        staged = [b"staged:" + name.encode() for name in hashes(key)]
        with self._lock:
            found = self._target.call(b"EVAL", _RENAME, 1 + len(staged), key, *staged)
            if len(self._seen) >= _MOST_REMEMBERED:
                self._seen.clear()
            if found != _NOTHING:
                self._seen.add(sid)
        return found == _CLAIMED


class ClaimWSGI:
    """The middleware for WSGI. While Redis is away it answers 503: the app would take the login for lost."""

    def __init__(self, app: _WSGI, claimer: Claimer) -> None:
        self._app, self._claimer = app, claimer

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Claim, then call the app."""
        try:
            self._claimer.claim(environ.get("HTTP_COOKIE", ""))
        except SwarmsteadError:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "2")])
            return [b"The session store does not answer; try again.\n"]
        return self._app(environ, start_response)


class ClaimASGI:
    """The middleware for ASGI. While Redis is away it answers 503, and closes a websocket with 1013."""

    def __init__(self, app: _App, claimer: Claimer) -> None:
        self._app, self._claimer = app, claimer

    async def __call__(
        self, scope: _Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Claim in a thread, then call the app."""
        import asyncio  # noqa: PLC0415 - WSGI servers need none

        if scope["type"] in {"http", "websocket"}:
            header = b"; ".join(v for k, v in scope.get("headers", ()) if k == b"cookie").decode("latin-1")
            try:
                await asyncio.to_thread(self._claimer.claim, header)
            except SwarmsteadError:
                for message in _AWAY[scope["type"]]:
                    await send(dict(message))
                return
        await self._app(scope, receive, send)
