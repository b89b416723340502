"""`postgres.propose`: which lost rows a living production should get back, for people to review."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from drbook.actions.outside import production_database
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.errors import UsageError
from drbook.core.events import Mode, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.results import ProposeResult
from drbook.core.reviewed import Policy, ProposalWish, Review
from drbook.core.signals import Milestone, Working
from drbook.core.targets import Target
from drbook.core.values import Frozen, counted, plain

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
    sample: int = Field(default=20, ge=0, le=1000)
    """So many conflicts of a table are shown, and put on record, with both values."""
    stand_in: Target | None = None
    """In a drill: what stands for production, restored by another step."""


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
            living = yield from ports.targets.reach(params.stand_in)
        else:
            living = production_database(None, context)
        restored = yield from ports.targets.reach(params.target)
        found = yield from ports.merges.propose(
            params.target, restored, living, _wish(params), params.stand_in
        )
        for one in found.proposal.what.tables:
            yield Milestone(one.in_words())
        return _finished(found)


def _living(params: ProposeParams, context: StepContext) -> str:
    if params.stand_in is not None:
        return f"the stand-in {params.stand_in.name}"
    production = context.document.production.database
    return plain(production.show(), 200) if production is not None else "production"


def _wish(params: ProposeParams) -> ProposalWish:
    """Raises UsageError for a key or a policy of a table that is not asked for: it would go unheard."""
    policy = params.on_conflict
    by_table = {} if isinstance(policy, str) else policy
    unheard = sorted({*params.key, *by_table} - {*params.tables})
    if unheard:
        raise UsageError(
            f"`key` or `on_conflict` names {plain(unheard[0], 130)}, which is not among `tables`.",
            means="What is written there would not be heeded. Nothing was compared.",
            next="Write the table in the same way in both places.",
            code="unknown-table",
        )
    every: Policy = policy if isinstance(policy, str) else "keep"
    return ProposalWish(params.tables, params.key, by_table, every, params.sample)


def _finished(found: Review) -> Finished:
    """Rows to insert are what was asked for; rows that nobody can tell apart are unknown."""
    what, kept = found.proposal.what, found.proposal.artifacts
    result = ProposeResult(proposal=found.proposal, conflicts=found.conflicts)
    reason = "; ".join(one.in_words() for one in what.tables)
    if what.definition:
        reason += f"; {what.definition} makes what is not there"
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
