"""`migrate verify`: prove that nothing was lost."""

import json
from pathlib import Path

import click
from rich.console import Console

from migrate.app import Home, Proof, prove
from migrate.app import plan as plans
from migrate.cli.tables import proof_table
from swarmstead.errors import Different
from swarmstead.reporters import reporter
from swarmstead.stop import stop_on_signals

__all__ = ["command", "find_home", "saved_plan"]


def find_home(name: str | None, state: Path | None) -> Home:
    """Return the state folder that NAME (or the app's folder) or --state means."""
    if state is not None:
        return Home(state.resolve())
    if name is None:
        raise click.UsageError("Give the app's NAME, or --state FOLDER.")
    return Home.of(Path(name).name.lower())


def saved_plan(home: Home, noted: str | None) -> plans.Plan:
    """Return the plan that was applied: the file that apply noted, else the usual one."""
    return plans.load(Path(noted))[0] if noted else home.load_plan()[0]


@click.command()
@click.argument("name", required=False)
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="Where the move keeps its state."
)
@click.option("--json", "as_json", is_flag=True, help="The proof as one JSON object.")
@click.option("--quiet", is_flag=True, help="Only the exit code.")
def command(name: str | None, state: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Compare both ends of the move of app NAME: each session's bytes and lifetime, each file's hash.

    Exit code 0 only where all is proved, 4 where something differs. After the switch the app itself changes
    and ends sessions; those are counted apart. Nothing is written.
    """
    home = find_home(name, state)
    home.require()
    with stop_on_signals() as stop, home.ledger() as ledger:
        plan = saved_plan(home, ledger.noted("plan file"))
        parts = home.parts(plan)
        switched = ledger.done("switch")
        proofs = prove(parts.movers, stop, reporter(quiet=quiet or as_json), after_switch=switched)
    _show(proofs, switched=switched, as_json=as_json, quiet=quiet)
    wrong = [proof.what for proof in proofs if not proof.proved]
    if wrong:
        raise Different(f"not proved: {', '.join(wrong)}", subject=plan.name)


def _show(proofs: list[Proof], *, switched: bool, as_json: bool, quiet: bool) -> None:
    if as_json:
        document = {
            "event": "proof",
            "proved": all(proof.proved for proof in proofs),
            "switched": switched,
            "parts": {proof.what: proof.counts for proof in proofs},
        }
        click.echo(json.dumps(document))
    elif not quiet:
        Console(highlight=False).print(proof_table(proofs))
