"""`migrate files`: move a folder of uploads to a remote, prove it, cut over, and come back."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from migrate.files import (
    Choices,
    CopyReport,
    Manifest,
    Mark,
    Timetable,
    copy_pass,
    cut_over,
    refuse_odd,
    reverse,
    survey,
    twins,
    verify,
)
from migrate.remotes import Prices, Remote, monthly, open_remote
from swarmstead.errors import Different, Refused
from swarmstead.logs import set_up_logging
from swarmstead.progress import Reporter
from swarmstead.reporters import reporter
from swarmstead.settings import settings
from swarmstead.stop import Stop, stop_on_signals
from swarmstead.table import TABLE

__all__ = ["command"]

_F = Callable[..., Any]


@click.group(name="files", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Move a folder of uploads to a remote: plan, copy, verify, cut over, roll back.

    \b
    The way, while the app goes on living:
      migrate files plan     /srv/app/uploads b2://bucket/x   what is there, what it costs
      migrate files copy     /srv/app/uploads b2://bucket/x   again and again: only what changed is sent
      migrate files verify   /srv/app/uploads b2://bucket/x   = same  + missing  * different  - only there
      migrate files cutover  /srv/app/uploads b2://bucket/x   the app holds still: last pass, and proof
      migrate files rollback /srv/app/uploads b2://bucket/x   what was written since comes back

    A file of the source is never changed or deleted. Killed at any moment, run the same command again.
    """


@dataclass
class _Job:
    """What every command works with."""

    root: Path
    remote: Remote
    manifest: Manifest
    stop: Stop
    reporter: Reporter
    choices: Choices


def _common(function: _F) -> _F:
    """Give a command what all of them take."""
    parts = (
        click.argument("source", type=click.Path(path_type=Path, file_okay=False)),
        click.argument("remote"),
        click.option(
            "--state-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The manifest.  [default: one for SOURCE and REMOTE in ~/.local/state/swarmstead/files]",
        ),
        settings(TABLE, "endpoint", "region", "remote-key-id", "remote-key"),
        settings(TABLE, "links", "odd-names", "transfers", "bandwidth", "prices", "log-level"),
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output."),
        click.option("--quiet", is_flag=True, help="Only errors and the exit code."),
    )
    for option in reversed(parts):  # as decorators are applied: the last first
        function = option(function)
    return function


def _state_file(source: Path, remote: str) -> Path:
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = hashlib.sha256(f"{source}\0{remote}".encode()).hexdigest()[:16]
    return base / "swarmstead" / "files" / f"{name}.ledger"


@contextmanager
def _job(options: dict[str, Any]) -> Iterator[_Job]:
    set_up_logging(level=options["log_level"], json_lines=options["as_json"])
    root: Path = options["source"].resolve()
    if not root.is_dir():
        raise Refused("no such folder", subject=str(root), hint="Mend the path; is the disk mounted?")
    with stop_on_signals() as stop:
        remote = open_remote(
            options["remote"],
            endpoint=options["endpoint"] or "",
            region=options["region"] or "",
            key_id=options["remote_key_id"] or "",
            key=options["remote_key"] or "",
            wait=stop.wait,
        )
        choices = Choices(
            links=options["links"],
            odd_names=options["odd_names"],
            deletions=options.get("deletions") or "keep",
            most_deletions=options.get("most_deletions") or 0.5,
            transfers=options["transfers"],
            limit=Timetable.parse(options["bandwidth"]),
        )
        with Manifest(options["state_file"] or _state_file(root, options["remote"])) as manifest:
            yield _Job(
                root,
                remote,
                manifest,
                stop,
                reporter(as_json=options["as_json"], quiet=options["quiet"]),
                choices,
            )


def _prices(options: dict[str, Any]) -> Prices:
    return Prices.load(options["prices"]) if options["prices"] else Prices()


def _show(options: dict[str, Any], event: str, fields: dict[str, Any], title: str) -> None:
    """Tell a report: one JSON object, or a table."""
    if options["as_json"]:
        click.echo(json.dumps({"event": event, **fields}))
    elif not options["quiet"]:
        from migrate.cli.report import print_report  # noqa: PLC0415 - what a script does not wait for

        print_report(fields, title)


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


@command.command()
@_common
def plan(**options: Any) -> None:
    """Scan SOURCE: what would be sent, what cannot be, and what it costs. Nothing is sent.

    Exit code 5 where links or names need a choice first.
    """
    with _job(options) as job:
        totals = survey(job.root, job.manifest, job.remote, job.choices)
        odd = job.manifest.odd()
        prices = _prices(options)
        fields: dict[str, Any] = {
            **totals,
            "odd": [{"name": one.name, "kind": one.kind, "why": one.why} for one in odd],
            "twins": [f"{name} and {other}" for name, other in twins(job.manifest.names())],
            "calls_class_a": totals["todo"],
            "calls_class_c": -(-totals["files"] // 1000),
            "dollars_per_month": round(monthly(prices, stored_bytes=totals["bytes"]), 2),
        }
        _show(options, "plan", fields, f"{job.root} → {job.remote.url}")
        refuse_odd(job.root, odd, job.choices)


@command.command()
@_common
@settings(TABLE, "deletions", "most-deletions")
@click.option("--dry-run", is_flag=True, help="As `plan`: scan, show, send nothing.")
@click.pass_context
def copy(context: click.Context, /, *, dry_run: bool, **options: Any) -> None:
    """Send what is new or changed since the last pass; a first pass sends all.

    Goes on where it was killed, in the middle of a file, too. What the remote already has with the same bytes
    is not sent again.
    """
    if dry_run:
        for name in ("deletions", "most_deletions"):
            options.pop(name)
        context.invoke(plan, **options)
        return
    with _job(options) as job:
        _refuse_after_cutover(job)
        report = copy_pass(
            job.root, job.remote, job.manifest, stop=job.stop, reporter=job.reporter, choices=job.choices
        )
        report.bill = job.remote.bill.as_dict(_prices(options))
        _show(options, "copy", report.as_dict(), f"{job.root} → {job.remote.url}")
        _tell_unsent(job, report)


def _refuse_after_cutover(job: _Job) -> None:
    """Refuse to send old files over what the app wrote at the remote since."""
    done = job.manifest.ledger.noted("cutover")
    if done:
        raise Refused(
            f"the remote is in charge since {_moment(done['at'])}",
            subject=job.remote.url,
            hint="Come back first: migrate files rollback",
        )


def _tell_unsent(job: _Job, report: CopyReport) -> None:
    if not report.whole:
        raise Different(
            f"{len(report.changing)} files did not hold still, {len(report.unreadable)} could not be read",
            subject=str(job.root),
            hint="Run it again; at the cut-over the app must not write.",
        )


@command.command(name="verify")
@_common
@click.option("--download", is_flag=True, help="Read every object; do not take the remote's own word.")
@click.option("--no-reread", is_flag=True, help="Trust the manifest where size and times are unchanged.")
@click.option("--one-way", is_flag=True, help="What only the remote has is no difference.")
@click.option("--all", "show_all", is_flag=True, help="Print also what is the same.")
def verify_command(*, download: bool, no_reread: bool, one_way: bool, show_all: bool, **options: Any) -> None:
    """Compare every file of SOURCE with REMOTE by hash. Nothing is written there.

    Before the cut-over, what differs is sent again by the next `copy`.

    \b
    = same   + missing at the remote   - only at the remote   * different   ! could not be read
    Exit code 0 only where there is no difference, else 4.
    """

    def each(mark: Mark, name: str) -> None:
        if options["as_json"]:
            if show_all or mark != "=":
                click.echo(json.dumps({"event": "file", "mark": mark, "name": name}))
        elif not options["quiet"] and (show_all or mark != "=") and not (one_way and mark == "-"):
            click.echo(f"{mark} {name}")

    with _job(options) as job:
        report = verify(
            job.root,
            job.remote,
            job.manifest,
            download=download,
            reread=not no_reread,
            each=each,
            stop=job.stop,
            reporter=job.reporter,
        )
        if not job.manifest.ledger.noted("cutover"):
            job.manifest.doubt([*report.missing, *report.different])
        report.bill = job.remote.bill.as_dict(_prices(options))
        fields = report.as_dict()
        if not options["as_json"]:
            fields = {k: len(v) if isinstance(v, list) and k != "odd" else v for k, v in fields.items()}
        _show(options, "verify", fields, f"{job.root} = {job.remote.url}")
        if not report.proved or (report.extra and not one_way):
            raise Different(
                f"{len(report.missing)} missing, {len(report.different)} different,"
                f" {len(report.extra)} only at the remote, {len(report.errors)} not readable",
                subject=job.remote.url,
                hint="Run migrate files copy again; --one-way allows what only the remote has.",
            )


@command.command()
@_common
@settings(TABLE, "deletions", "most-deletions")
@click.option(
    "--quiet-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="Seconds in which nothing may have changed.",
)
def cutover(*, quiet_seconds: float, **options: Any) -> None:
    """Make the last passes until nothing changes any more, prove all, and write the moment down.

    The app must not write meanwhile. Exit code 5 where files still change, 4 where the proof fails: then
    the old host stays in charge. From then on `rollback` knows what was written since.
    """
    with _job(options) as job:
        _refuse_after_cutover(job)
        report = cut_over(
            job.root,
            job.remote,
            job.manifest,
            quiet_seconds=quiet_seconds,
            stop=job.stop,
            reporter=job.reporter,
            choices=job.choices,
        )
        fields = {"passes": len(report.passes), "files": report.proof.same, "bytes": report.proof.bytes}
        fields["only_at_the_remote"] = len(report.proof.extra)
        at = round(report.at) if options["as_json"] else _moment(report.at)
        _show(options, "cutover", {**fields, "at": at}, f"{job.remote.url} is in charge")


@command.command()
@_common
@click.option("--dry-run", is_flag=True, help="Show what would come back; write nothing.")
def rollback(*, dry_run: bool, **options: Any) -> None:
    """Bring what was written at REMOTE since the cut-over back into SOURCE. Nothing is lost there.

    What stands in the way is set aside in SOURCE.before-rollback. Files whose objects are gone stay.
    """
    with _job(options) as job:
        report = reverse(
            job.root, job.remote, job.manifest, stop=job.stop, reporter=job.reporter, dry_run=dry_run
        )
        report.bill = job.remote.bill.as_dict(_prices(options))
        _show(options, "rollback", report.as_dict(), f"{job.remote.url} → {job.root}")
        if report.refused:
            raise Different(
                f"{len(report.refused)} names have no place in a folder, first {report.refused[0]}",
                subject=job.remote.url,
                hint="Fetch these by hand.",
            )
