"""`migrate tokens`: signed login tokens in front of an app."""

import base64
import secrets
import threading
import time
from collections.abc import Callable

import click

from migrate.sessions import RedisTarget
from migrate.tokens import KeyRing, Settings, Verifier, token_server, user_finder
from swarmstead.errors import UsageError
from swarmstead.settings import settings
from swarmstead.stop import stop_on_signals
from swarmstead.table import TABLE

__all__ = ["command"]

_EPOCH_SECONDS = 400 * 86400


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Serve signed login tokens in front of an app, by Traefik's ForwardAuth.

    The app keeps its session in Redis; the browser also holds a short-lived signed token. An old cookie is
    exchanged for one at its first request, a logout in the app ends it, `end` ends all of a user's.
    """


@command.command()
def key() -> None:
    """Print a new signing key. Put it in front of the old one; drop the old one a token's lifetime later."""
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    click.echo(f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}:{secret}")


def _epochs(target: RedisTarget) -> Callable[[str], int]:
    def epoch(user: str) -> int:
        value = target.call(b"GET", b"epoch:" + user.encode())
        return int(value) if isinstance(value, bytes) and value.isdigit() else 0

    return epoch


@command.command()
@click.option("--to", "url", required=True, metavar="URL", help="The Redis of the app's sessions.")
@click.option("--cookie", default="PHPSESSID", show_default=True, help="The app's session cookie.")
@click.option("--key-prefix", default="PHPREDIS_SESSION:", show_default=True, help="Of its keys in Redis.")
@click.option("--audience", required=True, help="The app's name; a token counts for it alone.")
@click.option("--lifetime", type=click.IntRange(60, 86400), default=900, show_default=True, help="Seconds.")
@click.option(
    "--user",
    default="",
    help="Where a session names its user: django, laravel, express, or a variable's name in a PHP session.",
)
@click.option("--bind", default="0.0.0.0:9326", show_default=True, metavar="HOST:PORT")
@settings(TABLE, "redis-password", "token-secret")
def serve(
    url: str,
    *,
    cookie: str,
    key_prefix: str,
    audience: str,
    lifetime: int,
    user: str,
    bind: str,
    redis_password: str | None,
    token_secret: str | None,
) -> None:
    """Answer Traefik's ForwardAuth until stopped.

    \b
    labels of the app's service:
      traefik.http.middlewares.login.forwardauth.address=http://tokens:9326
      traefik.http.middlewares.login.forwardauth.authResponseHeaders=Cookie
      traefik.http.middlewares.login.forwardauth.addAuthCookiesToResponse=__Host-login
      traefik.http.middlewares.login.forwardauth.trustForwardHeader=false
      traefik.http.middlewares.login.forwardauth.maxResponseBodySize=4096
    """
    if not token_secret:
        raise UsageError(
            "a signing key is needed", hint="migrate tokens key > FILE; SWARMSTEAD_TOKEN_SECRET_FILE=FILE"
        )
    host, _, port = bind.rpartition(":")
    with stop_on_signals() as stop, RedisTarget(url, password=redis_password, retry_seconds=2) as target:
        lock = threading.Lock()

        def exists(name: str) -> bool:
            with lock:
                length = target.call(b"STRLEN", name.encode())
            return isinstance(length, int) and length > 0

        def epoch(user: str) -> int:
            with lock:
                return _epochs(target)(user)

        find_user = user_finder(user)

        def user_of(sid: str) -> str:
            with lock:
                data = target.call(b"GET", (key_prefix + sid).encode())
            return find_user(data) if isinstance(data, bytes) else ""

        names = Settings(cookie, key_prefix, audience, lifetime)
        verifier = Verifier(names, KeyRing.parse(token_secret), exists=exists, epoch=epoch, user_of=user_of)
        with token_server(verifier, host, int(port)) as server:
            server.timeout = 0.5
            while not stop.requested:
                server.handle_request()


@command.command()
@click.argument("user")
@click.option("--to", "url", required=True, metavar="URL", help="The Redis of the app's sessions.")
@settings(TABLE, "redis-password")
def end(user: str, url: str, *, redis_password: str | None) -> None:
    """End every token of USER that was made before now (logout everywhere)."""
    with RedisTarget(url, password=redis_password) as target:
        target.call(b"SET", b"epoch:" + user.encode(), int(time.time()) + 1, b"EX", _EPOCH_SECONDS)
    click.echo("Ended.")
