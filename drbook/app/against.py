"""A journal and its copies off the machine, outside an incident: compared, and brought up to date."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drbook.app.places import JOURNAL, RUNBOOK, incident_of
from drbook.app.stored import first_runbook, stored_path, stored_runbook
from drbook.app.writing import fence_of
from drbook.core import events as ev
from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.values import plain
from drbook.journal.codec import decode, digest
from drbook.journal.reader import read
from drbook.mirror.chain import read_copy
from drbook.mirror.compare import Comparison, Verdict, compare
from drbook.mirror.config import OpenableMirror, named
from drbook.mirror.copier import Writing
from drbook.mirror.mirrors import copiers
from drbook.mirror.status import MirrorState
from drbook.providers import secrets


def held_against(
    journal: Path, given: Sequence[str], *, environment: Mapping[str, str] = os.environ
) -> list[Comparison]:
    """Compare with each place in `given`, or with the stored runbook's mirrors where none is given.

    A place that cannot be read is an answer too (`unreadable`), never a pass. Raises UsageError where
    there is nothing to compare with, JournalError where the journal's bytes cannot be read.
    """
    lines, opened = _digests(journal)
    incident = incident_of(journal.parent) or opened.incident or journal.parent.name
    if not given and not (journal.parent / RUNBOOK).exists():
        raise UsageError(
            f"No {RUNBOOK} lies beside {journal}, which would name its mirrors.",
            means="Nothing was compared.",
            next="Name the place to compare with: --against s3://BUCKET/PREFIX or a folder.",
            code="mirror-place",
        )
    places = [(one, *named(one, environment)) for one in given]
    if not places:
        runbook = first_runbook(journal.parent)
        if opened.runbook and runbook.sha256 != opened.runbook:
            return [_other_runbook(journal.parent / RUNBOOK)]
        places = [
            (config.place, config, "")
            for config in runbook.mirrors
            if isinstance(config, OpenableMirror)
        ]
    if not places:
        raise _no_mirrors(journal.parent)
    return [
        _compared(lines, where, config, inner or incident, environment)
        for where, config, inner in places
    ]


def bring(
    folder: Path, seconds: float, *, environment: Mapping[str, str] = os.environ
) -> tuple[MirrorState, ...]:
    """Copy what the mirrors of an incident's runbook lack, and wait at most so long.

    Reads only here, so that nobody who leads the incident is in the way. Raises UsageError where the
    runbook names no mirror.
    """

    secret = secrets.reader(environment)

    records = read(folder / JOURNAL)
    state = fold(records)
    if state.mode is Mode.DRY_RUN:
        raise UsageError(
            "This was a dry run, which writes nowhere: its record is not mirrored.",
            means="Nothing was copied.",
            next="Copy its folder where you want to keep it.",
            code="dry-run",
        )
    mirrors = copiers(
        stored_runbook(folder, state.runbook_sha256).mirrors,
        state.incident,
        Writing(
            folder / JOURNAL,
            stored_path(folder, state.runbook_sha256),
            state.epoch,
            fence_of(records),
        ),
        secret,
    )
    if not mirrors.states:
        raise _no_mirrors(folder)
    mirrors.written(len(records))
    mirrors.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(one.waits for one in mirrors.states):
        time.sleep(0.05)
    return mirrors.close(wait=1.0)


def _other_runbook(path: Path) -> Comparison:
    """Whoever could change the journal could change where its copies are looked for."""
    return Comparison(
        plain(str(path), 300),
        Verdict.UNREADABLE,
        0,
        "This is not the runbook that the record was opened with: where its copies are is not known. "
        "Name the place: --against s3://BUCKET/PREFIX or a folder.",
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the first record says."""

    incident: str = ""
    runbook: str = ""
    """The runbook's SHA-256."""


def _no_mirrors(folder: Path) -> UsageError:
    return UsageError(
        f"The runbook {folder / RUNBOOK} names no `mirrors:`.",
        means="There is no copy of the record off this machine.",
        next="Name a place: --against s3://BUCKET/PREFIX or --against DIRECTORY. For the next "
        "incident, add `mirrors:` to the runbook.",
        code="mirror-place",
    )


def _compared(
    lines: Sequence[str],
    where: str,
    config: OpenableMirror,
    incident: str,
    environment: Mapping[str, str],
) -> Comparison:
    secret = secrets.reader(environment)

    try:
        place = config.open(incident, secret)
        try:
            return compare(lines, read_copy(place), socket.gethostname())
        finally:
            place.close()
    except DrbookError as error:
        return Comparison(plain(where, 300), Verdict.UNREADABLE, 0, error.what)


def _digests(journal: Path) -> tuple[list[str], _Opened]:
    """The digest of each whole line, whatever it says, and what the first one opens."""
    found: list[str] = []
    opened = _Opened()
    try:
        with journal.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                if not found:
                    opened = _opened(line[:-1])
                found.append(digest(line[:-1]))
    except OSError as error:
        raise JournalError(
            f"The journal {journal} cannot be read: {error.strerror or error}.",
            code="journal-missing",
        ) from None
    return found, opened


def _opened(line: bytes) -> _Opened:
    try:
        event = decode(line).event
    except JournalError:
        return _Opened()
    if not isinstance(event, ev.IncidentOpened):
        return _Opened()
    return _Opened(event.incident, event.runbook_sha256)
