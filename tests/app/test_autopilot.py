"""Unattended runs: what they do alone, and where they stop for a person."""

from typing import TYPE_CHECKING

import pytest
from support.incident import FakeResult

from drbook.app import model as cmd
from drbook.app.autopilot import Nobody, abort, run_unattended
from drbook.app.model import Accept, Answer, Approve, Confirm, Snapshot
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import StepFailed, UsageError
from drbook.core.events import Mode, StepEnd
from drbook.core.ports import Ports
from drbook.core.signals import Working
from drbook.core.state import StepRun, StepState
from drbook.core.values import Frozen
from drbook.journal.reader import read

if TYPE_CHECKING:
    from support.incident import World


class Willing(Nobody):
    """Answers everything, like the demo's operator."""

    actor = "simulated"

    def respond(self, run: StepRun) -> Answer | Approve | Confirm | None:
        step, plan = run.id, run.plan
        if plan is None:
            return None
        if plan.asks is not None:
            return Answer(step, plan.asks.choices[0] if plan.asks.choices else "yes")
        if plan.approve is not None:
            return Approve(step, "carla")
        return Confirm(step, plan.confirm or "")


class Approving(Willing):
    def respond(self, run: StepRun) -> Answer | Approve | Confirm | None:
        return Approve(run.id, "carla")


def _fails(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    raise StepFailed("no")
    yield


def test_everything_alone_is_done_and_closed(world: "World") -> None:
    world.start("  - {id: a, phase: restore, do: once}\n  - {id: b, phase: verify, do: none}\n")
    told: list[Snapshot] = []
    found = run_unattended(world.driver, Nobody(), told.append)
    assert (found.word, int(found.code)) == ("pass", 0)
    assert told[-1].state.closed_at is not None
    assert read(world.journal)[-1].seq == len(read(world.journal))


ASKS = [
    "{id: a, phase: contain, do: manual}",
    "{id: a, phase: detect, do: ask, with: {prompt: P}}",
    "{id: a, phase: cutover, do: once, confirm: {type: prod}}",
    "{id: a, phase: cutover, do: once, approve: {by: CTO}}",
]


@pytest.mark.parametrize("step", ASKS)
@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.DRILL])
def test_nobody_stops_where_a_person_is_needed_and_leaves_it_open(
    world: "World", step: str, mode: Mode
) -> None:
    world.start(f"  - {step}\n", mode)
    found = run_unattended(world.driver, Nobody(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("needs-human", 7)
    assert "by a person" in found.reason
    assert world.driver.snapshot.state.closed_at is None
    assert "StepStarted" not in world.events()


CONFIRM = "  - {id: a, phase: cutover, do: once, confirm: {type: prod, cool_off: 0s}}\n"


def test_a_live_incident_is_never_confirmed_by_a_machine(world: "World") -> None:
    world.start(CONFIRM, Mode.LIVE)
    found = run_unattended(world.driver, Willing(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("needs-human", 7)
    assert "ConfirmationGiven" not in world.events()
    assert world.opener.opened == []


def test_a_live_incident_is_never_approved_by_a_machine(world: "World") -> None:
    world.start("  - {id: a, phase: cutover, do: once, approve: {by: CTO}}\n", Mode.LIVE)
    found = run_unattended(world.driver, Approving(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("needs-human", 7)
    assert "ApprovalGiven" not in world.events()


def test_a_drill_may_be_answered_by_a_machine_in_its_own_name(world: "World") -> None:
    world.start(CONFIRM + "  - {id: b, phase: contain, do: manual}\n", Mode.DRILL)
    found = run_unattended(world.driver, Willing(), lambda snapshot: None)
    assert found.word == "pass"
    given = [r for r in read(world.journal) if type(r.event).__name__ == "ConfirmationGiven"]
    assert [record.actor for record in given] == ["simulated"]


def test_a_failure_stops_it(world: "World") -> None:
    world.none.courses["a"] = _fails
    world.start(
        "  - {id: a, phase: restore, do: none}\n  - {id: b, phase: verify, do: none, needs: []}\n"
    )
    found = run_unattended(world.driver, Nobody(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("fail", 1)
    assert world.driver.snapshot.state.steps["b"].state is StepState.PENDING


def test_a_failure_that_may_be_passed_over_does_not(world: "World") -> None:
    world.none.courses["a"] = _fails
    world.start(
        "  - {id: a, phase: restore, do: none, on_failure: continue}\n"
        "  - {id: b, phase: verify, do: none, needs: []}\n"
    )
    found = run_unattended(world.driver, Nobody(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("fail", 1)
    assert world.driver.snapshot.state.steps["b"].state is StepState.SUCCEEDED
    assert world.driver.snapshot.state.closed_at is not None


def test_a_retry_is_waited_for(world: "World") -> None:
    tries: list[int] = []

    def second_time(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        tries.append(context.attempt)
        if context.attempt == 1:
            raise StepFailed("no")
        return Finished(world.none.result())
        yield

    world.none.courses["a"] = second_time
    world.start("  - {id: a, phase: restore, do: none, retry: {times: 1, wait: 200ms}}\n")
    assert run_unattended(world.driver, Nobody(), lambda snapshot: None).word == "pass"
    assert tries == [1, 2]


def test_a_failed_effect_that_is_not_retried_stops_it(world: "World") -> None:
    world.once.courses["a"] = _fails
    world.start(
        "  - {id: a, phase: restore, do: once, retry: {times: 3, wait: 10ms}}\n"
        "  - {id: b, phase: verify, do: none, needs: []}\n"
    )
    found = run_unattended(world.driver, Nobody(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("fail", 1)
    assert world.driver.snapshot.state.steps["b"].state is StepState.PENDING


def test_a_dry_run_ends_as_not_exercised(world: "World") -> None:
    world.start("  - {id: a, phase: contain, do: manual}\n", Mode.DRY_RUN)
    found = run_unattended(world.driver, Nobody(), lambda snapshot: None)
    assert (found.word, int(found.code)) == ("not-exercised", 0)


def test_an_interrupted_run_is_aborted_once(world: "World") -> None:
    world.start("  - {id: a, phase: contain, do: manual}\n")
    world.ask(cmd.Run("a"))
    abort(world.driver, "interrupted")
    world.until(lambda s: s.state.closed_at is not None)
    abort(world.driver, "interrupted again")
    with pytest.raises(UsageError):
        world.ask(cmd.Abort("a third time"))
    assert world.events().count("IncidentClosed") == 1


def _unsure(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    return Finished(FakeResult(), StepEnd.COULD_NOT_VERIFY, "nobody knows")
    yield


class Daring(Nobody):
    """Goes on over whatever could not be verified."""

    def accept(self, run: StepRun) -> Accept | None:
        return Accept(run.id, "go on")


@pytest.mark.parametrize(
    ("mode", "responder", "went_on"),
    [(Mode.DRILL, Daring(), True), (Mode.DRILL, Nobody(), False), (Mode.LIVE, Daring(), False)],
)
def test_only_a_rehearsal_goes_on_unverified_without_a_person(
    world: "World", mode: Mode, responder: Nobody, went_on: bool
) -> None:
    world.none.courses["a"] = _unsure
    world.start("  - {id: a, phase: verify, do: none}\n  - {id: b, phase: close, do: none}\n", mode)
    found = run_unattended(world.driver, responder, lambda _: None)
    assert found.word == "could-not-verify", "accepted or not, it is never called verified"
    assert (world.driver.state.steps["b"].state is StepState.SUCCEEDED) is went_on
