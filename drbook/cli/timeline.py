"""`drbook timeline`: an incident as html, md, json or csv; and an export checked against its journal."""

from pathlib import Path

import click

from drbook.app.checking import check_export
from drbook.app.exports import kind_of, timeline_of, write_new
from drbook.app.places import find_incident, home
from drbook.cli.output import say, tell
from drbook.core.errors import ExitCode, UsageError
from drbook.timeline.export import FORMATS, export

_SHOWN = 50
"""Differences that are named."""


@click.command("timeline")
@click.argument("incident", required=False)
@click.option(
    "--format",
    "kind",
    type=click.Choice(sorted(FORMATS)),
    help="Default: what the name of the file ends in, else md. json and cloudevents: CloudEvents lines.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to a new file.")
@click.option(
    "--check", type=click.Path(path_type=Path), help="Hold an export against the journal instead."
)
def command(incident: str | None, kind: str | None, output: Path | None, check: Path | None) -> int:
    """Export the timeline of INCIDENT (an id, the end of one, or a folder; absent: the newest).

    --check FILE proves that nothing of the journal is missing in an export, nor added or changed; what
    differs is named by the numbers of its records. INCIDENT absent: the one that the file names.

    \b
    Exit codes of --check. 0: the journal is here, and all of it is in the file.
    1: something is missing, added or changed.
    5: the journal is not here (the file is checked by itself only), or went on since.
    """
    if check is not None:
        return _check(incident, kind, output, check)
    timeline = timeline_of(find_incident(home(), incident))
    if output is None:
        click.echo(export(timeline, kind or "md"), nl=False)
    else:
        write_new(output, export(timeline, kind or kind_of(output)))
        say(f"Written: {output}")
    say(f"Journal head {timeline.journal.head}: keep it apart from the journal.")
    return int(ExitCode.DONE)


def _check(incident: str | None, kind: str | None, output: Path | None, check: Path) -> int:
    if output is not None:
        raise UsageError("--check writes no file.", next="Leave --output away.")
    where = home()
    folder = find_incident(where, incident) if incident is not None else None
    found = check_export(check, where, folder, kind or "")
    tell(found.words)
    for problem in found.problems[:_SHOWN]:
        tell(f"  {problem}")
    if (left := len(found.problems) - _SHOWN) > 0:
        tell(f"  and {left:,} more")
    return int(found.code)
