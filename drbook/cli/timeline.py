"""`drbook timeline`: an incident as html, md, json or csv."""

from pathlib import Path

import click

from drbook.app.exports import kind_of, timeline_of, write_new
from drbook.app.places import find_incident, home
from drbook.cli.output import say
from drbook.timeline.export import FORMATS, export


@click.command("timeline")
@click.argument("incident", required=False)
@click.option(
    "--format",
    "kind",
    type=click.Choice(sorted(FORMATS)),
    help="Default: what the name of the output ends in, else md. json: CloudEvents lines.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to a new file.")
def command(incident: str | None, kind: str | None, output: Path | None) -> None:
    """Export the timeline of INCIDENT (an id, the end of one, or a folder; absent: the newest)."""
    timeline = timeline_of(find_incident(home(), incident))
    if output is None:
        click.echo(export(timeline, kind or "md"), nl=False)
    else:
        write_new(output, export(timeline, kind or kind_of(output)))
        say(f"Written: {output}")
    say(f"Journal head {timeline.journal.head}: keep it apart from the journal.")
