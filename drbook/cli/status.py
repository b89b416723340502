"""`drbook status`: a status text for people outside, drafted from the record."""

from datetime import UTC, datetime

import click

from drbook.app.exports import timeline_of
from drbook.app.places import find_incident, home
from drbook.cli.output import print_json, say
from drbook.core.values import format_time
from drbook.timeline.status import draft, next_update


@click.command("status")
@click.argument("incident", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it with its facts as JSON.")
def command(incident: str | None, as_json: bool) -> None:
    """Draft a status text for customers from INCIDENT (an id, the end of one, or a folder; absent: the
    newest). Nothing is sent and nothing is recorded."""
    timeline = timeline_of(find_incident(home(), incident))
    now = datetime.now(UTC).replace(microsecond=0)
    text = draft(timeline, now)
    if not as_json:
        click.echo(text, nl=False)
        say("A draft: read it before you send it, and record what you sent as a message.")
        return
    following = next_update(timeline, now)
    lost = timeline.rpo.measured
    print_json(
        {
            "incident": timeline.incident,
            "mode": timeline.mode,
            "at": format_time(now),
            "occurred": format_time(timeline.occurred) if timeline.occurred else None,
            "loss_seconds": None if lost is None else int(lost.total_seconds()),
            "loss_at_least": timeline.rpo.at_least,
            "next_update": format_time(following) if following else None,
            "text": text,
        }
    )
