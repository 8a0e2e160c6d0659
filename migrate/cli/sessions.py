"""`migrate sessions`: move live sessions to Redis and back."""

import json
import shlex
import subprocess
from collections.abc import Callable
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
    acl_line,
    copy_pass,
    detect,
    exporter_line,
    preflight,
    redis_conf,
    source_of,
    survey,
)
from migrate.sessions import cutover as cut_over
from migrate.sessions import reverse as bring_back
from migrate.sessions import verify as prove
from swarmstead.errors import Different, InputError, Refused, SwarmsteadError, UsageError
from swarmstead.progress import Reporter, reporter
from swarmstead.settings import settings
from swarmstead.stop import stop_on_signals
from swarmstead.table import TABLE

__all__ = ["command"]

_KINDS = "php, symfony, codeigniter, laravel, laravel-db, django, django-db, flask, express, rails"
_F = Callable[..., Any]
_ALWAYS = {"seen", "copied", "checked", "same", "live"}
_NEVER = {"notes", "dry_run", "digest"}


def _common(function: _F) -> _F:
    """Give a command what all of them take: source, target, state and secrets."""
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
        settings(TABLE, "redis-password", "secret-key"),
    ):
        function = option(function)
    return function


def _source(spec: str, secret_key: str | None, expired: str) -> Source:
    return source_of(
        spec, secrets=[line for line in (secret_key or "").splitlines() if line], expired=expired
    )


def _table(title: str, fields: dict[str, object]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    notes = fields.get("notes")
    for name, value in fields.items():
        if name not in {"notes", "dry_run", "digest"} and (
            value or name in {"seen", "copied", "checked", "same"}
        ):
            table.add_row(name.replace("_", " "), str(value))
    console = Console(highlight=False)
    console.print(table)
    for note in notes if isinstance(notes, list) else []:
        console.print(f"  {note}", markup=False)


def _show(title: str, fields: dict[str, object], told: Reporter, *, as_json: bool, quiet: bool) -> None:
    told.event(title, **fields)
    if not as_json and not quiet:
        _table(title, fields)


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
@settings(TABLE, "secret-key")
def inspect(path: str, secret_key: str | None, *, as_json: bool) -> None:
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
            counts = survey(_source(spec, secret_key, "skip")).as_dict()
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
    spec: str,
    url: str,
    state_file: Path,
    *,
    expired: str,
    redis_password: str | None,
    secret_key: str | None,
    every: float,
    as_json: bool,
    quiet: bool,
    follow: bool,
    dry_run: bool,
    many_ended: bool,
    no_preflight: bool,
) -> None:
    """Copy live sessions while the old host serves; run it again for what changed, came new or ended."""
    told = reporter(as_json=as_json, quiet=quiet)
    source = _source(spec, secret_key, expired)
    with (
        stop_on_signals() as stop,
        RedisTarget(url, password=redis_password) as target,
        State(state_file) as state,
    ):
        if state.ledger.done("switch"):
            raise Refused(
                "the app has been switched: a copy would overwrite what lives in Redis",
                subject=str(state_file),
                hint="migrate sessions cutover takes in stragglers; migrate sessions reverse goes back.",
            )
        if not no_preflight and not dry_run:
            _check_target(target, source, told)
        while True:
            report: PassReport = copy_pass(
                source, target, state, stop=stop, reporter=told, dry_run=dry_run, many_ended=many_ended
            )
            _show("copy", report.as_dict(), told, as_json=as_json, quiet=quiet)
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
def cutover(
    spec: str,
    url: str,
    state_file: Path,
    *,
    expired: str,
    redis_password: str | None,
    secret_key: str | None,
    hold: str,
    switch: str,
    release: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Hold requests, copy the last delta, prove it, switch the app, release, take in stragglers.

    Before the switch any failure releases the old host as it was. The commands run without a shell and must
    bear being run twice.
    """
    told = reporter(as_json=as_json, quiet=quiet)
    hooks = Hooks(_runner(hold, "hold"), _runner(switch, "switch"), _runner(release, "release"))
    source = _source(spec, secret_key, expired)
    with (
        stop_on_signals() as stop,
        RedisTarget(url, password=redis_password) as target,
        State(state_file) as state,
    ):
        report = cut_over(source, target, state, hooks, stop=stop, reporter=told)
    if not as_json and not quiet:
        _table("last delta", report.delta.as_dict())
        _table("proof", report.proof.as_dict())
        _table("late", report.late.as_dict())
        click.echo(f"Requests were held for {report.hold_seconds:.2f} s.")


@command.command()
@_common
def verify(
    spec: str,
    url: str,
    state_file: Path,
    *,
    expired: str,
    redis_password: str | None,
    secret_key: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare every session with Redis: bytes, expiry, and that no ended one is there; else exit code 4."""
    told = reporter(as_json=as_json, quiet=quiet)
    source = _source(spec, secret_key, expired)
    with (
        stop_on_signals() as stop,
        RedisTarget(url, password=redis_password) as target,
        State(state_file) as state,
    ):
        after = state.ledger.done("switch")
        report = prove(source, target, state, after_switch=after, stop=stop, reporter=told)
    _show("verify", report.as_dict(), told, as_json=as_json, quiet=quiet)
    if not report.proved:
        raise Different("Redis does not hold what the source holds", hint="Copy again, then verify.")


@command.command()
@_common
def reverse(
    spec: str,
    url: str,
    state_file: Path,
    *,
    expired: str,
    redis_password: str | None,
    secret_key: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Bring Redis' sessions back into the old store, for a rollback. Hold requests while it runs.

    Sessions that ended after the switch are set aside, not deleted.
    """
    told = reporter(as_json=as_json, quiet=quiet)
    source = _source(spec, secret_key, expired)
    with (
        stop_on_signals() as stop,
        RedisTarget(url, password=redis_password) as target,
        State(state_file) as state,
    ):
        report = bring_back(target, source, state, stop=stop, reporter=told)
        state.ledger.undo("switch")
    _show("reverse", report.as_dict(), told, as_json=as_json, quiet=quiet)


@command.command()
@click.option("--user", default="sessions", show_default=True, help="The app's user.")
@click.option("--prefix", "prefixes", multiple=True, default=("PHPREDIS_SESSION:",), show_default=True)
@click.option("--mover", is_flag=True, help="For `migrate sessions` itself: lists keys, asks the server.")
@click.option("--exporter", is_flag=True, help="For redis_exporter: asks the server, reads no session.")
@click.option("--append", is_flag=True, help="A further line: without the one that shuts out the nameless.")
@click.option("--select", is_flag=True, help="Allow SELECT (a save_path with database=).")
@click.option("--conf", is_flag=True, help="Print a redis.conf for an instance of sessions alone instead.")
@click.option("--maxmemory-mib", type=click.IntRange(16), default=256, show_default=True)
@settings(TABLE, "redis-password")
def acl(
    user: str,
    prefixes: tuple[str, ...],
    maxmemory_mib: int,
    redis_password: str | None,
    *,
    mover: bool,
    exporter: bool,
    append: bool,
    select: bool,
    conf: bool,
) -> None:
    """Print the line of an ACL file with least rights for an app (or --conf: a redis.conf)."""
    if conf:
        click.echo(redis_conf(maxmemory_mib=maxmemory_mib), nl=False)
        return
    if not redis_password:
        raise UsageError("a password is needed", hint="Set SWARMSTEAD_REDIS_PASSWORD_FILE.")
    if not append:
        click.echo("user default off")
    if exporter:
        click.echo(exporter_line(redis_password))
        return
    keys = tuple(prefix.encode() for prefix in prefixes)
    click.echo(acl_line(user, redis_password, keys, mover=mover, database=select))


@command.command()
@click.option("--to", "url", required=True, metavar="URL", help="redis://[USER@]HOST:PORT/0")
@click.option(
    "--cookie", default="session", show_default=True, help="The cookie's name (SESSION_COOKIE_NAME)."
)
@click.option("--key-prefix", default="session:", show_default=True, help="SESSION_KEY_PREFIX.")
@click.option("--signed", is_flag=True, help="The cookie is signed (SESSION_USE_SIGNER).")
@click.option("--bind", default="127.0.0.1:9325", show_default=True, metavar="HOST:PORT")
@settings(TABLE, "redis-password")
def claims(
    url: str, cookie: str, key_prefix: str, bind: str, redis_password: str | None, *, signed: bool
) -> None:
    """Answer Traefik's ForwardAuth, claiming staged Flask-Session sessions at their first cookie."""
    from migrate.sessions import Claimer, serve_claims  # noqa: PLC0415 - brings an HTTP server

    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        raise UsageError(f"{bind!r} is no HOST:PORT", subject="--bind", hint="Such as 127.0.0.1:9325.")
    with stop_on_signals() as stop, RedisTarget(url, password=redis_password, retry_seconds=2) as target:
        claimer = Claimer(target, cookie=cookie, key_prefix=key_prefix, signed=signed)
        serve_claims(claimer, host or "0.0.0.0", int(port), stop)  # noqa: S104 - within a container
