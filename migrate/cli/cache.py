"""`migrate cache`: this node's file cache."""

import asyncio
import signal
from pathlib import Path

import click

from migrate.cache.folder import Folder
from migrate.cache.service import Cache
from migrate.files import Manifest
from migrate.remotes import open_remote
from swarmstead.logs import set_up_logging
from swarmstead.settings import settings
from swarmstead.table import TABLE

__all__ = ["command"]


@click.group(name="cache", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run and look after this node's file cache."""


@command.command()
@settings(TABLE, "remote", "endpoint", "region", "remote-key-id", "remote-key")
@settings(TABLE, "dir", "max-size", "socket", "barrier", "log-level", "log-json")
def serve(
    *,
    remote: str,
    endpoint: str,
    region: str,
    remote_key_id: str,
    remote_key: str,
    dir: Path,  # noqa: A002 - the setting's name
    max_size: int,
    socket: Path,
    barrier: Path,
    log_level: str,
    log_json: bool,
) -> None:
    """Serve this node: pull what it lacks, and hold writes until the remote has confirmed them."""
    set_up_logging(level=log_level, json_lines=log_json)
    place = open_remote(
        remote, endpoint=endpoint or "", region=region or "", key_id=remote_key_id or "", key=remote_key or ""
    )
    with Manifest(socket.with_name("cache.index")) as manifest:
        cache = Cache(
            Folder(dir, place, manifest, max_bytes=max_size), pull_socket=socket, barrier_socket=barrier
        )
        asyncio.run(_until_stopped(cache))


async def _until_stopped(cache: Cache) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await cache.serve(stop)
