"""Approvals while an incident is led: what is asked, what is handed in, and going on without."""

import hashlib
import secrets
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from drbook.app import model as cmd
from drbook.app.approvalcheck import look
from drbook.app.mailbox import Letter
from drbook.app.planning import title_of
from drbook.app.refusing import need_reason, refuse
from drbook.core import events as ev
from drbook.core.approval import (
    Seen,
    able,
    about,
    book,
    may_sign,
    sha256,
    text_of,
    why_refused,
)
from drbook.core.errors import CouldNotVerify, UsageError
from drbook.core.glass import waited
from drbook.core.runbook import Approve
from drbook.core.signatures import armoured
from drbook.core.signers import same
from drbook.core.values import plain, show_duration
from drbook.providers.hiding import scrub

if TYPE_CHECKING:
    from drbook.app.driver import Driver


class Approvals:
    """Runs in the driver's thread only."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver

    # --- asking ---------------------------------------------------------------------------------

    def ask(self, step: str) -> None:
        """Put on record what others are to sign for the planned step; nothing where one typed name will do,
        or nobody is asked."""
        driver = self._driver
        approve = self._written(step)
        signed = driver.state.approvers is not None
        if approve is None or not driver.people_act or (approve.needed == 1 and not signed):
            return
        driver.put(self._asked(step, approve, driver.now(), signed=signed))

    def _asked(
        self, step: str, approve: Approve, now: datetime, *, signed: bool
    ) -> ev.ApprovalAsked:
        driver = self._driver
        now = now.replace(microsecond=0)
        listed, cannot = able(driver.state, now)
        asked = ev.ApprovalAsked(
            step=step,
            attempt=driver.state.steps[step].attempt,
            title=plain(scrub(title_of(driver.runbook, driver.actions, step)), 200),
            operator=plain(scrub(driver.actor), 200),
            people=may_sign(approve.by, listed, book(driver.records).led),
            cannot=cannot,
            needed=approve.needed,
            signed=signed,
            asked_at=now,
            expires=now + approve.expires_after,
            nonce=secrets.token_hex(16),
        )
        known = about(driver.state, step)
        text = text_of(asked, known) if known is not None else ""
        return asked.model_copy(update={"text": text})

    # --- a typed name ---------------------------------------------------------------------------

    def name(self, command: cmd.Approve, actor: str) -> None:
        """One typed name, or going on alone. Raises UsageError."""
        driver, step = self._driver, command.step
        run = driver.state.steps[step]
        if command.break_glass:
            self._break_glass(command, actor)
            return
        if run.asked is not None and run.asked.signed:
            refuse(
                f"Step {step} is approved by a signature, not by a name.",
                f"Let one of them run: drbook approve {driver.state.incident} {step}",
            )
        if not command.by.strip() or same(command.by, driver.actor):
            refuse("The approver must be somebody else than the operator.", "Name who approves.")
        if any(same(command.by, one) for one in run.approvals):
            refuse(f"{command.by.strip()} approved it already.", "Name somebody else.")
        driver.put(ev.ApprovalGiven(step=step, attempt=run.attempt, by=command.by.strip()), actor)

    def _break_glass(self, command: cmd.Approve, actor: str) -> None:
        driver, step = self._driver, command.step
        approve, run = self._written(step), driver.state.steps[step]
        wait = approve.break_glass_after if approve is not None else None
        if wait is None or run.plan is None or run.plan.approve is None:
            refuse("The runbook allows no break-glass here.", "Ask the approver.")
        so_far = waited(driver.records, step, time.monotonic_ns())
        if so_far < wait:
            left = show_duration(wait - so_far + timedelta(seconds=1))
            refuse(
                f"Break-glass is possible from {left} from now on.", "Ask the approver until then."
            )
        need_reason(command.reason, "going on without approval")
        driver.put(
            ev.ApprovalGiven(
                step=step,
                attempt=run.attempt,
                by=run.plan.approve,
                break_glass=True,
                reason=command.reason.strip(),
                waited_seconds=int(so_far.total_seconds()),
            ),
            actor,
        )

    # --- a signature ----------------------------------------------------------------------------

    def hand_in(self, block: str, actor: str) -> str:
        """Look at a signature; its step if it approves. Raises UsageError with the reason where it does not,
        or CouldNotVerify: that is on record then."""
        driver = self._driver
        seen, why, unknown = Seen(), "", None
        given = hashlib.sha256(block.encode("utf-8", "backslashreplace")).hexdigest()
        try:
            if driver.state.approvers is None:
                raise ValueError("this incident has no list of approvers: names are typed in it")
            signature = armoured(block)
            given = sha256(signature)
            known, now = book(driver.records), driver.now()
            seen = look(signature, driver.state, known, now)
            why = why_refused(seen, driver.state, known, now, time.monotonic_ns())
        except ValueError as error:
            why = str(error)
        except CouldNotVerify as error:
            why, unknown = f"could not verify: {error.what}", error
        if why or seen.request is None:
            self._refused(seen, why, given, actor)
            if unknown is not None:
                raise unknown
            refuse(f"The signature approves nothing: {plain(why, 600)}.", "Ask for another one.")
        asked = seen.request.asked
        proof = ev.Proof(
            key=seen.key,
            text_sha256=sha256(asked.text),
            signature=signature,
            signature_sha256=given,
        )
        driver.put(
            ev.ApprovalGiven(step=asked.step, attempt=asked.attempt, by=seen.person, proof=proof),
            actor,
        )
        return asked.step

    def letter(self, letter: Letter) -> str | None:
        """A signature from another seat; its step if it approves. What is refused is on record."""
        try:
            return self.hand_in(letter.approval, letter.actor)
        except (UsageError, CouldNotVerify):
            return None

    def _refused(self, seen: Seen, why: str, given: str, actor: str) -> None:
        driver = self._driver
        why = plain(scrub(why), 600)
        if driver.state.closed_at is not None:
            driver.put(ev.NoteAdded(text=f"a signature came after the end: {why}"), actor)
            return
        step = seen.request.asked.step if seen.request is not None else None
        driver.put(
            ev.ApprovalRefused(why=why, by=seen.person, key=seen.key, step=step, sha256=given),
            actor,
        )

    def _written(self, step: str) -> Approve | None:
        return self._driver.runbook.step(step).step.approve
