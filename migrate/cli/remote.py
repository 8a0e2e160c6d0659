"""`migrate remote`: look at a remote before anything depends on it."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from migrate.remotes import PROMPT, CheckReport, Prices, check, open_remote
from swarmstead.errors import Denied
from swarmstead.logs import set_up_logging
from swarmstead.settings import settings
from swarmstead.table import TABLE

__all__ = ["command"]


@click.group(name="remote", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check a remote and what its key may do."""


@command.command(name="check")
@click.argument("remote")
@settings(TABLE, "endpoint", "region", "remote-key-id", "remote-key", "prices", "log-level")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.option("--quiet", is_flag=True, help="Only errors and the exit code.")
def check_command(
    *,
    remote: str,
    endpoint: str | None,
    region: str | None,
    remote_key_id: str | None,
    remote_key: str | None,
    prices: Path | None,
    log_level: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write, read, list and delete one small object at REMOTE, and say what the key may do.

    Also: what the bucket's lifecycle will delete by itself, and what a month of what is kept there costs.
    Exit code 0 only where all went well, else 7.

    \b
      migrate remote check b2://bucket/uploads
      migrate remote check s3://bucket/uploads --endpoint https://s3.eu-central-003.backblazeb2.com
      migrate remote check file:///srv/remote
    """
    set_up_logging(level=log_level, json_lines=as_json)
    place = open_remote(
        remote,
        endpoint=endpoint or "",
        region=region or "",
        key_id=remote_key_id or "",
        key=remote_key or "",
        policy=PROMPT,
    )
    report = check(place, Prices.load(prices) if prices else None)
    if as_json:
        click.echo(json.dumps({"event": "check", **report.as_dict()}))
    elif not quiet:
        _show(report)
    failed = [step.what for step in report.steps if not step.ok]
    if failed:
        raise Denied(
            f"this does not work: {', '.join(failed)}",
            subject=report.url,
            hint="Give the key listBuckets, listFiles, readFiles and writeFiles for this bucket.",
        )


def _show(report: CheckReport) -> None:
    console = Console(highlight=False)
    table = Table(title=report.url, title_justify="left")
    for column in ("tried", "", "needed for"):
        table.add_column(column, overflow="fold")
    for step in report.steps:
        table.add_row(step.what, "[green]ok[/]" if step.ok else f"[red]{step.why}[/]", step.needed)
    console.print(table)
    about = report.about
    if about.rights is not None:
        where = f", only below {about.prefix}" if about.prefix else ""
        console.print(f"The key may: {', '.join(about.rights)}{where}.", markup=False)
    for rule in about.lifecycle or ():
        console.print(f"The bucket by itself: {rule}.", markup=False)
    more = "at least " if report.more else ""
    console.print(
        f"Kept: {more}{report.objects:,} objects, {report.bytes:,} bytes:"
        f" {more}${report.dollars_per_month:.2f} a month without traffic.",
        markup=False,
    )
    for warning in report.warnings:
        console.print(f"[yellow]![/] {warning}")
