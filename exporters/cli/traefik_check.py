"""`traefik-exporter check`."""

import json
from pathlib import Path

import click

from exporters.traefik.check import advise, read_configuration
from swarmstead.errors import Different

__all__ = ["command"]


@click.command(name="check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one array of findings.")
def command(file: Path, as_json: bool) -> int:
    r"""Say what a Traefik configuration lacks for true figures, with the lines to add.

    FILE is a static configuration in YAML or a stack file whose service runs Traefik with flags. The exit
    code is 4 when figures would be missing or false.

    \b
    traefik-exporter check stacks/edge.yml
    """
    found = [each for name, options in read_configuration(file).items() for each in advise(name, options)]
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
