"""`drbook` alone: the home screen in a terminal; elsewhere, open incidents and what can be started."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from drbook.app.history import summaries
from drbook.app.places import home
from drbook.app.shipped import names
from drbook.cli.attended import handlers, may_draw
from drbook.cli.output import say
from drbook.cli.streams import in_browser


def show_home(context: click.Context) -> None:
    """The home screen where there is a terminal; otherwise print what is open and can be done next."""
    if may_draw() and not in_browser():
        _on_the_screen()
        return
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


def _on_the_screen() -> None:
    from drbook.app.hurry import Hurry
    from drbook.cli.heeding import heeding
    from drbook.tui.homeapp import run_home

    both = (signal.SIGHUP, signal.SIGTERM)
    with heeding(Hurry(), *both) as heed:  # until all that was opened is given up

        @contextmanager
        def running() -> Iterator[None]:
            with heed.running(), handlers(*both):  # the application sets its own
                yield

        still_open = run_home(home(), Path.cwd(), os.environ, running)
    for incident in still_open:
        say(f"The incident is still open. Go on with:  drbook resume {incident}")
