"""`backups.locate`: every recovery point, judged; the newest independent one, its bytes looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from drbook.actions.survey import LOOKED_AT, Found, look, survey
from drbook.actions.widening import again, narrowed
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.archiverows import shown_rows
from drbook.core.costs import dates_wanted, point_costs
from drbook.core.errors import DrbookError, StepFailed
from drbook.core.events import Plan, StepEnd
from drbook.core.independence import HELD, choose, judge, leaked_credentials, located
from drbook.core.points import (
    Criterion,
    Judgement,
    Located,
    RecoveryPoint,
    SourceConfig,
    Verdict,
)
from drbook.core.ports import Ports
from drbook.core.presets import Requirement
from drbook.core.proofs import Proofs
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
        judging = _Judging(params, context, ports.clock.now(), proofs := ports.earlier())
        found, name, digest = yield from _settle(found, judging, ports)
        if judging.best(found) is None and (narrow := narrowed(configs, unreachable, ports)):
            found, unreachable = yield from again(narrow, found, unreachable, context, ports)
            found, name, digest = yield from _settle(found, judging, ports)
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


class _Judging:
    """Facts to judgements, by this step's policy."""

    def __init__(
        self, params: LocateParams, context: StepContext, now: datetime, proofs: Proofs
    ) -> None:
        self.now = now
        self._params = params
        self._proofs = proofs
        self.full = params.check == "full"
        self._occurred = context.occurred
        self._production = context.document.production.domain
        self._reach = leaked_credentials(
            self._production, context.document.credentials, params.leaked
        )

    def one(self, found: Found, *, ahead: bool = False) -> Judgement:
        """By the step's policy; `ahead` of reading its bytes, by all of it that needs no reading."""
        require = self._params.require
        if ahead and found.facts.bytes.state == "unread":
            require = tuple(each for each in require if each is not Criterion.BYTES)
        return judge(
            found.facts,
            found.source,
            found.config.domain,
            self._production,
            self._reach,
            require=require,
            prefer=self._params.prefer,
            now=self.now,
            occurred=self._occurred,
            observed_only=frozenset(self._params.observed),
            stated=found.config,
            proofs=self._proofs,
        )

    def all(self, found: Sequence[Found]) -> list[Judgement]:
        return [self.one(each) for each in found]

    def best(self, found: Sequence[Found]) -> RecoveryPoint | None:
        """The copy that comes next: to be read, where its bytes were not."""
        judgements = [self.one(each, ahead=True) for each in found]
        chosen = choose(judgements, self._params.prefer, self._occurred)
        return chosen.point if chosen else None

    def settled(self, found: Sequence[Found]) -> bool:
        """True where what comes next holds by the whole policy, or nothing does."""
        chosen = choose(self.all(found), self._params.prefer, self._occurred)
        return self.best(found) == (chosen.point if chosen else None)

    def due(self, found: Sequence[Found]) -> list[int]:
        """Where the next copies are that nobody looked at, and that might be chosen before the best one so
        far. What fails without a look would not pass with one."""
        best = self.best(found)

        def before_best(point: RecoveryPoint) -> bool:
            if best is None or (best.digest is not None and point.digest == best.digest):
                return True
            return point.holds_to(self._occurred) >= best.holds_to(self._occurred)

        due = [
            index
            for index, each in enumerate(found)
            if not each.looked_at
            and before_best(each.facts.point)
            and self.one(each).verdict is Verdict.UNKNOWN
        ]
        due.sort(key=lambda index: found[index].facts.point.holds_to(self._occurred), reverse=True)
        return due[:LOOKED_AT]


Settled = tuple[list[Found], str | None, str | None]
"""The copies, and the checked one's name in the incident folder and digest."""


def _settle(found: Sequence[Found], judging: _Judging, ports: Ports) -> Working[Settled]:
    """The best copy, looked at as closely as the step asks for."""
    if judging.full:
        return (yield from _checked(found, judging, ports))
    return (yield from _look(found, judging, ports)), None, None


def _checked(found: Sequence[Found], judging: _Judging, ports: Ports) -> Working[Settled]:
    """As `_check`, and on to the next copy where the policy wants bytes that are proven, and one was read to
    its end that nothing proves."""
    looked, name, digest = yield from _check(found, judging, ports)
    while not judging.settled(looked):
        looked, name, digest = yield from _check(looked, judging, ports)
    if judging.best(looked) is None:
        return looked, None, None
    return looked, name, digest


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
    held = [each for each in back if each.reasons[0].startswith(HELD)]
    gone = [each for each in back if each not in held]
    for words, those in (("only its provider can restore", held), ("gone but recoverable", gone)):
        if those:
            newest = max(those, key=lambda each: each.point.holds_to(occurred))
            first = f"{plain(newest.point.location, 200)}: {newest.recoverable}"
            count = counted(len(those), "copy", "copies")
            said[f"{words}: {count}, the newest {first}"] = None
    for line in said:
        yield Milestone(line)


def _look(found: Sequence[Found], judging: _Judging, ports: Ports) -> Working[list[Found]]:
    """Look at older copies until none is left that might be chosen before the best one."""
    looked = list(found)
    while due := judging.due(looked):
        looked = yield from look(looked, due, ports)
    return looked


def _check(found: Sequence[Found], judging: _Judging, ports: Ports) -> Working[Settled]:
    """Read the best copy; one that is damaged, or that nobody can read, is not independent any more,
    and the next best is read."""
    looked = yield from _look(found, judging, ports)
    while (point := judging.best(looked)) is not None:
        index = next(n for n, each in enumerate(looked) if each.facts.point.key == point.key)
        yield Milestone(f"checking {plain(point.location, 200)}, taken {show_time(point.taken_at)}")
        fact, copy = yield from ports.backups.check(point)
        looked[index] = replace(
            looked[index], facts=looked[index].facts.model_copy(update={"bytes": fact})
        )
        read = fact.state in ("intact", "structure")
        if read and copy is not None:
            if copy.held is not None:
                yield Milestone(f"read to its end: {shown_rows(copy.held)}")
            return looked, copy.name, copy.sha256
        if read and point.format == "physical":
            yield Milestone(f"read where it lies: {plain(fact.reason, 300)}")
            return looked, None, None
        yield Milestone(f"passed over: {plain(fact.reason, 300)}")
        looked = yield from _look(looked, judging, ports)
    return looked, None, None


def _moment(point: RecoveryPoint, occurred: datetime | None) -> str:
    taken = f"taken {show_time(point.taken_at)}"
    if point.rolls_to is None:
        return taken
    return f"{taken}, can be rolled forward to {show_time(point.holds_to(occurred))}"


def _finish(result: Located, occurred: datetime | None) -> Finished:
    counts: Mapping[Verdict, int] = {
        verdict: sum(1 for each in result.judgements if each.verdict is verdict)
        for verdict in Verdict
    }
    words = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    destroyed = [source.source for source in result.unreachable if source.destroyed]
    silent = [source for source in result.unreachable if not source.destroyed]
    gone = f"; destroyed with production: {', '.join(destroyed)}" if destroyed else ""
    names = ", ".join(
        f"{source.source} (a part)" if source.reachable else source.source for source in silent
    )
    if result.point is not None:
        reason = f"{plain(result.point.location, 200)}, {_moment(result.point, occurred)}"
        reason += f" ({words})" + _costs(result, occurred) + gone
        if names:
            reason += f"; not looked at: {names}"
        return Finished(result, reason=reason)
    if silent:
        return Finished(
            result,
            StepEnd.COULD_NOT_VERIFY,
            (f"No independent copy is among those seen ({words})" if words else "No copy was seen")
            + f"; not reachable: {names}{gone}.",
            means="There may be one in a place that did not answer.",
            next="Make these places reachable, then run the step again: "
            + "; ".join(
                f"{source.source}: {plain(source.why_unreachable, 200)}" for source in silent
            ),
        )
    return Finished(
        result,
        StepEnd.FAILED,
        f"There is no independent copy ({words or 'no copies at all'}{gone}).",
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


def _next(result: Located, occurred: datetime | None) -> str:
    back = [each for each in result.judgements if each.verdict is Verdict.RECOVERABLE]
    if not back:
        return "Read the reasons: an *unknown* may be answered in the runbook."
    newest = max(back, key=lambda each: each.point.holds_to(occurred))
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
    return f"; the newest copy that could be seen is {older} newer, and not independent"
