"""Opening an incident, and going on with one: folder, stored runbook, journal, driver."""

import getpass
import os
import platform
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from drbook import __version__
from drbook.app.driver import Driver
from drbook.app.inputs import occurred_in, read_inputs
from drbook.app.places import JOURNAL, RUNBOOK, Home, make_folder, new_incident_id
from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Wiring
from drbook.core import events as ev
from drbook.core.errors import JournalError, UsageError
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.load import load


class Session:
    """One incident that this process writes. A context manager: leaving it stops the driver."""

    def __init__(self, driver: Driver, folder: Path, wiring: Wiring) -> None:
        self.driver = driver
        self.folder = folder
        self.wiring = wiring

    def __enter__(self) -> "Session":
        self.driver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the driver, then what its steps left running, like a restored cluster's server."""
        self.driver.stop()
        self.wiring.close()


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
        environment={
            "python": platform.python_version(),
            "platform": "-".join((kernel.sysname, kernel.release, kernel.machine)),
            "pid": str(os.getpid()),
        },
    )
    try:
        writer.append(who, opened)
    except BaseException:
        writer.close()
        raise
    return _session(runbook, writer, folder, who, environment)


def resume_incident(
    folder: Path, *, environment: Mapping[str, str] = os.environ, actor: str | None = None
) -> Session:
    """Go on with an incident, by the runbook that was stored with it.

    Raises JournalError where the record is damaged or another process writes it, UsageError where
    the incident is closed or its stored runbook is not the recorded one.
    """
    journal = folder / JOURNAL
    before = fold(read(journal))
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
        writer.append(who, ev.IncidentResumed(head=writer.head, repaired=writer.repaired))
    except BaseException:
        writer.close()
        raise
    return _session(runbook, writer, folder, who, environment)


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


def _session(
    runbook: Runbook, writer: Writer, folder: Path, actor: str, environment: Mapping[str, str]
) -> Session:
    records = read(writer.path)
    state = fold(records)
    wiring = Wiring(runbook, folder, state.mode, environment)
    driver = Driver(
        runbook=runbook,
        actions=vocabulary().actions,
        writer=writer,
        records=records,
        state=state,
        opener=wiring,
        actor=actor,
        people_act=state.mode is not Mode.DRY_RUN,
        now=lambda: datetime.now(UTC),
    )
    return Session(driver, folder, wiring)


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
