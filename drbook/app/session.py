"""Opening an incident, and going on with one: folder, stored runbook, journal, driver."""

import os
import platform
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from drbook import __version__
from drbook.app.aftermath import wait_for_children
from drbook.app.approvers import approvers_of
from drbook.app.driver import Driver
from drbook.app.hurry import Hurry
from drbook.app.inputs import occurred_in, read_inputs
from drbook.app.locks import tried
from drbook.app.past import Recall
from drbook.app.places import (
    JOURNAL,
    RUNBOOK,
    Home,
    incident_of,
    make_folder,
    need_private,
    new_incident_id,
)
from drbook.app.planning import elsewhere
from drbook.app.proved import earlier
from drbook.app.refusing import refuse_secret
from drbook.app.stored import amended_name, store, store_once, stored_path, stored_runbook
from drbook.app.teardown import Remover, forget_scratch, keep
from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Wiring
from drbook.app.writing import ask_mirrors, fence_of, operator, writer_of
from drbook.core import events as ev
from drbook.core.amend import Amendment, amendment
from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Event, Mode, Record
from drbook.core.fold import fold
from drbook.core.heap import without_collecting
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.core.values import plain
from drbook.journal.reader import follow
from drbook.journal.writer import Writer
from drbook.language.load import load_file
from drbook.mirror.copier import Writing
from drbook.mirror.mirrors import Mirrors, copiers
from drbook.providers import secrets
from drbook.providers.life import this_life
from drbook.providers.pgserver import sockets_of


class Session:
    """One incident that this process writes. A context manager: leaving it stops the driver."""

    def __init__(
        self,
        driver: Driver,
        folder: Path,
        wiring: Wiring,
        mirrors: Mirrors,
        environment: Mapping[str, str],
    ) -> None:
        self.driver = driver
        self.folder = folder
        self.wiring = wiring
        self.mirrors = mirrors
        self.passing = False
        """True where nobody will go on with it: what a drill made goes with it, however it ends."""
        self.hurry = Hurry()
        """Whoever leads it asks for it; then its removal at the end is cut short."""
        self._environment = environment
        self._recall = Recall(driver.runbook, folder, driver.remember)

    def __enter__(self) -> "Session":
        self.mirrors.start()
        self.driver.start()
        self._recall.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def end(self, *, gone_on_with: bool) -> tuple[ev.ResourceLeft, ...]:
        """Stop the driver and the servers of restored clusters. What a drill made is taken away then, each on
        record, but for one that is open and will be `gone_on_with`. Returns what stays of it."""
        left: list[ev.ResourceLeft] = []

        def last(put: Callable[[Event], None]) -> None:
            self.wiring.close()
            state = self.driver.state
            if state.keep_targets:
                left.extend(keep(state, put))
            elif state.closed_at is not None or self.passing or not gone_on_with:
                records = self.driver.snapshot.records
                remover = Remover(records, self.folder, self._environment, self.hurry)
                left.extend(remover.tear_down(state, put))

        self._recall.stop()
        try:
            self.driver.stop(last)
        except DrbookError as error:  # the record takes no more: what is left is a leftover
            left.append(_not_removed(error))
        return tuple(left)

    def close(self) -> None:
        """`end` it where that was not done, and what its steps left running, like a restored cluster's
        server; at last wait, a bounded time, for what the mirrors lack."""
        self.end(gone_on_with=True)
        self.wiring.close()
        for resource in self.driver.state.resources:
            if resource.kind == "cluster":  # a killed life left its socket's folder behind
                shutil.rmtree(sockets_of(resource.nonce), ignore_errors=True)
        forget_scratch(self.driver.snapshot.records)
        self.mirrors.close()


def _not_removed(error: DrbookError) -> ev.ResourceLeft:
    return ev.ResourceLeft(
        kind="targets",
        name="of this drill",
        location="",
        reason=f"their removal could not be recorded: {error.what}",
        next="`drbook drill clean` lists them",
    )


def open_incident(
    runbook: Runbook,
    mode: Mode,
    home: Home,
    given: Mapping[str, str],
    *,
    environment: Mapping[str, str] = os.environ,
    actor: str | None = None,
    keep_targets: bool = False,
) -> Session:
    """A new incident: its folder, the runbook as it is run, and the first record. With `keep_targets`, what
    a drill makes stays after its end.

    Raises UsageError for inputs that are missing or hold a known secret, JournalError where it cannot
    be recorded.
    """
    secrets.know(runbook.source.decode("utf-8", "replace"), environment)
    refuse_secret(runbook.title, "The runbook's title")
    now = datetime.now(UTC)
    values = read_inputs(runbook, given, now)
    incident = new_incident_id(runbook.title, now)
    folder = home.folder(incident)
    make_folder(folder)
    store(folder / RUNBOOK, runbook.source)
    who = actor or operator()
    writer = writer_of(folder, incident, mode)
    objectives = runbook.document.objectives
    kernel = os.uname()  # `platform.platform` would start a program with our whole environment
    opened = ev.IncidentOpened(
        incident=incident,
        mode=mode,
        title=runbook.title,
        runbook_sha256=runbook.sha256,
        runbook_file=runbook.file,
        drbook_version=__version__,
        inputs=values,
        occurred=occurred_in(values),
        rpo_seconds=int(objectives.rpo.total_seconds()) if objectives.rpo else None,
        rto_seconds=int(objectives.rto.total_seconds()) if objectives.rto else None,
        steps=tuple(step.id for step in runbook.steps),
        keep_targets=keep_targets,
        environment={
            "python": platform.python_version(),
            "platform": "-".join((kernel.sysname, kernel.release, kernel.machine)),
            "pid": str(os.getpid()),
        },
        life=this_life(),
    )
    try:
        writer.append(who, opened)
    except BaseException:
        writer.close()
        raise
    return session_of(runbook, writer, folder, who, environment)


def resume_incident(
    folder: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    actor: str | None = None,
    amend: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
    reading: Callable[[int, int], None] = lambda done, total: None,
    without_mirrors: bool = False,
) -> Session:
    """Go on with an incident, by the runbook that was stored with it.

    `amend` is a runbook to go on by: it may change only steps that have not started. `tell` is told
    what is waited for, and which mirrors could not be asked; `reading`, how many lines of the record
    were read, and how many there are. `without_mirrors` goes on, too, where one
    cannot be asked for want of credentials. Raises JournalError where the record is damaged or another process writes
    it, UsageError where the incident is closed or an amendment changes too much, Refused where a
    process of the life before does not end, TakenOver where a mirror says that another machine goes
    on with it.
    """
    host = socket.gethostname()
    who = actor or operator()
    with without_collecting():
        held = follow(folder / JOURNAL, tell=reading)
        found = _resumable(held.records)
    _need_private(folder)
    if incident_of(folder) not in ("", found.incident):
        raise _foreign(folder, found.incident)
    writer = writer_of(folder, found.incident, found.mode, known=held)
    try:
        # Only now: opening it may have mended a last record, and nobody else writes any more.
        records = writer.records
        before = found if records is held.records else _resumable(records)
        runbook = stored_runbook(folder, before.runbook_sha256)
        amended = None
        if amend is not None:
            new = load_file(amend, vocabulary())
            amended, runbook = _amended(amendment(runbook, new, before), new), new
        if amended is not None:  # before anything is on record, which would be there once a try
            store_once(folder / amended.file, runbook.source)
        unseen = ask_mirrors(runbook, before, writer, environment, without_mirrors)
        for one in unseen:
            tell(f"Not asked whether another machine has taken over: {one}")
        after = wait_for_children(records, host, tell)
        resumed = ev.IncidentResumed(
            head=writer.head,
            repaired=writer.repaired,
            outlived=after.outlived,
            unseen=unseen,
            unlooked=after.unseen,
            life=this_life(),
        )
        writer.append(who, resumed)
        if amended is not None:
            writer.append(who, amended)
    except BaseException:
        writer.close()
        raise
    return session_of(runbook, writer, folder, who, environment, before)


def _resumable(records: Sequence[Record]) -> IncidentState:
    """The state that is gone on from. Raises UsageError where there is nothing to go on with."""
    state = fold(records)
    if state.opened_at is None:
        raise UsageError(
            "This incident was never opened: its record holds nothing.",
            means="drbook ended before anything was started.",
            next="`drbook run` opens a new one. The folder may be removed.",
            code="never-opened",
        )
    if state.closed_at is not None:
        raise UsageError(
            f"Incident {state.incident} is closed ({state.outcome}).",
            next="`drbook timeline` exports it; `drbook run` opens a new one.",
            code="closed",
        )
    return state


def _need_private(folder: Path) -> None:
    try:
        need_private(folder)
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be looked at: {error.strerror or error}.",
            means="Who else may write there is not known. Nothing was resumed.",
            next="Mend the permissions, then resume the incident.",
            code="journal-open",
        ) from None


def _foreign(folder: Path, incident: str) -> JournalError:
    return JournalError(
        f"{folder} holds the record of incident {plain(incident, 100)}, not its own.",
        means="Another incident's journal was put in its place. Nothing was resumed.",
        next="Put the original back, or take over from a mirror: drbook resume --from PLACE --take-over "
        "REASON, with this folder moved aside.",
        code="journal-foreign",
    )


def _amended(found: Amendment, runbook: Runbook) -> ev.RunbookAmended:
    return ev.RunbookAmended(
        runbook_sha256=runbook.sha256,
        file=amended_name(runbook.sha256),
        changed=found.all,
        summary=found.in_words(),
        steps=tuple(step.id for step in runbook.steps),
    )


def session_of(
    runbook: Runbook,
    writer: Writer,
    folder: Path,
    actor: str,
    environment: Mapping[str, str],
    known: IncidentState | None = None,
) -> Session:
    """The session that goes on where the writer's journal ends; `known` is the state after some of its
    records."""
    state = fold(writer.records[known.seq :] if known else writer.records, known)
    try:
        # Also where a life before was killed right behind its first record: nobody types a name instead.
        if state.approvers is None and (taken := approvers_of(runbook)) is not None:
            writer.append(actor, taken)
            state = fold(writer.records[state.seq :], state)
    except BaseException:
        writer.close()
        raise
    records = writer.records
    actions = vocabulary().actions
    dry = state.mode is Mode.DRY_RUN  # writes nowhere: what a mirror locks, nobody could delete
    others = elsewhere(runbook, state, actions)
    past = partial(earlier, Home(folder.parent.parent))
    locks = tried(Home(folder.parent.parent))
    wiring = Wiring(runbook, folder, state.mode, environment, others, past, locks)
    stored = stored_path(folder, state.runbook_sha256)
    fence = fence_of(records) if state.epoch else ""
    writing = Writing(writer.path, stored, state.epoch, fence)
    mirrors = copiers(() if dry else runbook.mirrors, state.incident, writing, wiring.secret)
    driver = Driver(
        runbook=runbook,
        actions=actions,
        writer=writer,
        records=records,
        state=state,
        opener=wiring,
        actor=actor,
        people_act=state.mode is not Mode.DRY_RUN,
        now=lambda: datetime.now(UTC),
        mirrors=mirrors,
        unset=secrets.unset(runbook.source.decode("utf-8", "replace"), environment),
    )
    return Session(driver, folder, wiring, mirrors, environment)
