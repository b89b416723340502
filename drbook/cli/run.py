"""`drbook run`: open an incident and lead through it."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drbook.app.cleaning import told_before
from drbook.app.drilllock import one_rehearsal
from drbook.app.junit import Ended, reported
from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.attended import attend, need_terminal
from drbook.cli.output import say
from drbook.cli.settings import ask_missing, read_settings
from drbook.core.errors import UsageError
from drbook.core.events import Mode
from drbook.core.runbook import Runbook
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
    junit: Path | None = None,
    keep: bool = False,
) -> int:
    """Load, open, lead; at a terminal the screen is there before the clients are loaded."""
    if not headless:
        if junit is not None:
            raise UsageError(
                "--junit goes with --headless.",
                means="Nothing was started.",
                next="Export the incident from the screen (e), or add --headless.",
            )
        need_terminal(f"{called} {runbook}")
    loaded = open_runbook(runbook)
    with ExitStack() as stack:
        return _start(loaded, mode, settings, headless, as_json, junit, keep, stack)


def _start(
    loaded: Runbook,
    mode: Mode,
    settings: tuple[str, ...],
    headless: bool,
    as_json: bool,
    junit: Path | None,
    keep: bool,
    stack: ExitStack,
) -> int:
    """A rehearsal holds its lock, and an unattended run its file, until it has ended."""
    ended: Ended = lambda snapshot, outcome: None  # noqa: E731
    if junit is not None:
        ended = stack.enter_context(reported(junit, loaded.title))
    if mode is Mode.DRILL:  # a dry run writes nothing but its incident
        stack.enter_context(one_rehearsal(home(), loaded.title))
        for line in told_before(home()):
            say(line)
    given = read_settings(loaded, settings)
    if not headless:
        given |= ask_missing(loaded, given)

    def opened() -> "Session":
        from drbook.app.session import open_incident

        return open_incident(loaded, mode, home(), given, keep_targets=keep)

    if not headless:
        first = First(mode.value, plain(loaded.title, 200))
        return attend(lambda _: opened(), first=first, as_json=as_json)
    from drbook.cli.lead import lead

    return lead(opened(), headless=True, as_json=as_json, ended_as=ended)
