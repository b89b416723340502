"""`drbook resume`: go on after a crash or a closed terminal."""

from pathlib import Path

import click

from drbook.app.history import newest_open
from drbook.app.places import find_incident, home
from drbook.app.session import resume_incident
from drbook.cli.lead import lead, need_terminal
from drbook.cli.output import say


@click.command("resume")
@click.argument("incident", required=False)
@click.option(
    "--headless", is_flag=True, help="No screen; stops with exit code 7 where a person is needed."
)
@click.option(
    "--amend",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Go on by this changed runbook; only steps that have not started may differ.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (with --headless).")
def command(incident: str | None, headless: bool, as_json: bool, amend: Path | None) -> int:
    """Go on with INCIDENT (an id, its start or end, or a folder); the newest open one where absent.

    A step that was interrupted is never run again by itself: without an effect it is ready again,
    with one it is in doubt until somebody looked.
    """
    if not headless:
        need_terminal("drbook resume")
    where = home()
    folder = newest_open(where) if incident is None else find_incident(where, incident)
    session = resume_incident(folder, amend=amend, tell=say)
    return lead(session, headless=headless, as_json=as_json)
