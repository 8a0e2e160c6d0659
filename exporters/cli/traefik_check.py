"""`traefik-exporter check`."""

import json
from pathlib import Path

import click

from exporters.traefik.check import findings
from swarmstead.errors import Different

__all__ = ["command"]


@click.command(name="check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one array of findings.")
def command(file: Path, as_json: bool) -> int:
    """Say what a Traefik configuration lacks for true figures, with the lines to add.

    FILE is a static configuration (YAML, or TOML where it is named so; v1, v2 or v3), or a stack file: then
    the flags or TRAEFIK_ variables of its Traefik are read, and the labels of its services. The exit code is
    4 when figures would be missing or false.

    \b
    traefik-exporter check stacks/edge.yml
    traefik-exporter check /etc/traefik/traefik.toml
    traefik-exporter check shop.yml
    """
    found = findings(file)
    errors = [each for each in found if each.severity == "error"]
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in found], indent=1))
    else:
        for each in found:
            click.echo(f"{each.severity}: {each.subject}: {each.what}")
            if each.add:
                click.echo(f"  {each.add}")
        if not found:
            click.echo("ok: nothing is missing")
    if errors:
        raise Different(f"{len(errors)} settings make figures missing or false", subject=str(file))
    return 0
