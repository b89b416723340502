"""`drbook review`: a draft of the review after an incident."""

from pathlib import Path

import click

from drbook.app.exports import write_new
from drbook.app.places import find_incident, home
from drbook.app.reviewing import review_of
from drbook.cli.output import say


@click.command("review")
@click.argument("incident", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to a new file.")
def command(incident: str | None, output: Path | None) -> None:
    """Draft the review of INCIDENT (an id, the end of one, or a folder; absent: the newest) as Markdown.

    Everything in it is on record, and names its record; what nobody verified is unknown. Owners and dates
    of the open actions, and causes, are left to people.
    """
    text = review_of(find_incident(home(), incident))
    if output is None:
        click.echo(text, nl=False)
        return
    write_new(output, text)
    say(f"Written: {output}")
