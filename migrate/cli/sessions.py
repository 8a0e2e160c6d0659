"""`migrate sessions`: move live sessions to Redis and back."""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from migrate.sessions import (
    Finding,
    Hooks,
    PassReport,
    RedisTarget,
    Source,
    State,
    copy_pass,
    detect,
    preflight,
    source_of,
    survey,
)
from migrate.sessions import cutover as cut_over
from migrate.sessions import reverse as bring_back
from migrate.sessions import verify as prove
from swarmstead.errors import Different, InputError, Refused, SwarmsteadError, UsageError
from swarmstead.progress import Reporter
from swarmstead.reporters import reporter
from swarmstead.settings import settings
from swarmstead.stop import Stop, stop_on_signals
from swarmstead.table import TABLE

from .sessions_redis import acl, claims

__all__ = ["command"]

_KINDS = "php, symfony, codeigniter, laravel, laravel-db, django, django-db, flask, express, rails"
_ALWAYS = {"seen", "copied", "checked", "same"}
_NEVER = {"notes", "dry_run", "digest"}


@dataclass(frozen=True)
class _Move:
    """What every moving command is given: from where, to where, and how to tell of it."""

    spec: str
    url: str
    state_file: Path
    expired: str
    redis_password: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    database_password: str | None = field(repr=False)
    as_json: bool
    quiet: bool

    @cached_property
    def told(self) -> Reporter:
        return reporter(as_json=self.as_json, quiet=self.quiet)

    @cached_property
    def source(self) -> Source:
        return _source(self.spec, self.secret_key, self.database_password, self.expired)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[tuple[Stop, RedisTarget, State]]:
        """Give what the work needs, with SIGINT and SIGTERM asking it to stop."""
        _ = self.source  # a wrong SPEC is told before anything is opened
        with (
            stop_on_signals() as stop,
            RedisTarget(self.url, password=self.redis_password) as target,
            State(self.state_file) as state,
        ):
            yield stop, target, state

    def show(self, title: str, fields: dict[str, object]) -> None:
        self.told.event(title, **fields)
        self.table(title, fields)

    def table(self, title: str, fields: dict[str, object]) -> None:
        if not self.as_json and not self.quiet:
            _table(title, fields)


def _common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what all of them take, as one `_Move`."""

    @wraps(function)
    def command_of_move(**given: Any) -> None:
        common = {name: given.pop(name) for name in _Move.__dataclass_fields__}
        function(_Move(**common), **given)

    decorated: Callable[..., None] = command_of_move
    for option in (
        click.option("--from", "spec", required=True, metavar="SPEC", help="The app's folder, or KIND:PATH."),
        click.option("--to", "url", required=True, metavar="URL", help="redis://[USER@]HOST:PORT/0"),
        click.option(
            "--state-file",
            type=click.Path(path_type=Path, dir_okay=False),
            default=Path("sessions.ledger"),
            show_default=True,
            help="What the passes know between runs; keyed hashes, no ids.",
        ),
        click.option(
            "--expired",
            type=click.Choice(["skip", "grace"]),
            default="skip",
            show_default=True,
            help="PHP never checks a file's age on reading: grace gives old ones a lifetime from now.",
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output."),
        click.option("--quiet", is_flag=True, help="Only errors and the exit code."),
        settings(TABLE, "redis-password", "secret-key", "database-password"),
    ):
        decorated = option(decorated)
    return decorated


def _source(spec: str, secret_key: str | None, database_password: str | None, expired: str) -> Source:
    return source_of(
        spec,
        secrets=[line for line in (secret_key or "").splitlines() if line],
        expired=expired,
        database_password=database_password,
    )


def _table(title: str, fields: dict[str, object]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    notes = fields.get("notes")
    for name, value in fields.items():
        if name not in _NEVER and (value or name in _ALWAYS):
            table.add_row(name.replace("_", " "), str(value))
    console = Console(highlight=False)
    console.print(table)
    for note in notes if isinstance(notes, list) else []:
        console.print(f"  {note}", markup=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Move live sessions to Redis and back: nobody is logged out.

    \b
    1  migrate sessions inspect APP          what is there, what the switch needs
    2  migrate sessions copy --from APP --to redis://HOST --follow
    3  migrate sessions cutover …            hold, last delta, proof, switch, release
    4  migrate sessions reverse …            the way back, if you need it

    SPEC is the app's folder, or KIND:PATH[?OPTION=…] with KIND one of php, symfony, codeigniter, laravel,
    laravel-db, django, django-db, flask, express, rails. The old store is never changed by a copy.
    """


@command.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings(TABLE, "secret-key", "database-password")
def inspect(path: str, secret_key: str | None, database_password: str | None, *, as_json: bool) -> None:
    """Tell which store PATH (app folder or KIND:PATH) has, how many sessions, what the switch needs.

    Exit code 0 if they can move or need not, 3 if nothing is recognised. Nothing is written.
    """
    findings = detect(Path(path)) if Path(path).is_dir() else []
    spec = findings[0].spec if findings else path
    if not findings and ":" not in path:
        raise InputError(
            "no store of sessions is recognised",
            subject=path,
            hint=f"Name it: KIND:PATH, KIND one of {_KINDS}.",
        )
    counts: dict[str, object] = {}
    problem = ""
    if spec:
        try:
            counts = survey(_source(spec, secret_key, database_password, "skip")).as_dict()
        except (InputError, UsageError) as error:
            problem = str(error)
            if not findings:
                raise
    if as_json:
        first = findings[0].as_dict() if findings else {"spec": spec}
        click.echo(json.dumps({**first, "sessions": counts, "problem": problem}, ensure_ascii=False))
        return
    for finding in findings:
        _tell(finding)
    if counts:
        _table("sessions", counts)
    if problem:
        click.echo(f"The sessions themselves could not be counted: {problem}")


def _tell(finding: Finding) -> None:
    click.echo(f"{finding.what}  ({finding.file}:{finding.line})")
    click.echo(f"  {finding.advice}")
    for title, lines in (
        ("must stay the same", finding.keep),
        ("the switch", finding.switch),
        ("take care", finding.warnings),
    ):
        if lines:
            click.echo(f"  {title}:")
            for line in lines:
                click.echo(f"    {line}")
    if finding.spec:
        click.echo(f"  --from {shlex.quote(finding.spec)}")


def _check_target(target: RedisTarget, source: Source, told: Reporter) -> None:
    """Look at the Redis first; refuse one that would lose sessions."""
    found = survey(source)
    checks = preflight(target, source.prefixes, sessions=found.live, value_bytes=found.value_bytes)
    for check in checks:
        told.event("preflight", name=check.name, level=check.level, what=check.what)
        if check.level != "ok":
            told.say(f"{check.level}: {check.what}")
    worst = next((check for check in checks if check.level == "refuse"), None)
    if worst:
        raise Refused(
            worst.what,
            subject=str(target.address),
            hint="Nothing was written. `migrate sessions acl --conf` shows settings that fit.",
        )


@command.command()
@_common
@click.option("--follow", is_flag=True, help="Go on with delta passes until stopped (Ctrl-C).")
@click.option(
    "--every", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds between passes."
)
@click.option("--dry-run", is_flag=True, help="Look and count, write nothing.")
@click.option("--many-ended", is_flag=True, help="More than half of the sessions may have ended since.")
@click.option("--no-preflight", is_flag=True, help="Do not look at the Redis first.")
def copy(
    move: _Move,
    *,
    every: float,
    follow: bool,
    dry_run: bool,
    many_ended: bool,
    no_preflight: bool,
) -> None:
    """Copy live sessions while the old host serves; run it again for what changed, came new or ended."""
    source, told = move.source, move.told
    with move.under_way() as (stop, target, state):
        if state.ledger.done("switch"):
            raise Refused(
                "the app has been switched: a copy would overwrite what lives in Redis",
                subject=str(move.state_file),
                hint="migrate sessions cutover takes in stragglers; migrate sessions reverse goes back.",
            )
        if not no_preflight and not dry_run:
            _check_target(target, source, told)
        while True:
            report: PassReport = copy_pass(
                source, target, state, stop=stop, reporter=told, dry_run=dry_run, many_ended=many_ended
            )
            move.show("copy", report.as_dict())
            if not follow or dry_run or stop.wait(every):
                return


def _runner(words: str | None, what: str) -> Callable[[], None]:
    def run() -> None:
        if not words:
            return
        done = subprocess.run(shlex.split(words), check=False)
        if done.returncode:
            raise SwarmsteadError(f"the {what} command ended with {done.returncode}", subject=words)

    return run


@command.command()
@_common
@click.option(
    "--hold", required=True, metavar="COMMAND", help="Stops letting requests in, waits for those inside."
)
@click.option("--switch", required=True, metavar="COMMAND", help="Gives the app its new configuration.")
@click.option("--release", required=True, metavar="COMMAND", help="Lets requests go again.")
def cutover(move: _Move, *, hold: str, switch: str, release: str) -> None:
    """Hold requests, copy the last delta, prove it, switch the app, release, take in stragglers.

    Before the switch any failure releases the old host as it was. The commands run without a shell and must
    bear being run twice.
    """
    hooks = Hooks(_runner(hold, "hold"), _runner(switch, "switch"), _runner(release, "release"))
    with move.under_way() as (stop, target, state):
        report = cut_over(move.source, target, state, hooks, stop=stop, reporter=move.told)
    move.table("last delta", report.delta.as_dict())
    move.table("proof", report.proof.as_dict())
    move.table("late", report.late.as_dict())
    if not move.as_json and not move.quiet:
        click.echo(f"Requests were held for {report.hold_seconds:.2f} s.")


@command.command()
@_common
def verify(move: _Move) -> None:
    """Compare every session with Redis: bytes, expiry, and that no ended one is there; else exit code 4."""
    with move.under_way() as (stop, target, state):
        after = state.ledger.done("switch")
        report = prove(move.source, target, state, after_switch=after, stop=stop, reporter=move.told)
    move.show("verify", report.as_dict())
    if not report.proved:
        raise Different("Redis does not hold what the source holds", hint="Copy again, then verify.")


@command.command()
@_common
def reverse(move: _Move) -> None:
    """Bring Redis' sessions back into the old store, for a rollback. Hold requests while it runs.

    Sessions that ended after the switch are set aside, not deleted.
    """
    with move.under_way() as (stop, target, state):
        report = bring_back(target, move.source, state, stop=stop, reporter=move.told)
        state.ledger.undo("switch")
    move.show("reverse", report.as_dict())


command.add_command(acl)
command.add_command(claims)
