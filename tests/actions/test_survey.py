"""Sources are asked side by side: one that hangs, fails or is late hides nothing of the others."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError
from support.pg import signals_of

from drbook.actions.locate import Locate, LocateParams
from drbook.actions.restore import Restore
from drbook.actions.survey import Found, survey
from drbook.app.wiring import SystemClock
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import (
    Cancelled,
    CouldNotVerify,
    DrbookError,
    JournalError,
    StepFailed,
    UsageError,
)
from drbook.core.events import Mode, StepEnd
from drbook.core.located import Located
from drbook.core.points import (
    ByteFact,
    FailureDomain,
    LockFact,
    PointFacts,
    RecoveryPoint,
    SourceConfig,
    SourceFacts,
    Verdict,
)
from drbook.core.ports import Ports
from drbook.core.proofs import Proofs
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, Output, ProcessStarted, Progress, Signal, Working
from drbook.core.standby import Replay
from drbook.core.targets import LocalCopy
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS

AT = datetime(2026, 4, 24, 3, tzinfo=UTC)
SOON = timedelta(milliseconds=300)
NEVER = timedelta(minutes=10)
DOCUMENT = {
    "drbook": 1,
    "title": "T",
    "production": {
        "domain": {"provider": "here", "account": "prod", "resource": "vol", "credentials": ["t"]}
    },
    "credentials": {"t": {"stored_in": ["laptops"]}, "w": {"stored_in": ["backup-host"]}},
    "steps": [{"id": "a", "phase": "locate", "do": "backups.locate"}],
}
ELSEWHERE = FailureDomain(provider="far", account="b", resource="shelf", credentials=("w",))


def config(id: str, timeout: timedelta = NEVER, domain: FailureDomain = ELSEWHERE) -> SourceConfig:
    made = SourceConfig(id=id, kind="fake", domain=domain)
    return made.model_copy(update={"timeout": timeout})


def point(source: str, name: str = "a", hours: int = 0) -> RecoveryPoint:
    return RecoveryPoint(
        source=source,
        id=name,
        taken_at=AT + timedelta(hours=hours),
        taken_by="manifest",
        size=1,
        location=f"{source}/{name}",
    )


@dataclass
class Fake:
    """How one source answers."""

    points: Sequence[RecoveryPoint] = ()
    before_survey: Callable[[], object] = lambda: None
    before_facts: Callable[[], object] = lambda: None
    says: Sequence[Signal] = ()
    raises: DrbookError | None = None
    went_on: list[str] = field(default_factory=list)


class Fakes:
    """The door, with a count of what was asked."""

    def __init__(self, **sources: Fake) -> None:
        self._sources = sources
        self.asked: list[tuple[str, str]] = []
        self.given_up: list[str] = []
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def survey(self, source: str) -> SourceFacts:
        with self._lock:
            self.asked.append(("survey", source))
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self._sources[source].before_survey()
        with self._lock:
            self.at_once -= 1
        return SourceFacts(source=source, reachable=True, resource=f"the {source}")

    def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
        one = self._sources[source]
        self.asked.append(("points", source))
        for each in one.says:
            yield each
            one.went_on.append(source)
        if one.raises is not None:
            raise one.raises
        return one.points

    def facts(self, point: RecoveryPoint) -> PointFacts:
        self.asked.append(("facts", point.key))
        self._sources[point.source].before_facts()
        return PointFacts(point=point, lock=LockFact(), hidden_by_delete_marker=False)

    def left_out(self, source: str) -> Sequence[str]:
        return ()

    def widen(self, source: str) -> bool:
        return False

    def give_up(self, source: str) -> None:
        self.given_up.append(source)

    def check(self, point: RecoveryPoint) -> Working[tuple[ByteFact, None]]:
        raise AssertionError(f"{point.key} was fetched")
        yield


def context() -> StepContext:
    return StepContext(
        incident="i",
        mode=Mode.DRILL,
        step="locate",
        attempt=1,
        title="Locate",
        occurred=AT + timedelta(days=1),
        document=RunbookDocument.model_validate(DOCUMENT),
    )


def doors(fakes: Any, cancel: CancelToken | None = None) -> Ports:
    return cast(
        Ports,
        SimpleNamespace(
            backups=fakes,
            cancel=cancel or CancelToken(),
            clock=SystemClock(),
            earlier=Proofs,
        ),
    )


Surveyed = tuple[list[Found], list[SourceFacts]]


def asked(fakes: Fakes, *configs: SourceConfig) -> tuple[Surveyed, list[Signal]]:
    return signals_of(survey(configs, context(), doors(fakes)))


def milestones(said: Sequence[Signal]) -> list[str]:
    return [each.text for each in said if isinstance(each, Milestone)]


@pytest.fixture
def hung() -> Any:
    """Something that never comes; it does at the test's end, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


def test_one_that_hangs_neither_blocks_nor_hides_the_others(hung: threading.Event) -> None:
    fakes = Fakes(hangs=Fake(before_survey=hung.wait), good=Fake([point("good")]))
    (found, missing), said = asked(fakes, config("hangs", SOON), config("good"))
    assert [each.facts.point.key for each in found] == ["good:a"]
    (silent,) = missing
    assert (silent.source, silent.reachable, silent.destroyed) == ("hangs", False, False)
    assert silent.why_unreachable == "it did not answer within 0.3 s"
    assert milestones(said) == [
        "good: 1 copy",
        "hangs: not reachable: it did not answer within 0.3 s",
    ]
    assert fakes.asked.count(("survey", "hangs")) == 1
    assert ("points", "hangs") not in fakes.asked


def test_the_wait_is_that_of_the_slowest_and_not_their_sum(hung: threading.Event) -> None:
    names = [f"s{number}" for number in range(8)]
    fakes = Fakes(**{name: Fake(before_survey=hung.wait) for name in names})
    begun = time.monotonic()
    (found, missing), _ = asked(fakes, *(config(name, SOON * 4) for name in names))
    assert (found, [each.source for each in missing]) == ([], names)
    assert fakes.most == 8
    assert time.monotonic() - begun < 4 * SOON.total_seconds() * 4


def test_at_most_eight_are_asked_at_once_and_all_of_them_are() -> None:
    together = threading.Barrier(8)
    names = [f"s{number}" for number in range(24)]
    fakes = Fakes(**{name: Fake([point(name)], together.wait) for name in names})
    (found, missing), _ = asked(fakes, *map(config, names))
    assert [each.config.id for each in found] == names
    assert (missing, fakes.most) == ([], 8)


def test_one_that_hangs_gives_its_place_to_the_next(hung: threading.Event) -> None:
    names = [f"s{number}" for number in range(8)]
    fakes = Fakes(
        **{name: Fake(before_survey=hung.wait) for name in names}, last=Fake([point("last")])
    )
    (found, missing), _ = asked(fakes, *(config(name, SOON) for name in names), config("last"))
    assert ([each.config.id for each in found], len(missing)) == (["last"], 8)


@pytest.mark.parametrize(
    "error", [StepFailed("It broke."), CouldNotVerify("It broke."), DrbookError("It broke.")]
)
def test_one_that_fails_is_unknown_with_its_words(error: DrbookError) -> None:
    fakes = Fakes(bad=Fake(raises=error), good=Fake([point("good")]))
    (found, missing), said = asked(fakes, config("bad"), config("good"))
    assert [each.config.id for each in found] == ["good"]
    assert [(each.source, each.why_unreachable) for each in missing] == [("bad", "It broke.")]
    assert not missing[0].reachable
    assert "bad: not listed: It broke." in milestones(said)


def test_what_fails_by_a_defect_of_ours_is_no_fact_of_the_source() -> None:
    def defect() -> None:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        asked(Fakes(bad=Fake(before_survey=defect)), config("bad"))


def test_a_late_answer_changes_nothing() -> None:
    late, told = threading.Event(), threading.Event()
    fakes = Fakes(slow=Fake([point("slow")], late.wait), good=Fake([point("good")], told.wait))
    work = survey([config("slow", SOON), config("good")], context(), doors(fakes))
    said: list[Signal] = []
    while not any("slow: not reachable" in text for text in milestones(said)):
        said.append(next(work))
    late.set()  # it answers now, and is waited for until it has come as far as it may
    while ("points", "slow") not in fakes.asked:
        time.sleep(0.01)
    told.set()
    (found, missing), more = signals_of(work)
    assert [each.config.id for each in found] == ["good"]
    assert [each.source for each in missing] == ["slow"]
    assert not any("slow: 1 copy" in text for text in milestones([*said, *more]))
    assert fakes.given_up == ["slow"]
    assert ("facts", "slow:a") not in fakes.asked


def test_copies_of_one_that_hangs_behind_its_list_are_there_and_unknown(
    hung: threading.Event,
) -> None:
    """The newest of all is among them: it is neither hidden nor chosen."""
    points = [point("half", name, hours=1) for name in "ab"]
    fakes = Fakes(half=Fake(points, before_facts=hung.wait), good=Fake([point("good")]))
    ports = doors(fakes)
    params = LocateParams(check="quick")
    done, _ = signals_of(
        Locate().perform(params, context(), _with(ports, config("half", SOON), config("good")))
    )
    result = done.result
    assert isinstance(result, Located)
    assert [each.verdict for each in result.judgements] == [
        Verdict.UNKNOWN,
        Verdict.UNKNOWN,
        Verdict.INDEPENDENT,
    ]
    assert any("half: it did not answer within" in why for why in result.judgements[0].reasons)
    assert result.point is not None
    assert result.point.source == "good"
    assert [each.source for each in result.unreachable] == ["half"]
    assert "not looked at: half" in done.reason


def _with(ports: Ports, *configs: SourceConfig) -> Ports:
    ports.backups.sources = lambda: configs  # type: ignore[method-assign]
    return ports


def test_one_that_hangs_alone_is_no_answer_that_there_is_none(hung: threading.Event) -> None:
    fakes = Fakes(hangs=Fake(before_survey=hung.wait), empty=Fake())
    ports = _with(doors(fakes), config("hangs", SOON), config("empty"))
    done: Finished = signals_of(Locate().perform(LocateParams(), context(), ports))[0]
    assert done.state is StepEnd.COULD_NOT_VERIFY
    assert "hangs: it did not answer within 0.3 s" in done.next


def test_one_that_hangs_in_the_destroyed_place_is_destroyed_with_it(hung: threading.Event) -> None:
    inside = FailureDomain(provider="here", account="prod", resource="vol")
    fakes = Fakes(there=Fake(before_survey=hung.wait))
    (_, missing), said = asked(fakes, config("there", SOON, inside))
    assert missing[0].destroyed
    assert "there: lies in vol, and does not answer: it did not answer within 0.3 s" in milestones(
        said
    )


@pytest.mark.parametrize("first", ["one", "two"])
def test_milestones_come_as_they_end_and_results_as_the_runbook_names_them(first: str) -> None:
    gates = {"one": threading.Event(), "two": threading.Event()}
    fakes = Fakes(**{name: Fake([point(name)], gate.wait) for name, gate in gates.items()})
    work = survey([config("one"), config("two")], context(), doors(fakes))
    second = "two" if first == "one" else "one"
    gates[first].set()
    said: list[Signal] = []
    while milestones(said) != [f"{first}: 1 copy"]:
        said.append(next(work))
    gates[second].set()
    (found, _), more = signals_of(work)
    assert milestones(more) == [f"{second}: 1 copy"]
    assert [each.config.id for each in found] == ["one", "two"]


def test_who_is_asked_and_how_many_copies_there_are_so_far() -> None:
    listing = Progress("list s3://b", 7, None, "objects")
    fakes = Fakes(one=Fake([point("one", name) for name in "ab"], says=[listing]))
    _, said = asked(fakes, config("one"))
    rows = [each for each in said if isinstance(each, Progress)]
    assert rows[0] == Progress("one", 0, None, "copies", "asked")
    assert rows[1] == Progress("ask the sources", 0, 1, "sources", "one")
    assert Progress("one", 7, None, "objects", "list s3://b") in rows
    assert Progress("ask the sources", 0, 1, "sources", "one (7 objects)") in rows
    assert Progress("one", 1, 2, "copies", "b") in rows
    assert Progress("one", 2, 2, "copies") in rows
    assert rows[-1] == Progress("ask the sources", 1, 1, "sources")


def test_the_row_of_one_that_did_not_answer_is_not_done(hung: threading.Event) -> None:
    _, said = asked(Fakes(one=Fake(before_survey=hung.wait)), config("one", SOON))
    rows = [each for each in said if isinstance(each, Progress) and each.label == "one"]
    assert (rows[-1].total, rows[-1].now) == (None, "it did not answer within 0.3 s")


def test_what_a_tool_prints_is_said_with_whose_it_is() -> None:
    fakes = Fakes(one=Fake(says=[Output("left out: x")]))
    assert Output("one: left out: x") in asked(fakes, config("one"))[1]


def test_work_waits_until_what_it_said_is_on_record() -> None:
    started = ProcessStarted(1, 2, ("restic",))
    fake = Fake(says=[started])
    work = survey([config("one")], context(), doors(Fakes(one=fake)))
    while next(work) != started:
        pass
    time.sleep(0.05)
    assert fake.went_on == []
    signals_of(work)
    assert fake.went_on == ["one"]


def test_where_it_cannot_be_put_on_record_nothing_goes_on() -> None:
    started = ProcessStarted(1, 2, ("restic",))
    fake, fakes = Fake(says=[started]), Fakes()
    fakes._sources["one"] = fake
    work = survey([config("one")], context(), doors(fakes))
    while next(work) != started:
        pass
    with pytest.raises(JournalError):
        work.throw(JournalError("The disk is full."))
    _soon(lambda: fakes.given_up == ["one"])
    _soon(lambda: not _asking())
    assert fake.went_on == []


def test_a_tick_that_says_the_same_again_is_no_answer() -> None:
    """As of a program that is waited for, whose meter stands still."""

    class Ticking(Fakes):
        def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
            while not self.given_up:
                yield Progress("check", 5, 9, "bytes")
                time.sleep(0.01)
            return ()

    (_, missing), _ = asked(Ticking(one=Fake()), config("one", SOON))
    assert [each.why_unreachable for each in missing] == ["it did not answer within 0.3 s"]


def test_one_that_is_slow_and_answers_is_heard_to_its_end() -> None:
    class Slow(Fakes):
        def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
            for number in range(12):
                time.sleep(SOON.total_seconds() / 6)
                yield Progress("list", number, None, "objects")
            return [point("one")]

    (found, missing), _ = asked(Slow(one=Fake()), config("one", SOON))
    assert (len(found), missing) == (1, [])


def test_a_cancel_ends_the_waiting_at_once(hung: threading.Event) -> None:
    cancel = CancelToken()
    fakes = Fakes(one=Fake(before_survey=hung.wait), two=Fake(before_survey=hung.wait))
    work = survey([config("one"), config("two")], context(), doors(fakes, cancel))
    threading.Timer(0.1, cancel.request, ["cancel"]).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        signals_of(work)
    assert time.monotonic() - begun < 5
    _soon(lambda: sorted(fakes.given_up) == ["one", "two"])
    assert all(thread.daemon for thread in _asking())


def _asking() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("ask-")]


def _soon(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


# --- what locate does with it ------------------------------------------------------------------


class Readable(Fakes):
    """Copies that can be fetched: each holds what is said of it, and counts as read."""

    def __init__(self, held: dict[str, ByteFact], **sources: Fake) -> None:
        super().__init__(**sources)
        self._held = held
        self.fetched: list[str] = []

    def check(self, point: RecoveryPoint) -> Working[tuple[ByteFact, LocalCopy | None]]:  # type: ignore[override]
        self.fetched.append(point.id)
        yield from ()
        fact = self._held[point.id]
        return fact, LocalCopy(name=f"copies/{point.id}", size=1, sha256="ab", checked="structure")


def found_by(fakes: Fakes, *configs: SourceConfig, **params: Any) -> tuple[Located, list[str]]:
    ports = _with(doors(fakes), *configs)
    done, said = signals_of(Locate().perform(LocateParams.model_validate(params), context(), ports))
    assert isinstance(done.result, Located)
    return done.result, milestones(said)


PROVEN, READ = ByteFact(state="intact"), ByteFact(state="structure")


@pytest.mark.parametrize(
    ("held", "fetched", "chosen"),
    [
        ({"new": PROVEN, "old": PROVEN}, ["new"], "new"),
        ({"new": READ, "old": PROVEN}, ["new", "old"], "old"),
        ({"new": READ, "old": READ}, ["new", "old"], None),
    ],
)
def test_bytes_that_have_to_be_proven_are_read_until_one_is(
    held: dict[str, ByteFact], fetched: list[str], chosen: str | None
) -> None:
    fakes = Readable(held, shelf=Fake([point("shelf", "new", 1), point("shelf", "old")]))
    result, _ = found_by(fakes, config("shelf"), require=["resource", "bytes"])
    assert fakes.fetched == fetched
    assert (result.point.id if result.point else None) == chosen
    assert result.local_copy == (f"copies/{chosen}" if chosen else None)


def test_a_preset_stands_for_its_criteria_and_an_unknown_one_is_no_requirement() -> None:
    named = LocateParams.model_validate({"require": "3-2-1-1-0"}).require
    assert [each.value for each in named] == [
        "resource",
        "account",
        "credential",
        "locked",
        "bytes",
    ]
    assert LocateParams.model_validate({"require": "3-2-1"}).require == LocateParams().require
    with pytest.raises(ValidationError, match="3-2-1-1-0"):
        LocateParams.model_validate({"require": "3-2-1-0"})


class Binned(Fakes):
    """The newest copy lies in a bin."""

    def facts(self, point: RecoveryPoint) -> PointFacts:
        back = "vault-tool undelete new" if point.id == "new" else None
        return PointFacts(point=point, lock=LockFact(), recoverable=back)


def test_a_copy_in_a_bin_is_listed_with_its_way_back_and_not_chosen() -> None:
    fakes = Binned(shelf=Fake([point("shelf", "new", 1), point("shelf", "old")]))
    result, said = found_by(fakes, config("shelf"), check="quick")
    assert [each.verdict for each in result.judgements] == [
        Verdict.RECOVERABLE,
        Verdict.INDEPENDENT,
    ]
    assert result.point is not None
    assert result.point.id == "old"
    assert "gone but recoverable: 1 copy, the newest shelf/new: vault-tool undelete new" in said


def test_jobs_that_remove_copies_are_told_before_anything_and_when_it_is_done() -> None:
    one = config("shelf").model_copy(update={"purged_by": ("purge.timer",)})
    fakes = Fakes(shelf=Fake([point("shelf", "a"), point("shelf", "b")]))
    _, said = found_by(fakes, one, check="quick")
    told = "pause before you mount or restore anything of shelf: the job purge.timer, which removes copies"
    assert said.count(told) == 1
    entries = ({"id": "shelf", "kind": "x", "purged_by": ["purge.timer"]}, {"id": "other"})
    document = context().document.model_copy(update={"backups": entries})
    at = replace(context(), document=document)
    assert Locate().plan(LocateParams(), at).does[0] == told
    assert told not in Locate().plan(LocateParams(sources=("other",)), at).does
    restore = Restore(TARGETS())
    params = restore.params.model_validate({"point": point("shelf")})
    assert restore.plan(params, at).does[0] == told


class Physical(Fakes):
    """Copies that roll forward, of which reading finds damaged WAL behind the first."""

    def __init__(self, leads: int | None, **sources: Fake) -> None:
        super().__init__(**sources)
        self.leads = leads
        self.read: list[str] = []

    def check(self, point: RecoveryPoint) -> Working[tuple[ByteFact, None]]:
        self.read.append(point.source)
        fact = ByteFact(state="intact", reason="read")
        if point.source == "first":
            to = None if self.leads is None else AT + timedelta(hours=self.leads)
            fact = fact.model_copy(update={"rolls_less": True, "rolls_to": to})
        return fact, None
        yield


def rolling(source: str, hours: int) -> RecoveryPoint:
    update = {"format": "physical", "rolls_to": AT + timedelta(hours=hours)}
    return point(source).model_copy(update=update)


@pytest.mark.parametrize(
    ("leads", "read", "chosen"),
    [
        (8, ["first"], "first"),
        (3, ["first", "second"], "second"),
        (None, ["first", "second"], "second"),
    ],
)
def test_wal_that_is_found_damaged_counts_for_what_it_still_leads_to(
    leads: int | None, read: list[str], chosen: str
) -> None:
    fakes = Physical(leads, first=Fake([rolling("first", 9)]), second=Fake([rolling("second", 5)]))
    result, _ = found_by(fakes, config("first"), config("second"))
    assert result.point is not None
    assert (fakes.read, result.point.source) == (read, chosen)
    (first,) = (each.point for each in result.judgements if each.point.source == "first")
    assert first.rolls_to == (None if leads is None else AT + timedelta(hours=leads))
    assert first.rolls_note.startswith("its WAL was read, and leads no further")


class Late(Fakes):
    """A standby, whose identity would be held to production's."""

    def facts(self, point: RecoveryPoint) -> PointFacts:
        replay = Replay(
            replayed="0/1",
            moment=AT,
            asked_at=AT,
            pause="paused",
            delay_ms=1,
            server_version=180000,
        )
        standing = replay if point.source == "late" else None
        return PointFacts(point=point, lock=LockFact(), replay=standing)


def test_production_that_cannot_be_asked_hides_no_copy() -> None:
    """Its DSN may have gone with it: a standby is then held to nothing, and the others are as they were."""

    def unset() -> None:
        raise UsageError("The secret env:PROD cannot be read.")

    fakes = Late(late=Fake([point("late")]), disk=Fake([point("disk", "new", 1)]))
    ports: Any = _with(doors(fakes), config("late"), config("disk"))
    ports.baselines = SimpleNamespace(listed=unset)
    params = LocateParams.model_validate({"check": "quick"})
    done, said = signals_of(Locate().perform(params, context(), ports))
    assert isinstance(done.result, Located)
    assert done.result.point is not None
    assert done.result.point.source == "disk"
    assert {each.point.source for each in done.result.judgements} == {"late", "disk"}
    assert any(
        "no standby can be held to production's identity" in each for each in milestones(said)
    )


def test_copies_that_nobody_read_are_counted_by_where_they_lie() -> None:
    fakes = Fakes(shelf=Fake([point("shelf", "new", 1), point("shelf", "old")]))
    ports = _with(doors(fakes), config("shelf"))
    params = LocateParams.model_validate({"require": ["account"], "check": "quick"})
    done, _ = signals_of(Locate().perform(params, context(), ports))
    assert "2 independent by where they lie, " in done.reason
    assert " of them read to its end" in done.reason


def test_why_the_newest_copy_is_of_no_use_stands_in_the_reason() -> None:
    fakes = Fakes(shelf=Fake([point("shelf", "new", 1), point("shelf", "old")]))
    ports = _with(doors(fakes), config("shelf"))
    params = LocateParams.model_validate({"require": ["locked"], "check": "quick"})
    done, _ = signals_of(Locate().perform(params, context(), ports))
    assert done.state is StepEnd.FAILED
    (first, _) = done.result.judgements  # type: ignore[attr-defined]
    assert f"{first.verdict.value}: shelf/new: {first.reasons[0]}" in done.reason
