"""`drbook` alone: open incidents first, then what can be started."""

import click

from drbook.app.history import summaries
from drbook.app.places import home
from drbook.app.shipped import names


def show_home(context: click.Context) -> None:
    """Print what is open and what can be done next."""
    where = home()
    known = summaries(where)
    still_open = [one for one in known if one.outcome == "open"]
    if still_open:
        click.echo("Open incidents:")
        for one in still_open:
            click.echo(f"  {one.incident}  {one.mode}  {one.title}")
        click.echo("Go on with one:  drbook resume INCIDENT\n")
    elif known:
        last = known[-1]
        click.echo(f"No open incident. The last one: {last.incident} ({last.outcome}).\n")
    click.echo("Runbooks installed: " + (", ".join(names()) or "none"))
    click.echo("Start:              drbook run RUNBOOK   or   drbook rehearse RUNBOOK")
    click.echo("See it at work:     drbook demo")
    click.echo("All commands:       drbook --help")
