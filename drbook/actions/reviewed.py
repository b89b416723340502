"""`postgres.propose`: which lost rows a living production should get back, for people to review."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from drbook.actions.outside import production_database
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.errors import CouldNotVerify, UsageError
from drbook.core.events import Mode, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.results import ProposeResult, RestoreResult, read_result
from drbook.core.reviewed import RIGHTLY, OnMissing, Policy, ProposalWish, Review
from drbook.core.signals import Milestone, Working
from drbook.core.targets import Target
from drbook.core.values import Frozen, Json, counted, plain, show_time

Column = Annotated[str, Field(min_length=1, max_length=63)]


class ProposeParams(Frozen):
    target: Target
    """What `postgres.restore` made, as it was right before the loss."""
    tables: tuple[str, ...] = Field(min_length=1, max_length=200)
    """Which tables, like `bookings` or `public.bookings`."""
    key: Mapping[str, tuple[Column, ...]] = Field(default_factory=dict)
    """Table → the columns of a unique index that tells its rows apart; absent: its primary key."""
    on_conflict: Policy | Mapping[str, Policy] = "keep"
    """What becomes of rows that both have with other values, for all tables or by table: `keep` leaves
    production's, `restore` puts the restored ones back, `ask` lets nothing be applied before `decide` says."""
    on_missing: OnMissing | Mapping[str, OnMissing] = "restore"
    """What becomes of rows that production lacks, for all tables or by table: `restore` inserts them, `leave`
    counts them and leaves them out, where people deleted them rightly since the copy."""
    sample: int = Field(default=20, ge=0, le=1000)
    """So many conflicts of a table are shown, and put on record, with both values."""
    stand_in: Target | None = None
    """In a drill: what stands for production, restored by another step. It has to hold the loss: the same copy
    as the target's, one of before the loss, or one that lacks nothing is *could not verify*."""


class Propose(Action[ProposeParams]):
    """Compares each table row by row, streamed, and keeps what is missing as an artifact."""

    name = "postgres.propose"
    title = "Propose the rows that production gets back"
    params = ProposeParams
    result = ProposeResult

    def plan(self, params: ProposeParams, context: StepContext) -> Plan:
        shown = ", ".join(plain(one, 80) for one in params.tables[:5])
        more = len(params.tables) - 5
        which = f"{shown} and {more} more" if more > 0 else shown
        return Plan(
            does=(
                f"reads {which} of {params.target.name} and of {_living(params, context)}, each once, in "
                "one snapshot and in the order of its key",
                "keeps the rows that are missing there, and those that have other values there, in the "
                "incident folder, each set named by its digest",
                f"{RIGHTLY}: they are inserted all the same, but in tables of `on_missing: leave`",
                f"shows at most {params.sample} conflicts of each table with both values",
                "writes the definition of tables that are not there any more, for a person to run",
            ),
            source=_living(params, context),
            touches="nothing; both are only read. Real rows come to lie in the incident folder",
            expects="for each table the rows to insert, the conflicts, and the rows that only production has",
        )

    def perform(
        self, params: ProposeParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        if params.stand_in is not None and context.mode is Mode.LIVE:
            raise UsageError(
                "This is a live incident, and the step names a stand-in for production.",
                means="Rows would be proposed for a copy. Nothing was compared.",
                next="Leave `stand_in` out of the step; it is for drills.",
                code="stand-in",
            )
        if params.stand_in is not None:
            _need_another_copy(params.target, params.stand_in, context.outputs)
            living = yield from ports.targets.reach(params.stand_in)
        else:
            living = production_database(None, context)
        restored = yield from ports.targets.reach(params.target)
        found = yield from ports.merges.propose(
            params.target, restored, living, _wish(params), params.stand_in
        )
        for one in found.proposal.what.tables:
            yield Milestone(one.in_words())
        doubt = _undamaged(params.stand_in, found, context) if params.stand_in else ""
        return _finished(found, doubt)


def _living(params: ProposeParams, context: StepContext) -> str:
    if params.stand_in is not None:
        return f"the stand-in {params.stand_in.name}"
    production = context.document.production.database
    return plain(production.show(), 200) if production is not None else "production"


def _wish(params: ProposeParams) -> ProposalWish:
    """Raises UsageError for a key or a policy of a table that is not asked for: it would go unheard."""
    policy = params.on_conflict
    by_table = {} if isinstance(policy, str) else policy
    left = params.on_missing
    missing = {} if isinstance(left, str) else left
    unheard = sorted({*params.key, *by_table, *missing} - {*params.tables})
    if unheard:
        raise UsageError(
            f"`key`, `on_conflict` or `on_missing` names {plain(unheard[0], 130)}, which is not among `tables`.",
            means="What is written there would not be heeded. Nothing was compared.",
            next="Write the table in the same way in both places.",
            code="unknown-table",
        )
    every: Policy = policy if isinstance(policy, str) else "keep"
    every_missing: OnMissing = left if isinstance(left, str) else "restore"
    return ProposalWish(
        params.tables, params.key, by_table, every, missing, every_missing, params.sample
    )


def _need_another_copy(target: Target, stand_in: Target, outputs: Mapping[str, Json]) -> None:
    """Raises CouldNotVerify where both were restored from the same copy, and to the same moment: what stands for
    production then has no loss in it, and a merge of nothing would look like one that works."""
    ours, theirs = _restored(target, outputs), _restored(stand_in, outputs)
    if ours is None or theirs is None or ours.point.bytes_key != theirs.point.bytes_key:
        return
    one, other = ours.recovery, theirs.recovery
    if one is not None and other is not None and one.redo_done != other.redo_done:
        return
    raise CouldNotVerify(
        f"{plain(stand_in.name, 100)} stands for production and was restored from the target's own copy, "
        f"{plain(ours.point.key, 200)}.",
        means="The loss is not in it: nothing would be merged, and nothing would be proven. Nothing was compared.",
        next=_KEEP_IT,
        code="stand-in-undamaged",
    )


_KEEP_IT = (
    "Dump production as it is after the loss into a folder that is a source, run the locate step again, and "
    "restore the stand-in from that dump."
)


def _restored(target: Target, outputs: Mapping[str, Json]) -> RestoreResult | None:
    """What is on record of how a target was made; None where no step of this incident tells it."""
    found = (read_result(RestoreResult, one) for one in outputs.values())
    return next(
        (
            one
            for one in found
            if one and (one.target.name, one.target.nonce) == (target.name, target.nonce)
        ),
        None,
    )


def _undamaged(stand_in: Target, found: Review, context: StepContext) -> str:
    """Why the stand-in may not hold the loss; empty where nothing speaks against it."""
    tables = found.proposal.what.tables
    if not any(one.missing.count or one.left_out or one.conflicts.count for one in tables):
        return "the stand-in lacks no row of these tables, and has none with other values"
    made = _restored(stand_in, context.outputs)
    if made is None or made.recovery is not None or context.occurred is None:
        return ""
    if made.point.taken_at < context.occurred:
        taken, lost = show_time(made.point.taken_at), show_time(context.occurred)
        return f"the stand-in's copy is of {taken}, and the loss was at {lost}"
    return ""


def _finished(found: Review, doubt: str) -> Finished:
    """Rows to insert are what was asked for; rows that nobody can tell apart are unknown, and so is what a
    stand-in without the loss would prove."""
    what, kept = found.proposal.what, found.proposal.artifacts
    result = ProposeResult(proposal=found.proposal, conflicts=found.conflicts)
    reason = "; ".join(one.in_words() for one in what.tables)
    if what.definition:
        reason += f"; {what.definition} makes what is not there"
    if any(one.missing.count for one in what.tables):
        reason += f". {RIGHTLY}; look before they are merged"
    if doubt:
        return Finished(
            result,
            StepEnd.COULD_NOT_VERIFY,
            f"{doubt}; {reason}",
            means="The loss may not be in what stands for production: a merge into it would prove nothing.",
            next=_KEEP_IT,
            artifacts=kept,
        )
    unkeyed = sum(one.unkeyed for one in what.tables)
    if not unkeyed:
        return Finished(result, reason=reason, artifacts=kept)
    return Finished(
        result,
        StepEnd.COULD_NOT_VERIFY,
        f"{counted(unkeyed, 'row')} could not be compared, for a part of the key is NULL; {reason}",
        means="Nobody knows which of these are lost; they are not proposed. The others are.",
        next="Give the table a `key` that is never NULL, look at those rows by hand, or accept that they are "
        "left out.",
        artifacts=kept,
    )
