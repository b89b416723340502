"""`drbook timeline`: an incident as html, md, json or csv."""

import os
from pathlib import Path

import click

from drbook.app.exports import timeline_of
from drbook.app.places import find_incident, home
from drbook.cli.output import say
from drbook.core.errors import UsageError
from drbook.core.values import plain
from drbook.timeline.export import FORMATS, export


@click.command("timeline")
@click.argument("incident", required=False)
@click.option(
    "--format",
    "kind",
    type=click.Choice(sorted(FORMATS)),
    default="md",
    show_default=True,
    help="json: CloudEvents lines.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to a new file.")
def command(incident: str | None, kind: str, output: Path | None) -> None:
    """Export the timeline of INCIDENT (an id, the end of one, or a folder; absent: the newest)."""
    timeline = timeline_of(find_incident(home(), incident))
    text = export(timeline, kind)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
        say(f"Written: {output}")
    say(f"Journal head {timeline.journal.head}: keep it apart from the journal.")


def _write(path: Path, text: str) -> None:
    """A new file, readable for its owner only; an existing one is not overwritten."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            f"{plain(str(path), 200)} exists already.",
            means="Nothing was written: an export may be evidence.",
            next="Give another name, or move that file away.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{plain(str(path), 200)} cannot be written: {error.strerror or error}.",
            next="Give a place that you may write to.",
        ) from None
