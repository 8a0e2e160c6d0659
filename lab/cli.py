"""The lab's command line. `./run lab --help` shows it."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from lab import entry as entries
from lab import images
from lab.cluster import Lab
from lab.node import Node
from lab.recipes import RECIPES
from lab.state import DEFAULT_NAME, MOST_NODES, Record, names
from lab.status import as_table, status_of
from lab.teardown import take_down
from swarmstead.command import run
from swarmstead.errors import Stopped, UsageError

__all__ = ["cli", "main"]

_name = click.option(
    "--name", default=DEFAULT_NAME, show_default=True, envvar="SWARMSTEAD_LAB_NAME", help="Which lab."
)


_HELP = """A real Docker Swarm of several nodes on this machine.

Each node has its own dockerd, address, host name and mounts; other Dockers here are not touched.
Nodes are named n1, n2, ...; n1 is a manager. Several labs run side by side, each with its --name.

\b
  lab up                        three nodes, one manager
  lab docker n1 service ls      the docker client against a node
  lab exec n2 -- ip addr        a program of this machine inside a node
  lab kill n3                   a machine loses power: Down after some 14 s
  lab status
  lab start n3
  lab down                      nothing is left behind
"""


@click.group(name="lab", help=_HELP)
def cli() -> None:
    """Hold the commands."""


@cli.command()
@click.option("--nodes", type=click.IntRange(1, MOST_NODES), default=3, show_default=True, help="How many.")
@click.option("--managers", type=click.IntRange(1, MOST_NODES), default=1, show_default=True,
              help="How many of them manage: 1, or 3 to survive the loss of one.")  # fmt: skip
@click.option(
    "--heartbeat", type=float, help="Seconds between a node's signs of life.  [default: the engine's, 5]"
)
@_name
def up(*, nodes: int, managers: int, heartbeat: float | None, name: str) -> None:
    """Boot the nodes and join them to a Swarm; takes some 2 seconds.

    With SWARMSTEAD_TRAEFIK=/path/to/traefik (v1, v2 or v3) that one is the entry: see `lab entry`.
    """
    began = time.monotonic()
    traefik = entries.given()
    lab = Lab.up(nodes, managers, name, heartbeat=heartbeat)
    click.echo(f"Lab {name} is up in {time.monotonic() - began:.1f} s: {nodes} nodes, {managers} managing.")
    click.echo(f"export DOCKER_HOST=unix://{lab.nodes[0].socket}")
    if traefik is not None:
        click.echo(f"Entry: {entries.deploy(lab, traefik)}")


@cli.command()
@click.option("--traefik", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The binary.  [default: SWARMSTEAD_TRAEFIK]")  # fmt: skip
@_name
def entry(*, traefik: Path | None, name: str) -> None:
    """Put a real Traefik before the Swarm, on n1; `up` does where SWARMSTEAD_TRAEFIK is set.

    It serves what the labels of services on the network `edge` say on port 80 of n1's address, its API on
    8080, and writes its access log into the volume `traefik-log`.
    """
    binary = traefik or entries.given()
    if binary is None:
        raise UsageError("no Traefik is named", hint="Give --traefik PATH, or set SWARMSTEAD_TRAEFIK.")
    click.echo(f"Entry: {entries.deploy(Lab.find(name), binary)}")


@cli.command()
@_name
def down(*, name: str) -> None:
    """Remove a lab with all it made, whatever state it is in."""
    there = take_down(name)
    click.echo(f"Lab {name} is gone." if there else f"There was no lab named {name}; nothing is left of it.")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array: a lab each, with its nodes.")
@click.option("--name", help="Only this lab.  [default: all]")
def status(*, as_json: bool, name: str | None) -> None:
    """Show the labs: each node as it is, and as the Swarm sees it."""
    wanted = [name] if name else [one for one in names() if Record.load(one)]
    found = [status_of(Lab.find(one)) for one in wanted]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        click.echo("\n\n".join(map(as_table, found)) or "There is no lab. Make one: lab up")


@cli.command(name="exec", context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@_name
def exec_(*, node: str, command: tuple[str, ...], name: str) -> int:
    """Run a program of this machine inside NODE: its network, mounts and host name.

    /run/docker.sock is the node's own there. The exit code is the program's.
    """
    with Lab.find(name).node(node).popen(command) as process:
        return _wait(process)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
@_name
def docker(*, node: str, arguments: tuple[str, ...], name: str) -> int:
    """Run the docker client against NODE. The exit code is the client's."""
    with Lab.find(name).node(node).client(*arguments) as process:
        return _wait(process)


def _wait(process: Any) -> int:
    """Wait for a program at our terminal; Ctrl-C is for it, not for us."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code: int = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


@cli.command()
@click.argument("node")
@click.option("--only-dockerd", is_flag=True, help="Kill dockerd and containerd; containers go on running.")
@_name
def kill(*, node: str, only_dockerd: bool, name: str) -> None:
    """SIGKILL everything in NODE: a machine that loses power."""
    _node(name, node).kill(only_dockerd=only_dockerd)


@cli.command()
@click.argument("node")
@_name
def start(*, node: str, name: str) -> None:
    """Switch a killed NODE on again; its data is as the loss of power left it."""
    _node(name, node).start()


@cli.command()
@click.argument("node")
@_name
def pause(*, node: str, name: str) -> None:
    """SIGSTOP everything in NODE: a machine that hangs."""
    _node(name, node).pause()


@cli.command()
@click.argument("node")
@_name
def resume(*, node: str, name: str) -> None:
    """Let a paused NODE go on."""
    _node(name, node).resume()


@cli.command()
@click.argument("nodes", nargs=-1, required=True)
@click.option(
    "--from", "others", multiple=True, metavar="NODE", help="Cut only the way to this node; repeatable."
)
@_name
def partition(*, nodes: tuple[str, ...], others: tuple[str, ...], name: str) -> None:
    """Pull the cable of NODES, or cut them off from the nodes named with --from.

    `lab partition n1 n2 --from n3` makes two sides; packets are lost, nobody is told.
    """
    lab = Lab.find(name)
    far = [lab.node(other) for other in others]
    for node in nodes:
        lab.node(node).partition(*far)


@cli.command()
@click.argument("nodes", nargs=-1)
@_name
def heal(*, nodes: tuple[str, ...], name: str) -> None:
    """Undo the cuts of NODES, or all of them."""
    lab = Lab.find(name)
    lab.heal(*(lab.node(node) for node in nodes))


@cli.command()
@_name
def reset(*, name: str) -> None:
    """Bring a lab back to how `up` left it: nodes alive, nothing deployed; images stay."""
    Lab.find(name).reset()


@cli.command()
@click.argument("context", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-t", "--tag", required=True, help="Name of the image.")
@click.option("-f", "--file", "dockerfile", type=click.Path(exists=True, path_type=Path), help="Dockerfile.")
@click.option("--build-arg", "build_args", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@_name
def build(
    *, context: Path, tag: str, dockerfile: Path | None, build_args: tuple[str, ...], name: str
) -> None:
    """Build an image from CONTEXT and give it to every node."""
    pairs = dict(one.partition("=")[::2] for one in build_args)
    Lab.find(name).build(context, tag, dockerfile=dockerfile, build_args=pairs)


@cli.group()
def image() -> None:
    """Make base images from this machine's installed Debian packages; no registry is asked."""


@image.command(name="list")
def list_() -> None:
    """List the base images that can be made, and their packages."""
    for recipe in RECIPES.values():
        click.echo(
            f"{recipe.tag:28}{' '.join(recipe.packages + recipe.optional) or '(a shell and the usual tools)'}"
        )


@image.command()
@click.argument("recipes", nargs=-1, required=True, metavar="NAME...")
def make(*, recipes: tuple[str, ...]) -> None:
    """Make base images and print where their archives are (`docker load -i` takes them)."""
    for recipe in recipes:
        click.echo(images.base_image(recipe).path)


@image.command()
@click.argument("recipes", nargs=-1, required=True, metavar="NAME...")
@_name
def load(*, recipes: tuple[str, ...], name: str) -> None:
    """Give base images to every node of a lab, made first where needed."""
    lab = Lab.find(name)
    for recipe in recipes:
        click.echo(lab.load_base(recipe))


def _node(lab: str, node: str) -> Node:
    return Lab.find(lab).node(node)


@contextmanager
def _terminated_cleanly() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does, so that a half-made lab is removed."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> int:
    """Run the command line and return its exit code, by the table of `swarmstead.errors`."""
    with _terminated_cleanly():
        return run(cli)
