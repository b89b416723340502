"""`drbook rehearse`: the same runbook in calm times."""

from pathlib import Path

import click

from drbook.cli.headless import junit_option
from drbook.cli.run import start
from drbook.core.events import Mode


@click.command("rehearse")
@click.argument("runbook")
@click.option(
    "--dry-run", is_flag=True, help="Make no target at all: plan every step, change nothing."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Give an input.")
@click.option(
    "--headless", is_flag=True, help="No screen; stops with exit code 7 where a person is needed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (with --headless).")
@junit_option
@click.option(
    "--keep", is_flag=True, help="Keep what the drill makes; it goes at the end otherwise."
)
def command(
    runbook: str,
    dry_run: bool,
    settings: tuple[str, ...],
    headless: bool,
    as_json: bool,
    junit: Path | None,
    keep: bool,
) -> int:
    """Rehearse RUNBOOK as a drill: it restores and verifies for real, into fresh targets only, and takes them
    away at its end."""
    mode = Mode.DRY_RUN if dry_run else Mode.DRILL
    return start(
        runbook,
        mode,
        settings,
        headless=headless,
        as_json=as_json,
        called="drbook rehearse",
        junit=junit,
        keep=keep,
    )
