"""`postgres.rehearse_reviewed` and `postgres.apply_reviewed`: reviewed rows into a production that is alive."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field

from drbook.actions.outside import production_database
from drbook.core.actions import Action, Finished, Probed, StepContext
from drbook.core.errors import NotExercised, StepFailed, UsageError
from drbook.core.events import Effect, Mode, Plan, StepEnd
from drbook.core.merged import Outcome
from drbook.core.ports import Ports
from drbook.core.results import ApplyResult, RehearseResult
from drbook.core.reviewed import (
    RIGHTLY,
    MergeWish,
    Policy,
    Proposal,
    TableProposal,
    Triggers,
    policy_of,
    rows_to_write,
    undecided,
)
from drbook.core.signals import Milestone, Working
from drbook.core.targets import DatabaseRef
from drbook.core.values import Duration, Frozen, counted, plain, show_duration

COOL_OFF = timedelta(seconds=10)
DAMAGE = (
    "Rows are written into the production that people use now; its triggers act on them, and what reads them "
    "in the meantime cannot be called back, whatever the undo script removes."
)


class MergeParams(Frozen):
    proposal: Proposal
    """What `postgres.propose` found, and people reviewed."""
    login: DatabaseRef | None = None
    """Who writes; absent: production's own login. It must lead to the database that was reviewed."""
    decide: Mapping[str, Policy] = Field(default_factory=dict)
    """Table → what becomes of its conflicts, as people decided after the review."""
    triggers: Triggers = "fire"
    """Whether production's triggers act on the rows: `fire`, or `skip` (`session_replication_role = replica`,
    which a superuser may set or who was granted it); foreign keys are then checked by drbook."""
    lock_timeout: Duration = timedelta(seconds=5)
    """How long a statement waits for a lock before all is rolled back."""
    statement_timeout: Duration = timedelta(minutes=10)


class ApplyParams(MergeParams):
    rehearsal: Outcome | None = None
    """What `postgres.rehearse_reviewed` showed, and people accepted; absent: it is rehearsed by the step
    itself, and must come out exactly as it was reviewed."""


class Rehearse(Action[MergeParams]):
    """The merge itself, in one transaction that is rolled back."""

    name = "postgres.rehearse_reviewed"
    title = "Rehearse the merge of the reviewed rows"
    params = MergeParams
    result = RehearseResult
    effect = Effect.IDEMPOTENT

    def plan(self, params: MergeParams, context: StepContext) -> Plan:
        return Plan(
            does=(*_steps(params), "rolls all of it back, and tells what it came to"),
            source=params.proposal.artifact,
            into=_into(params, context),
            touches=f"{_into(params, context)}: locks on the rows until it is rolled back, at most "
            f"{show_duration(params.lock_timeout)} of waiting for one; what triggers do outside of their "
            "transaction, and numbers that they draw from sequences, stay",
            expects="how many rows would go in, and what stands against it",
        )

    def perform(self, params: MergeParams, context: StepContext, ports: Ports) -> Working[Finished]:
        wish = yield from _wish(params, context, ports)
        _need_rows(params, context)
        found = yield from ports.merges.rehearse(params.proposal, wish)
        result = RehearseResult(rehearsal=found)
        if not found.blocked:
            return Finished(result, reason=f"{_nothing(params)}rolled back; {found.in_words()}")
        return Finished(
            result,
            StepEnd.FAILED,
            f"It cannot be merged as it is: {found.blocked}",
            means="It was rolled back; production is as it was.",
            next="Mend what stands against it, or propose again: what is there by now is then no longer missing.",
        )

    def probe(self, params: MergeParams, context: StepContext, ports: Ports) -> Probed:
        return Probed("did-not-happen", "a rehearsal never commits; its server rolls it back")


class Apply(Action[ApplyParams]):
    """One transaction, by what its rehearsal showed; the script that takes it back is on record before."""

    name = "postgres.apply_reviewed"
    title = "Merge the reviewed rows into production"
    params = ApplyParams
    result = ApplyResult
    effect = Effect.ONCE

    def plan(self, params: ApplyParams, context: StepContext) -> Plan:
        live = context.mode is Mode.LIVE
        if params.rehearsal is None:
            rehearsed = "rehearses all of it first and rolls that back: every row must come out as it was reviewed"
        else:
            rehearsed = f"expects what the rehearsal showed: {params.rehearsal.in_words()}"
        return Plan(
            does=(
                rehearsed,
                *_steps(params),
                "rolls all of it back where anything is otherwise than in the rehearsal",
                "keeps the SQL that takes it back, and the transaction's number, before it commits",
                "moves sequences on past the inserted numbers, which is not taken back",
            ),
            source=params.proposal.artifact,
            into=_into(params, context),
            touches=f"{_into(params, context)}: only the tables of the proposal, and what their triggers do",
            expects="the reviewed rows are in production, and every newer row is as it was",
            damage=DAMAGE,
            confirm=_typed(params, context) if live else None,
            cool_off_seconds=int(COOL_OFF.total_seconds()) if live else 0,
        )

    def perform(self, params: ApplyParams, context: StepContext, ports: Ports) -> Working[Finished]:
        wish = yield from _wish(params, context, ports)
        _need_fitting(params)
        _need_rows(params, context)
        found = yield from ports.merges.apply(
            params.proposal, wish, context.resource_name, params.rehearsal
        )
        script = ports.merges.undo(context.resource_name)
        moved = [one for one in found.sequences if one.steps]
        for one in moved:
            yield Milestone(f"sequence {one.sequence} is past {one.past} now")
        return Finished(
            ApplyResult(outcome=found, undo=script),
            reason=f"{_nothing(params)}committed; {found.in_words()}; {script} takes it back (psql -X -f)",
            artifacts=(script,),
        )

    def probe(self, params: ApplyParams, context: StepContext, ports: Ports) -> Probed:
        wish = MergeWish(_login(params, context))
        seen = ports.merges.look(params.proposal, wish, context.resource_name)
        script = ports.merges.undo(context.resource_name)
        told = (
            f"{seen.reason}; {script} takes it back"
            if script and seen.answer != "did-not-happen"
            else seen.reason
        )
        return Probed(seen.answer, told)


def _steps(params: MergeParams) -> tuple[str, ...]:
    """What the transaction does, table by table."""
    told = [] if rows_to_write(params.proposal.what, params.decide) else ["has nothing to merge"]
    told += [
        "proves on the connection that it is the database that was reviewed",
        "brings the rows into temporary tables, and looks what stands against them",
    ]
    for one in params.proposal.what.tables:
        name = plain(one.table.shown, 130)
        told.append(f"{name}: inserts {counted(one.missing.count, 'row')}")
        if one.left_out:
            told.append(f"{name}: leaves out {counted(one.left_out, 'missing row')}")
        if one.conflicts.count:
            policy = policy_of(one, params.decide)
            what = {"keep": "leaves", "restore": "puts back", "ask": "has no word yet on"}[policy]
            told.append(f"{name}: {what} {counted(one.conflicts.count, 'row')} with other values")
        told += [f"{name}: {acts}" for acts in _acting(one, params)]
    if any(one.missing.count for one in params.proposal.what.tables):
        told.append(f"{RIGHTLY}: they come back, too")
    return tuple(told)


def _acting(one: TableProposal, params: MergeParams) -> list[str]:
    """What acts on the writes besides them."""
    told = []
    skipped = params.triggers == "skip"
    fires = one.always if skipped else one.triggers
    quiet = [name for name in one.triggers if skipped and name not in one.always]
    if fires:
        told.append(f"fires {', '.join(fires)}" + (", although skipped" if skipped else ""))
    if quiet:
        told.append(f"does not fire {', '.join(quiet)}")
    if one.rules:
        told.append(f"is refused where its rules act: {', '.join(one.rules)}")
    if one.along and one.conflicts.count and policy_of(one, params.decide) == "restore":
        told.append(f"is refused where rows would follow (ON UPDATE): {', '.join(one.along)}")
    return told


def _into(params: MergeParams, context: StepContext) -> str:
    stand_in = params.proposal.what.stand_in
    if stand_in is not None:
        return f"the stand-in {stand_in.name}"
    login = params.login or context.document.production.database
    return f"PRODUCTION ({plain(login.show(), 200)})" if login is not None else "PRODUCTION"


def _typed(params: ApplyParams, context: StepContext) -> str:
    """The name of what is written to, which a person types."""
    domain = context.document.production.domain
    return domain.resource or params.proposal.what.production.database


def _login(params: MergeParams, context: StepContext) -> DatabaseRef:
    stand_in = params.proposal.what.stand_in
    if stand_in is not None:
        return stand_in.loader or stand_in.admin or stand_in.connect
    return production_database(params.login, context)


def _wish(params: MergeParams, context: StepContext, ports: Ports) -> Working[MergeWish]:
    """Raises UsageError for what nobody has decided."""
    what = params.proposal.what
    names = {name for one in what.tables for name in (one.table.shown, one.table.name)}
    unknown = sorted(params.decide.keys() - names)
    if unknown:
        raise _usage(
            f"`decide` names {plain(unknown[0], 130)}, which is not in the proposal.",
            "Write the table as the proposal does.",
        )
    if open_ := undecided(what, params.decide):
        raise _usage(
            f"Nobody has decided about the conflicts in {', '.join(plain(one, 130) for one in open_)}.",
            "Give `decide: {TABLE: keep}` or `restore`.",
        )
    back = [one for one in what.tables if one.conflicts.count]
    if params.triggers == "skip" and any(
        policy_of(one, params.decide) == "restore" for one in back
    ):
        raise _usage(
            "`triggers: skip` is for inserted rows only, and rows are to be put back.",
            "Foreign keys that refer to overwritten rows would go unchecked: let triggers fire, or keep them.",
        )
    if what.stand_in is not None:
        yield from ports.targets.reach(what.stand_in)
    return MergeWish(
        _login(params, context),
        params.triggers,
        params.decide,
        params.lock_timeout,
        params.statement_timeout,
    )


def _usage(what: str, next: str) -> UsageError:
    return UsageError(what, means="Nothing was written.", next=next, code="merge-arguments")


def _nothing(params: MergeParams) -> str:
    """Said before the figures where they are all zero: production lacks nothing of what was reviewed."""
    return "" if rows_to_write(params.proposal.what, params.decide) else "nothing to merge; "


def _need_rows(params: MergeParams, context: StepContext) -> None:
    """Raises NotExercised in a drill in which no row would be written: it proves nothing of a merge."""
    if context.mode is not Mode.DRILL or rows_to_write(params.proposal.what, params.decide):
        return
    raise NotExercised(
        "There is nothing to merge: no row is to be inserted or put back.",
        means="Whether lost rows could be merged is not proven by this drill.",
        next="See that the stand-in holds the loss (a dump of production as it is after it), and that not every "
        "conflict is kept.",
        code="nothing-to-merge",
    )


def _need_fitting(params: ApplyParams) -> None:
    """Raises StepFailed where the rehearsal is of something else, or showed that it cannot be."""
    shown = params.rehearsal
    if shown is None:
        return
    same = (shown.proposal, shown.triggers, dict(shown.decided)) == (
        params.proposal.artifact,
        params.triggers,
        dict(params.decide),
    )
    if same and not shown.blocked:
        return
    raise StepFailed(
        f"The rehearsal showed that it cannot be merged: {shown.blocked}"
        if same
        else "The rehearsal is of another proposal, or with other `triggers` or `decide`.",
        means="Nothing was written.",
        next="Mend what stands against it and rehearse again.",
        code="rehearsal",
    )
