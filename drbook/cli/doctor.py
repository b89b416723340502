"""`drbook doctor`: what this machine has for a restore."""

import shutil
import sys

import click

from drbook import __version__
from drbook.app.places import home
from drbook.cli.output import print_json
from drbook.core.values import Json, show_size
from drbook.providers.pgtools import find_tools


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(as_json: bool) -> None:
    """Say which PostgreSQL programs were found, where incidents are kept, and how much room is there."""
    where = home().path
    existing = next((path for path in (where, *where.parents) if path.exists()), where)
    free = shutil.disk_usage(existing).free
    tools = find_tools()
    if as_json:
        found: Json = [
            {"version": one.version, "bin": str(one.bin), "origin": one.origin} for one in tools
        ]
        print_json(
            {
                "drbook": __version__,
                "python": sys.version.split()[0],
                "home": str(where),
                "free_bytes": free,
                "postgresql": found,
            }
        )
        return
    click.echo(f"drbook       {__version__} on Python {sys.version.split()[0]}")
    click.echo(f"incidents    {where} ({show_size(free)} free)")
    for one in tools:
        click.echo(
            f"PostgreSQL   {one.version // 10000}.{one.version % 10000} in {one.bin} ({one.origin})"
        )
    if not tools:
        click.echo("PostgreSQL   no programs found: a new cluster cannot be made on this machine")
        click.echo("             install your distribution's postgresql, or drbook[demo]")
