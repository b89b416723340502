"""`drbook run`: open an incident and lead through it."""

import click

from drbook.app.places import home
from drbook.app.session import open_incident
from drbook.app.shipped import open_runbook
from drbook.cli.lead import lead, need_terminal
from drbook.core.errors import UsageError
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
    session = open_incident(loaded, mode, home(), read_settings(settings))
    return lead(session, headless=headless, as_json=as_json)


def read_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping. Raises UsageError."""
    given: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name:
            raise UsageError(
                f"{setting!r} is not NAME=VALUE.", next="Write --set occurred=2026-04-24T19:04:00Z."
            )
        given[name.strip()] = value
    return given
