"""Leading an open incident to its end: with the terminal application, or unattended."""

import shlex
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import click

from drbook.app.autopilot import Nobody, Responder, abort, failed_before, run_unattended
from drbook.app.doubtful import doubt_lines, doubts
from drbook.app.model import Resolve, Snapshot
from drbook.app.places import home
from drbook.app.report import report, report_lines
from drbook.app.session import Session
from drbook.app.teardown import targets_told
from drbook.cli.attended import attend
from drbook.cli.attended import need_terminal as need_terminal
from drbook.cli.describe import describe
from drbook.cli.heeding import Heed, HungUp, heeding
from drbook.cli.output import print_json, say
from drbook.cli.progress import ProgressLine
from drbook.cli.streams import OutputLost
from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.core.events import Mode
from drbook.core.state import StepState, in_doubt
from drbook.core.values import Json, plain
from drbook.mirror.mirrors import LAST_WAIT
from drbook.mirror.status import MirrorState
from drbook.tui.first import First

_SHOWN = 5.0
"""Seconds that the driver gets to carry out what it was told, and as many to show it."""


def lead(
    session: Session,
    *,
    headless: bool,
    as_json: bool,
    responder: Responder | None = None,
    kept: bool = True,
    settle: Sequence[Resolve] = (),
    goes: bool = False,
    ended_as: Callable[[Snapshot, Outcome], None] = lambda snapshot, ended: None,
) -> int:
    """Lead the incident of a session; the exit code says how it stands.

    `kept` is False where its folder is removed afterwards; with `goes` somebody else removes it, targets and
    all, and no command is said that needs it. `settle` are steps in doubt that somebody has
    looked at, and `ended_as` is told how it ended; both without a screen alone.
    """
    if not headless:
        state = session.driver.state
        first = First(state.mode.value, plain(state.title, 200))
        given: list[Session] = [session]
        try:
            return attend(lambda _: given.pop(), first=first, as_json=as_json, kept=kept)
        finally:
            for one in given:  # the screen ended before it was asked for
                one.close()
    if names := session.driver.snapshot.unset:
        say(f"Not set, and steps that need them cannot ask: {', '.join(names)}")
    session.passing = not kept
    with heeding(session.hurry) as heed, session:
        ended = _unattended(session, heed, responder or Nobody(), settle)
        heed.telling()
        ended_as(session.driver.snapshot, ended)  # while the record still takes whom it told
        final = _final(session, heed, gone_on_with=ended.word == "needs-human", goes=goes)
    return _told_end(session, final, ended, as_json=as_json, kept=kept and not goes)


def ended_at_the_screen(session: Session, *, as_json: bool, kept: bool, gone: bool = False) -> int:
    """End the session of an operator who left the screen, and say how the incident stands. `gone`: nobody
    left it, the terminal or the machine did."""
    session.passing = not kept
    with heeding(session.hurry) as heed:
        try:
            ended = _left(session, kept)
            final = _final(session, heed, gone_on_with=not gone)
        finally:
            session.close()
    return _told_end(session, final, ended, as_json=as_json, kept=kept)


def _final(session: Session, heed: Heed, *, gone_on_with: bool, goes: bool = False) -> Snapshot:
    """How it stands in the end, once what a drill made has gone where it goes."""
    heed.removing()
    left = session.end(gone_on_with=gone_on_with)
    heed.closing()
    final = session.driver.snapshot
    for line in () if goes else targets_told(final.state, left, _named(session)):
        say(line)
    if any(state.waits for state in session.mirrors.states):
        say(f"Waiting, at most {LAST_WAIT:.0f} s, for a mirror to take what it lacks.")
    return final


def _told_end(
    session: Session, final: Snapshot, ended: Outcome, *, as_json: bool, kept: bool
) -> int:
    try:
        _print_end(session, final, ended, as_json=as_json, kept=kept)
    except OutputLost as lost:
        if not lost.unread:
            say(lost.explain())
            return int(ended.code or lost.exit_code)
    return int(ended.code)


def _print_end(
    session: Session, final: Snapshot, ended: Outcome, *, as_json: bool, kept: bool
) -> None:
    """How it ended, on standard output. Raises OutputLost."""
    document = report(final, ended)
    mirrors = session.mirrors.states
    document["mirrors"] = [_mirror(state) for state in mirrors]
    document["in_doubt"] = doubts(final, _resume_command(session)) if kept else []
    if as_json:
        print_json(document)
    else:
        own = session.folder == home().folder(session.folder.name)
        name = (session.folder.name if own else str(session.folder)) if kept else ""
        target = document["target"]
        commands = session.wiring.pool.start_commands()
        start = commands.get(str(target["name"]), "") if isinstance(target, Mapping) else ""
        if isinstance(target, Mapping):
            # The record says where it was made; an incident's folder may have been moved since.
            here = session.folder / "targets" / str(target["name"])
            moved = target["kind"] == "cluster" and here.is_dir()
            document["target"] = {**target, "location": str(here)} if moved else dict(target)
        for line in report_lines(document, session.folder, name=name, start=start if kept else ""):
            click.echo(line)
        for line in doubt_lines(document["in_doubt"]):
            click.echo(line)
        for state in mirrors:
            click.echo(f"mirror         {state.long(datetime.now(UTC))}")
    sys.stdout.flush()
    if kept and any(state.waits for state in mirrors):
        say(
            f"What a mirror lacks is on this machine alone: drbook journal mirror {_named(session)}"
        )


def _mirror(state: MirrorState) -> Json:
    return {
        "where": state.where,
        "standing": state.standing.value,
        "records": state.records,
        "behind": state.behind,
        "error": state.error,
        "note": state.note,
    }


def _left(session: Session, kept: bool) -> Outcome:
    if (recorded := _recorded(session)) is not None:
        return recorded
    if kept:
        say(f"The incident is still open. Go on with:  {_resume_command(session)}")
    return Outcome("open", ExitCode.NEEDS_HUMAN, "left open by the operator")


def _recorded(session: Session) -> Outcome | None:
    """The outcome that stands on record, whatever came behind it; None while the incident is open."""
    snapshot = session.driver.snapshot
    state = snapshot.state
    if state.closed_at is None:
        return None
    return Outcome(state.outcome, ExitCode(state.exit_code or 0), snapshot.outcome.reason)


def leaving(session: Session, kept: bool) -> str:
    """What it means to leave an open incident, in a sentence."""
    if not kept:
        return "This world is removed, its incident too: export the timeline first (e) to keep it."
    drill = session.driver.state.mode is Mode.DRILL and not session.driver.state.keep_targets
    stays = " What the drill made stays until it is closed or aborted." if drill else ""
    return (
        f"The incident stays open, and a restored cluster's server stops.{stays} "
        f"`{_resume_command(session)}` goes on."
    )


def _resume_command(session: Session) -> str:
    folder = session.folder
    if folder == home().folder(folder.name):
        return f"drbook resume {folder.name}"
    return f"DRBOOK_HOME={shlex.quote(str(folder.parent.parent))} drbook resume {folder.name}"


def _named(session: Session) -> str:
    folder = session.folder
    return folder.name if folder == home().folder(folder.name) else shlex.quote(str(folder))


def _unattended(
    session: Session, heed: Heed, responder: Responder, settle: Sequence[Resolve]
) -> Outcome:
    try:
        with heed.running():
            return run_unattended(
                session.driver,
                responder,
                _Teller(),
                settle=settle,
                again=lambda before: failed_before(before) if before.state.resumed else (),
            )
    except HungUp:
        _wait_taken(session)
        gone = Outcome("open", ExitCode.NEEDS_HUMAN, "the terminal went away")
        return _recorded(session) or gone
    except KeyboardInterrupt:
        say("Stopping: what runs is cancelled and recorded.")
        abort(session.driver, "interrupted while it ran unattended")
        _wait_closed(session)
        return _interrupted(session)


def _interrupted(session: Session) -> Outcome:
    if (recorded := _recorded(session)) is not None:
        return recorded
    doubtful = in_doubt(session.driver.snapshot.state)
    if not doubtful:
        return Outcome("aborted", ExitCode.ABORTED, "interrupted")
    say(
        f"In doubt: {', '.join(doubtful)}. The incident stays open; look, and settle it with:  "
        f"{_resume_command(session)}"
    )
    return Outcome("open", ExitCode.IN_DOUBT, f"interrupted; in doubt: {', '.join(doubtful)}")


def _wait_taken(session: Session) -> None:
    """Wait, a bounded time, until the driver has carried out what it was told before and shows it."""
    driver, taken = session.driver, threading.Event()
    driver.call(taken.set)
    taken.wait(timeout=_SHOWN)
    shown = threading.Event()

    def look(snapshot: Snapshot) -> None:
        if snapshot.broken or snapshot.state.seq >= driver.state.seq:
            shown.set()

    unsubscribe = driver.subscribe(look)
    look(driver.snapshot)
    shown.wait(timeout=_SHOWN)
    unsubscribe()


def _wait_closed(session: Session) -> None:
    """Wait until the abort is on record, or nothing runs any more and something is in doubt; the driver
    bounds how long its steps may take to stop."""
    closed = threading.Event()

    def look(snapshot: Snapshot) -> None:
        runs = any(run.state is StepState.STARTED for run in snapshot.state.steps.values())
        doubtful = not runs and in_doubt(snapshot.state)
        if snapshot.state.closed_at is not None or snapshot.broken or doubtful:
            closed.set()

    unsubscribe = session.driver.subscribe(look)
    closed.wait(timeout=45)
    unsubscribe()


class _Teller:
    """Says each new record that a person wants to see, in a line, on standard error, and how far
    running steps are."""

    def __init__(self) -> None:
        self._told = 0
        self._line = ProgressLine()
        self._standing: dict[int, bool] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        for record in snapshot.records[self._told :]:
            line = describe(record)
            if line:
                self._line.clear()
                say(f"{record.at:%H:%M:%S} {line}")
        self._told = len(snapshot.records)
        self._mirrors(snapshot.mirrors)
        for step in snapshot.decision.running:
            if (live := snapshot.live.get(step)) is not None:
                self._line.show(live.progress, f"{step}: ")

    def _mirrors(self, states: Sequence[MirrorState]) -> None:
        """Each change of how a mirror stands, once; a moment's lag is none."""
        now = datetime.now(UTC)
        for index, state in enumerate(states):
            stands = state.fine(now)
            if stands != self._standing.get(index, True):
                self._line.clear()
                say(f"{now:%H:%M:%S} mirror {state.long(now)}")
            self._standing[index] = stands
