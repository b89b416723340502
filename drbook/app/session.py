"""Opening an incident, and going on with one: folder, stored runbook, journal, driver."""

import getpass
import os
import platform
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from drbook import __version__
from drbook.app.driver import Driver
from drbook.app.inputs import occurred_in, read_inputs
from drbook.app.places import JOURNAL, RUNBOOK, Home, make_folder, new_incident_id
from drbook.app.planning import elsewhere
from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Wiring
from drbook.core import events as ev
from drbook.core.errors import JournalError, UsageError
from drbook.core.events import Mode, Record
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.mirror.copier import Writing
from drbook.mirror.look import may_go_on
from drbook.mirror.mirrors import Mirrors, copiers, opener
from drbook.providers import secrets


class Session:
    """One incident that this process writes. A context manager: leaving it stops the driver."""

    def __init__(self, driver: Driver, folder: Path, wiring: Wiring, mirrors: Mirrors) -> None:
        self.driver = driver
        self.folder = folder
        self.wiring = wiring
        self.mirrors = mirrors

    def __enter__(self) -> "Session":
        self.mirrors.start()
        self.driver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the driver, then what its steps left running, like a restored cluster's server; at
        last wait, a bounded time, for what the mirrors lack."""
        self.driver.stop()
        self.wiring.close()
        self.mirrors.close()


def operator() -> str:
    """Who sits there: `DRBOOK_OPERATOR`, else the login name."""
    try:
        return os.environ.get("DRBOOK_OPERATOR") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def open_incident(
    runbook: Runbook,
    mode: Mode,
    home: Home,
    given: Mapping[str, str],
    *,
    environment: Mapping[str, str] = os.environ,
    actor: str | None = None,
) -> Session:
    """A new incident: its folder, the runbook as it is run, and the first record.

    Raises UsageError for inputs that are missing, JournalError where it cannot be recorded.
    """
    now = datetime.now(UTC)
    values = read_inputs(runbook, given, now)
    incident = new_incident_id(runbook.title, now)
    folder = home.folder(incident)
    make_folder(folder)
    store(folder / RUNBOOK, runbook.source)
    who = actor or operator()
    writer = Writer(folder / JOURNAL, mode=mode, host=socket.gethostname())
    objectives = runbook.document.objectives
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
        environment={
            "python": platform.python_version(),
            "platform": platform.platform(),
            "pid": str(os.getpid()),
        },
    )
    try:
        writer.append(who, opened)
    except BaseException:
        writer.close()
        raise
    return session_of(runbook, writer, folder, who, environment)


def resume_incident(
    folder: Path, *, environment: Mapping[str, str] = os.environ, actor: str | None = None
) -> Session:
    """Go on with an incident, by the runbook that was stored with it.

    Raises JournalError where the record is damaged, was cut or is written by another process,
    TakenOver where a mirror says that another machine goes on with it, UsageError where the incident
    is closed or its stored runbook is not the recorded one.
    """
    journal = folder / JOURNAL
    records = read(journal)
    before = fold(records)
    if before.closed_at is not None:
        raise UsageError(
            f"Incident {before.incident} is closed ({before.outcome}).",
            next="`drbook timeline` exports it; `drbook run` opens a new one.",
            code="closed",
        )
    runbook = stored_runbook(folder)
    if runbook.sha256 != before.runbook_sha256:
        raise JournalError(
            f"{folder / RUNBOOK} is not the runbook that this incident was opened with.",
            means="It was changed after it was stored; what ran before may not be what it says now.",
            next="Put the original back; its SHA-256 is " + before.runbook_sha256 + ".",
            code="runbook-changed",
        )
    writer = Writer(journal, mode=before.mode, host=socket.gethostname())
    who = actor or operator()
    try:
        _ask_mirrors(runbook, before, records, writer.head, environment)
        writer.append(who, ev.IncidentResumed(head=writer.head, repaired=writer.repaired))
    except BaseException:
        writer.close()
        raise
    return session_of(runbook, writer, folder, who, environment)


def _ask_mirrors(
    runbook: Runbook,
    state: IncidentState,
    records: Sequence[Record],
    head: str,
    environment: Mapping[str, str],
) -> None:
    """Whether this machine may go on. A mirror that does not answer is no reason to wait."""

    def secret(reference: str) -> str:
        return secrets.resolve(reference, environment).reveal()

    may_go_on(
        [opener(config, state.incident, secret) for config in runbook.mirrors],
        records=state.seq,
        head=head,
        epoch=state.epoch,
        token=fence_of(records),
    )


def fence_of(records: Sequence[Record]) -> str:
    """The token of the latest take-over on record; empty where there was none."""
    taken = (one.event for one in reversed(records) if isinstance(one.event, ev.IncidentTakenOver))
    latest = next(taken, None)
    return latest.fence if latest is not None else ""


def stored_runbook(folder: Path) -> Runbook:
    """The runbook as this incident runs it."""
    path = folder / RUNBOOK
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(
            f"The stored runbook {path} cannot be read: {error.strerror or error}."
        ) from None
    return load(data, str(path), vocabulary())


def session_of(
    runbook: Runbook, writer: Writer, folder: Path, actor: str, environment: Mapping[str, str]
) -> Session:
    """The session that goes on where the writer's journal ends."""
    records = read(writer.path)
    state = fold(records)
    actions = vocabulary().actions
    wiring = Wiring(runbook, folder, state.mode, environment, elsewhere(runbook, state, actions))
    writing = Writing(writer.path, folder / RUNBOOK, state.epoch, fence_of(records))
    mirrors = copiers(runbook.mirrors, state.incident, writing, wiring.secret)
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
    )
    return Session(driver, folder, wiring, mirrors)


def store(path: Path, data: bytes) -> None:
    """Write a new file of one's own, mode 0600, synced. Raises JournalError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise JournalError(
            f"{path} cannot be written: {error.strerror or error}.",
            means="Nothing was started.",
            next="Make room or mend the permissions, or point DRBOOK_HOME at another place.",
        ) from None
