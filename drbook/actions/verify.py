"""`postgres.verify`: the restored rows against what the backup held, and against what was lost."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field, ValidationError

from drbook.actions.baselines import baseline_for
from drbook.actions.verified import UNREAD, ended
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.archiverows import expected_of
from drbook.core.assertions import Assertion, judge, unanswered
from drbook.core.baseline import Manifest, TableCounts
from drbook.core.comparison import Comparison, compare
from drbook.core.errors import CouldNotVerify, DrbookError, StepFailed
from drbook.core.events import Plan
from drbook.core.explaining import Side, explained, wanted
from drbook.core.pages import not_read, page_remarks
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Ports
from drbook.core.recovered import compare_recovered
from drbook.core.recovery import RecoveryReport
from drbook.core.remarks import Remark
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.signals import Milestone, Progress, Working
from drbook.core.targets import Target
from drbook.core.values import Duration, Frozen, parse_duration, plain


class VerifyWish(Frozen):
    """What is looked at, and against what."""

    baseline: str | None = "before_incident"
    """`before_incident`, `newest`, the id of one, or null for none."""
    content: bool = False
    """Also compare content hashes where the manifest holds them."""
    pages: bool = False
    """Also read every page of every table and B-tree index: what came back as files may be damaged where no
    query looks. It takes as long as reading all of the database, and more for its indexes."""
    max_drop_percent: int = Field(default=5, ge=0, le=100)
    """Of a physical copy that was rolled forward, which no manifest describes: how many rows fewer than in
    the baseline a table may have."""
    assertions: tuple[Assertion, ...] = Field(default=(), max_length=1000)
    """What else must hold: queries with the answer that they must give."""
    assertion_timeout: Duration = parse_duration("5m")
    """For one assertion's query."""


class VerifyParams(VerifyWish):
    target: Target
    """What `postgres.restore` made."""
    point: RecoveryPoint | None = None
    """The copy that was restored; absent: the one that the restore step recorded."""


class Verify(Action[VerifyParams]):
    """Exact counts of every table, in one snapshot, on the target itself."""

    name = "postgres.verify"
    title = "Verify row counts"
    params = VerifyParams
    result = VerifyResult
    literal = ("assertions",)

    def plan(self, params: VerifyParams, context: StepContext) -> Plan:
        content = " and hashes their rows" if params.content else ""
        does = [f"counts every table of {params.target.name} in one snapshot{content}"]
        does.append(
            "compares with what the backup's manifest says it held, or without one with the rows that "
            "were counted in the archive"
        )
        if params.baseline:
            does.append(f"compares with the baseline `{params.baseline}`: what users have lost")
        if params.pages:
            does.append(
                "reads every page of every table and B-tree index (amcheck, pg_visibility), and takes back what "
                "that needs to be made"
            )
        does += [f"asks: {plain(one.name, 200)}" for one in params.assertions]
        return Plan(
            does=tuple(does),
            source=f"{params.target.kind} {params.target.name}",
            touches="nothing",
            expects="every table equal to the manifest",
        )

    def perform(
        self, params: VerifyParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        counts = yield from ports.targets.count(
            params.target,
            ignore_schemas=context.document.production.ignore_schemas,
            content=params.content,
        )
        point = params.point or restored_point(params.target, context)
        manifest, manifest_note = _manifest(point, ports)
        if manifest_note:
            yield Milestone(manifest_note)
        baseline, described, no_loss_told = None, "", ""
        if params.baseline:
            try:
                chosen = baseline_for(params.baseline, context, ports)
                baseline, described = chosen.baseline.counts, chosen.described
            except CouldNotVerify as error:
                described = f"none: {error.what}"
                no_loss_told = error.what
                yield Milestone(f"the loss cannot be told: {error.what}")
        more = yield from _assertions(params, ports)
        flawed, left = yield from _pages(params, ports)
        # The archive's own rows, where no manifest says what to expect.
        loaded = restored_from(params.target, context)
        used = loaded.copy_used if loaded is not None and loaded.point == point else None
        held = used.held if used is not None else None
        ignored = context.document.production.ignore_schemas
        rolled = loaded.recovery if loaded is not None and loaded.point == point else None
        if rolled is not None:
            comparison = compare_recovered(
                counts,
                baseline,
                params.max_drop_percent,
                more + flawed,
                broken=rolled.broken,
                repeats=rolled.repeats,
            )
        else:
            comparison = compare(
                counts,
                manifest.counts if manifest else None,
                baseline,
                point.taken_at if point else None,
                more + flawed,
                archive=expected_of(held, counts, ignored) if held is not None else None,
                facts=held,
                left_out=loaded.load.left_out if loaded is not None and loaded.load else None,
            )
        comparison = comparison.model_copy(update={"not_compared": comparison.not_compared + left})
        sides: tuple[tuple[Side, TableCounts | None], ...] = (
            ("held", manifest.counts if manifest else None),
            ("before", baseline),
        )
        for side, reference in sides:
            if reference is not None:
                comparison = yield from _explained(
                    comparison, side, reference, counts, params, context, ports
                )
        # What a manifest says of its time, the point has, where the store does not contradict it.
        consistent = _consistent_at(point, manifest, rolled)
        loss = None
        repeats = rolled is not None and bool(rolled.repeats)
        if consistent is not None and context.occurred is not None and not repeats:
            loss = max(0, int((context.occurred - consistent).total_seconds()))
        result = VerifyResult(
            comparison=comparison,
            point=point,
            baseline=described,
            manifest=(point.manifest or "") if point and manifest else manifest_note,
            loss_seconds=loss,
            loss_at_least=point is not None and consistent == point.taken_at and point.dated_late,
            consistent_at=consistent,
            loss_replayed=repeats,
        )
        return ended(result, comparison, no_loss_told, unread=manifest_note if not manifest else "")


def _consistent_at(
    point: RecoveryPoint | None, manifest: Manifest | None, rolled: RecoveryReport | None
) -> datetime | None:
    """Of which moment the copy is: the earliest that anything credible says, for no later one is proven."""
    if point is None:
        return None
    if rolled is not None:
        return rolled.complete_to(point.taken_at)
    counts = manifest.counts if manifest is not None else None
    return min(point.taken_at, counts.taken_at) if counts is not None else point.taken_at


def _explained(
    comparison: Comparison,
    side: Side,
    reference: TableCounts,
    counts: TableCounts,
    params: VerifyParams,
    context: StepContext,
    ports: Ports,
) -> Working[Comparison]:
    """The same with the places of the differences. That nobody could look changes no verdict."""
    stretches = wanted(comparison, side, reference)
    if not stretches:
        return comparison
    try:
        database = yield from ports.targets.reach(params.target)
        found = yield from ports.databases.stretches(
            database, stretches, ignore_schemas=context.document.production.ignore_schemas
        )
    except CouldNotVerify as error:
        ports.cancel.raise_if_requested()
        yield Milestone(f"where the tables differ, could not be looked at: {error.what}")
        return comparison
    return explained(comparison, side, reference, counts, found)


def _assertions(params: VerifyParams, ports: Ports) -> Working[tuple[Remark, ...]]:
    """What the runbook asserts, asked one after the other; one that is not answered is not verified."""
    if not params.assertions:
        return ()
    database = yield from ports.targets.reach(params.target)
    found = []
    for number, one in enumerate(params.assertions):
        yield Progress("ask", number, len(params.assertions), "assertions", plain(one.name, 100))
        ports.cancel.raise_if_requested()
        try:
            answer = ports.databases.query(
                database, one.sql, {}, limit=1, timeout=params.assertion_timeout
            )
        except (StepFailed, CouldNotVerify) as error:
            ports.cancel.raise_if_requested()
            found.append(unanswered(one, error.what))
        else:
            found.append(judge(one, answer))
    return tuple(found)


def _pages(
    params: VerifyParams, ports: Ports
) -> Working[tuple[tuple[Remark, ...], tuple[str, ...]]]:
    """What reading every page showed, and what nobody can look at; nothing where it was not asked for."""
    if not params.pages:
        return (), ()
    pages = yield from ports.targets.pages(params.target)
    return tuple(page_remarks(pages)), not_read(pages)


def restored_point(target: Target, context: StepContext) -> RecoveryPoint | None:
    """The copy that a restore step of this incident loaded into the target."""
    restored = restored_from(target, context)
    return restored.point if restored is not None else None


def restored_from(target: Target, context: StepContext) -> RestoreResult | None:
    """What a restore step of this incident recorded of loading the target."""
    for output in context.outputs.values():
        if isinstance(output, Mapping) and "copy_used" in output:
            try:
                restored = RestoreResult.model_validate(output)
            except ValidationError:
                continue  # the output of another action that only looks alike
            if restored.target.nonce == target.nonce:
                return restored
    return None


def _manifest(point: RecoveryPoint | None, ports: Ports) -> tuple[Manifest | None, str]:
    if point is None:
        return None, "no restore step of this incident made this target: its manifest is not known"
    try:
        manifest = ports.backups.manifest(point)
    except DrbookError as error:
        return None, f"{UNREAD}{error.what}"
    if manifest is None:
        return None, "this copy has no manifest: nothing says what it held"
    if manifest.counts is None:
        return None, "the manifest holds no counts"
    return manifest, ""
