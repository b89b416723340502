"""Signatures of approvals, looked at by ssh-keygen: when one is handed in, and again when a record is checked."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from drbook.app.stored import stored_runbook
from drbook.core import events as ev
from drbook.core.approval import (
    NAMESPACE,
    Book,
    Checked,
    Request,
    Seen,
    about,
    book,
    is_pending,
    sha256,
    signers_of,
    text_of,
    why_refused,
)
from drbook.core.errors import CouldNotVerify, DrbookError
from drbook.core.events import Record
from drbook.core.fold import fold
from drbook.core.glass import began_waiting, glass_too_early
from drbook.core.runbook import Runbook
from drbook.core.signatures import Signature, Standing, armoured, opened
from drbook.core.state import IncidentState
from drbook.core.values import plain
from drbook.journal.reader import read
from drbook.providers.sshsign import Asked, check

_NAMED = b'"event":"Approv'
_PATIENCE = timedelta(seconds=15)
_MOST = 12
"""Texts that a signature is held against: those that wait, then the latest."""


def look(signature: str, state: IncidentState, known: Book, at: datetime) -> Seen:
    """What an armoured signature is over, and whose it is, with the list as it holds at that time. Raises
    ValueError for one that says nothing of itself, CouldNotVerify where ssh-keygen does not answer."""
    says = opened(signature)
    persons = [one for one in signers_of(state) if one.fingerprint == says.fingerprint]
    seen = Seen(
        says.key,
        says.namespace,
        persons[0].person if persons else "",
        signature_sha256=hashlib.sha256(signature.encode()).hexdigest(),
    )
    if says.namespace != NAMESPACE or not persons:
        return seen
    for request in _candidates(state, known):
        found = _held(signature, request, state, seen.person, at)
        if found.standing is Standing.UNCHECKED:
            raise CouldNotVerify(
                f"The signature could not be checked: {found.why}.",
                means="It approves nothing: what could not be verified is not verified.",
                next="Look whether ssh-keygen (OpenSSH 8.9 or newer) is installed here, and hand it in again.",
                code="approval-unchecked",
            )
        if found.standing is not Standing.BAD:
            good = found.standing is Standing.GOOD
            why = "" if good else found.why or found.standing.value
            return replace(seen, request=request, rejected=why)
    return seen


def _candidates(state: IncidentState, known: Book) -> list[Request]:
    latest = known.requests[::-1]
    waiting = [one for one in latest if is_pending(state, one.asked)]
    return (waiting + [one for one in latest if one not in waiting])[: len(waiting) + _MOST]


def _held(
    signature: str, request: Request, state: IncidentState, person: str, at: datetime
) -> Signature:
    text = io.BytesIO(request.asked.text.encode())
    signers = state.approvers.text if state.approvers is not None else ""
    asked = Asked(signers.encode(), person, at)
    return check(text, signature.encode(), NAMESPACE, asked, _PATIENCE)


# --- a record, again -----------------------------------------------------------------------------


RunbookOf = Callable[[str], Runbook | None]
"""The runbook with a digest; None where it is not there, or does not load."""


def check_approvals(records: Sequence[Record], runbook_of: RunbookOf) -> Checked:
    """Everything that the record itself holds about them, without trusting whoever wrote it."""
    signed = typed = broken = 0
    problems, unchecked = list[str](), list[str]()
    for place, record in enumerate(records):
        event = record.event
        before = records[:place]
        why = ""
        if isinstance(event, ev.ApproversTaken):
            whole = bool(event.problem) or sha256(event.text) == event.sha256
            why = "" if whole else "the list has another digest"
        elif isinstance(event, ev.ApprovalAsked) and event.signed:
            known = about(fold(before), event.step)
            fits = known is not None and text_of(event, known) == event.text
            why = "" if fits else "the text is not that of what was planned"
        elif isinstance(event, ev.ApprovalGiven) and event.proof is None:
            broken, typed = broken + event.break_glass, typed + (not event.break_glass)
            if event.break_glass:
                why, unknown = _alone(record, event, records, runbook_of)
                unchecked += [f"record {record.seq}: {unknown}"] if unknown else []
        elif isinstance(event, ev.ApprovalGiven):
            try:
                why = _given(record, event, before)
            except CouldNotVerify as error:
                unchecked.append(error.what)
            else:
                signed += not why
        problems += [f"record {record.seq}: {why}"] if why else []
    return Checked(signed, typed, broken, tuple(problems), "; ".join(dict.fromkeys(unchecked)))


def check_approvals_of(journal: Path) -> Checked:
    """The same of a journal that is whole; most hold none, and are not read into memory for it."""
    with journal.open("rb") as stream:
        if not any(_NAMED in line for line in stream):
            return Checked()

    def stored(sha256: str) -> Runbook | None:
        try:
            return stored_runbook(journal.parent, sha256)
        except DrbookError:
            return None

    return check_approvals(read(journal), stored)


def _alone(
    record: Record, event: ev.ApprovalGiven, records: Sequence[Record], runbook_of: RunbookOf
) -> tuple[str, str]:
    """Why going on alone does not stand there, and why that could not be looked at."""
    before, after = records[: record.seq - 1], records[record.seq :]
    runbook = runbook_of(fold(before).runbook_sha256)
    if runbook is None:
        return (
            "",
            "BREAK-GLASS, and its runbook is not here, or does not load: its wait is not known",
        )
    steps = {step.id: step.step.approve for step in runbook.steps}
    approve = steps.get(event.step)
    wait = approve.break_glass_after if approve is not None else None
    if why := glass_too_early(record, event, before, after, wait):
        return why, ""
    since = began_waiting(before, event.step)
    if wait is None or since is None or record.at - since + _PATIENCE >= wait:
        return "", ""
    return (
        "",
        "BREAK-GLASS, and the wall clock was set back meanwhile: only the machine's own tells the wait",
    )


def _given(record: Record, event: ev.ApprovalGiven, before: Sequence[Record]) -> str:
    proof, state, known = event.proof, fold(before), book(before)
    if proof is None:
        return "it holds no signature"
    try:
        if armoured(proof.signature) != proof.signature:
            return "the signature is not written as ssh-keygen writes it"
        seen = look(proof.signature, state, known, record.at)
    except ValueError as error:
        return f"the signature: {error}"
    at, mono_ns = (
        record.at - _PATIENCE,
        record.mono_ns - _PATIENCE // timedelta(microseconds=1) * 1000,
    )
    if seen.request is not None:  # it was looked at before it was recorded
        at = max(at, seen.request.asked.asked_at)
    if why := why_refused(seen, state, known, at, mono_ns):
        return plain(f"the signature approves nothing: {why}", 500)
    asked = seen.request.asked if seen.request is not None else None
    fits = (
        asked is not None
        and (asked.step, asked.attempt) == (event.step, event.attempt)
        and sha256(asked.text) == proof.text_sha256
        and hashlib.sha256(proof.signature.encode()).hexdigest() == proof.signature_sha256
        and (seen.person, seen.key) == (event.by, proof.key)
    )
    return "" if fits else "it says something else than its signature"
