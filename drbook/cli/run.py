"""`drbook run`: open an incident and lead through it."""

from typing import TYPE_CHECKING

import click

from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.attended import attend, need_terminal
from drbook.cli.settings import ask_missing, read_settings
from drbook.core.events import Mode
from drbook.core.values import plain
from drbook.tui.first import First

if TYPE_CHECKING:
    from drbook.app.session import Session


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
    """Load, open, lead; at a terminal the screen is there before the clients are loaded."""
    if not headless:
        need_terminal(f"{called} {runbook}")
    loaded = open_runbook(runbook)
    given = read_settings(loaded, settings)
    if not headless:
        given |= ask_missing(loaded, given)

    def opened() -> "Session":
        from drbook.app.session import open_incident

        return open_incident(loaded, mode, home(), given)

    if not headless:
        first = First(mode.value, plain(loaded.title, 200))
        return attend(lambda _: opened(), first=first, as_json=as_json)
    from drbook.cli.lead import lead

    return lead(opened(), headless=True, as_json=as_json)
