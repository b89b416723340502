"""An approval from another seat: what waits for one, whose key fits, and handing the signature in."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drbook.app.mailbox import Letter, leave
from drbook.app.places import JOURNAL
from drbook.app.writing import operator
from drbook.core import events as ev
from drbook.core.approval import (
    NAMESPACE,
    Request,
    about,
    book,
    is_pending,
    sha256,
    signers_of,
    text_of,
)
from drbook.core.errors import CouldNotVerify, Refused, UsageError
from drbook.core.events import Record
from drbook.core.fold import fold
from drbook.core.signatures import armoured
from drbook.core.signers import Signer, fingerprint, same
from drbook.core.state import IncidentState
from drbook.core.values import format_time, plain
from drbook.journal.reader import Held, follow, read
from drbook.providers import private
from drbook.providers.sshsign import public_half, sign

LONGEST = 20.0
"""Seconds that whoever leads may take to say what came of it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is to be signed, and the incident around it."""

    state: IncidentState
    request: Request

    @property
    def text(self) -> str:
        return self.request.asked.text


def waiting_in(folder: Path, step: str | None) -> Waiting:
    """The one thing that waits to be signed. Raises UsageError where there is none, or more than one; Refused
    where its text is not that of what was planned."""
    records = read(folder / JOURNAL)
    state = fold(records)
    pending = [one for one in book(records).requests if is_pending(state, one.asked)]
    found = [one for one in pending if step in (None, one.asked.step)]
    if not found:
        raise UsageError(
            _nothing(state, step),
            means="There is nothing to sign.",
            next="Wait until whoever leads runs that step; where drbook ended there, it asks anew once the "
            "incident is resumed.",
            code="nothing-to-approve",
        )
    if len(found) > 1:
        names = ", ".join(one.asked.step for one in found)
        raise UsageError(
            f"Several steps wait for an approval: {names}.", next="Name the one to be signed."
        )
    asked = found[0].asked
    known = about(state, asked.step)
    if known is None or text_of(asked, known) != asked.text:
        raise Refused(
            f"What step {asked.step} asks to be signed is not what it will do.",
            means="The record was written by something else than drbook. Nothing was signed.",
            next="Ask whoever leads, by telephone, and check the record: drbook journal verify.",
            code="approval-text",
        )
    if datetime.now(UTC) >= asked.expires:
        raise UsageError(
            f"What step {asked.step} asks for was to be signed until {format_time(asked.expires)}.",
            means="A signature over it approves nothing any more.",
            next="Whoever leads cancels the step (c) and runs it again; then there is a new text.",
            code="approval-expired",
        )
    return Waiting(state, found[0])


def _nothing(state: IncidentState, step: str | None) -> str:
    if step is not None and step not in state.steps:
        return f"There is no step {plain(step, 80)} in {state.incident}."
    if state.approvers is None:
        return f"Incident {state.incident} has no list of approvers: names are typed in it."
    return f"{'No step' if step is None else f'Step {step} of'} {state.incident} waits for no signature."


# --- signing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hand:
    """A key, and whose it is by the incident's list."""

    key: Path
    signer: Signer


def hand(waiting: Waiting, key: Path | None, name: str | None) -> Hand:
    """Whose key this is; without one, the only one of `~/.ssh` that the list knows. Raises UsageError where
    it is nobody's, somebody else's than `name`, or where the list will not take it from this person."""
    signers = signers_of(waiting.state)
    keys = [key] if key is not None else sorted((Path.home() / ".ssh").glob("*.pub"))
    found = [
        Hand(one, signer)
        for one in keys
        for signer in signers
        if signer.fingerprint == _fingerprint(one, named=key is not None)
        and (name is None or same(name, signer.person))
    ]
    if len({one.signer.fingerprint for one in found}) != 1:
        many = ", ".join(plain(str(one.key), 200) for one in found)
        raise UsageError(
            f"Several keys here are in the incident's list: {many}."
            if found
            else "No key here is in the incident's list of approvers"
            + (f" as {plain(name, 80)}'s." if name else "."),
            means="Nothing was signed.",
            next="Name one with --key: a private key's file, or the public one of a key that an agent holds.",
            code="approval-key",
        )
    chosen = found[0]
    person, people = chosen.signer.person, waiting.request.asked.people
    if not any(same(person, one) for one in people):
        raise UsageError(
            f"{person} cannot approve this: {', '.join(people) or 'nobody'} may.",
            means="Nobody who leads the incident, or led it, approves what is done in it.",
            next="Ask one of them.",
            code="approval-person",
        )
    return chosen


def _fingerprint(key: Path, *, named: bool) -> str:
    """Of its public half; empty for a file that is none, unless it was named."""
    try:
        return fingerprint(public_half(key))
    except ValueError as error:
        if not named:
            return ""
        raise UsageError(
            f"{plain(str(key), 300)} is no key that can be read: {error}.",
            means="Nothing was signed.",
            next="Name a private key's file with its .pub beside it, or the .pub itself.",
            code="approval-key",
        ) from None


def signed(waiting: Waiting, hand: Hand) -> str:
    """The armoured signature over the text. Raises StepFailed."""
    without = "The step waits as before."
    made = sign(io.BytesIO(waiting.text.encode()), hand.key, NAMESPACE, without)
    return armoured(made.decode("ascii"))


# --- handing in ----------------------------------------------------------------------------------


def hand_in(folder: Path, block: str, tell: Callable[[], None] = lambda: None) -> Record:
    """Leave it for the drbook that leads, and wait for what it says; the record of the approval. Raises Refused
    with the reason on record, UsageError where nobody leads here, CouldNotVerify where nobody answers."""
    try:
        block = armoured(block)
    except ValueError as error:
        raise UsageError(
            f"That approves nothing: {error}.",
            means="Nothing was handed in.",
            next="Paste all of it, from BEGIN SSH SIGNATURE to END SSH SIGNATURE, and nothing else.",
            code="approval-block",
        ) from None
    held = follow(folder / JOURNAL)
    letter = leave(folder, Letter(operator(), "A signature was handed in.", approval=block))
    tell()
    answer = _answer(folder, held, sha256(block))
    if answer is not None:
        return answer
    try:
        letter.unlink()
    except OSError:
        raise CouldNotVerify(
            "Whoever leads the incident took the signature and did not say what came of it.",
            means="Whether it approved the step is not known here.",
            next="Look at the record (drbook watch), or ask whoever leads.",
            code="approval-unanswered",
        ) from None
    raise UsageError(
        f"Nobody leads {fold(held.records).incident} from this folder right now.",
        means="The signature was taken back again; it approved nothing.",
        next="Whoever leads resumes the incident and runs the step again; then there is a new text to sign.",
        code="approval-nobody",
    )


def _answer(folder: Path, held: Held, digest: str) -> Record | None:
    until, known = time.monotonic() + LONGEST, len(held.records)
    while time.monotonic() < until:
        time.sleep(0.25)
        held = follow(folder / JOURNAL, held)
        for record in held.records[known:]:
            event = record.event
            if isinstance(event, ev.ApprovalRefused) and event.sha256 == digest:
                raise Refused(
                    f"The signature approves nothing: {event.why}.",
                    means=f"It is on record as refused ({record.seq}).",
                    next="Look at what waits now: drbook approve INCIDENT STEP.",
                    code="approval-refused",
                )
            proof = event.proof if isinstance(event, ev.ApprovalGiven) else None
            if proof is not None and proof.signature_sha256 == digest:
                return record
    return None


def read_block(path: Path) -> str:
    """Raises UsageError."""
    try:
        return private.read(path, 64 * 1024).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(
            f"{plain(str(path), 300)} cannot be read: {error.strerror or error}.",
            means="Nothing was handed in.",
            next="Name a file with the signature, or `-` for standard input.",
        ) from None
