"""`traefik-exporter top`."""

import json
import time
from collections.abc import Sequence
from typing import Any

import click

from exporters.cli.traefik import options_of
from exporters.traefik.top import TopRow, Watcher
from swarmstead.errors import UsageError
from swarmstead.settings import settings
from swarmstead.stop import stop_on_signals
from swarmstead.table import TABLE

__all__ = ["command"]

_WINDOWS = {"1m": 60, "5m": 300}
_SHOWN = 10


@click.command(name="top")
@click.option(
    "--window", type=click.Choice(list(_WINDOWS)), default="1m", show_default=True, help="Time looked at."
)
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object per look.")
@click.option("--paths", is_flag=True, help="Also the most frequent paths and clients since the start.")
@settings(
    TABLE, "log", "host", "max-hosts", "max-services", "bucket", "duration", "traefik-api", "learn-engine"
)
def command(window: str, once: bool, as_json: bool, paths: bool, **given: Any) -> int:
    """Show hosts and services live: rate, errors, p50 and p95, bytes, busiest first.

    Reads the log itself, beside a running exporter or without one; what it counts is gone when it ends.

    \b
    traefik-exporter top --log /var/log/traefik/access.json --window 5m
    traefik-exporter top --log access.json --once --json | jq '.rows[0]'
    """
    if tuple(given["log"]) == ("-",) and not once:
        raise UsageError("- can be read with --once only", subject="--log")
    nothing = {"scrape": None, "state": None, "exact_codes": False, "peers": None}
    watcher = Watcher(options_of({**given, **nothing}), _WINDOWS[window], sketch=paths)
    if watcher.exporter.learner.seconds:
        watcher.exporter.learner.first()
        watcher.exporter.learn()
    if once:
        watcher.exporter.read_all()
        _print(watcher, watcher.look(), window, as_json=as_json, paths=paths)
        return 0
    with stop_on_signals() as stop:
        while True:
            rows = watcher.look()
            if not as_json:
                click.clear()
            _print(watcher, rows, window, as_json=as_json, paths=paths)
            if stop.wait(2):
                return 128 + stop.signal_number


def _print(watcher: Watcher, rows: list[TopRow], window: str, *, as_json: bool, paths: bool) -> None:
    if as_json:
        answer: dict[str, Any] = {
            "time": time.time(),
            "window": window,
            "rows": [row.as_dict() for row in rows],
        }
        if paths:
            for name, sketch in (("paths", watcher.paths), ("clients", watcher.clients)):
                answer[name] = [
                    {"name": thing, "requests": count, "at_most_too_high": error}
                    for thing, count, error in sketch.top(_SHOWN)
                ]
        click.echo(json.dumps(answer))
        return
    _print_tables(watcher, rows, window, paths=paths)


def _print_tables(watcher: Watcher, rows: list[TopRow], window: str, *, paths: bool) -> None:
    click.echo(f"requests, last {window}, {time.strftime('%H:%M:%S')}")
    lines = [("host", "service", "req/s", "5xx/s", "p50 ms", "p95 ms", "kB/s")]
    for row in rows:
        p50, p95 = ("-" if each is None else f"{each * 1000:.0f}" for each in (row.p50, row.p95))
        rates = f"{row.per_second:.2f}", f"{row.errors_per_second:.2f}"
        lines.append((row.host, row.service or "-", *rates, p50, p95, f"{row.bytes_per_second / 1000:.1f}"))
    _echo_columns(lines, left=2)
    if not rows:
        click.echo("no requests in this window")
    if not paths:
        return
    for name, sketch in (("path", watcher.paths), ("client", watcher.clients)):
        most = sketch.top(_SHOWN)
        counts = [f"{count - error}..{count}" if error else str(count) for _, count, error in most]
        click.echo()
        _echo_columns(
            [(name, "requests"), *zip((thing for thing, _, _ in most), counts, strict=True)], left=1
        )


def _echo_columns(lines: Sequence[tuple[str, ...]], *, left: int) -> None:
    """Print aligned columns, so many of them to the left; what a client sent cannot control the terminal."""
    shown = [["".join(c if c.isprintable() else "?" for c in cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
