"""`backups.locate`: every recovery point, judged; the newest independent one, its bytes looked at."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from drbook.actions.known import known_production
from drbook.actions.settling import Judging, settle
from drbook.actions.survey import Found, survey
from drbook.actions.widening import again, narrowed
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.choosing import was_read
from drbook.core.costs import dates_wanted, point_costs
from drbook.core.errors import Cancelled, DrbookError, Interrupted, StepFailed
from drbook.core.events import Plan, StepEnd
from drbook.core.independence import located
from drbook.core.located import Located
from drbook.core.lookingback import all_late, damaged, newest_of
from drbook.core.points import Back, Criterion, Judgement, RecoveryPoint, SourceConfig, Verdict
from drbook.core.ports import Ports
from drbook.core.presets import Requirement
from drbook.core.purging import pause, purgers
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, Working
from drbook.core.values import Frozen, counted, plain, show_duration, show_time
from drbook.core.ways import ways


class LocateParams(Frozen):
    require: Requirement = (Criterion.RESOURCE, Criterion.ACCOUNT, Criterion.CREDENTIAL)
    """What must pass for a copy to count as independent: criteria, or the preset that stands for them."""
    prefer: tuple[Criterion, ...] = ()
    """What decides between copies of the same moment."""
    observed: tuple[Criterion, ...] = ()
    """Criteria for which somebody's word in the runbook is not enough."""
    leaked: tuple[str, ...] | None = None
    """Credentials known to have leaked; absent: those that can destroy production."""
    sources: tuple[str, ...] | None = None
    """Only these; absent: all."""
    check: Literal["full", "quick"] = "full"
    """`full` downloads the chosen copy and reads it before it is chosen; `quick` looks at sizes and
    first bytes."""
    whole: bool = False
    """List everything at once, also where a source declares `keys` by which the newest are found."""


class Locate(Action[LocateParams]):
    """Find the newest copy that the disaster could not have reached."""

    name = "backups.locate"
    title = "Locate the newest independent backup"
    params = LocateParams
    result = Located

    def plan(self, params: LocateParams, context: StepContext) -> Plan:
        known = [str(entry.get("id", "?")) for entry in context.document.backups]
        names = ", ".join(plain(name, 60) for name in params.sources or known) or "no source"
        does = [
            f"lists every copy in {names}",
            "judges each by " + ", ".join(item.value for item in params.require),
        ]
        if params.check == "full":
            does.append("downloads the newest independent copy and reads it to its end")
        jobs = purgers(context.document, params.sources)
        return Plan(
            does=(*(pause(source, job) for source, job in jobs), *does),
            source=names,
            touches="nothing but the incident folder",
            expects="one independent copy, and every other one with the reason why not",
        )

    def perform(
        self, params: LocateParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        configs = _chosen(ports.backups.sources(), params.sources)
        if not configs:
            raise StepFailed(
                "The runbook names no backup source to look in.",
                means="Nothing was looked at.",
                next="Add the places where copies are kept under `backups:`.",
                code="no-sources",
            )
        if params.whole:
            for config in configs:
                ports.backups.widen(config.id)
        found, unreachable = yield from survey(configs, context, ports)
        systems = yield from _systems(found, context, ports)
        judging = Judging(params, context, ports.clock.now(), proofs := ports.earlier(), systems)
        found, name, digest = yield from settle(found, judging, ports)
        if judging.best(found) is None and (narrow := narrowed(configs, unreachable, ports)):
            found, unreachable = yield from again(narrow, found, unreachable, context, ports)
            found, name, digest = yield from settle(found, judging, ports)
        judgements = judging.all(found)
        yield from _warned(judgements, context.occurred)
        result = located(
            judgements,
            unreachable=unreachable,
            require=params.require,
            prefer=params.prefer,
            asked_at=judging.now,
            occurred=context.occurred,
        )
        result = result.model_copy(
            update={
                "local_copy": name,
                "local_digest": digest,
                "ways": ways(
                    judgements, proofs, context.occurred, standby=_standby(context.document)
                ),
            }
        )
        return _finish((yield from _with_costs(result, context, ports)), context.occurred)


BASELINES_READ = 8
"""Captures that are fetched to tell what copies held; each is a document of a line per table."""
BASELINES_SHOWN = 100


def _standby(document: RunbookDocument) -> str:
    replica = document.production.replica
    return replica.show() if replica is not None else ""


def _systems(found: Sequence[Found], context: StepContext, ports: Ports) -> Working[frozenset[str]]:
    """Production's system identifiers, where a standby has to be held to them."""
    if not any(each.facts.replay is not None for each in found):
        return frozenset()
    try:
        known = yield from known_production(context, ports)
    except (Cancelled, Interrupted):
        raise
    except DrbookError as error:
        yield Milestone(f"no standby can be held to production's identity: {error.what}")
        return frozenset()
    return frozenset(
        each.identity.system_identifier
        for each in known
        if each.identity is not None and each.proves
    )


def _with_costs(result: Located, context: StepContext, ports: Ports) -> Working[Located]:
    """The same with what baselines tell of it. They decide nothing here, so that a store which does not
    answer takes nothing from the result."""
    if context.document.baselines is None:
        return result
    points = [each.point for each in result.judgements]
    try:
        listed = {at: id for id, at in ports.baselines.listed()}
    except DrbookError as error:
        yield Milestone(f"rows are not told: {plain(error.what, 300)}")
        return result
    counts = {}
    for at in dates_wanted(points, tuple(listed), context.occurred, BASELINES_READ):
        try:
            counts[at] = ports.baselines.load(listed[at]).counts
        except DrbookError as error:
            yield Milestone(f"rows of {show_time(at)} are not told: {plain(error.what, 300)}")
    shown = tuple(sorted(listed, reverse=True)[:BASELINES_SHOWN])
    costs = point_costs(points, counts, context.occurred)
    return result.model_copy(update={"baselines": shown, "costs": costs})


def _chosen(configured: Sequence[SourceConfig], wanted: Sequence[str] | None) -> list[SourceConfig]:
    if wanted is None:
        return list(configured)
    known = {config.id: config for config in configured}
    missing = [name for name in wanted if name not in known]
    if missing:
        raise StepFailed(
            f"There is no backup source {', '.join(plain(name, 60) for name in missing)}.",
            next="The runbook names " + (", ".join(known) or "none") + ".",
            code="no-such-source",
        )
    return [known[name] for name in wanted]


_BACK: Sequence[tuple[str, Back]] = (
    ("a standby that replays, to be paused first", "replay"),
    ("only its provider can restore", "provider"),
    ("in an archive tier", "tier"),
    ("gone but recoverable", "bin"),
)


def _warned(judgements: Sequence[Judgement], occurred: datetime | None) -> Working[None]:
    """What to pause, what disagrees with the runbook and what can be brought back, each said once."""
    said: dict[str, None] = {}
    for each in judgements:
        source = plain(each.point.source, 60)
        said.update(dict.fromkeys(pause(source, one) for one in each.pause))
        said.update(
            dict.fromkeys(f"{source}: not as stated: {one.words}" for one in each.disagreements)
        )
    back = [each for each in judgements if each.verdict is Verdict.RECOVERABLE]
    for words, how in _BACK:
        those = [each for each in back if each.back == how]
        if those:
            newest = max(those, key=lambda each: each.point.holds_to(occurred))
            first = f"{plain(newest.point.location, 200)}: {newest.recoverable}"
            count = counted(len(those), "copy", "copies")
            said[f"{words}: {count}, the newest {first}"] = None
    for line in said:
        yield Milestone(line)
    for line in damaged(judgements):
        yield Milestone(f"damaged: {line}")


def _moment(point: RecoveryPoint, occurred: datetime | None) -> str:
    taken, rolls = f"taken {show_time(point.taken_at)}", point.rolls(occurred)
    return (
        f"{taken}, can be {rolls}"
        if point.rolls_to is not None
        else ", ".join(filter(None, (taken, rolls)))
    )


def _read_of(result: Located) -> str:
    """How many of the independent copies were read: where a copy lies says nothing of what is in it."""
    independent = [one for one in result.judgements if one.verdict is Verdict.INDEPENDENT]
    read = sum(map(was_read, independent))
    if len(independent) == 1:
        return f" by where it lies, {'read' if read else 'not read'} to its end"
    return f" by where they lie, {read or 'none'} of them read to its end"


def _finish(result: Located, occurred: datetime | None) -> Finished:
    counts: Mapping[Verdict, int] = {
        verdict: sum(1 for each in result.judgements if each.verdict is verdict)
        for verdict in Verdict
    }
    words = ", ".join(
        f"{count} {verdict.value}{_read_of(result) if verdict is Verdict.INDEPENDENT else ''}"
        for verdict, count in counts.items()
        if count
    )
    destroyed = [source.source for source in result.unreachable if source.destroyed]
    silent = [source for source in result.unreachable if not source.destroyed]
    gone = f"; destroyed with production: {', '.join(destroyed)}" if destroyed else ""
    names = ", ".join(
        f"{source.source} (a part)" if source.reachable else source.source for source in silent
    )
    if result.point is not None:
        reason = f"{plain(result.point.location, 200)}, {_moment(result.point, occurred)}"
        reason += f" ({words})" + _costs(result, occurred) + gone + _broken(result)
        if names:
            reason += f"; not looked at: {names}"
        return Finished(result, reason=reason)
    if silent:
        return Finished(
            result,
            StepEnd.COULD_NOT_VERIFY,
            (f"No independent copy is among those seen ({words})" if words else "No copy was seen")
            + f"; not reachable: {names}{gone}{_broken(result)}.",
            means="There may be one in a place that did not answer.",
            next="Make these places reachable, then run the step again: "
            + "; ".join(
                f"{source.source}: {plain(source.why_unreachable, 200)}" for source in silent
            ),
        )
    if occurred is not None and (late := all_late(result, occurred)):
        return Finished(
            result,
            StepEnd.FAILED,
            f"{late} ({words}{gone}){_broken(result)}.",
            means="A copy from after the loss may hold what destroyed the data, so that none of them was chosen. "
            "Where the time is wrong, one of them may well be good.",
            next="Ask when it really happened. At the screen: I, `occurred`, then r on this step. Without one: "
            "`drbook run RUNBOOK --set occurred=TIME` opens an incident with the right time.",
        )
    return Finished(
        result,
        StepEnd.FAILED,
        f"There is no independent copy ({words or 'no copies at all'}{gone}{_broken(result)}{_why(result)}).",
        means="Every copy that was found is damaged, inside the blast radius, or nobody knows."
        if words
        else "The places answered, and under the names that the runbook gives there is nothing.",
        next=(
            _next(result, occurred)
            if words
            else "Check bucket, path and prefix in the runbook, and look for versions that were deleted."
        )
        + " Ask the provider at once: what is gone for you may be recoverable for them.",
    )


def _broken(result: Located) -> str:
    """The newest damaged copies with their reasons; a count alone tells nobody what to mend."""
    found = damaged(result.judgements)
    return f"; damaged: {'; '.join(found)}" if found else ""


def _why(result: Located) -> str:
    """Why the newest of the others was not taken: whoever has no screen reads it nowhere else."""
    said = ""
    for verdict in (Verdict.UNKNOWN, Verdict.SHARED):
        if found := newest_of(result.judgements, verdict):
            said += f"; {verdict.value}: {found[0]}"
    return said


def _next(result: Located, occurred: datetime | None) -> str:
    back = [each for each in result.judgements if each.verdict is Verdict.RECOVERABLE]
    if not back:
        return "Read the reasons: an *unknown* may be answered in the runbook."
    newest = max(back, key=lambda each: each.point.holds_to(occurred))
    if newest.point.standby:
        return (
            f"{plain(newest.point.location, 200)} shows what was until "
            f"{show_time(newest.point.taken_at)}: {newest.recoverable}. Then run this step again."
        )
    return (
        f"{plain(newest.point.location, 200)} can be brought back, and holds what was until "
        f"{show_time(newest.point.holds_to(occurred))}: {newest.recoverable}. Then name what came of it "
        "in the runbook, and run the step again."
    )


def _costs(result: Located, occurred: datetime | None) -> str:
    newest, point = result.newest, result.point
    if newest is None or point is None or newest.key == point.key:
        return ""
    gap = newest.holds_to(occurred) - point.holds_to(occurred)
    if not gap:
        return "; another copy that comes as far is not independent"
    older = show_duration(gap)
    judged = next((each for each in result.judgements if each.point.key == newest.key), None)
    if judged is not None and judged.verdict is Verdict.RECOVERABLE:
        where = plain(newest.location, 200)
        return f"; {where} is {older} newer, and has to be brought back first: {judged.recoverable}"
    return f"; the newest copy that could be seen is {older} newer, and not independent" + (
        f": {judged.reasons[0]}" if judged is not None and judged.reasons else ""
    )
