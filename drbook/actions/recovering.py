"""A physical copy's way through `postgres.restore`: laid down, started alone, rolled forward to its aim."""

from datetime import datetime

from drbook.core.actions import Finished, StepContext
from drbook.core.errors import StepFailed
from drbook.core.events import Plan
from drbook.core.located import Located
from drbook.core.points import Answer, ByteFact, Criterion, RecoveryPoint
from drbook.core.ports import Ports, ProductionIdentity
from drbook.core.preflight import stop
from drbook.core.recovery import RecoveryAim
from drbook.core.recoverychecks import aim_of
from drbook.core.results import RestoreResult, read_result
from drbook.core.signals import Milestone, Working
from drbook.core.targets import TargetSpec
from drbook.core.values import plain, show_size, show_time


def plan_physical(
    point: RecoveryPoint, target: TargetSpec, wanted: RecoveryAim | None, context: StepContext
) -> Plan:
    """What restoring it will do."""
    name = context.resource_name
    past = ""
    try:
        aim = aim_of(point, wanted, context.occurred)
        stops, past = aim.show(), warning(aim, context.occurred)
    except StepFailed as error:
        stops = f"nobody knows where: {error.what}"
    needs = f", with the {len(point.needs)} that it needs" if point.needs else ""
    return Plan(
        does=(
            *((past,) if past else ()),
            f"reads {show_size(point.size)} where they lie and checks them{needs}",
            "lays them down as a new data directory in the incident folder",
            "starts a server on it that reads none of production's settings, archives nothing, follows "
            "nobody and listens on a private socket only",
            f"rolls forward and stops {stops}",
            "asks back whether it is isolated, and gives it logins of its own",
        ),
        source=f"{point.source} · {plain(point.id, 200)} · {show_size(point.size)} · "
        f"ended {show_time(point.taken_at)}",
        into=f"{target.into(name)}  (fresh; not production)",
        touches=target.touches,
        expects=f"a running database as it was {stops}",
    )


def warning(aim: RecoveryAim, occurred: datetime | None) -> str:
    """What an aim behind the loss means, said beforehand; empty where it is not known to be one."""
    if occurred is None or not aim.passes(occurred):
        return ""
    return (
        f"WARNING: stops {aim.show()}, behind the loss ({show_time(occurred)}): what destroyed the data is "
        "replayed too"
    )


def read_already(point: RecoveryPoint, context: StepContext) -> ByteFact | None:
    """What an earlier step of this incident found when it read these very bytes, where they were whole: what
    may be terabytes is not read twice. What is laid down is held to its manifest again."""
    for step, output in context.outputs.items():
        located = read_result(Located, output)
        for each in located.judgements if located is not None else ():
            read = each.finding(Criterion.BYTES)
            if each.point.bytes_key == point.bytes_key and read.answer is Answer.PASS:
                reason = f"{read.reason}, as {plain(step, 60)} read it"
                return ByteFact(state="intact", reason=reason)
    return None


def restore_physical(
    point: RecoveryPoint,
    target: TargetSpec,
    wanted: RecoveryAim | None,
    identities: list[ProductionIdentity],
    context: StepContext,
    ports: Ports,
) -> Working[Finished]:
    """Raises StepFailed where the copy is damaged, does not fit here or does not come to its aim."""
    aim = aim_of(point, wanted, context.occurred)
    facts = read_already(point, context)
    if facts is None:
        facts, _ = yield from ports.backups.check(point)
    if facts.state in ("damaged", "unknown"):
        raise StepFailed(
            f"{plain(point.location, 300)} cannot be restored: {facts.reason}",
            means="Nothing was created and nothing was laid down.",
            next="Run the locate step again; it passes over copies that are damaged.",
            code="copy-damaged",
        )
    yield Milestone(f"copy read where it lies: {show_size(point.size)}, {plain(facts.reason, 300)}")
    page = yield from ports.targets.foresee(target, point, facts)
    yield Milestone(page.summary(), page.model_dump(mode="json"))
    stop(page)
    yield Milestone(
        f"it will be rolled forward, and stop {aim.show()}", aim.model_dump(mode="json")
    )
    if past := warning(aim, context.occurred):
        yield Milestone(past)
    made, report = yield from ports.targets.recover(
        target, context.resource_name, point, aim, identities
    )
    report = report.held_past(aim, context.occurred)
    made = made.model_copy(update={"ignored": context.document.production.ignore_schemas})
    yield Milestone(f"fresh target {made.name}: {made.proof}")
    result = RestoreResult(point=point, target=made, recovery=report, preflight=page)
    return Finished(
        result,
        reason=f"restored into {made.kind} {made.name} in {report.seconds} s; {report.show()}",
    )
