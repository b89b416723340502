"""`drbook watch`: follow an incident without being able to change it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drbook.app.places import JOURNAL, find_incident, home
from drbook.cli.attended import first_of, may_draw
from drbook.core.errors import ExitCode
from drbook.core.heap import hold, let_go

if TYPE_CHECKING:
    from drbook.app.follower import Follower
    from drbook.app.model import Incident
    from drbook.core.events import Record
    from drbook.tui.first import Told

LOOK_EVERY = 0.5
"""Seconds."""


@click.command("watch")
@click.argument("incident", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print each record as its JSON line.")
@click.option("--once", is_flag=True, help="Print what is there and end.")
@click.option("--lines", is_flag=True, help="Print each record as a line, in a terminal too.")
def command(incident: str | None, as_json: bool, once: bool, lines: bool) -> int:
    """Follow INCIDENT read-only: its screen in a terminal, elsewhere each record as it is written,
    until it is closed. The lock is never taken; a note (n) goes to whoever leads it."""
    folder = find_incident(home(), incident)
    if may_draw() and not (as_json or once or lines):
        return _on_the_screen(folder)
    from drbook.core.events import IncidentClosed
    from drbook.journal.reader import Tail

    tail = Tail(folder / JOURNAL)
    while True:
        came = tail.more()
        _print(came, as_json)
        if once or any(isinstance(record.event, IncidentClosed) for record in came):
            return int(ExitCode.DONE)
        time.sleep(LOOK_EVERY)


def _print(records: "Sequence[Record]", as_json: bool) -> None:
    from drbook.cli.describe import describe
    from drbook.journal.codec import encode

    for record in records:
        line = encode(record).decode() if as_json else describe(record)
        if line:
            click.echo(line if as_json else f"{record.at:%Y-%m-%d %H:%M:%S} {line}")


def _on_the_screen(folder: Path) -> int:
    """Its first picture is there before the record is read."""
    hold()
    from drbook.tui.app import run_watch

    followers: list[Follower] = []

    def opening(told: "Told") -> "tuple[Incident, str]":
        from drbook.app.follower import Follower

        follower = Follower(folder, reading=told.reading)
        follower.start()
        followers.append(follower)
        return follower, ""

    try:
        run_watch(opening, first_of(folder))
    finally:
        let_go()
        for one in followers:
            one.stop()
    return int(ExitCode.DONE)
