"""`drbook resume`: go on after a crash, a closed terminal, or the loss of another machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drbook.cli.attended import attend, first_of, need_terminal
from drbook.cli.headless import junit_option, need_headless
from drbook.core.errors import UsageError
from drbook.core.heap import hold

if TYPE_CHECKING:
    from drbook.app.places import Home
    from drbook.app.session import Session
    from drbook.app.vouching import Vouch
    from drbook.tui.first import Told


@click.command("resume")
@click.argument("incident", required=False)
@click.option(
    "--from",
    "source",
    metavar="PLACE",
    help="Another machine's incident, from a mirror: s3://BUCKET/PREFIX/INCIDENT (credentials, region "
    "and endpoint by AWS's own environment variables and files) or DIRECTORY/INCIDENT.",
)
@click.option(
    "--take-over",
    "reason",
    metavar="REASON",
    help="Why that machine is replaced; goes on record. A drbook that lives there stops.",
)
@click.option(
    "--head", default="", metavar="HEAD", help="With --from: a head of its record, noted elsewhere."
)
@click.option(
    "--runbook",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --from: your copy of the runbook that the incident runs; it must be the same.",
)
@click.option(
    "--trust-mirror",
    is_flag=True,
    help="With --from and --headless: go on though nothing but the mirror vouches for the runbook.",
)
@click.option(
    "--headless", is_flag=True, help="No screen; stops with exit code 7 where a person is needed."
)
@click.option(
    "--amend",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Go on by this changed runbook; only steps that have not started may differ.",
)
@click.option(
    "--without-mirrors",
    is_flag=True,
    help="Go on though a mirror cannot be asked for want of its credentials here; goes on record.",
)
@click.option(
    "--settle",
    "settle",
    multiple=True,
    metavar="STEP=ANSWER",
    help="With --headless: settle a step in doubt as did-not-happen or happened, after you looked.",
)
@click.option(
    "--because",
    default="",
    metavar="REASON",
    help="With --settle: what you saw; it goes on record with your name.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (with --headless).")
@junit_option
def command(
    incident: str | None,
    source: str | None,
    reason: str | None,
    head: str,
    runbook: Path | None,
    trust_mirror: bool,
    headless: bool,
    as_json: bool,
    amend: Path | None,
    without_mirrors: bool,
    settle: tuple[str, ...],
    because: str,
    junit: Path | None,
) -> int:
    """Go on with INCIDENT (an id, its start or end, or a folder); the newest open one where absent.

    A step that was interrupted is never run again by itself: without an effect it is ready again,
    with one it is in doubt until somebody looked. `--settle restore=did-not-happen --because REASON` says
    so without a screen; what may be repeated without harm, as a restore into another fresh target, is then
    run again.

    With --from and --take-over, another machine's incident is gone on with here. Its record, runbook
    and evidence come from the mirror; targets and processes of that machine are not here. A fence in
    the mirrors stops the drbook that led it, if it still lives and can reach one; two who take over at
    once cannot both get it. Without a fence nothing is taken over. Whoever can write a mirror can change
    the runbook that is run here: --head or --runbook hold it against what you know.
    """
    from drbook.app.doubtful import settling

    settled = settling(settle, because)
    if settled and not headless:
        raise UsageError(
            "--settle goes with --headless.",
            means="Nothing was settled and nothing was resumed.",
            next="At the screen, select the step and press i.",
        )
    if not headless:
        need_headless(junit)
        need_terminal("drbook resume")
    taking = source is not None or reason is not None
    if not taking and (head or runbook is not None or trust_mirror):
        raise UsageError(
            "--head, --runbook and --trust-mirror go with --from PLACE/INCIDENT.",
            means="Nothing was resumed.",
            next="`drbook journal verify --head HEAD` holds a head against the record here.",
        )

    def taken_over() -> "Session":
        from drbook.app.places import home
        from drbook.app.vouching import Vouch

        vouch = Vouch(head, runbook, trusted=trust_mirror, unattended=headless)
        return _take_over(home(), incident, source, reason, vouch)

    if headless:
        from drbook.app.unattended import reporting
        from drbook.cli.lead import lead
        from drbook.cli.output import say

        with reporting(say, junit, incident or source or "resume") as report:
            session = report.opened(
                taken_over() if taking else _resumed(incident, amend, without_mirrors, say)
            )
            return lead(
                session, headless=True, as_json=as_json, settle=settled, ended_as=report.ended
            )
    if taking:
        from drbook.cli.lead import lead

        return lead(taken_over(), headless=False, as_json=as_json)
    return _attended(incident, amend, without_mirrors, as_json=as_json)


def _attended(
    incident: str | None, amend: Path | None, without_mirrors: bool, *, as_json: bool
) -> int:
    hold()
    from drbook.tui.first import First

    def opening(told: "Told") -> "Session":
        return _resumed(incident, amend, without_mirrors, told.say, told.reading)

    folder = _named(incident)
    return attend(opening, first=first_of(folder) if folder else First(), as_json=as_json)


def _named(incident: str | None) -> Path | None:
    """The folder of the incident that was named, where one was. Raises UsageError."""
    from drbook.app.places import find_incident, home

    return None if incident is None else find_incident(home(), incident)


def _resumed(
    incident: str | None,
    amend: Path | None,
    without_mirrors: bool,
    tell: Callable[[str], None],
    reading: Callable[[int, int], None] = lambda done, total: None,
) -> "Session":
    from drbook.app.history import newest_open
    from drbook.app.places import home
    from drbook.app.session import resume_incident

    return resume_incident(
        _named(incident) or newest_open(home()),
        amend=amend,
        tell=tell,
        reading=reading,
        without_mirrors=without_mirrors,
    )


def _take_over(
    where: "Home", incident: str | None, source: str | None, reason: str | None, vouch: "Vouch"
) -> "Session":
    from drbook.app.takeover import take_over, told
    from drbook.cli.output import say

    if source is None or reason is None or incident is not None:
        raise UsageError(
            "Taking over needs --from PLACE/INCIDENT and --take-over REASON, and no INCIDENT beside.",
            means="Nothing was taken over.",
            next="drbook resume --from s3://BUCKET/PREFIX/INCIDENT --take-over 'why'",
        )
    session, event = take_over(source, where, reason, vouch=vouch, tell=say)
    for line in told(event):
        say(line)
    return session
