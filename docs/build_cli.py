"""Write docs/cli.md from what the commands themselves say with --help.

`python docs/build_cli.py` writes it, `--check` only says whether it is up to date (exit code 4 if not).
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

PAGE = Path(__file__).with_name("cli.md")
_WIDTH = 100
_HEAD = """\
# Commands

Written by `docs/build_cli.py` from each command's own `--help`; do not edit. Exit codes are in
[exit-codes.md](exit-codes.md). A setting can be given as a flag, as `SWARMSTEAD_NAME`, or as
`SWARMSTEAD_NAME_FILE`, which names a file that holds it.
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each console script with its command."""
    from exporters.cli.swarm import command as swarm_exporter  # noqa: PLC0415
    from migrate.cli import cli as migrate  # noqa: PLC0415

    yield "migrate", migrate
    yield "swarm-exporter", swarm_exporter
    try:
        from exporters.cli.traefik import command as traefik_exporter  # noqa: PLC0415
    except ImportError:
        return
    yield "traefik-exporter", traefik_exporter


def _subcommands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        try:
            found = group.get_command(context, name)
        except ModuleNotFoundError:
            continue
        if found is not None:
            yield name, found


def sections(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[str]:
    """Yield the page's part of a command, then those of its subcommands."""
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    mark = "##" if parent is None else "###"
    text = command.get_help(context).rstrip()
    yield f"{mark} {context.command_path}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for inner, subcommand in _subcommands(command, context):
            yield from sections(inner, subcommand, context)


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *(part for name, command in commands() for part in sections(name, command))])


def main(words: list[str]) -> int:
    """Write or check the page; return the exit code."""
    text = page()
    if "--check" in words:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 4
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, os.fspath(Path(__file__).resolve().parents[1]))
    sys.exit(main(sys.argv[1:]))
