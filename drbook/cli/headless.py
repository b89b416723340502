"""What `run`, `rehearse` and `resume` share where they run without a screen."""

from pathlib import Path

import click

from drbook.core.errors import UsageError

junit_option = click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.xml",
    help="With --headless: write a test case per step as JUnit XML.",
)


def need_headless(junit: Path | None) -> None:
    """Raises UsageError where a file is asked for that only an unattended run writes."""
    if junit is not None:
        raise UsageError(
            "--junit goes with --headless.",
            means="Nothing was started.",
            next="Export the incident from the screen (e), or add --headless.",
        )
