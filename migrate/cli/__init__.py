"""The `migrate` command: one file per subcommand, loaded when it is asked for; no logic here."""

import importlib
import sys

import click

from swarmstead.command import run

__all__ = ["cli", "main"]

_COMMANDS = {
    "app": "Move a single-host app onto the Swarm: detect, plan, ask, apply.",
    "cache": "Run and look after this node's file cache.",
    "files": "Move uploaded files to a remote: plan, copy, verify, cut over, roll back.",
    "remote": "Check a remote and what its key may do.",
    "rollback": "Bring an app back to its old host, with what was written meanwhile.",
    "sessions": "Move live sessions to Redis and back.",
    "tokens": "Serve signed login tokens in front of an app (Traefik ForwardAuth).",
    "verify": "Prove that no login and no file was lost.",
}


class _Lazy(click.Group):
    """A group that imports a subcommand only when it is used: boto3 alone costs half a second."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"migrate.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"migrate.cli.{cmd_name}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, name="migrate", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="swarmstead")
def cli() -> None:
    """Free a single-host app to run replicated on a Docker Swarm.

    Sessions move to Redis or to tokens, uploaded files to BackBlaze B2 (or any S3) behind a cache on each
    node. No login lost, no file lost, always a way back.
    """


def main() -> None:
    """Run the console script."""
    sys.exit(run(cli))
