"""`migrate app`: move a single-host app onto the Swarm."""

import json
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from migrate.app import Detected, Home, Move, Plan, detect, draft, read_values
from migrate.app import plan as plans
from migrate.cli.tables import report_table
from swarmstead.errors import InputError, Refused, UsageError
from swarmstead.reporters import reporter
from swarmstead.stop import stop_on_signals

__all__ = ["command"]

_COLOURS = {"blocks": "red", "moves": "green", "warns": "yellow", "note": "dim"}


@click.command()
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Set a key of a new plan. Repeatable."
)
@click.option(
    "--values", type=click.Path(path_type=Path, dir_okay=False), help="YAML file with parts of a new plan."
)
@click.option("--plan", "plan_file", type=click.Path(path_type=Path, dir_okay=False),
              help="The plan's file.  [default: plan.yml in the state folder]")  # fmt: skip
@click.option("--state", type=click.Path(path_type=Path, file_okay=False),
              help="Where plan and progress are.  [default: ~/.local/state/swarmstead/NAME]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Where Dockerfile and stack go.  [default: package/ in the state folder]")  # fmt: skip
@click.option("--name", help="The app's name.  [default: the folder's]")
@click.option("--replan", is_flag=True, help="Look at the app again and write a new plan.")
@click.option("--dry-run", is_flag=True, help="Show the plan; write and change nothing.")
@click.option("--yes", is_flag=True, help="Apply the saved plan without asking.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event on standard output.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    path: Path,
    pairs: tuple[str, ...],
    values: Path | None,
    plan_file: Path | None,
    state: Path | None,
    out: Path | None,
    name: str | None,
    *,
    replan: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Move the app in PATH from its one host to the Swarm, without a lost login or file.

    It looks what ties the app to its host, writes a plan, shows it and asks. What is applied is the saved
    plan and nothing else: edit the file before you say yes. Until the switch the old host serves, and it is
    never changed; `migrate rollback` brings it back afterwards.

    \b
    Killed or stopped, run the same command again: it goes on.
      migrate app /srv/photos                     look, write the plan, ask
      migrate app /srv/photos --yes               apply the saved plan
      migrate app /srv/photos --dry-run --json    the plan as JSON, nothing written
      migrate app /srv/photos --set sessions.redis=redis://10.0.0.5:6379 --set deploy.replicas=2
    """
    if yes and dry_run:
        raise UsageError("--yes and --dry-run exclude each other")
    app = path.resolve()
    home = Home(state.resolve()) if state else Home.of(name or app.name.lower())
    saved = plan_file or home.plan_path
    found = detect(app)
    plan = _plan(app, name or app.name.lower(), found, saved, read_values(values, pairs), replan=replan)
    if as_json:
        _show_json(plan, found, saved)
    elif not quiet:
        _show(plan, found, saved)
    if dry_run:
        return
    if replan or not saved.exists():
        plans.save(plan, saved)
    _refuse_blocked(found, plan)
    _refuse_incomplete(plan, saved)
    if not yes and not _consents(saved, as_json=as_json or quiet):
        return
    _apply(home, saved, out, as_json=as_json, quiet=quiet)


def _plan(
    app: Path, name: str, found: Detected, saved: Path, values: dict[str, object], *, replan: bool
) -> Plan:
    if replan or not saved.exists():
        return draft(app, name, found, values)
    if values:
        raise UsageError(
            "there is a plan already, and --set and --values only make a new one",
            subject=str(saved),
            hint="Edit it, or say --replan.",
        )
    return plans.load(saved)[0]


def _show_json(plan: Plan, found: Detected, saved: Path) -> None:
    findings = [{**msgspec.to_builtins(finding), "where": finding.where} for finding in found.findings]
    event = {"event": "plan", "file": str(saved), "plan": msgspec.to_builtins(plan), "findings": findings}
    click.echo(json.dumps(event, ensure_ascii=False))


def _show(plan: Plan, found: Detected, saved: Path) -> None:
    console = Console(highlight=False)
    table = Table(title=f"{plan.name}: what ties it to its host", title_justify="left")
    for column in ("", "rule", "where", "what", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in found.findings:
        colour = _COLOURS[finding.severity]
        table.add_row(
            f"[{colour}]{finding.severity}[/]", finding.rule, finding.where, finding.what, finding.remedy
        )
    console.print(table)
    console.print(f"Plan ({saved}):", markup=False)
    console.print(plans.dump(plan).decode(), markup=False)


def _refuse_blocked(found: Detected, plan: Plan) -> None:
    for finding in found.findings:
        if finding.severity == "blocks" and finding.rule not in plan.accepted:
            raise Refused(
                f"{finding.rule}: {finding.what}",
                subject=finding.where,
                hint=f"{finding.remedy} Or, where that is solved: accepted: [{finding.rule}] in the plan.",
            )


def _refuse_incomplete(plan: Plan, saved: Path) -> None:
    gaps = plans.missing(plan)
    if gaps:
        lines = "\n  ".join(f"{key}: {what}" for key, what in gaps)
        raise InputError("the plan lacks what only you know", subject=str(saved), hint=f"Fill in:\n  {lines}")


def _consents(saved: Path, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        click.echo(f"Plan written: {saved}\nNothing was changed. Apply it with --yes.", err=True)
        return False
    return click.confirm(f"Apply {saved} as it stands now?", err=True)


def _apply(home: Home, saved: Path, out: Path | None, *, as_json: bool, quiet: bool) -> None:
    # Read once more: what is applied is what stands in the file when consent is given.
    plan, digest = plans.load(saved)
    _refuse_incomplete(plan, saved)
    work = reporter(as_json=as_json, quiet=quiet)
    with stop_on_signals() as stop, home.ledger() as ledger:
        ledger.note("plan file", str(saved.resolve()))
        parts = home.parts(plan, package=out)
        results = Move(plan, digest, ledger, parts, stop=stop, reporter=work).run()
    work.event("moved", results=results)
    if not as_json and not quiet:
        Console(highlight=False).print(report_table(results))
        click.echo(
            f"The old host is as it was; the way back: migrate rollback --state {home.folder}", err=True
        )
