"""`drbook run`: open an incident and lead through it."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drbook.app.cleaning import told_before
from drbook.app.drilllock import one_rehearsal
from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.attended import attend, need_terminal
from drbook.cli.headless import junit_option, need_headless
from drbook.cli.output import say
from drbook.cli.settings import ask_missing, read_settings
from drbook.core.events import Mode
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.tui.first import First

if TYPE_CHECKING:
    from drbook.app.session import Session
    from drbook.app.unattended import Reporting


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
@junit_option
def command(
    runbook: str,
    mode: str,
    settings: tuple[str, ...],
    headless: bool,
    as_json: bool,
    junit: Path | None,
) -> int:
    """Open an incident from RUNBOOK, a file or the name of a shipped one."""
    return start(
        runbook,
        Mode(mode),
        settings,
        headless=headless,
        as_json=as_json,
        called="drbook run",
        junit=junit,
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
        need_headless(junit)
        need_terminal(f"{called} {runbook}")
    loaded = open_runbook(runbook)
    with ExitStack() as stack:
        if headless:
            from drbook.app.unattended import reporting

            report = stack.enter_context(reporting(say, junit, loaded.title, loaded, mode))
            return _unattended(loaded, mode, settings, as_json, keep, stack, report)
        return _attended(loaded, mode, settings, as_json, keep, stack)


def _unattended(
    loaded: Runbook,
    mode: Mode,
    settings: tuple[str, ...],
    as_json: bool,
    keep: bool,
    stack: ExitStack,
    report: "Reporting",
) -> int:
    _lock(loaded, mode, stack)
    given = read_settings(loaded, settings)
    from drbook.app.session import open_incident
    from drbook.cli.lead import lead

    session = report.opened(open_incident(loaded, mode, home(), given, keep_targets=keep))
    return lead(session, headless=True, as_json=as_json, ended_as=report.ended)


def _attended(
    loaded: Runbook,
    mode: Mode,
    settings: tuple[str, ...],
    as_json: bool,
    keep: bool,
    stack: ExitStack,
) -> int:
    _lock(loaded, mode, stack)
    given = read_settings(loaded, settings)
    given |= ask_missing(loaded, given)

    def opened() -> "Session":
        from drbook.app.session import open_incident

        return open_incident(loaded, mode, home(), given, keep_targets=keep)

    first = First(mode.value, plain(loaded.title, 200))
    return attend(lambda _: opened(), first=first, as_json=as_json)


def _lock(loaded: Runbook, mode: Mode, stack: ExitStack) -> None:
    """A rehearsal holds its lock until it has ended; a dry run takes none: it writes nothing but its
    incident."""
    if mode is Mode.DRILL:
        stack.enter_context(one_rehearsal(home(), loaded.title))
        for line in told_before(home()):
            say(line)
