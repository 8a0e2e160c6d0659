"""The `swarm-exporter` command."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from exporters.cli.listen import split_listen
from exporters.cli.probe import ask_health
from exporters.engine import parse_address
from exporters.exposition import load_web_config
from exporters.swarm import Options, Pace, once, serve
from swarmstead import __version__
from swarmstead.command import run
from swarmstead.logs import set_up_logging
from swarmstead.settings import settings
from swarmstead.stop import stop_on_signals
from swarmstead.table import TABLE

__all__ = ["command", "main", "split_listen"]


@click.command(name="swarm-exporter", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--once", "only_once", is_flag=True, help="Print one page of metrics and end.")
@click.option("--probe", is_flag=True, help="Ask the exporter that runs here for /healthz; 0 if it is well.")
@settings(
    TABLE,
    "listen",
    "engine",
    "cluster",
    "interval",
    "cpu-budget",
    "disk-interval",
    "service-label",
    "node-label",
    "certificate",
    "web-config",
    "log-level",
    "log-json",
)
def command(only_once: bool, probe: bool, **given: Any) -> int:
    """Export the state of a Docker Swarm to Prometheus.

    Run one on every node (a global service): the leader's answers for the cluster, each for its own engine.

    \b
    docker stack deploy -c stacks/swarm-exporter.yml monitoring
    swarm-exporter --once | grep replicas
    """
    host, port = split_listen(given["listen"])
    if probe:
        good, words = ask_health(host, port, tls=given["web_config"] is not None)
        click.echo(words)
        return 0 if good else 1
    set_up_logging(level=given["log_level"], json_lines=given["log_json"])
    options = Options(
        parse_address(given["engine"], os.environ),
        __version__,
        role=given["cluster"],
        pace=Pace(given["interval"], given["cpu_budget"]),
        disk_interval=given["disk_interval"],
        certificate=given["certificate"],
        service_labels=given["service_label"],
        node_labels=given["node_label"],
    )
    if only_once:
        click.echo(once(options), nl=False)
        return 0
    web = load_web_config(Path(given["web_config"])) if given["web_config"] else None
    with stop_on_signals() as stop:
        serve(options, host, port, web, stop)
        # The runtime's way to end a service is no failure; Ctrl-C is told as such.
        return 0 if stop.signal_number == signal.SIGTERM else 128 + stop.signal_number


def main() -> None:
    """Run the console script."""
    sys.exit(run(command))
