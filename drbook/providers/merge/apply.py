"""A merge of reviewed rows in one transaction, and its rehearsal: the same statements, rolled back.

What is inserted are the bytes that the proposal names by digest. Before the commit stand on record: the
script that takes it back, and the transaction's number, by which its outcome can be asked after a crash.
"""

import json
import os
from pathlib import Path

import psycopg

from drbook.core.errors import DrbookError, Interrupted, StepFailed
from drbook.core.merged import Outcome, departures
from drbook.core.mergeguard import REVIEW_AGAIN
from drbook.core.signals import Milestone, Working
from drbook.core.values import plain
from drbook.providers.download import sync_folder
from drbook.providers.merge import undo
from drbook.providers.merge.lease import MergeSession
from drbook.providers.merge.onepass import Merge, Pass, one_pass
from drbook.providers.pgsession import said


def rehearse(session: MergeSession, merge: Merge) -> Working[Outcome]:
    """All of it, rolled back. What would fail is an answer; raises DrbookError where it cannot be tried."""
    try:
        session.begin(merge.limits, merge.triggers)
        found = yield from one_pass(session, merge)
        return found.outcome(merge)
    except psycopg.Error as error:
        raise _stopped(session, merge, error) from None
    finally:
        session.rollback()


def apply(session: MergeSession, merge: Merge, expected: Outcome, marker: Path) -> Working[Outcome]:
    """All of it, committed where it comes out as it was rehearsed. Raises StepFailed where it does not,
    Interrupted where the server was lost with the commit; before that everything is rolled back."""
    committing = False
    try:
        session.begin(merge.limits, merge.triggers)
        found = yield from one_pass(session, merge)
        outcome = found.outcome(merge)
        _as_rehearsed(expected, outcome)
        script = _script(session, merge, found)
        xid, timeline = session.xid()
        for drawn, move in found.moves:
            if move.steps:
                session.draw(drawn, move.steps)
        _mark(marker, merge, xid, timeline, script)
        yield Milestone(
            f"all is in and as it was rehearsed; {script} takes it back; transaction {xid} commits now",
            {"undo": script, "transaction": xid, "outcome": outcome.model_dump(mode="json")},
            (script,),
        )
        merge.cancel.raise_if_requested()
        committing = True
        session.commit()
        committing = False
        return outcome
    except psycopg.Error as error:
        if committing and session.lost:
            raise Interrupted(
                f"Production went away while the merge was committed: {said(error)}",
                means="Whether its transaction took hold is not known here. It is whole there, or not at all.",
                next="drbook asks the server for that transaction; where it cannot, look for the rows.",
                code="commit-lost",
            ) from None
        raise _stopped(session, merge, error) from None
    finally:
        session.rollback()


def undo_of(marker: Path) -> str:
    """The script that a merge left before it committed; empty where it never came so far."""
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("undo", ""))


# --- before the commit -------------------------------------------------------------------------


def _as_rehearsed(expected: Outcome, outcome: Outcome) -> None:
    """Raises StepFailed where production, or what acts in it, is not as it was in the rehearsal."""
    apart = outcome.blocked or departures(expected, outcome)
    if apart:
        raise StepFailed(
            f"The merge came out otherwise than it was rehearsed: {apart}",
            means="Production was changed meanwhile, by people or by a trigger. All of it was rolled back.",
            next=REVIEW_AGAIN,
            code="production-changed",
        )


def _script(session: MergeSession, merge: Merge, run: Pass) -> str:
    """The undo script as an artifact: children are removed before what they refer to."""
    skipped = merge.triggers == "skip"
    with merge.folder.draft(".undo.sql") as draft:
        draft.write(undo.head(merge.proposal.what.production, triggers_skipped=skipped))
        written = [at.described for at in run.tables if at.overwrites or at.what.missing.count]
        if written:
            draft.write(undo.alone(written))
        for at in reversed(run.tables):
            facts = at.what.table
            if at.overwrites:
                lines = session.written(at.back, facts, both=True)
                for piece in undo.rows(at.back, facts, lines, both=True):
                    draft.write(piece)
                draft.write(undo.back(at.back, at.described))
            if at.what.missing.count:
                lines = session.written(at.rows, facts, both=False)
                for piece in undo.rows(at.rows, facts, lines, both=False):
                    draft.write(piece)
                draft.write(undo.away(at.rows, at.gone, at.described))
        draft.write(undo.tail())
    return draft.name


def _mark(marker: Path, merge: Merge, xid: str, timeline: str, script: str) -> None:
    """By what a later look finds the transaction; synced before it commits."""
    document = {
        "transaction": xid,
        "timeline": timeline,
        "undo": script,
        "proposal": merge.proposal.artifact,
    }
    try:
        marker.parent.mkdir(mode=0o700, exist_ok=True)
        with open(marker, "x", encoding="utf-8") as stream:
            json.dump(document, stream)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(marker.parent)
        sync_folder(marker.parent.parent)
    except OSError as error:
        raise StepFailed(
            f"{plain(str(marker), 300)} cannot be written: {error.strerror or error}.",
            means="After a crash nobody could tell whether the merge happened. It was rolled back.",
            next="Make room on that disk, then run the step again.",
            code="marker",
        ) from None


def _stopped(session: MergeSession, merge: Merge, error: psycopg.Error) -> DrbookError:
    """The error for a statement that failed outside of what is an answer."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return StepFailed(
            f"The login may not do this: {said(error)}",
            means="Nothing was changed.",
            next="Give the step a `login` that may SELECT, INSERT and (to put rows back) UPDATE these tables, "
            "use their sequences and make temporary tables; `triggers: skip` needs more than that.",
            code="merge-denied",
        )
    return session.broke_off(error, merge.cancel)
