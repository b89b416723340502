"""`drbook note`: write into the record from any seat."""

import click

from drbook.app.notes import write_note
from drbook.app.places import find_incident, home
from drbook.cli.output import say


@click.command("note")
@click.argument("text")
@click.option("--incident", help="The incident; the newest where absent.")
def command(text: str, incident: str | None) -> None:
    """Write a note. Where another drbook leads the incident, that one puts it on record."""
    written = write_note(find_incident(home(), incident), text)
    for one in written.unasked:
        say(f"Not asked whether another machine has taken over: {one}")
    if written.seq is None:
        say(
            f"Left for the drbook that leads {written.incident}; it records it within a second or two."
        )
    else:
        say(f"Recorded as {written.seq} in {written.incident}.")
