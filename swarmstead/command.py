"""What every console script does around its click group: settings refused, errors told, exit codes set."""

import json
import os
import signal
import sys
from collections.abc import Sequence

import click

from swarmstead.errors import Stopped, SwarmsteadError, UsageError
from swarmstead.logs import masked
from swarmstead.settings import refuse_unknown
from swarmstead.table import TABLE

__all__ = ["run"]


def _tell(error: SwarmsteadError, *, as_json: bool) -> None:
    if as_json:
        click.echo(masked(json.dumps(error.as_dict(), ensure_ascii=False)), err=True)
        return
    head = click.style("error: ", fg="red", bold=True) if sys.stderr.isatty() else "error: "
    click.echo(head + masked(str(error)), err=True)


def _invoke(command: click.Command, arguments: Sequence[str]) -> int:
    refuse_unknown(os.environ, TABLE)
    try:
        result = command.main(args=list(arguments), prog_name=command.name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return UsageError.exit_code
    except click.UsageError as error:
        usage = error.ctx.command_path if error.ctx else command.name or ""
        raise UsageError(error.format_message(), hint=f"See {usage} --help") from None
    except click.Abort:
        raise Stopped(signal.SIGINT) from None
    return result if isinstance(result, int) else 0


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a click command; return its exit code by the table of `swarmstead.errors`.

    With ``--json`` among the arguments an error is one JSON object, the last line on standard error.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _invoke(command, words)
    except Stopped as stopped:
        _tell(stopped, as_json="--json" in words)
        return 128 + stopped.signal_number
    except SwarmsteadError as error:
        _tell(error, as_json="--json" in words)
        return error.exit_code
    except BrokenPipeError:
        # The reader left (`| head`): nothing to tell anyone, and the flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
