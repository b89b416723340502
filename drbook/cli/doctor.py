"""`drbook doctor`: what this machine has for a restore."""

import os
import shutil
import sys
from datetime import UTC, datetime

import click

from drbook import __version__
from drbook.app.approvers import on_this_machine
from drbook.app.inspect import Inspection
from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.output import print_json, tell
from drbook.core.values import Json, plain, show_size
from drbook.providers.pgtools import find_tools


@click.command("doctor")
@click.argument("runbook", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(runbook: str | None, as_json: bool) -> None:
    """Say which PostgreSQL programs were found, where incidents are kept, and how much room is there.

    With a RUNBOOK also what is known about production's identity: without any, a given server is
    refused as a target.
    """
    known = _known(runbook) if runbook is not None else None
    approvers = [] if runbook is None else on_this_machine(open_runbook(runbook), datetime.now(UTC))
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
                **({} if known is None else {"production": known}),
                **({} if known is None else {"approvers": [one.found for one in approvers]}),
            }
        )
        return
    click.echo(f"drbook       {__version__} on Python {sys.version.split()[0]}")
    tell(f"incidents    {where} ({show_size(free)} free)")
    for one in tools:
        tell(
            f"PostgreSQL   {one.version // 10000}.{one.version % 10000} in {one.bin} ({one.origin})"
        )
    if not tools:
        click.echo("PostgreSQL   no programs found: a new cluster cannot be made on this machine")
        click.echo("             install your distribution's postgresql, or drbook[demo]")
    if known is not None:
        _print_known(known)
    for problem in approvers:
        tell(f"approvers    {problem.found}; expected {problem.expected}")


def _known(runbook: str) -> list[dict[str, str | bool]]:
    inspection = Inspection(open_runbook(runbook), {}, os.environ, lambda signal: None)
    return [
        {
            "basis": one.basis,
            "from": one.described,
            "system_identifier": one.identity.system_identifier if one.identity else "",
            "identifies_production": one.proves,
        }
        for one in inspection.identities()
    ]


def _print_known(known: list[dict[str, str | bool]]) -> None:
    for one in known:
        word = "identifies it" if one["identifies_production"] else "does not identify it"
        said = f" {one['system_identifier']}" if one["system_identifier"] else ""
        click.echo(f"production   {plain(str(one['from']), 200)}:{said} {word}")
    if not any(one["identifies_production"] for one in known):
        click.echo("production   nothing identifies it: a given server is refused as a target;")
        click.echo("             capture a baseline in calm times, or restore into a fresh cluster")
