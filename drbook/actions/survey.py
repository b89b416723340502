"""Asking every backup source for its copies, side by side: what hangs or fails hides nothing of the
others, and is itself unknown, with the reason."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from drbook.actions.crew import AT_ONCE, Ended, Late, Said, side_by_side
from drbook.core.actions import StepContext
from drbook.core.errors import Cancelled, DrbookError, Interrupted
from drbook.core.independence import lies_in
from drbook.core.points import (
    ByteFact,
    LockFact,
    PointFacts,
    RecoveryPoint,
    SourceConfig,
    SourceFacts,
)
from drbook.core.ports import Backups, Ports
from drbook.core.signals import Milestone, Output, Progress, Signal, Working
from drbook.core.values import counted, plain

LOOKED_AT = 30
"""Copies of one source whose facts are asked at a time, those that lose least first: each costs several
requests. Older ones are unknown until the newer ones have failed."""


@dataclass(frozen=True, slots=True)
class Found:
    """One copy and what its judgement needs."""

    facts: PointFacts
    source: SourceFacts
    config: SourceConfig
    looked_at: bool = True
    """False where nobody has asked for its facts yet."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a source has said so far. Replaced and never changed: it is written in the source's own
    thread and read in another."""

    source: SourceFacts | None = None
    points: tuple[RecoveryPoint, ...] = ()
    facts: tuple[PointFacts, ...] = ()
    """Those that were asked for, of the first of `points`."""
    missing: tuple[SourceFacts, ...] = ()
    """The source itself, where it could not be looked at or not at all of it."""


class _Asking:
    """One source that is asked; a `Job` of the crew."""

    def __init__(self, config: SourceConfig, context: StepContext, backups: Backups) -> None:
        self.config = config
        self.answer = _Answer()
        self.progress = Progress(config.id, 0, None, "copies", "asked")
        self._lost = context.document.production.domain
        self._occurred = context.occurred
        self._backups = backups

    @property
    def name(self) -> str:
        return self.config.id

    @property
    def silence(self) -> timedelta:
        return self.config.timeout

    def stop(self) -> None:
        self._backups.give_up(self.config.id)

    def work(self) -> Working[None]:
        try:
            yield from self._ask()
        except (Cancelled, Interrupted):
            raise
        except DrbookError as error:
            yield from self._not_listed(error.what)

    def _ask(self) -> Working[None]:
        source = self._backups.survey(self.name)
        if not source.reachable:
            gone = self._gone
            self.answer = _Answer(missing=(source.model_copy(update={"destroyed": gone}),))
            why = plain(source.why_unreachable, 300)
            yield self._ending(why)
            yield Milestone(f"{self.name}: {self._silent(gone)}: {why}")
            return
        self.answer = _Answer(source)
        points = self._in_order((yield from self._backups.points(self.name)))
        self.answer = _Answer(source, points)
        yield Milestone(f"{self.name}: {counted(len(points), 'copy', 'copies')}")
        missing: tuple[SourceFacts, ...] = ()
        if left := self._backups.left_out(self.name):
            more = f"; and {len(left) - 5} more" if len(left) > 5 else ""
            why = f"only a part was listed. Not listed: {'; '.join(left[:5])}{more}"
            missing = (source.model_copy(update={"why_unreachable": why}),)
            yield Milestone(f"{self.name}: {why}")
        first = min(len(points), LOOKED_AT)
        facts: list[PointFacts] = []
        for index, point in enumerate(points[:first]):
            yield Progress(self.name, index, first, "copies", plain(point.id, 80))
            facts.append(self._backups.facts(point))
        if first < len(points):
            yield Milestone(
                f"{self.name}: {first:,} of {len(points):,} copies were looked at so far"
            )
        self.answer = _Answer(source, points, tuple(facts), missing)
        yield Progress(self.name, first, first, "copies")

    def found(self, answer: _Answer) -> list[Found]:
        """Its copies with what is known of each."""
        if answer.source is None:
            return []
        asked = [Found(facts, answer.source, self.config) for facts in answer.facts]
        why = f"not looked at: {counted(len(asked), 'copy', 'copies')} before it in {self.name} came first"
        return asked + [
            Found(_unknown(point, why), answer.source, self.config, looked_at=False)
            for point in answer.points[len(asked) :]
        ]

    def _in_order(self, points: Sequence[RecoveryPoint]) -> tuple[RecoveryPoint, ...]:
        """Those that lose least first."""
        return tuple(
            sorted(
                points,
                key=lambda each: (each.holds_to(self._occurred), each.taken_at),
                reverse=True,
            )
        )

    def _not_listed(self, why: str) -> Working[None]:
        self.answer = self._left(self.answer, why, gone=False)
        yield self._ending(why)
        yield Milestone(f"{self.name}: not listed: {why}")

    def late(self, so_far: _Answer) -> tuple[_Answer, Progress, Milestone]:
        """What stands for it where it did not answer in time, and how that is said."""
        gone = so_far.source is None and self._gone
        why = f"it did not answer within {self.silence.total_seconds():g} s"
        said = Milestone(f"{self.name}: {self._silent(gone)}: {why}")
        return self._left(so_far, why, gone=gone), self._ending(why), said

    def _left(self, so_far: _Answer, why: str, *, gone: bool) -> _Answer:
        """The copies that it had listed are there, and nobody knows of what use they are."""
        source = so_far.source or SourceFacts(source=self.name, reachable=False)
        update = {"reachable": False, "why_unreachable": why, "destroyed": gone}
        source = source.model_copy(update=update)
        said = f"{self.name}: {why}"
        facts = tuple(_unknown(point, said) for point in so_far.points)
        return _Answer(source, so_far.points, facts, (source,))

    @property
    def _gone(self) -> bool:
        return lies_in(self.config.domain, self._lost)

    def _silent(self, gone: bool) -> str:
        return f"lies in {self._lost.resource}, and does not answer" if gone else "not reachable"

    def _ending(self, why: str) -> Progress:
        """Its row does not end as done: nobody knows what else is there."""
        return Progress(self.name, len(self.answer.points), None, "copies", why)


def survey(
    configs: Sequence[SourceConfig], context: StepContext, ports: Ports
) -> Working[tuple[list[Found], list[SourceFacts]]]:
    """Every copy of every source, and the sources that could not be looked at; both in the order of
    `configs`, whichever answered first."""
    asked = [_Asking(config, context, ports.backups) for config in configs]
    kept: dict[str, _Answer] = {}
    yield from (one.progress for one in asked[:AT_ONCE])
    yield _overall(asked, kept)
    with closing(side_by_side(asked, ports.cancel, ports.clock)) as crew:
        for one, said in crew:
            yield from _heard(one, said, kept)
            if isinstance(said, Progress | Ended | Late):
                yield _overall(asked, kept)
    answers = [kept[one.name] for one in asked]
    found = [each for one, answer in zip(asked, answers, strict=True) for each in one.found(answer)]
    return found, [each for answer in answers for each in answer.missing]


def look(found: Sequence[Found], wanted: Sequence[int], ports: Ports) -> Working[list[Found]]:
    """The same, with the facts of those at the places `wanted`."""
    looked = list(found)
    for done, index in enumerate(wanted):
        ports.cancel.raise_if_requested()
        each = looked[index]
        point = each.facts.point
        label = f"{each.config.id}, older copies"
        yield Progress(label, done, len(wanted), "copies", plain(point.id, 80))
        looked[index] = replace(each, facts=_facts(point, ports.backups), looked_at=True)
    return looked


def _facts(point: RecoveryPoint, backups: Backups) -> PointFacts:
    try:
        return backups.facts(point)
    except (Cancelled, Interrupted):
        raise
    except DrbookError as error:
        return _unknown(point, error.what)


def _unknown(point: RecoveryPoint, why: str) -> PointFacts:
    return PointFacts(
        point=point, lock=LockFact(why_unknown=why), bytes=ByteFact(state="unknown", reason=why)
    )


def _heard(one: _Asking, said: Said, kept: dict[str, _Answer]) -> Generator[Signal, None, None]:
    if isinstance(said, Ended):
        kept[one.name] = one.answer
    elif isinstance(said, Late):
        kept[one.name], one.progress, milestone = one.late(one.answer)
        yield one.progress
        yield milestone
    elif isinstance(said, Progress):
        one.progress = _row(one, said)
        yield one.progress
    elif isinstance(said, Output):
        yield Output(f"{one.name}: {said.text}")
    else:
        yield said


def _row(one: _Asking, said: Progress) -> Progress:
    """Each source has one row, whatever it is at."""
    if said.label == one.name:
        return said
    now = f"{said.label}: {said.now}" if said.now else said.label
    return replace(said, label=one.name, now=now)


def _overall(asked: Sequence[_Asking], kept: Mapping[str, _Answer]) -> Progress:
    """How many have ended, and who has not."""
    left = [one for one in asked if one.name not in kept]
    now = ", ".join(
        f"{one.name} ({one.progress.done:,} {one.progress.unit})" if one.progress.done else one.name
        for one in left
    )
    return Progress("ask the sources", len(asked) - len(left), len(asked), "sources", now)
