"""`migrate cache`: this node's file cache."""

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from migrate.cache import Node, Options
from migrate.cache.check import check as check_folder
from migrate.cache.control import ask
from migrate.cache.nginx import Site, config
from migrate.remotes import PROMPT, Breaker, Remote, open_remote
from swarmstead.errors import Different, UsageError
from swarmstead.logs import set_up_logging
from swarmstead.settings import settings
from swarmstead.table import TABLE

__all__ = ["command"]

_LONGEST_PORT = 5


@click.group(name="cache", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run and look after this node's file cache."""


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or len(port) > _LONGEST_PORT:
        raise UsageError("is not HOST:PORT", subject=f"--cache-listen {text}", hint="Write :9325.")
    return host.strip("[]"), int(port)


def _remote(given: dict[str, Any], breaker: Breaker | None = None) -> Remote:
    if not given["remote"]:
        raise UsageError("no remote", hint="Say where files go: --remote s3://BUCKET/PREFIX")
    return open_remote(
        given["remote"],
        endpoint=given["endpoint"] or "",
        region=given["region"] or "",
        key_id=given["remote_key_id"] or "",
        key=given["remote_key"] or "",
        policy=PROMPT,
        breaker=breaker,
    )


def _folder(given: dict[str, Any]) -> Path:
    if given["dir"] is None:
        raise UsageError("no folder", hint="Say which: --dir /var/lib/swarmstead/uploads")
    return Path(given["dir"])


@command.command()
@settings(TABLE, "remote", "endpoint", "region", "remote-key-id", "remote-key")
@settings(TABLE, "dir", "max-size", "max-share", "min-free", "eviction", "evict-days")
@settings(TABLE, "socket", "cache-listen", "cache-peers", "cache-token", "max-age", "stale-after")
@settings(TABLE, "barrier", "barrier-wait", "barrier-late", "drain")
@settings(TABLE, "changes-redis", "changes-stream", "hits-log", "hits-prefix", "log-level", "log-json")
def serve(**given: Any) -> None:
    """Serve this node: pull what it lacks, and hold writes until the remote has confirmed them.

    The folder may be the one that the app writes its uploads into and that nginx serves. What is written
    there goes to the remote; what is cold and confirmed goes when room is needed.
    """
    set_up_logging(level=given["log_level"], json_lines=given["log_json"])
    listen = given["cache_listen"]
    if not listen and given["socket"] is None:
        raise UsageError("nowhere to serve at", hint="Give --socket PATH or --cache-listen :9325, or both.")
    options = Options(
        root=_folder(given),
        max_bytes=given["max_size"],
        socket=given["socket"],
        barrier=given["barrier"],
        listen=_address(listen) if listen else None,
        policy=given["eviction"],
        days=given["evict_days"],
        max_share=given["max_share"],
        min_free=given["min_free"],
        max_age=given["max_age"],
        wait=given["barrier_wait"],
        late=given["barrier_late"],
        fresh_seconds=given["stale_after"],
        peers=given["cache_peers"] or "",
        redis=given["changes_redis"] or "",
        stream=given["changes_stream"],
        token=given["cache_token"] or "",
        hits=given["hits_log"],
        hits_prefix=given["hits_prefix"],
        drain=given["drain"],
    )
    breaker = Breaker()
    asyncio.run(_serve(options, _remote(given, breaker), _remote(given), breaker))


async def _serve(options: Options, remote: Remote, sender: Remote, breaker: Breaker) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Node(options, remote, sender=sender, breaker=breaker).serve(stop)


def _say(answer: Any, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for key, value in answer.items():
        click.echo(f"{key.replace('_', ' '):24} {len(value) if isinstance(value, list) else value}")


_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@command.command()
@settings(TABLE, "dir")
@_JSON
def status(*, as_json: bool, **given: Any) -> None:
    """Tell what the cache of a folder holds, and what waits to be sent."""
    _say(ask(_folder(given), "status"), as_json=as_json)


@command.command()
@settings(TABLE, "dir")
@click.argument("names", nargs=-1, required=True)
@_JSON
def evict(*, names: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Remove files from this node that the remote has; what is unconfirmed or in use is kept."""
    _say(ask(_folder(given), "evict", list(names)), as_json=as_json)


@command.command()
@settings(TABLE, "dir")
@click.argument("names", nargs=-1)
@_JSON
def warm(*, names: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Fetch files before they are asked for: the NAMES, or those on standard input, one a line."""
    wanted = list(names) or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    _say(ask(_folder(given), "warm", wanted), as_json=as_json)


@command.command()
@settings(TABLE, "remote", "endpoint", "region", "remote-key-id", "remote-key", "dir")
@_JSON
def check(*, as_json: bool, **given: Any) -> None:
    """Compare every file here with the remote: = same, * differs, + not sent yet, - gone there, ! unreadable.

    Exits with 4 when anything but = was found.
    """
    counts = Counter[str]()
    for mark, name in check_folder(_folder(given), _remote(given)):
        counts[mark] += 1
        if as_json:
            click.echo(json.dumps({"event": "file", "mark": mark, "name": name}, ensure_ascii=True))
        elif mark != "=":
            click.echo(f"{mark} {name!r}"[:2] + ascii(name))
    total = {mark: counts[mark] for mark in "=*+-!"}
    click.echo(
        json.dumps({"event": "end", "counts": total}) if as_json else f"{counts['=']} files are the same"
    )
    if any(counts[mark] for mark in "*+-!"):
        raise Different(
            "not all files here are what the remote has",
            subject=str(given["dir"]),
            hint="+ is sent by a running cache; evict * and - after a look at them.",
        )


@command.command()
@settings(TABLE, "dir", "socket", "hits-log", "max-age")
@click.option("--web-path", default="/", show_default=True, help="URL path that the files have.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on."
)
def nginx(*, web_path: str, port: int, **given: Any) -> None:
    """Print an nginx configuration that serves this folder, and asks the cache for what it lacks."""
    if given["socket"] is None:
        raise UsageError("no socket", hint="Give the one that `migrate cache serve --socket` has.")
    site = Site(
        root=_folder(given), socket=given["socket"], web_path=web_path, port=port, log=given["hits_log"],
        max_age=given["max_age"],
    )  # fmt: skip
    click.echo(config(site), nl=False)
