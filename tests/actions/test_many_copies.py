"""Sources with more copies than are looked at at once, and such that list a part first: the choice is the
one that a look at everything would have made."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.pg import signals_of

from drbook.actions import survey as surveying
from drbook.actions.locate import Locate, LocateParams
from drbook.app.wiring import SystemClock
from drbook.core.actions import Finished, StepContext
from drbook.core.events import Mode, StepEnd
from drbook.core.located import Located
from drbook.core.points import (
    ByteFact,
    Criterion,
    FailureDomain,
    Judgement,
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
from drbook.core.signals import Milestone, Signal, Working
from drbook.providers.cancel import CancelToken

AT = datetime(2026, 4, 24, 3, tzinfo=UTC)
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
INSIDE = FailureDomain(provider="here", account="prod", resource="vol", credentials=("t",))
Special = Callable[[RecoveryPoint], dict[str, object]]


def copies(source: str, hours: Sequence[float], **more: object) -> list[RecoveryPoint]:
    """Copies that are so many hours old."""
    return [
        RecoveryPoint.model_validate(
            {
                "source": source, "id": f"{age:g}h", "taken_at": AT - timedelta(hours=age),
                "taken_by": "manifest", "size": 1, "location": f"{source}/{age:g}",
            } | more
        )
        for age in hours
    ]  # fmt: skip


class Door:
    """Sources by their names; `rest` is listed once everything is asked for."""

    def __init__(self, special: Special = lambda point: {}, **points: list[RecoveryPoint]) -> None:
        self._special = special
        self._points = points
        self.rest: dict[str, list[RecoveryPoint]] = {}
        self.asked: list[str] = []
        self.checked: list[str] = []
        self.listed: list[str] = []
        self.damaged: frozenset[str] = frozenset()
        self.domains: dict[str, FailureDomain] = {}

    def sources(self) -> list[SourceConfig]:
        return [
            SourceConfig(id=name, kind="fake", domain=self.domains.get(name, ELSEWHERE))
            for name in self._points
        ]

    def survey(self, source: str) -> SourceFacts:
        return SourceFacts(source=source, reachable=True, resource=f"the {source}")

    def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
        self.listed.append(source)
        return self._points[source]
        yield

    def left_out(self, source: str) -> Sequence[str]:
        return ["other keys"] if self.rest.get(source) else []

    def widen(self, source: str) -> bool:
        rest = self.rest.pop(source, [])
        self._points[source] = [*self._points[source], *rest]
        return bool(rest)

    def facts(self, point: RecoveryPoint) -> PointFacts:
        self.asked.append(point.key)
        usual = {"point": point, "lock": LockFact(), "hidden_by_delete_marker": False}
        return PointFacts.model_validate(usual | self._special(point))

    def check(self, point: RecoveryPoint) -> Working[Any]:
        self.checked.append(point.key)
        if point.key in self.damaged:
            return ByteFact(state="damaged", reason="cut short"), None
        return (
            ByteFact(state="intact"),
            SimpleNamespace(name="copies/a", sha256="0", held=None),
        )
        yield


def locate(
    door: Door, check: str = "quick", prefer: Sequence[Criterion] = (), *, whole: bool = False
) -> tuple[Finished, Located, list[Signal]]:
    params = LocateParams.model_validate({"check": check, "prefer": prefer, "whole": whole})
    context = StepContext(
        incident="i",
        mode=Mode.DRILL,
        step="locate",
        attempt=1,
        title="Locate",
        occurred=AT,
        document=RunbookDocument.model_validate(DOCUMENT),
    )
    ports = SimpleNamespace(backups=door, cancel=CancelToken(), clock=SystemClock(), earlier=Proofs)
    done, said = signals_of(Locate().perform(params, context, cast(Ports, ports)))
    assert isinstance(done.result, Located)
    return done, done.result, said


def by_key(result: Located) -> dict[str, Judgement]:
    return {each.point.key: each for each in result.judgements}


@pytest.fixture(autouse=True)
def _ten_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("survey", "settling"):
        monkeypatch.setattr(f"drbook.actions.{module}.LOOKED_AT", 10)


def test_only_the_newest_are_looked_at_where_one_of_them_will_do() -> None:
    door = Door(a=copies("a", range(1, 101)))
    _, result, said = locate(door)
    assert result.point is not None
    assert result.point.id == "1h"
    assert len(door.asked) == 10
    old = by_key(result)["a:50h"]
    assert old.verdict is Verdict.UNKNOWN
    assert any("not looked at" in reason for reason in old.reasons)
    assert "a: 10 of 100 copies were looked at so far" in [
        each.text for each in said if isinstance(each, Milestone)
    ]


def test_older_ones_are_looked_at_where_the_newer_ones_fail() -> None:
    def damaged(point: RecoveryPoint) -> dict[str, object]:
        young = AT - point.taken_at < timedelta(hours=34)
        return {"bytes": ByteFact(state="damaged", reason="it is empty")} if young else {}

    door = Door(damaged, a=copies("a", range(1, 101)))
    _, result, _ = locate(door)
    assert result.point is not None
    assert result.point.id == "34h"
    assert len(door.asked) == len(set(door.asked)) == 40


def test_so_they_are_where_reading_shows_the_damage() -> None:
    door = Door(a=copies("a", range(1, 31)))
    door.damaged = frozenset(f"a:{age}h" for age in range(1, 14))
    _, result, _ = locate(door, "full")
    assert result.point is not None
    assert result.point.id == "14h"
    assert door.checked == [f"a:{age}h" for age in range(1, 15)]


def test_none_is_no_good_only_after_all_were_looked_at() -> None:
    door = Door(lambda _: {"still_there": False}, a=copies("a", range(1, 36)))
    done, result, _ = locate(door)
    assert result.point is None
    assert done.state is StepEnd.FAILED
    assert len(door.asked) == 35


def test_an_older_copy_of_one_source_is_looked_at_before_one_older_still_of_another_is_taken() -> (
    None
):
    gone = {f"a:{age}h" for age in range(1, 12)}
    door = Door(
        lambda point: {"still_there": point.key not in gone},
        a=copies("a", range(1, 101)),
        b=copies("b", [50]),
    )
    _, result, _ = locate(door)
    assert result.point is not None
    assert result.point.key == "a:12h"


def test_what_fails_without_a_look_is_not_looked_at() -> None:
    door = Door(a=copies("a", range(1, 101)))
    door.domains["a"] = INSIDE
    _, result, _ = locate(door)
    assert result.point is None
    assert len(door.asked) == 10
    assert {each.verdict for each in result.judgements} == {Verdict.DESTROYED}


def test_a_preference_between_the_same_bytes_finds_the_one_that_nobody_looked_at() -> None:
    digest = {"digest": "d" * 64, "digest_by": "manifest"}
    door = Door(
        lambda point: {
            "lock": LockFact(mode="COMPLIANCE" if point.id == "90h" else None, until=AT)
        },
        a=[*copies("a", [1], **digest), *copies("a", range(2, 81)), *copies("a", [90], **digest)],
    )
    _, hurried, _ = locate(door)
    assert hurried.point is not None
    assert "a:90h" in door.asked
    assert len(door.asked) == 11


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_is_that_of_a_look_at_everything(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import random

    chance = random.Random(seed)
    fates = [{}, {"still_there": False}, {"hidden_by_delete_marker": True},
             {"bytes": ByteFact(state="damaged", reason="x")},
             {"bytes": ByteFact(state="unknown", reason="x")}]  # fmt: skip
    fate: dict[str, dict[str, object]] = {}
    points = {name: copies(name, chance.sample(range(1, 60), 35)) for name in "ab"}
    for each in (*points["a"], *points["b"]):
        good = chance.random() < 0.04
        fate[each.key] = dict(fates[0] if good else chance.choice(fates[1:]))

    def chosen() -> RecoveryPoint | None:
        return locate(Door(lambda point: fate[point.key], **points), whole=True)[1].point

    few = chosen()
    monkeypatch.setattr(surveying, "LOOKED_AT", 1000)
    assert few == chosen()


# --- a part first ------------------------------------------------------------------------------


def test_a_part_is_enough_where_it_holds_an_independent_copy() -> None:
    door = Door(a=copies("a", [1, 2]))
    door.rest["a"] = copies("a", [50])
    done, result, _ = locate(door)
    assert result.point is not None
    assert door.listed == ["a"]
    assert "not looked at: a (a part)" in done.reason


def test_a_part_without_one_is_no_answer_that_there_is_none() -> None:
    door = Door(a=copies("a", [1, 2]), b=copies("b", [60]))
    door.domains["b"] = INSIDE
    door.damaged = frozenset({"a:1h", "a:2h"})
    door.rest["a"] = copies("a", [50])
    done, result, said = locate(door, "full")
    assert result.point is not None
    assert result.point.id == "50h"
    assert door.listed == ["a", "b", "a"] or door.listed == ["b", "a", "a"]
    assert door.checked == ["a:1h", "a:2h", "a:50h"]
    assert "not looked at" not in done.reason
    assert {each.point.key for each in result.judgements} == {"a:1h", "a:2h", "a:50h", "b:60h"}
    assert any("everything in a is" in each.text for each in said if isinstance(each, Milestone))


def test_where_all_of_it_holds_none_that_is_said() -> None:
    door = Door(lambda _: {"still_there": False}, a=copies("a", [1]))
    door.rest["a"] = copies("a", [50])
    done, result, _ = locate(door)
    assert result.point is None
    assert done.state is StepEnd.FAILED
    assert len(result.judgements) == 2


def test_everything_is_listed_at_once_where_the_step_says_so() -> None:
    door = Door(a=copies("a", [1]))
    door.rest["a"] = copies("a", [50])
    _, result, _ = locate(door, whole=True)
    assert door.listed == ["a"]
    assert len(result.judgements) == 2
