"""Serve B2's native API on the loopback until stopped; everything is kept in memory."""

import click

from migrate.remotes.testkit.b2 import B2Server
from swarmstead.stop import stop_on_signals


@click.command()
@click.option("--port", default=0, help="Port on the loopback; 0 for any.")
@click.option("--bucket", default="pictures", help="Name of the bucket.")
def serve(port: int, bucket: str) -> None:
    """Serve B2's native API by b2sdk's simulator, for trials without an account."""
    with stop_on_signals() as stop, B2Server.running(bucket, port=port) as server:
        click.echo(f"SWARMSTEAD_REMOTE=b2://{bucket}")
        click.echo(f"SWARMSTEAD_ENDPOINT={server.url}")
        click.echo(f"SWARMSTEAD_REMOTE_KEY_ID={server.key.id}")
        click.echo(f"SWARMSTEAD_REMOTE_KEY={server.key.key}")
        while not stop.wait(3600):
            pass


serve()
