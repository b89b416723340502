"""`core.ports.Merges`: rows of a restored database into one that is alive, by the mode's leave."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg

from drbook.core.baseline import Identity
from drbook.core.capture import Pace
from drbook.core.errors import CouldNotVerify, DrbookError, Refused, StepFailed, UsageError
from drbook.core.events import Mode
from drbook.core.freshness import Answer
from drbook.core.merged import Outcome
from drbook.core.mergeguard import REVIEW_AGAIN, allowed, prove_reviewed
from drbook.core.ports import Cancel
from drbook.core.reviewed import MergeLook, MergeWish, Proposal, ProposalWish, Review, ambiguous
from drbook.core.signals import Milestone, Working
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import plain
from drbook.providers.artifacts import ArtifactFolder
from drbook.providers.merge import apply as merging
from drbook.providers.merge.definition import Tools, write_definition
from drbook.providers.merge.lease import Limits, MergeSession, merge_lease, status
from drbook.providers.merge.onepass import Merge
from drbook.providers.merge.propose import Between, propose
from drbook.providers.pgidentity import answer
from drbook.providers.pgsession import guarded, said

_LOOK = timedelta(seconds=15)


class MergeDoor:
    """Implements `core.ports.Merges`. `production` is the runbook's own; what a step names as a login must
    lead to it."""

    def __init__(
        self,
        mode: Mode,
        production: DatabaseRef | None,
        folder: Path,
        environment: Mapping[str, str],
        cancel: Cancel,
        tools: Tools,
        elsewhere: Mapping[str, str],
    ) -> None:
        self._mode = mode
        self._production = production
        self._folder = folder
        self._environment = environment
        self._cancel = cancel
        self._tools = tools
        self._elsewhere = elsewhere

    def propose(
        self,
        target: Target,
        restored: DatabaseRef,
        living: DatabaseRef,
        wish: ProposalWish,
        stand_in: Target | None = None,
    ) -> Working[Review]:
        """See `core.ports.Merges.propose`."""
        between = Between(
            target,
            restored,
            living,
            stand_in,
            self._environment,
            self._cancel,
            Pace().statement_timeout,
            self._mode is Mode.DRY_RUN,
        )
        artifacts = ArtifactFolder(self._folder)
        definition = write_definition(self._tools, artifacts, self._cancel)
        return (yield from propose(between, wish, artifacts, definition))

    def rehearse(self, proposal: Proposal, wish: MergeWish) -> Working[Outcome]:
        """See `core.ports.Merges.rehearse`."""
        with self._lease(proposal, wish) as session:
            return (yield from merging.rehearse(session, self._merge(proposal, wish)))

    def apply(
        self, proposal: Proposal, wish: MergeWish, name: str, rehearsed: Outcome | None = None
    ) -> Working[Outcome]:
        """See `core.ports.Merges.apply`."""
        merge, marker = self._merge(proposal, wish), self._marker(name)
        with self._lease(proposal, wish) as session:
            expected = rehearsed
            if expected is None:
                expected = yield from merging.rehearse(session, merge)
                yield Milestone(f"rehearsed and rolled back: {expected.in_words()}")
                need_as_reviewed(expected)
            return (yield from merging.apply(session, merge, expected, marker))

    def undo(self, name: str) -> str:
        """See `core.ports.Merges.undo`."""
        return merging.undo_of(self._marker(name))

    def look(self, proposal: Proposal, wish: MergeWish, name: str) -> MergeLook:
        """See `core.ports.Merges.look`."""
        if name in self._elsewhere:
            return MergeLook(
                "unknown", f"{name} ran on {self._elsewhere[name]}: what it noted is there"
            )
        try:
            noted = json.loads(self._marker(name).read_text(encoding="utf-8"))
            xid, timeline = str(noted["transaction"]), str(noted["timeline"])
        except FileNotFoundError:
            return MergeLook(
                "did-not-happen", "it had not come to its commit: no transaction is noted"
            )
        except (OSError, ValueError, KeyError, TypeError):
            return MergeLook("unknown", "what it noted before its commit cannot be read")
        try:
            with guarded(wish.login, self._environment, self._cancel, timeout=_LOOK) as connection:
                found = answer(connection)
                prove_reviewed(proposal, Answer(found.identity, pooled=False), whose="production")
                became = status(connection, xid, timeline)
        except psycopg.Error as error:
            return MergeLook(
                "unknown", f"the server does not say what became of {xid}: {said(error)}"
            )
        except DrbookError as error:
            return MergeLook("unknown", error.what)
        if became == "committed":
            return MergeLook("happened", f"transaction {xid} is committed")
        if became == "aborted":
            return MergeLook("did-not-happen", f"transaction {xid} was rolled back")
        why = became or "forgotten, or it ran before a failover"
        return MergeLook("unknown", f"transaction {xid} is {why}")

    # --- inside ---------------------------------------------------------------------------------

    @contextmanager
    def _lease(self, proposal: Proposal, wish: MergeWish) -> Iterator[MergeSession]:
        allowed(self._mode, proposal)
        self._need_artifact(proposal)
        now = self._production_now(proposal) if proposal.what.stand_in is None else None
        with merge_lease(
            proposal, self._mode, wish.login, self._environment, self._cancel, now
        ) as session:
            yield session

    def _production_now(self, proposal: Proposal) -> Identity:
        """What was reviewed is the runbook's production, as it answers now: whoever wrote the proposal, a
        lease is given for nothing else."""
        if self._production is None:
            raise UsageError(
                "The runbook names no `production.database`.",
                means="Nobody knows here what production is. Nothing was written.",
                next="Add it, then run the step again.",
                code="no-production",
            )
        try:
            with guarded(
                self._production, self._environment, self._cancel, timeout=_LOOK
            ) as connection:
                found = answer(connection)
        except psycopg.Error as error:
            raise CouldNotVerify(
                f"Production does not say who it is: {said(error)}",
                means="Nothing was written.",
                next="Give its login the right to ask (`pg_control_system()`), then run the step again.",
                code="identity",
            ) from None
        prove_reviewed(proposal, Answer(found.identity, pooled=False), whose="production")
        return found.identity

    def _need_artifact(self, proposal: Proposal) -> None:
        """Raises Refused where the artifact is not there, or is another by now."""
        try:
            data = (self._folder / proposal.artifact).read_bytes()
        except OSError:
            data = b""
        if not proposal.true_to_itself or data != proposal.what.bytes():
            raise Refused(
                f"{proposal.artifact} is missing, or does not say what the step was given.",
                means="What would be applied is not what was reviewed. Nothing was written.",
                next=REVIEW_AGAIN,
                code="merge-digest",
            )

    def _merge(self, proposal: Proposal, wish: MergeWish) -> Merge:
        """Raises UsageError for a decision that is of several tables."""
        if names := ambiguous(proposal.what, wish.decided):
            raise UsageError(
                f"Several tables of the proposal are called {plain(names[0], 130)}.",
                means="It is not known which of them `decide` means. Nothing was written.",
                next="Write them as `schema.name` under `decide`.",
                code="merge-arguments",
            )
        return Merge(
            proposal,
            ArtifactFolder(self._folder),
            Limits(wish.lock_timeout, wish.statement_timeout),
            self._cancel,
            wish.triggers,
            wish.decided,
        )

    def _marker(self, name: str) -> Path:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,120}", name):
            raise Refused(
                f"{plain(name, 100)!r} is no name of a merge.",
                means="It could lie outside the incident's folder. Nothing was written.",
                next="This is an error in drbook or a plug-in: report it with the incident's journal.",
                code="merge-name",
            )
        return self._folder / "merges" / f"{name}.json"


def need_as_reviewed(found: Outcome) -> None:
    """Raises StepFailed where a rehearsal did not come out as what was reviewed: nobody has seen that."""
    if found.as_reviewed:
        return
    raise StepFailed(
        f"The rehearsal did not come out as reviewed: {found.in_words()}",
        means="It was rolled back, and nothing was applied.",
        next="Run `postgres.rehearse_reviewed` and review what it shows; hand its `rehearsal` to this step where "
        "that is wanted. What is blocked has to be mended in production first, or proposed again.",
        code="not-as-reviewed",
    )
