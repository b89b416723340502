"""Going on with an incident whose machine is lost, from what its mirrors hold.

Explicit, recorded, and under a fence: this machine first proves that it has room for the record, for
a fence stops the other one; then the fence is laid, so that nothing the old machine writes after it
can be missed; then the record of the take-over is created as the next one in the mirror,
which only one machine can do. Before that nothing is executed.
"""

import os
import secrets as random
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from drbook.app.aftermath import wait_for_children
from drbook.app.fencing import TakeOver, fence, gather, lost, source_in
from drbook.app.onewriter import claim
from drbook.app.places import JOURNAL, RUNBOOK, Home, make_folder, sync_folder
from drbook.app.refusing import refuse_secret
from drbook.app.session import Session, session_of
from drbook.app.stored import store
from drbook.app.vocabulary import vocabulary
from drbook.app.vouching import Vouch, vouched_by
from drbook.app.writing import operator, writer_of
from drbook.core import events as ev
from drbook.core.errors import CouldNotVerify, JournalError, Refused, UsageError
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.values import counted, plain
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.mirror.config import OpenableMirror, named
from drbook.mirror.fence import newest
from drbook.mirror.place import MirrorConflict, record_name
from drbook.mirror.recover import (
    Recovered,
    Source,
    find_artifact,
    find_runbook,
    longest,
    read_source,
)
from drbook.providers import secrets
from drbook.providers.life import this_life
from drbook.providers.secrets import Secrets

NOTHING = Vouch()

_TRIES = 20
"""How often the old machine may get a last record in before this one gives up."""


def take_over(
    given: str,
    where: Home,
    reason: str,
    *,
    environment: Mapping[str, str] = os.environ,
    actor: str | None = None,
    vouch: Vouch = NOTHING,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Session, ev.IncidentTakenOver]:
    """Recover an incident from the mirror that `given` names, and go on with it here.

    `vouch` is what speaks for the mirror's record; `tell` is told, before anything runs, where nothing
    does, and what is waited for. Raises Refused where that does not fit, where no fence could be laid,
    where somebody else was first, or where a process of this machine's own life before does not end,
    CouldNotVerify where the
    mirror does not answer or holds nothing, JournalError where what it holds is not one record.
    """
    if not reason.strip():
        raise UsageError(
            "Taking over needs a reason.",
            means="Nothing was taken over.",
            next="Say it in a few words: --take-over 'the recovery host is gone'.",
        )
    mirror, incident = named(given, environment)

    secret = secrets.reader(environment)

    if not incident:
        raise _which(mirror, given, secret)
    _not_here(where.folder(incident))
    attempt = TakeOver(incident, reason.strip(), actor or operator(), where, vouch, tell)
    held = claim(incident)  # a drbook that leads it on this machine is ended, not fenced
    try:
        with ExitStack() as opened:
            runbook, event = _recover(mirror, attempt, environment, opened)
        folder = where.folder(incident)
        # What this machine itself led may have started more until it saw the fence.
        wait_for_children(read(folder / JOURNAL), attempt.host, tell)
        writer = writer_of(folder, incident, _mode_of(folder), held)
    except BaseException:
        held.release()
        raise
    return session_of(runbook, writer, folder, attempt.actor, environment), event


def _recover(
    mirror: OpenableMirror,
    attempt: TakeOver,
    environment: Mapping[str, str],
    opened: ExitStack,
) -> tuple[Runbook, ev.IncidentTakenOver]:
    """From the mirror that was named to a folder of this machine. Nothing is executed."""
    secret = secrets.reader(environment)
    found = source_in(mirror, attempt.incident, secret, opened)
    if found is None:
        raise CouldNotVerify(
            f"{plain(mirror.place, 300)} holds no record of {attempt.incident}.",
            means="There is nothing to go on from.",
            next="Check the name; another mirror may hold it.",
            code="mirror-empty",
        )
    recovered = _open_incident(longest([found]), attempt.incident)
    data = find_runbook([found.place], recovered.state.runbook_sha256)
    runbook = load(data, RUNBOOK, vocabulary())
    secrets.know(data.decode("utf-8", "replace"), environment)
    refuse_secret(attempt.reason, "The reason")
    attempt.vouched = vouched_by(attempt.vouch, found, recovered, runbook, attempt.tell)
    held = gather(runbook, mirror, found, attempt, secret, opened)
    best = longest([found, *held])
    _prove_room(attempt, best, data)
    wait_for_children(best.records, attempt.host, attempt.tell)
    fence(attempt, held, best)
    try:
        return runbook, _claim(attempt, found, data)
    except JournalError as error:
        raise _fenced_in_vain(attempt, error) from None


def _mode_of(folder: Path) -> Mode:
    return fold(read(folder / JOURNAL)).mode


def _which(mirror: OpenableMirror, given: str, secret: Secrets) -> UsageError:
    known = mirror.incidents(secret)[-5:]
    return UsageError(
        f"{plain(given, 300)} does not say which incident.",
        means="Nothing was taken over.",
        next="Put its id behind the place. The newest there: " + ", ".join(known) + "."
        if known
        else "No incident lies there; check the place.",
        code="mirror-place",
    )


def _not_here(folder: Path) -> None:
    if folder.exists():
        raise Refused(
            f"{folder} is on this machine already.",
            means="Taking over is for another machine's incident. Nothing was taken over.",
            next=f"`drbook resume {folder.name}` goes on with it; move it aside where it is damaged "
            "or was taken over from.",
            code="incident-here",
        )


def _open_incident(recovered: Recovered, incident: str) -> Recovered:
    state = recovered.state
    if state.incident != incident:
        raise JournalError(
            f"The record there is that of {plain(state.incident, 100)}, not of {incident}.",
            means="Somebody put it under another name. Nothing was taken over.",
            next="Look who can write there.",
            code="mirror-damaged",
        )
    if state.closed_at is not None:
        raise UsageError(
            f"Incident {incident} is closed ({plain(state.outcome, 60)}).",
            means="There is nothing to go on with.",
            code="closed",
        )
    return recovered


_ROOM = 1024 * 1024
"""Bytes beside the record that this machine must have left, for what comes next."""


def _prove_room(attempt: TakeOver, recovered: Recovered, runbook: bytes) -> None:
    """Write here, and take away again, what will have to be written once the other machine has stopped.

    Raises JournalError where that fails; then no fence was laid.
    """
    _forget_drafts(attempt)
    draft = _new_draft(attempt)
    try:
        store(draft / RUNBOOK, runbook)
        store(draft / JOURNAL, b"".join(recovered.lines))
        store(draft / "room", bytes(_ROOM))
        Writer(draft / JOURNAL, mode=recovered.state.mode, host=attempt.host).close()
        make_folder(attempt.home.incidents / f".{draft.name}")
        (attempt.home.incidents / f".{draft.name}").rmdir()
    except JournalError as error:
        raise JournalError(
            error.what,
            means="This machine could not keep the record, so no fence was laid: the other machine "
            "was not stopped. Nothing was taken over.",
            next="Make room or mend the permissions, or point DRBOOK_HOME at another place.",
            code=error.code,
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):
            attempt.home.incidents.rmdir()  # where it holds nothing


def _new_draft(attempt: TakeOver) -> Path:
    """A folder to make the incident's in, named by it; nobody else on this machine has that claim."""
    draft = attempt.home.path / "taking-over" / f"{attempt.incident}.{random.token_hex(8)}"
    make_folder(draft)
    return draft


def _forget_drafts(attempt: TakeOver) -> None:
    """Take away what attempts that died left half made."""
    for left in (attempt.home.path / "taking-over").glob(f"{attempt.incident}.*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in attempt.home.incidents.glob(f".{attempt.incident}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _fenced_in_vain(attempt: TakeOver, error: JournalError) -> JournalError:
    where = ", ".join(source.place.location for source in attempt.fenced)
    return JournalError(
        error.what,
        means=f"Nothing was executed here. But the fence lies in {where} already: the other machine "
        "stops, and may not go on.",
        next="Mend it and take over again, here or elsewhere: it goes on from there.",
        code=error.code,
    )


# --- the record here ------------------------------------------------------------------------------


def _claim(attempt: TakeOver, found: Source, runbook: bytes) -> ev.IncidentTakenOver:
    """Read what came until the fence was seen, and put the take-over behind it, here and there."""
    first = attempt.fenced[0].place
    for _ in range(_TRIES):
        sources = [read_source(one.place) for one in (found, *attempt.fenced)]
        recovered = _open_incident(longest([one for one in sources if one]), attempt.incident)
        draft = _new_draft(attempt)
        try:
            event = _write(draft, attempt, recovered, runbook)
            last = (draft / JOURNAL).read_bytes().splitlines(keepends=True)[-1]
            first.create(record_name(len(recovered.records) + 1), last)
            _settle(draft, attempt.home.folder(attempt.incident))
            attempt.forget()
            return event
        except MirrorConflict:
            continue  # the other machine had one more record; it is read with the next turn
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    raise Refused(
        f"The other machine goes on writing {attempt.incident}.",
        means="It lives, and does not look at the fence. Nothing was taken over.",
        next="Stop it, or take its access to the mirror away; then try again.",
        code="take-over-lost",
    )


def _write(
    draft: Path, attempt: TakeOver, recovered: Recovered, runbook: bytes
) -> ev.IncidentTakenOver:
    """The folder as it will be: record, runbook, evidence, and the take-over as the last record."""
    store(draft / RUNBOOK, runbook)
    store(draft / JOURNAL, b"".join(recovered.lines))
    places = [source.place for source in attempt.fenced]
    missing = []
    for name in recovered.artifacts:
        data = find_artifact(places, name)
        if data is None:
            missing.append(plain(name, 200))
            continue
        (draft / "artifacts").mkdir(mode=0o700, exist_ok=True)
        store(draft / name, data)
    event = ev.IncidentTakenOver(
        from_host=recovered.records[-1].host,
        head=recovered.head,
        records=len(recovered.records),
        epoch=_epoch(attempt),
        fence=attempt.token,
        reason=attempt.reason,
        mirrors=tuple(place.location for place in places),
        unseen=tuple(attempt.unseen),
        missing=tuple(missing),
        vouched=attempt.vouched,
        life=this_life(),
    )
    with Writer(draft / JOURNAL, mode=recovered.state.mode, host=attempt.host) as writer:
        writer.append(attempt.actor, event)
    return event


def _epoch(attempt: TakeOver) -> int:
    held = newest(attempt.fenced[0].place)
    if held is None or held.fence is None or held.fence.token != attempt.token:
        raise lost(attempt.fenced[0], attempt)
    return held.epoch


def _settle(draft: Path, folder: Path) -> None:
    """Give the folder its name, for good."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.rename(folder)
        sync_folder(folder.parent)
        sync_folder(folder.parent.parent)
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be made: {error.strerror or error}.",
            means="The take-over is in the mirror and not here. Nothing was executed.",
            next="Mend the disk, then take over again: it goes on from there.",
        ) from None


def told(event: ev.IncidentTakenOver) -> list[str]:
    """What a person must know after a take-over, one thought per line."""
    lines = [
        f"Taken over from {plain(event.from_host, 100)}: {counted(event.records, 'record')}, "
        f"head {event.head}.",
        "What that machine recorded after them, if anything, is not known here: ask who sat there.",
        f"Fence {event.epoch} lies in {', '.join(event.mirrors)}. The other machine stops when it "
        "sees it; where it cannot reach a mirror it cannot know.",
    ]
    if not event.vouched:
        lines.append("Nothing but the mirror vouches for what this record says.")
    lines += [f"Not asked: {plain(one, 400)}" for one in event.unseen]
    lines += [f"Missing evidence: {plain(one, 200)} is in no mirror." for one in event.missing]
    return lines
