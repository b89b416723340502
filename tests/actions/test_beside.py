"""Copies restored side by side: the first that is verified wins, and nothing of the others is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.pg import signals_of

from drbook.actions import beside
from drbook.actions.beside import BesideWish, restore_beside
from drbook.actions.verify import VerifyParams
from drbook.app.wiring import SystemClock
from drbook.core.actions import Finished, StepContext
from drbook.core.baseline import Identity
from drbook.core.errors import (
    Cancelled,
    CouldNotVerify,
    DrbookError,
    NotExercised,
    Refused,
    StepFailed,
)
from drbook.core.events import Mode, StepEnd
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Apart, Ports
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, ResourceIntended, Signal, Working
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import Frozen
from drbook.providers.cancel import BranchToken, CancelToken

AT = datetime(2026, 4, 24, 3, tzinfo=UTC)
DOCUMENT = {
    "drbook": 1,
    "title": "T",
    "production": {"domain": {"provider": "here", "account": "prod", "resource": "vol"}},
    "steps": [{"id": "restore", "phase": "restore", "do": "postgres.restore"}],
}
GOOD, BAD, UNSURE = StepEnd.SUCCEEDED, StepEnd.FAILED, StepEnd.COULD_NOT_VERIFY


def point(source: str, hours: int = 0) -> RecoveryPoint:
    return RecoveryPoint(
        source=source,
        id="a",
        taken_at=AT + timedelta(hours=hours),
        taken_by="manifest",
        size=1,
        location=f"{source}/a",
    )


def target(name: str) -> Target:
    return Target(
        kind="cluster",
        name=name,
        nonce="n" + name,
        location=f"/targets/{name}",
        connect=DatabaseRef(host="/tmp", dbname="rental"),
        identity=Identity(
            system_identifier="1", database="rental", database_oid=1, server_version=150000
        ),
        proof="made here",
        whole_server=True,
    )


@dataclass
class World:
    """Restores and verifications that do what each test says."""

    verdicts: dict[str, Any]
    until: dict[str, Callable[[Ports], None]] = field(default_factory=dict)
    fails: dict[str, Exception] = field(default_factory=dict)
    consistent: dict[str, datetime] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    went_on: list[str] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    cancel: CancelToken = field(default_factory=CancelToken)
    verified: list[VerifyParams] = field(default_factory=list)
    known: list[Any] = field(default_factory=list)

    def restore(self, one: RecoveryPoint, context: StepContext, ports: Ports) -> Working[Finished]:
        self.begun.append(one.source)
        name = context.resource_name
        yield ResourceIntended("cluster", name, "n", f"/targets/{name}")
        self.went_on.append(name)
        if one.source in self.until:
            self.until[one.source](ports)
        if one.source in self.fails:
            raise self.fails[one.source]
        return Finished(RestoreResult(point=one, target=target(name)), reason=f"into {name}")

    def verify(self, params: VerifyParams, context: StepContext, ports: Ports) -> Working[Finished]:
        assert params.point is not None
        self.verified.append(params)
        self.known.append(context.outputs["restore"])
        state = self.verdicts[params.point.source]
        if isinstance(state, Exception):
            raise state
        result: Frozen = Frozen()
        if (at := self.consistent.get(params.point.source)) is not None:
            result = VerifyResult.model_construct(consistent_at=at)
        return Finished(result, state, reason=f"{state.value} by count")
        yield

    @contextmanager
    def apart(self, shares: int) -> Iterator[Apart]:
        self.shares.append(shares)
        token = BranchToken(self.cancel)
        yield Apart(cast(Ports, SimpleNamespace(cancel=token)), lambda: token.request("cancel"))
        token.detach()

    def run(self, wish: BesideWish, first: str = "a") -> tuple[Finished, list[Signal]]:
        ports = cast(
            Ports, SimpleNamespace(cancel=self.cancel, clock=SystemClock(), apart=self.apart)
        )
        context = StepContext(
            incident="x-7", mode=Mode.DRILL, step="restore", attempt=1, title="R",
            occurred=AT + timedelta(days=1), document=RunbookDocument.model_validate(DOCUMENT),
        )  # fmt: skip
        return signals_of(
            restore_beside(point(first), wish, self.restore, self.verify, context, ports)
        )


def stopped(ports: Ports) -> None:
    """Works until it is asked to stop."""
    assert ports.cancel.wait(timedelta(seconds=20))
    ports.cancel.raise_if_requested()


def wish(*sources: str, hours: int = 0, **more: Any) -> BesideWish:
    return BesideWish(points=tuple(point(one, hours) for one in sources), **more)


def ends(done: Finished) -> dict[str, str]:
    result = done.result
    assert isinstance(result, RestoreResult)
    return {one.source: one.ended for one in result.beside}


def winner(done: Finished) -> tuple[str, str]:
    result = done.result
    assert isinstance(result, RestoreResult)
    return result.point.source, result.target.name


def test_the_first_that_is_verified_wins_and_the_other_is_stopped() -> None:
    world = World({"b": GOOD}, until={"a": stopped})
    done, said = world.run(wish("b"))
    assert (done.state, winner(done)) == (GOOD, ("b", "restore-7-1-1"))
    assert ends(done) == {"a": "stopped", "b": "verified"}
    assert sorted(world.went_on) == ["restore-7-1", "restore-7-1-1"]
    assert world.shares == [2, 2]
    assert any(
        isinstance(one, Milestone) and one.text == "b: verified: succeeded by count" for one in said
    )
    assert [one.target.name for one in world.verified] == ["restore-7-1-1"]
    assert world.known[0]["target"]["name"] == "restore-7-1-1"


def test_one_that_is_not_verified_does_not_win() -> None:
    world = World({"a": BAD, "b": UNSURE, "c": GOOD})
    done, _ = world.run(wish("b", "c"))
    assert (done.state, winner(done)[0]) == (GOOD, "c")
    assert ends(done) == {"a": "failed", "b": "could not verify", "c": "verified"}


def test_where_one_fails_the_next_begins() -> None:
    world = World(
        {"c": GOOD}, until={"b": stopped}, fails={"a": StepFailed("The disk is too small.")}
    )
    done, _ = world.run(wish("b", "c", "d"))
    assert winner(done)[0] == "c"
    assert ends(done) == {"a": "not restored", "b": "stopped", "c": "verified", "d": "not begun"}
    assert "d" not in world.begun
    assert "a not restored: The disk is too small; " in done.reason


@pytest.mark.parametrize(
    ("verdicts", "state", "first"),
    [
        ({"a": UNSURE, "b": BAD}, UNSURE, "a"),
        ({"a": BAD, "b": BAD}, BAD, "a"),
        ({"a": BAD, "b": UNSURE}, UNSURE, "b"),
    ],
)
def test_where_none_is_verified_the_step_does_not_succeed(
    verdicts: dict[str, Any], state: StepEnd, first: str
) -> None:
    done, _ = World(verdicts).run(wish("b", hours=-1))
    assert (done.state, winner(done)[0]) == (state, first)
    assert done.reason.startswith("none of 2 copies was verified")


def test_where_none_is_restored_each_says_why() -> None:
    fails: dict[str, Exception] = {
        "a": StepFailed("It is cut off."),
        "b": StepFailed("It is gone."),
    }
    with pytest.raises(StepFailed) as found:
        World({}, fails=fails).run(wish("b"))
    assert "a, a/a: not restored: It is cut off" in found.value.what
    assert "b, b/a: not restored: It is gone" in found.value.what


def test_a_defect_in_one_does_not_end_the_other_and_is_raised_where_nothing_won() -> None:
    fails: dict[str, Exception] = {"a": RuntimeError("ours")}
    done, _ = World({"b": GOOD}, fails=fails).run(wish("b"))
    assert ends(done) == {"a": "not restored", "b": "verified"}
    assert "drbook itself failed: RuntimeError" in done.reason
    with pytest.raises(RuntimeError, match="ours"):
        World({}, fails=fails | {"b": StepFailed("It is gone.")}).run(wish("b"))


def test_one_that_loses_less_may_take_its_while() -> None:
    ready = threading.Event()

    def later(ports: Ports) -> None:
        assert ready.wait(10)

    world = World({"a": GOOD, "b": GOOD}, until={"a": later})
    threading.Timer(0.3, ready.set).start()
    done, _ = world.run(wish("b", hours=-5, wait_for_less_loss=timedelta(seconds=20)))
    assert winner(done)[0] == "a"
    assert ends(done) == {"a": "verified", "b": "verified"}
    assert done.reason.startswith("a was verified, and comes furthest of those that were")


def test_the_while_ends() -> None:
    world = World({"b": GOOD}, until={"a": stopped})
    done, _ = world.run(wish("b", hours=-5, wait_for_less_loss=timedelta(seconds=0.3)))
    assert winner(done)[0] == "b"
    assert "a was stopped (it comes 5 h 00 m further" in done.reason


def test_one_that_does_not_stop_is_left_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "GRACE", timedelta(seconds=0.2))
    end = threading.Event()

    def deaf(ports: Ports) -> None:
        end.wait(20)

    world = World({"b": GOOD}, until={"a": deaf})
    begun = time.monotonic()
    try:
        done, said = world.run(wish("b"))
    finally:
        end.set()
    assert time.monotonic() - begun < 10
    assert ends(done) == {"a": "left", "b": "verified"}
    assert any(isinstance(one, Milestone) and "may still be written to" in one.text for one in said)


def test_a_stop_of_the_step_stops_all_of_them() -> None:
    world = World({}, until={"a": stopped, "b": stopped})
    threading.Timer(0.2, world.cancel.request, ["cancel"]).start()
    with pytest.raises(Cancelled):
        world.run(wish("b"))
    assert sorted(world.begun) == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ((NotExercised, NotExercised), NotExercised),
        ((Refused, Refused), Refused),
        ((Refused, StepFailed), StepFailed),
        ((NotExercised, StepFailed), StepFailed),
    ],
)
def test_one_reason_for_all_of_them_is_the_step_s_own(
    kind: tuple[type[DrbookError], ...], raised: type[DrbookError]
) -> None:
    """A dry run makes no target, and says so as it does of one."""
    fails: dict[str, Exception] = {
        name: each(f"{name} was not made.") for name, each in zip("ab", kind, strict=True)
    }
    with pytest.raises(DrbookError) as found:
        World({}, fails=fails).run(wish("b"))
    assert type(found.value) is raised


def test_what_came_back_and_was_not_looked_at_to_the_end_is_not_lost() -> None:
    world = World({"a": CouldNotVerify("Its server went away."), "b": BAD})
    done, _ = world.run(wish("b"))
    assert (done.state, winner(done)[0]) == (UNSURE, "a")
    assert ends(done) == {"a": "could not verify", "b": "failed"}
    assert "Its server went away" in done.reason


def test_where_it_came_to_counts_and_not_where_its_list_said() -> None:
    """WAL that ended early: what was promised to come further came less far."""
    world = World({"a": GOOD, "b": GOOD}, consistent={"a": AT - timedelta(hours=9)})
    world.until["b"] = lambda ports: time.sleep(0.3)
    done, _ = world.run(wish("b", hours=-5, wait_for_less_loss=timedelta(seconds=20)))
    assert winner(done)[0] == "b"
    assert ends(done) == {"a": "verified", "b": "verified"}


def test_the_same_copy_twice_is_restored_once() -> None:
    world = World({"a": GOOD})
    done, _ = world.run(wish("a"))
    assert (world.begun, ends(done)) == (["a"], {"a": "verified"})
