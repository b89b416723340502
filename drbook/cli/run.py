"""`drbook run`: open an incident and lead through it."""

import click

from drbook.app.places import home
from drbook.app.session import open_incident
from drbook.app.shipped import open_runbook
from drbook.cli.lead import lead, need_terminal
from drbook.cli.settings import ask_missing, read_settings
from drbook.core.events import Mode


@click.command("run")
@click.argument("runbook")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.LIVE.value,
    show_default=True,
    help="live: the real thing. drill: writes only into fresh targets. dry-run: writes nowhere.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give an input.")
@click.option(
    "--headless", is_flag=True, help="No screen; stops with exit code 7 where a person is needed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (with --headless).")
def command(
    runbook: str, mode: str, settings: tuple[str, ...], headless: bool, as_json: bool
) -> int:
    """Open an incident from RUNBOOK, a file or the name of a shipped one."""
    return start(
        runbook, Mode(mode), settings, headless=headless, as_json=as_json, called="drbook run"
    )


def start(
    runbook: str,
    mode: Mode,
    settings: tuple[str, ...],
    *,
    headless: bool,
    as_json: bool,
    called: str,
) -> int:
    """Load, open, lead."""
    if not headless:
        need_terminal(f"{called} {runbook}")
    loaded = open_runbook(runbook)
    given = read_settings(loaded, settings)
    if not headless:
        given |= ask_missing(loaded, given)
    session = open_incident(loaded, mode, home(), given)
    return lead(session, headless=headless, as_json=as_json)
