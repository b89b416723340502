"""Which copy is the best, and how closely it has to be looked at before that is known."""

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Literal, Protocol

from drbook.actions.survey import LOOKED_AT, Found, look
from drbook.core.actions import StepContext
from drbook.core.archiverows import shown_rows
from drbook.core.independence import choose, judge, leaked_credentials
from drbook.core.points import (
    ByteFact,
    Criterion,
    Judgement,
    PointFacts,
    RecoveryPoint,
    Verdict,
)
from drbook.core.ports import Ports
from drbook.core.proofs import Proofs
from drbook.core.signals import Milestone, Working
from drbook.core.values import plain, show_time


class Policy(Protocol):
    """As much of the step's parameters as judging takes."""

    @property
    def require(self) -> tuple[Criterion, ...]: ...
    @property
    def prefer(self) -> tuple[Criterion, ...]: ...
    @property
    def observed(self) -> tuple[Criterion, ...]: ...
    @property
    def leaked(self) -> tuple[str, ...] | None: ...
    @property
    def check(self) -> Literal["full", "quick"]: ...


class Judging:
    """Facts to judgements, by this step's policy."""

    def __init__(
        self,
        params: Policy,
        context: StepContext,
        now: datetime,
        proofs: Proofs,
        systems: Set[str] = frozenset(),
    ) -> None:
        """`systems` are production's system identifiers, as far as they are known."""
        self.now = now
        self._params = params
        self._proofs = proofs
        self._systems = systems
        self.full = params.check == "full"
        self._occurred = context.occurred
        self._production = context.document.production.domain
        self._volume = context.document.production.volume or ""
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
            systems=self._systems,
            volume=self._volume,
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


def settle(found: Sequence[Found], judging: Judging, ports: Ports) -> Working[Settled]:
    """The best copy, looked at as closely as the step asks for."""
    if judging.full:
        return (yield from _checked(found, judging, ports))
    return (yield from _look(found, judging, ports)), None, None


def _checked(found: Sequence[Found], judging: Judging, ports: Ports) -> Working[Settled]:
    """As `_check`, and on to the next copy where the policy wants bytes that are proven, and one was read to
    its end that nothing proves."""
    looked, name, digest = yield from _check(found, judging, ports)
    while not judging.settled(looked):
        looked, name, digest = yield from _check(looked, judging, ports)
    if judging.best(looked) is None:
        return looked, None, None
    return looked, name, digest


def _look(found: Sequence[Found], judging: Judging, ports: Ports) -> Working[list[Found]]:
    """Look at older copies until none is left that might be chosen before the best one."""
    looked = list(found)
    while due := judging.due(looked):
        looked = yield from look(looked, due, ports)
    return looked


def _check(found: Sequence[Found], judging: Judging, ports: Ports) -> Working[Settled]:
    """Read the best copy; one that is damaged, or that nobody can read, is not independent any more,
    and the next best is read."""
    looked = yield from _look(found, judging, ports)
    while (point := judging.best(looked)) is not None:
        index = next(n for n, each in enumerate(looked) if each.facts.point.key == point.key)
        if looked[index].facts.bytes.rolls_less:
            return looked, None, None  # it was read before, and nothing comes further after all
        yield Milestone(f"checking {plain(point.location, 200)}, taken {show_time(point.taken_at)}")
        fact, copy = yield from ports.backups.check(point)
        looked[index] = replace(looked[index], facts=_read(looked[index].facts, fact))
        read = fact.state in ("intact", "structure")
        if read and copy is not None:
            if copy.held is not None:
                yield Milestone(f"read to its end: {shown_rows(copy.held)}")
            return looked, copy.name, copy.sha256
        if read and fact.rolls_less:
            yield Milestone(f"read where it lies: {plain(fact.reason, 300)}")
            continue  # it loses more than its list said: another may lose less now
        if read and point.format == "physical":
            yield Milestone(f"read where it lies: {plain(fact.reason, 300)}")
            return looked, None, None
        yield Milestone(f"passed over: {plain(fact.reason, 300)}")
        looked = yield from _look(looked, judging, ports)
    return looked, None, None


def _read(facts: PointFacts, fact: ByteFact) -> PointFacts:
    """With what reading its bytes showed, how far its WAL leads among it."""
    update: dict[str, object] = {"bytes": fact}
    if fact.rolls_less:
        point, note = facts.point, "its WAL was read, and leads no further"
        note = "; ".join(part for part in (note, point.rolls_note) if part)
        cut = {"rolls_to": fact.rolls_to, "rolls_note": note}
        update["point"] = point.model_copy(update=cut)
    return facts.model_copy(update=update)
