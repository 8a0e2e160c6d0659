"""`migrate rollback`: back to the old host, with what was written meanwhile."""

from pathlib import Path

import click
from rich.console import Console

from migrate.app import Rollback
from migrate.cli.tables import report_table
from migrate.cli.verify import find_home, saved_plan
from swarmstead.reporters import reporter
from swarmstead.stop import stop_on_signals

__all__ = ["command"]


@click.command()
@click.argument("name", required=False)
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="Where the move keeps its state."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event on standard output.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    name: str | None, state: Path | None, *, dry_run: bool, yes: bool, as_json: bool, quiet: bool
) -> None:
    """Bring app NAME back to its old host, with the sessions and files written since the switch.

    Requests are held for the moment of the switch, as on the way there. Nothing is deleted: ended sessions
    are set aside, stack, Redis and remote stay as they are. Before a switch it only makes sure that
    requests go to the old host. `migrate app` can move it again afterwards.
    """
    home = find_home(name, state)
    home.require()
    work = reporter(as_json=as_json, quiet=quiet)
    with stop_on_signals() as stop, home.ledger() as ledger:
        plan = saved_plan(home, ledger.noted("plan file"))
        if dry_run:
            switched = ledger.done("switch")
            click.echo(
                f"Would bring back {', '.join(mover.what for mover in home.parts(plan).movers)}, then run "
                f"{plan.entry.hold}, {plan.entry.to_old}."
                if switched
                else f"Not switched yet. Would only run {plan.entry.to_old}."
            )
            return
        if not yes:
            click.confirm(f"Send the requests of {plan.name} back to its old host?", abort=True, err=True)
        results = Rollback(plan, ledger, home.parts(plan), stop=stop, reporter=work).run()
    work.event("rolled back", results=results)
    if not as_json and not quiet:
        Console(highlight=False).print(report_table(results))
