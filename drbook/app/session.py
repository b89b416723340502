"""Opening an incident, and going on with one: folder, stored runbook, journal, driver."""

import getpass
import hashlib
import os
import platform
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from drbook import __version__
from drbook.app.aftermath import wait_for_children
from drbook.app.driver import Driver
from drbook.app.inputs import occurred_in, read_inputs
from drbook.app.places import JOURNAL, RUNBOOK, Home, make_folder, new_incident_id
from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Wiring
from drbook.core import events as ev
from drbook.core.amend import Amendment, amendment
from drbook.core.errors import JournalError, UsageError
from drbook.core.events import Mode, Record
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.load import load, load_file
from drbook.providers.pgserver import sockets_of


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
        for resource in self.driver.state.resources:
            if resource.kind == "cluster":  # a killed life left its socket's folder behind
                shutil.rmtree(sockets_of(resource.nonce), ignore_errors=True)


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
    return _session(runbook, writer, folder, who, environment)


def resume_incident(
    folder: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    actor: str | None = None,
    amend: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Session:
    """Go on with an incident, by the runbook that was stored with it.

    `amend` is a runbook to go on by: it may change only steps that have not started. `tell` is told
    what is waited for. Raises JournalError where the record is damaged or another process writes
    it, UsageError where the incident is closed or an amendment changes too much, Refused where a
    process of the life before does not end.
    """
    journal, host = folder / JOURNAL, socket.gethostname()
    who = actor or operator()
    writer = Writer(journal, mode=_resumable(read(journal)).mode, host=host)
    try:
        # Only now: opening it may have mended a last record, and nobody else writes any more.
        records = read(journal)
        before = _resumable(records)
        runbook = stored_runbook(folder, before.runbook_sha256)
        amended = None
        if amend is not None:
            new = load_file(amend, vocabulary())
            amended, runbook = _amended(amendment(runbook, new, before), new), new
        outlived = wait_for_children(records, host, tell)
        resumed = ev.IncidentResumed(head=writer.head, repaired=writer.repaired, outlived=outlived)
        writer.append(who, resumed)
        if amended is not None:
            _store_once(folder / amended.file, runbook.source)
            writer.append(who, amended)
    except BaseException:
        writer.close()
        raise
    return _session(runbook, writer, folder, who, environment)


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


def stored_runbook(folder: Path, sha256: str) -> Runbook:
    """The runbook as this incident runs it: the stored file with that digest. Raises JournalError."""
    for path in (folder / RUNBOOK, folder / amended_name(sha256)):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise JournalError(
                f"The stored runbook {path} cannot be read: {error.strerror or error}."
            ) from None
        if hashlib.sha256(data).hexdigest() == sha256:
            return load(data, str(path), vocabulary())
    raise JournalError(
        f"{folder} does not hold the runbook that this incident runs.",
        means="It was changed after it was stored; what ran before may not be what it says now.",
        next=f"Put the original back; its SHA-256 is {sha256}.",
        code="runbook-changed",
    )


def amended_name(sha256: str) -> str:
    """The name under which an amended runbook is stored beside the first one."""
    return f"runbook-{sha256[:16]}.yaml"


def _amended(found: Amendment, runbook: Runbook) -> ev.RunbookAmended:
    return ev.RunbookAmended(
        runbook_sha256=runbook.sha256,
        file=amended_name(runbook.sha256),
        changed=found.all,
        summary=found.in_words(),
        steps=tuple(step.id for step in runbook.steps),
    )


def _store_once(path: Path, data: bytes) -> None:
    """Store it, where an interrupted amendment did not leave the same bytes there already."""
    if path.exists() and path.read_bytes() == data:
        return
    store(path, data)


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
