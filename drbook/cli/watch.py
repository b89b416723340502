"""`drbook watch`: follow an incident without being able to change it."""

import time

import click

from drbook.app.places import JOURNAL, find_incident, home
from drbook.cli.describe import describe
from drbook.core.errors import ExitCode
from drbook.core.events import IncidentClosed
from drbook.journal.codec import encode
from drbook.journal.reader import read


@click.command("watch")
@click.argument("incident", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print each record as its JSON line.")
@click.option("--once", is_flag=True, help="Print what is there and end.")
def command(incident: str | None, as_json: bool, once: bool) -> int:
    """Print each record of INCIDENT as it is written, until it is closed. It never takes the lock."""
    path = find_incident(home(), incident) / JOURNAL
    told = 0
    while True:
        records = read(path)
        for record in records[told:]:
            line = encode(record).decode() if as_json else describe(record)
            if line:
                click.echo(line if as_json else f"{record.at:%Y-%m-%d %H:%M:%S} {line}")
        told = len(records)
        if once or any(isinstance(record.event, IncidentClosed) for record in records[-50:]):
            return int(ExitCode.DONE)
        time.sleep(0.5)
