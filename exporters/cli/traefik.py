"""The `traefik-exporter` command: serve; top and check look, and are imported when asked for."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from exporters.cli.lazy import LazyGroup
from exporters.cli.listen import split_listen
from exporters.exposition import Form, load_web_config
from exporters.traefik import Exporter, Options
from exporters.traefik import serve as serve_exporter
from swarmstead import __version__
from swarmstead.command import run
from swarmstead.errors import UsageError
from swarmstead.logs import set_up_logging
from swarmstead.settings import settings
from swarmstead.stop import stop_on_signals
from swarmstead.table import TABLE

__all__ = ["command", "main", "options_of"]

PORT = 9324
_DEFAULT_LISTEN = TABLE["listen"].default


@click.group(
    name="traefik-exporter",
    cls=LazyGroup,
    lazy={"top": "exporters.cli.traefik_top:command", "check": "exporters.cli.traefik_check:command"},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
def command() -> None:
    """Count the requests per second of each host and service behind Traefik, from its access log.

    \b
    traefik-exporter serve --log /var/log/traefik/access.json --state /var/lib/swarmstead/traefik.state
    traefik-exporter top --log /var/log/traefik/access.json
    traefik-exporter check stacks/edge.yml
    """


def options_of(given: dict[str, Any]) -> Options:
    """Return the exporter's options from the settings. Raises UsageError without an input."""
    log = tuple(given["log"])
    if not log and not given["scrape"]:
        raise UsageError(
            "no input",
            subject="--log",
            hint="Give Traefik's access log with --log, or its tasks with --scrape tasks.traefik:8082.",
        )
    if "-" in log and len(log) > 1:
        raise UsageError("- cannot be followed beside files", subject="--log")
    return Options(
        log=log,
        scrape=given["scrape"] or "",
        state=given["state"],
        hosts=tuple(given["host"]),
        most_hosts=given["max_hosts"],
        most_services=given["max_services"],
        buckets=tuple(float(bound) for bound in given["bucket"]),
        duration=given["duration"],
        exact_codes=given["exact_codes"],
        traefik_api=given["traefik_api"] or "",
        learn_engine=given["learn_engine"] or "",
        peers=given["peers"] or "",
        version=__version__,
        environment=dict(os.environ),
    )


@command.command(name="serve")
@click.option("--once", is_flag=True, help="Read what is there, print one page of metrics and end.")
@settings(
    TABLE,
    "log",
    "scrape",
    "state",
    "listen",
    "host",
    "max-hosts",
    "max-services",
    "bucket",
    "duration",
    "exact-codes",
    "traefik-api",
    "learn-engine",
    "peers",
    "web-config",
    "log-level",
    "log-json",
)
def serve(once: bool, **given: Any) -> int:
    """Follow the log and serve the metrics (port 9324 unless --listen says otherwise).

    The log takes precedence: with --log nothing is scraped, and the two are never summed.

    \b
    traefik-exporter serve --log /var/log/traefik/access.json --host shop.example.com --host '*.example.org'
    tail -n 1000 access.json | traefik-exporter serve --log - --once
    """
    listen = given["listen"]
    host, port = split_listen(f":{PORT}" if listen == _DEFAULT_LISTEN else listen)
    set_up_logging(level=given["log_level"], json_lines=given["log_json"])
    options = options_of(given)
    if once:
        click.echo(_once(options), nl=False)
        return 0
    web = load_web_config(Path(given["web_config"])) if given["web_config"] else None
    with stop_on_signals() as stop:
        serve_exporter(options, host, port, web, stop)
        return 0 if stop.signal_number == signal.SIGTERM else 128 + stop.signal_number


def _once(options: Options) -> str:
    exporter = Exporter(options)
    exporter.learner.first()
    exporter.learn()
    exporter.read_all()
    page = exporter.show()
    exporter.close()
    return page.body(Form(openmetrics=False, gzip=False)).decode()


def main() -> None:
    """Run the console script."""
    sys.exit(run(command))
