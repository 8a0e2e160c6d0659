"""What stands beside the move: rights and settings of the Redis, and claims of one-way keys."""

import click

from migrate.sessions import RedisTarget, acl_line, changes_line, exporter_line, redis_conf
from swarmstead.errors import UsageError
from swarmstead.settings import settings
from swarmstead.stop import stop_on_signals
from swarmstead.table import TABLE

__all__ = ["acl", "claims"]


@click.command()
@click.option("--user", default="sessions", show_default=True, help="The app's user.")
@click.option("--prefix", "prefixes", multiple=True, default=("PHPREDIS_SESSION:",), show_default=True)
@click.option("--mover", is_flag=True, help="For `migrate sessions` itself: lists keys, asks the server.")
@click.option("--exporter", is_flag=True, help="For redis_exporter: asks the server, reads no session.")
@click.option("--changes", metavar="STREAM", help="For an app's caches: adds to this stream and reads it.")
@click.option("--append", is_flag=True, help="A further line: without the one that shuts out the nameless.")
@click.option("--select", is_flag=True, help="Allow SELECT (a save_path with database=).")
@click.option("--conf", is_flag=True, help="Print a redis.conf for an instance of sessions alone instead.")
@click.option("--maxmemory-mib", type=click.IntRange(16), default=256, show_default=True)
@settings(TABLE, "redis-password")
def acl(
    user: str,
    prefixes: tuple[str, ...],
    maxmemory_mib: int,
    changes: str | None,
    redis_password: str | None,
    *,
    mover: bool,
    exporter: bool,
    append: bool,
    select: bool,
    conf: bool,
) -> None:
    """Print the line of an ACL file with least rights for an app (or --conf: a redis.conf)."""
    if conf:
        click.echo(redis_conf(maxmemory_mib=maxmemory_mib), nl=False)
        return
    if not redis_password:
        raise UsageError("a password is needed", hint="Set SWARMSTEAD_REDIS_PASSWORD_FILE.")
    if not append:
        click.echo("user default off")
    if exporter:
        click.echo(exporter_line(redis_password))
        return
    if changes:
        click.echo(changes_line(user, redis_password, changes))
        return
    keys = tuple(prefix.encode() for prefix in prefixes)
    click.echo(acl_line(user, redis_password, keys, mover=mover, database=select))


@click.command()
@click.option("--to", "url", required=True, metavar="URL", help="redis://[USER@]HOST:PORT/0")
@click.option(
    "--cookie", default="session", show_default=True, help="The cookie's name (SESSION_COOKIE_NAME)."
)
@click.option("--key-prefix", default="session:", show_default=True, help="SESSION_KEY_PREFIX.")
@click.option("--signed", is_flag=True, help="The cookie is signed (SESSION_USE_SIGNER).")
@click.option("--bind", default="127.0.0.1:9325", show_default=True, metavar="HOST:PORT")
@settings(TABLE, "redis-password")
def claims(
    url: str, cookie: str, key_prefix: str, bind: str, redis_password: str | None, *, signed: bool
) -> None:
    """Answer Traefik's ForwardAuth, claiming staged Flask-Session sessions at their first cookie."""
    from migrate.sessions import Claimer, serve_claims  # noqa: PLC0415 - brings an HTTP server

    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        raise UsageError(f"{bind!r} is no HOST:PORT", subject="--bind", hint="Such as 127.0.0.1:9325.")
    with stop_on_signals() as stop, RedisTarget(url, password=redis_password, retry_seconds=2) as target:
        claimer = Claimer(target, cookie=cookie, key_prefix=key_prefix, signed=signed)
        serve_claims(claimer, host or "0.0.0.0", int(port), stop)  # noqa: S104 - within a container
