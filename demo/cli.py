"""The demo's command line."""

import json
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from demo.story import Story
from lab import LabError, preflight
from swarmstead.command import run
from swarmstead.errors import Refused
from swarmstead.stop import stop_on_signals

__all__ = ["main"]

_FOREVER_SECONDS = 1e9


@click.command(name="demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--once", is_flag=True, help="End by itself; exit 0 only if nothing was lost.")
@click.option(
    "--json", "figures", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures there."
)
@click.option("--clients", default=50, show_default=True, help="How many visitors keep on visiting.")
@click.option("--name", default="demo", show_default=True, help="The lab's name.")
def command(*, once: bool, figures: Path | None, clients: int, name: str) -> int:
    """Move a PHP app from one host to a three-node Swarm under traffic, then kill a node.

    All parts are real and on this machine: three Docker engines joined to a Swarm, Redis, an S3 server,
    HAProxy as entry, Prometheus with the exporter. Needs root; leaves nothing behind.

    Without --once it stays up at the end, for you to look around, until Ctrl-C.
    """
    missing = preflight()
    if missing:
        raise Refused(f"this machine cannot hold the lab: {missing}")
    console = Console(highlight=False)
    with stop_on_signals() as stop, tempfile.TemporaryDirectory(prefix="swarmstead-demo-") as folder:
        story = Story(Path(folder), console, stop, clients=clients, name=name)
        try:
            outcome = story.tell()
            if figures is not None:
                figures.write_text(json.dumps(outcome.as_dict(), indent=1) + "\n", encoding="utf-8")
            console.print(outcome.table())
            console.print(story.addresses(), markup=False)
            if not once:
                console.print("Ctrl-C ends it and removes all it made.")
                stop.wait(_FOREVER_SECONDS)
        except LabError as error:
            raise Refused(str(error)) from None
        finally:
            story.clear_up()
    return 0 if outcome.good else 1


def main() -> int:
    """Run the demo; return its exit code."""
    return run(command, sys.argv[1:])
