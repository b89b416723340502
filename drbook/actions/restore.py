"""`postgres.restore`: one recovery point into a fresh target that is proven not to be production."""

import shlex
from collections.abc import Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model

from drbook.actions.beside import BesideWish, plan_beside, restore_beside
from drbook.actions.known import known_production
from drbook.actions.recovering import plan_physical, restore_physical
from drbook.actions.snapshots import plan_snapshot, refuse_snapshot
from drbook.actions.verify import Verify
from drbook.core.actions import Action, Finished, Probed, StepContext
from drbook.core.archiverows import shown_rows
from drbook.core.errors import StepFailed
from drbook.core.events import Effect, Plan
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Ports
from drbook.core.preflight import stop
from drbook.core.preflightrules import settled
from drbook.core.purging import pause, purgers
from drbook.core.recovery import RecoveryAim
from drbook.core.results import RestoreResult
from drbook.core.signals import Milestone, Working
from drbook.core.targets import TargetSpec
from drbook.core.values import Frozen, counted, plain, show_size, show_time

DUMPS = (
    "dumps the standby, which has to stand still where it was listed, and reads the dump to its end; or uses "
    "the checked dump that is already here"
)


class RestoreParams(Frozen):
    point: RecoveryPoint
    """What `backups.locate` chose."""
    target: TargetSpec
    to: RecoveryAim | None = None
    """Where a physical copy stops that is rolled forward by its archive of WAL, like `{time: …}`; absent:
    right before the loss."""
    first: tuple[str, ...] = ()
    """Tables to load before the others, where the archive allows it."""
    beside: BesideWish = BesideWish()
    """Other copies to restore at the same time; the first that is verified is what the step hands on."""
    globals: str = ""
    """A file of `pg_dumpall --globals-only` on this machine, plain or compressed: its roles are made before
    the dump is loaded, without login or any attribute."""


def _params(kinds: Mapping[str, type[TargetSpec]]) -> type[RestoreParams]:
    """The parameters with `target` as one of these kinds, told apart by `kind`."""
    either: Any = reduce(or_, kinds.values())
    if len(kinds) > 1:
        either = Annotated[either, Field(discriminator="kind")]
    default = kinds["cluster"](kind="cluster")
    return create_model("RestoreParams", __base__=RestoreParams, target=(either, default))


class Restore(Action[RestoreParams]):
    """Download, create a fresh target, load. Each attempt makes a target of its own."""

    name = "postgres.restore"
    title = "Restore to a fresh target"
    result = RestoreResult
    effect = Effect.IDEMPOTENT

    def __init__(self, kinds: Mapping[str, type[TargetSpec]]) -> None:
        """`kinds` are the fresh places that this installation can make; `cluster` is the default."""
        self.params = _params(kinds)

    def plan(self, params: RestoreParams, context: StepContext) -> Plan:
        plan = self._plan_one(params, context)
        if not params.beside.points:
            return plan
        beside = plan_beside(params.point, params.beside, context.occurred)
        first = tuple(f"of the first: {line}" for line in plan.does)
        return plan.model_copy(
            update={
                "does": beside + first,
                "source": f"{plan.source}; and {counted(len(params.beside.points), 'other copy', 'other copies')}",
                "into": f"{plan.into}, and one more for each other copy that is begun",
                "expects": "a running database that is verified, of whichever copy comes to that first",
            }
        )

    def _plan_one(self, params: RestoreParams, context: StepContext) -> Plan:
        point, target = params.point, params.target
        if point.format == "snapshot":
            return plan_snapshot(point, context)
        if point.format == "physical":
            return plan_physical(point, target, params.to, context)
        digest = "digest known" if point.digest else "no digest recorded"
        load = "loads the archive"
        if params.first:
            load += ", first " + ", ".join(plain(name, 60) for name in params.first)
        return Plan(
            does=(
                *(pause(source, job) for source, job in purgers(context.document, (point.source,))),
                DUMPS
                if point.standby
                else f"downloads {show_size(point.size)} and checks it "
                f"({digest}), or uses the checked copy that is already here",
                target.making,
                load,
            ),
            runs=target.runs(context.resource_name, shlex.quote(plain(Path(point.id).name, 200))),
            source=f"{point.source} · {plain(point.id, 200)} · {point.sized} · "
            f"taken {show_time(point.taken_at)}",
            into=f"{target.into(context.resource_name)}  (fresh; not production)",
            touches=target.touches,
            expects="a running database that holds what the backup held",
        )

    def perform(
        self, params: RestoreParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        if not params.beside.points:
            return (yield from self._one(params, context, ports))

        def restore(point: RecoveryPoint, own: StepContext, doors: Ports) -> Working[Finished]:
            physical = point.format == "physical"
            update = {"point": point, "to": params.to if physical else None}
            return self._one(params.model_copy(update=update), own, doors)

        return (
            yield from restore_beside(
                params.point, params.beside, restore, Verify().perform, context, ports
            )
        )

    def _one(self, params: RestoreParams, context: StepContext, ports: Ports) -> Working[Finished]:
        if params.point.format == "snapshot":
            refuse_snapshot(params.point, context)
        for source, job in purgers(context.document, (params.point.source,)):
            yield Milestone(pause(source, job))
        if params.point.format == "physical":
            identities = yield from known_production(context, ports)
            return (
                yield from restore_physical(
                    params.point, params.target, params.to, identities, context, ports
                )
            )
        _no_loss_in(params.point, context)
        facts, copy = yield from ports.backups.fetch(params.point)
        if params.to is not None:
            raise StepFailed(
                "This copy is a dump, and cannot be rolled forward: the step names a moment (`to`).",
                means="A dump holds one moment, that of its start. Nothing was created.",
                next="Choose a physical copy with an archive of WAL, or leave `to` out.",
                code="no-roll",
            )
        if copy is None or facts.state in ("damaged", "unknown"):
            raise StepFailed(
                f"{plain(params.point.location, 300)} cannot be restored: {facts.reason}",
                means="Nothing was created and nothing was loaded.",
                next="Run the locate step again; it passes over copies that are damaged.",
                code="copy-damaged",
            )
        rows = f"; {shown_rows(copy.held)}" if copy.held is not None else ""
        yield Milestone(
            f"copy ready: {show_size(copy.size)}, {facts.reason}{rows}", {"sha256": copy.sha256}
        )
        if params.globals:
            found = ports.targets.globals(params.globals)
            yield Milestone(found.summary(), {"sha256": found.sha256})
            copy = copy.model_copy(update={"globals": found})
        identities = yield from known_production(context, ports)
        copy, page = yield from ports.targets.preflight(
            params.target, copy, identities, facts.reason
        )
        yield Milestone(page.summary(), page.model_dump(mode="json"))
        stop(page)
        target = yield from ports.targets.create(
            params.target, context.resource_name, identities, like=copy.held
        )
        page = settled(page, copy.held, target.settings)
        ignored = context.document.production.ignore_schemas
        target = target.model_copy(update={"ignored": ignored})
        yield Milestone(f"fresh target {target.name}: {target.proof}")
        report = yield from ports.targets.load(target, copy, first=params.first)
        result = RestoreResult(
            point=params.point, copy_used=copy, target=target, load=report, preflight=page
        )
        left = f", {len(report.left_out)} left out" if report.left_out else ""
        if report.rights_left:
            left += f", {counted(len(report.rights_left), 'role')} to be given back what makes them able"
        return Finished(
            result,
            reason=f"restored into {target.kind} {target.name} in {report.seconds} s; "
            f"{counted(report.items, 'item')}, {counted(len(report.errors), 'error')}{left}",
        )

    def probe(self, params: RestoreParams, context: StepContext, ports: Ports) -> Probed:
        names = context.resource_names() if params.beside.points else (context.resource_name,)
        looks = [ports.targets.look(params.target, name) for name in names]
        found = [look for look in looks if look.state != "absent"]
        if not found:
            return Probed("did-not-happen", looks[0].reason)
        return Probed(
            "unknown",
            f"{' '.join(look.reason for look in found)} It may be half-filled: it is never used again; a new attempt makes another.",
        )


def _no_loss_in(point: RecoveryPoint, context: StepContext) -> None:
    """A standby is chosen before it is dumped, and the moment of the loss may have been mended since."""
    lost = context.occurred
    if point.standby and lost is not None and point.taken_at >= lost:
        raise StepFailed(
            f"{plain(point.location, 300)} has replayed up to {show_time(point.taken_at)}, and the loss was at "
            f"{show_time(lost)}.",
            means="What happened is in it. Nothing was dumped, and nothing was created.",
            next="Run the locate step again, and restore another copy.",
            code="standby-has-loss",
        )
