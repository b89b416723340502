"""What the operator does beside running single steps: run on, jump, do it elsewhere, choose another copy,
change an input, hand over, leave for a shell, and write notes with their time."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from app.test_driver import Gate
from support.evidence import LOSS, located
from support.incident import FakeResult

from drbook.app import mailbox
from drbook.app import model as cmd
from drbook.core import events as ev
from drbook.core.actions import Empty, Finished, StepContext
from drbook.core.errors import StepFailed, UsageError
from drbook.core.events import Mode, NoteKind, Plan, StepEnd
from drbook.core.located import Located
from drbook.core.ports import Ports
from drbook.core.signals import Working
from drbook.core.state import StepState
from drbook.core.values import Frozen
from drbook.journal.reader import read

if TYPE_CHECKING:
    from support.incident import World

Course = Callable[[Frozen, StepContext, Ports], Working[Finished]]


def ends(state: StepEnd, result: Frozen | None = None) -> Course:
    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        return Finished(result or Empty(), state, "so it ended")  # type: ignore[arg-type]
        yield

    return course


def states(world: "World") -> dict[str, str]:
    return {name: run.state.value for name, run in world.driver.state.steps.items()}


def step(name: str, action: str = "none", needs: str | None = None, more: str = "") -> str:
    needed = "" if needs is None else f", needs: [{needs}]"
    return f"  - {{id: {name}, phase: restore, do: {action}{needed}{more}}}\n"


# --- running on -----------------------------------------------------------------------------------


def test_everything_ready_runs_until_all_has_ended(world: "World") -> None:
    world.start(step("a") + step("b") + step("c", needs="") + step("d", needs="b, c"))
    world.ask(cmd.RunOn())
    world.until(lambda s: s.decision.finished and not s.running_on)
    assert set(states(world).values()) == {"succeeded"}
    assert {r.actor for r in read(world.journal)} == {"ops"}


def test_it_runs_in_the_name_of_whoever_asked(world: "World") -> None:
    world.start(step("a"))
    world.ask(cmd.RunOn(), "carla")
    world.reaches("a", StepState.SUCCEEDED)
    planned = next(r for r in read(world.journal) if isinstance(r.event, ev.StepPlanned))
    assert planned.actor == "carla"


def test_what_needs_a_person_waits_and_the_others_run(world: "World") -> None:
    confirm = ", confirm: {type: prod, cool_off: 0s}"
    world.start(
        step("m", "manual") + step("x", needs="m") + step("b", needs="")
        + step("c", "once", "", confirm) + step("d", needs="b")
    )  # fmt: skip
    world.ask(cmd.RunOn())
    world.reaches("d", StepState.SUCCEEDED)
    world.until(lambda s: not s.running_on)
    assert states(world) == {
        "m": "awaiting",
        "x": "pending",
        "b": "succeeded",
        "c": "awaiting",
        "d": "succeeded",
    }
    assert "ConfirmationGiven" not in world.events()
    world.ask(cmd.Answer("m", "done"))
    world.reaches("m", StepState.SUCCEEDED)
    assert states(world)["x"] == "pending"
    world.ask(cmd.RunOn())
    world.reaches("x", StepState.SUCCEEDED)


def test_an_answer_while_others_run_is_gone_on_from(world: "World") -> None:
    gate = Gate()
    world.none.courses["b"] = gate
    world.start(step("m", "manual") + step("x", needs="m") + step("b", needs=""))
    world.ask(cmd.RunOn())
    assert world.until(lambda s: "b" in s.decision.running).running_on
    world.ask(cmd.Answer("m", "done"))
    world.reaches("x", StepState.SUCCEEDED)
    gate.opened.set()
    world.until(lambda s: not s.running_on)


@pytest.mark.parametrize(
    "end", [StepEnd.FAILED, StepEnd.COULD_NOT_VERIFY, StepEnd.IN_DOUBT, StepEnd.CANCELLED]
)
def test_a_bad_end_stops_it(world: "World", end: StepEnd) -> None:
    slow = Gate()
    world.once.courses["a"] = ends(end)
    world.none.courses["b"] = slow
    world.start(step("a", "once") + step("b", needs="") + step("c", needs="b"))
    world.ask(cmd.RunOn())
    world.reaches("a", StepState(end.value))
    world.until(lambda s: not s.running_on)
    slow.opened.set()
    world.reaches("b", StepState.SUCCEEDED)
    assert states(world)["c"] == "pending"
    world.ask(cmd.RunOn())  # what ended badly before has been seen
    world.reaches("c", StepState.SUCCEEDED)
    assert world.events().count("StepPlanned") == 3


def test_a_retry_by_itself_is_waited_for(world: "World") -> None:
    tries: list[int] = []

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        tries.append(context.attempt)
        if len(tries) < 3:
            raise StepFailed("not yet")
        return Finished(Empty())
        yield

    world.none.courses["a"] = course
    world.start(step("a", more=", retry: {times: 2, wait: 100ms}") + step("b"))
    world.ask(cmd.RunOn())
    world.reaches("b", StepState.SUCCEEDED)
    assert tries == [1, 2, 3]


def test_a_step_that_cannot_be_planned_stops_it_and_is_told(world: "World") -> None:
    world.start(
        step("a") + "  - {id: b, phase: restore, do: assert, with: {that: "
        "'${{ steps.a.value == inputs.day }}'}}\n" + step("c", needs="")
    )  # fmt: skip
    world.ask(cmd.RunOn())
    snapshot = world.until(lambda s: s.trouble is not None and not s.running_on)
    assert snapshot.trouble is not None
    assert "inputs has no `day`" in snapshot.trouble.what
    assert states(world)["b"] == "pending"


def test_what_is_stale_runs_again_but_not_what_may_have_changed_something(world: "World") -> None:
    uses = ", with: {value: '${{ steps.a.value }}'}"
    world.start(step("a") + step("b", more=uses) + step("c", "once", "a", uses) + step("d"))
    world.ask(cmd.RunOn())
    world.until(lambda s: s.decision.finished and not s.running_on)
    world.ask(cmd.Run("a"))
    world.until(lambda s: s.state.steps["a"].attempt == 2 and not s.decision.running)
    assert states(world)["b"] == "stale"
    world.ask(cmd.RunOn())
    world.reaches("b", StepState.SUCCEEDED)
    world.until(lambda s: not s.running_on)
    assert states(world)["c"] == "stale"
    with pytest.raises(UsageError, match="Nothing is ready"):
        world.ask(cmd.RunOn())


def test_halting_starts_nothing_more(world: "World") -> None:
    gate = Gate()
    world.none.courses["a"] = gate
    world.start(step("a") + step("b"))
    world.ask(cmd.RunOn())
    gate.entered.wait(10)
    world.ask(cmd.Halt())
    world.until(lambda s: not s.running_on)
    gate.opened.set()
    world.reaches("a", StepState.SUCCEEDED)
    world.ask(cmd.WriteNote("b was not started"))
    assert states(world)["b"] == "pending"
    world.ask(cmd.Halt())


def test_running_on_is_refused_where_nothing_can_run(world: "World") -> None:
    world.none.courses["a"] = ends(StepEnd.FAILED)
    world.start(step("a") + step("b"))
    world.ask(cmd.RunOn())
    world.reaches("a", StepState.FAILED)
    world.until(lambda s: not s.running_on)
    with pytest.raises(UsageError, match="Nothing is ready"):
        world.ask(cmd.RunOn())
    world.ask(cmd.Abort("enough"))
    world.until(lambda s: s.state.closed_at is not None)
    with pytest.raises(UsageError, match="closed"):
        world.ask(cmd.RunOn())


@pytest.mark.parametrize("end", [cmd.Abort("enough"), cmd.HandOver("carla")])
def test_what_ends_running_on(world: "World", end: cmd.Command) -> None:
    gate = Gate()
    world.none.courses["a"] = gate
    world.start(step("a") + step("b"))
    world.ask(cmd.RunOn())
    gate.entered.wait(10)
    world.ask(end)
    world.until(lambda s: not s.running_on)
    gate.opened.set()
    world.until(lambda s: not s.decision.running)
    assert states(world)["b"] == "pending"


def test_a_dry_run_runs_on_to_its_end(world: "World") -> None:
    world.start(step("a") + step("m", "manual") + step("b"), Mode.DRY_RUN)
    world.ask(cmd.RunOn())
    world.reaches("b", StepState.SUCCEEDED)
    assert states(world)["m"] == "not-exercised"


# --- jumping --------------------------------------------------------------------------------------


def test_a_jump_skips_all_before_with_one_reason_and_runs_nothing(world: "World") -> None:
    world.start(step("a") + step("m", "manual") + step("c") + step("d"))
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.SUCCEEDED)
    world.ask(cmd.Run("m"))
    world.ask(cmd.Jump("d", "the provider did it"))
    assert states(world) == {"a": "succeeded", "m": "skipped", "c": "skipped", "d": "pending"}
    assert world.driver.state.steps["c"].reason == "jumped to d: the provider did it"
    assert "d" in world.until(lambda s: "d" in s.decision.ready).decision.ready


def test_a_jump_is_all_or_nothing(world: "World") -> None:
    gate = Gate()
    world.none.courses["b"] = gate
    world.start(step("a") + step("b", needs="") + step("c", needs="a, b"))
    world.ask(cmd.Run("b"))
    gate.entered.wait(10)
    with pytest.raises(UsageError, match="step b cannot be skipped: it is started"):
        world.ask(cmd.Jump("c", "no time"))
    assert "StepSkipped" not in world.events()


def test_no_jump_over_what_is_used(world: "World") -> None:
    world.start(step("a") + step("b", more=", with: {value: '${{ steps.a.value }}'}"))
    with pytest.raises(UsageError, match="step b uses what a would hand back"):
        world.ask(cmd.Jump("b", "no time"))


def test_a_jump_over_what_cools_off_lets_it_never_start(world: "World") -> None:
    confirm = ", confirm: {type: prod, cool_off: 1s}"
    world.start(step("a", "once", more=confirm) + step("b"))
    world.ask(cmd.Run("a"))
    world.ask(cmd.Confirm("a", "prod"))
    world.ask(cmd.Jump("b", "not needed"))
    assert not world.until(lambda s: "b" in s.decision.ready).cooling


# --- done elsewhere -------------------------------------------------------------------------------


def test_what_was_done_elsewhere_goes_on_record_with_its_evidence(world: "World") -> None:
    world.none.courses["a"] = ends(StepEnd.FAILED)
    world.start(step("a") + step("b"))
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.FAILED)
    world.ask(cmd.DoneElsewhere("a", "succeeded", "in the console", "revoked\nOK"))
    snapshot = world.until(lambda s: "b" in s.decision.ready)
    run = snapshot.state.steps["a"]
    assert (run.by_hand, run.attempt, run.reason) == (True, 2, "in the console")
    assert run.evidence == "revoked\nOK"
    world.ask(cmd.Run("b"))
    world.reaches("b", StepState.SUCCEEDED)
    ending = world.until(lambda s: s.decision.finished).outcome
    assert (ending.word, ending.reason) == ("partial", "a: done by hand, by a person's word")


def test_a_persons_word_is_no_verification(world: "World") -> None:
    world.start("  - {id: v, phase: verify, do: none}\n")
    world.ask(cmd.DoneElsewhere("v", "succeeded", "counted by hand"))
    ending = world.until(lambda s: s.decision.finished).outcome
    assert (ending.word, int(ending.code)) == ("could-not-verify", 5)


def test_what_was_not_done_elsewhere_either_is_failed(world: "World") -> None:
    world.start(step("a") + step("b"))
    world.ask(cmd.DoneElsewhere("a", "failed", "no right to"))
    assert world.reaches("a", StepState.FAILED).outcome.word == "fail"
    assert world.driver.state.steps["b"].state is StepState.PENDING


def test_a_result_that_is_used_is_not_done_elsewhere(world: "World") -> None:
    world.start(
        step("a") + step("b", more=", with: {value: '${{ steps.a.value }}'}")
        + step("w", "wait", "", ", with: {for: 1s}")
    )  # fmt: skip
    with pytest.raises(UsageError, match="hands a result to b"):
        world.ask(cmd.DoneElsewhere("a", "succeeded", "by hand"))
    world.ask(cmd.DoneElsewhere("a", "failed", "by hand"))
    world.ask(cmd.DoneElsewhere("w", "succeeded", "waited"))


def test_what_asks_for_consent_says_that_there_was_none(world: "World") -> None:
    asks = ", confirm: {type: prod, cool_off: 60s}, approve: {by: CTO}"
    world.start(step("a", "once", more=asks) + step("b", "once", "", asks))
    world.ask(cmd.DoneElsewhere("a", "succeeded", "in the console"))
    world.ask(cmd.Run("b"))
    world.ask(cmd.Approve("b", "carla"))
    world.ask(cmd.Confirm("b", "prod"))
    with pytest.raises(UsageError, match="about to start"):
        world.ask(cmd.DoneElsewhere("b", "succeeded", "in the console"))
    world.ask(cmd.CancelStep("b"))
    world.ask(cmd.DoneElsewhere("b", "failed", "in the console"))
    without = [
        r.event.without for r in read(world.journal) if isinstance(r.event, ev.StepDoneElsewhere)
    ]
    assert without == [("approval by CTO", "typed confirmation")] * 2
    assert world.opener.opened == []


def test_nothing_is_done_elsewhere_in_a_dry_run(world: "World") -> None:
    world.start(step("a"), Mode.DRY_RUN)
    with pytest.raises(UsageError, match="a dry run does nothing"):
        world.ask(cmd.DoneElsewhere("a", "succeeded", "by hand"))


def test_what_used_the_earlier_output_is_stale(world: "World") -> None:
    world.start(step("a") + step("b", more=", with: {value: '${{ steps.a.value }}'}"))
    world.none.courses["a"] = ends(StepEnd.COULD_NOT_VERIFY, FakeResult(value=1))
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.COULD_NOT_VERIFY)
    world.ask(cmd.Accept("a", "looked"))
    world.ask(cmd.Run("b"))
    world.reaches("b", StepState.SUCCEEDED)
    world.ask(cmd.DoneElsewhere("a", "failed", "it was not so"))
    assert states(world) == {"a": "failed", "b": "stale"}


# --- another copy ---------------------------------------------------------------------------------

LOCATE = (
    "  - {id: l, phase: locate, do: backups.locate}\n"
    "  - {id: r, phase: restore, do: again, with: {value: '${{ steps.l.point }}'}}\n"
    "  - {id: v, phase: verify, do: none, with: {value: '${{ steps.r.value }}'}}\n"
)


def locating(world: "World", found: Located, state: StepEnd = StepEnd.SUCCEEDED) -> None:
    world.locate.result = Located
    world.locate.courses["l"] = ends(state, found)
    world.start(LOCATE, occurred=LOSS)
    world.ask(cmd.Run("l"))
    world.reaches("l", StepState(state.value))


def choice(index: int, typed: str = "", reason: str = "the newest is ruined") -> cmd.ChoosePoint:
    point = located().judgements[index].point
    return cmd.ChoosePoint("l", point.source, point.id, point.version, reason, typed)


def chosen_in(world: "World") -> Located:
    return Located.model_validate(world.driver.state.steps["l"].result)


def test_an_older_independent_copy_needs_a_reason_only(world: "World") -> None:
    locating(world, located())
    for one in ("r", "v"):
        world.ask(cmd.Run(one))
        world.reaches(one, StepState.SUCCEEDED)
    with pytest.raises(UsageError, match="A reason is needed"):
        world.ask(choice(3, reason=" "))
    world.ask(choice(3))
    assert chosen_in(world).point == located().judgements[3].point
    assert chosen_in(world).loss_seconds == 50 * 3600
    assert states(world) == {"l": "succeeded", "r": "stale", "v": "stale"}
    event = read(world.journal)[-1].event
    assert isinstance(event, ev.PointChosen)
    assert (event.break_glass, event.typed) == (False, "")
    world.ask(cmd.Run("r"))
    world.reaches("r", StepState.SUCCEEDED)
    given = world.driver.state.steps["r"].params
    assert isinstance(given, dict)
    assert given["value"]["id"] == located().judgements[3].point.id


def test_a_copy_that_is_not_independent_is_break_glass(world: "World") -> None:
    locating(world, located())
    for wrong in ("", "App", "app ", "offsite"):
        with pytest.raises(UsageError, match="not known to be independent") as caught:
            world.ask(choice(0, wrong))
        assert "Type its source, app, exactly" in caught.value.next
        assert "app-key can delete it" in caught.value.what
    world.ask(choice(0, "app"))
    event = read(world.journal)[-1].event
    assert isinstance(event, ev.PointChosen)
    assert (event.break_glass, event.typed) == (True, "app")
    assert world.driver.state.steps["l"].break_glass
    with pytest.raises(UsageError, match="is the chosen copy already"):
        world.ask(choice(0, "app"))


@pytest.mark.parametrize("state", [StepEnd.FAILED, StepEnd.COULD_NOT_VERIFY])
def test_where_nothing_is_independent_one_may_still_be_chosen(
    world: "World", state: StepEnd
) -> None:
    locating(world, located(chosen=False), state)
    assert "r" not in world.driver.snapshot.decision.ready
    world.ask(choice(0, "app"))
    world.until(lambda s: "r" in s.decision.ready)
    for one in ("r", "v"):
        world.ask(cmd.Run(one))
        world.reaches(one, StepState.SUCCEEDED)
    ending = world.until(lambda s: s.decision.finished).outcome
    assert ending.word == "partial"
    assert "BREAK-GLASS" in ending.reason


def test_a_damaged_copy_is_never_chosen(world: "World") -> None:
    locating(world, located())
    with pytest.raises(UsageError, match="cannot be chosen") as caught:
        world.ask(choice(1, "offsite"))
    assert "cut short" in caught.value.what
    with pytest.raises(UsageError, match="located no copy"):
        world.ask(cmd.ChoosePoint("l", "offsite", "nowhere", None, "r"))
    with pytest.raises(UsageError, match="no located copies"):
        world.ask(cmd.ChoosePoint("r", "offsite", "nowhere", None, "r"))


def test_no_other_copy_while_the_first_is_restored(world: "World") -> None:
    gate = Gate()
    world.again.courses["r"] = gate
    locating(world, located())
    world.ask(cmd.Run("r"))
    gate.entered.wait(10)
    with pytest.raises(UsageError, match="r runs right now"):
        world.ask(choice(3))
    assert "PointChosen" not in world.events()
    gate.opened.set()


def test_a_restore_that_waits_for_consent_is_planned_anew(world: "World") -> None:
    world.again.plans["r"] = Plan(does=("x",), confirm="prod", cool_off_seconds=1)
    locating(world, located())
    world.ask(cmd.Run("r"))
    world.ask(cmd.Confirm("r", "prod"))
    world.ask(choice(3))
    assert states(world)["r"] == "stale"
    assert not world.until(lambda s: not s.cooling).cooling
    assert world.opener.opened == ["l"]


# --- another input --------------------------------------------------------------------------------


def test_what_an_input_was_used_for_is_stale(world: "World") -> None:
    world.start(
        step("a", more=", with: {value: '${{ inputs.day }}'}")
        + step("b", needs="a", more=", with: {value: '${{ steps.a.value }}'}")
        + step("c", needs="b")
        + step("d", needs="", more=", when: '${{ inputs.day == \"sunday\" }}'")
    )
    world.ask(cmd.SetInput("day", "friday"))
    world.reaches("d", StepState.SKIPPED)
    world.ask(cmd.RunOn())
    world.reaches("c", StepState.SUCCEEDED)
    world.ask(cmd.SetInput("day", "friday"))
    assert "StepInvalidated" not in world.events()
    world.ask(cmd.SetInput("day", "sunday"))
    assert states(world) == {"a": "stale", "b": "stale", "c": "succeeded", "d": "stale"}
    assert world.driver.state.steps["a"].reason == "input day changed"
    assert world.events()[-4:] == ["StepInvalidated"] * 3 + ["InputChanged"]
    world.ask(cmd.Run("a"))
    world.until(lambda s: s.state.steps["a"].result == {"value": "sunday"})


@pytest.mark.parametrize("name", ["detected", "declared"])
def test_a_time_that_the_runbook_does_not_ask_for_is_given_all_the_same(
    world: "World", name: str
) -> None:
    world.start(step("a", more=f", with: {{value: '${{{{ incident.{name} }}}}'}}"))
    world.ask(cmd.RunOn())
    world.reaches("a", StepState.SUCCEEDED)
    world.ask(cmd.SetInput(name, "2026-04-24T19:12Z"))
    state = world.driver.state
    assert getattr(state, name) == datetime(2026, 4, 24, 19, 12, tzinfo=UTC)
    assert states(world) == {"a": "stale"}
    world.ask(cmd.Run("a"))
    world.until(lambda s: s.state.steps["a"].result == {"value": "2026-04-24T19:12:00Z"})
    with pytest.raises(UsageError, match="no input 'nonsense'"):
        world.ask(cmd.SetInput("nonsense", "x"))


def test_no_other_input_for_what_runs_with_it(world: "World") -> None:
    gate = Gate()
    world.none.courses["a"] = gate
    world.start(step("a", more=", with: {value: '${{ incident.occurred }}'}"))
    world.ask(cmd.Run("a"))
    gate.entered.wait(10)
    with pytest.raises(UsageError, match="a runs right now with input occurred as it was"):
        world.ask(cmd.SetInput("occurred", "10m ago"))
    world.ask(cmd.SetInput("day", "friday"))
    gate.opened.set()


def test_another_moment_tells_the_loss_anew(world: "World") -> None:
    locating(world, located())
    world.ask(cmd.Run("r"))
    world.reaches("r", StepState.SUCCEEDED)
    world.ask(cmd.SetInput("occurred", (LOSS + timedelta(hours=1)).isoformat()))
    assert chosen_in(world).loss_seconds == 27 * 3600
    assert states(world)["r"] == "succeeded"
    world.ask(cmd.SetInput("occurred", (LOSS - timedelta(hours=3)).isoformat()))
    assert chosen_in(world).loss_seconds == 23 * 3600
    assert states(world) == {"l": "stale", "r": "stale", "v": "pending"}


def test_nothing_is_changed_after_the_close(world: "World") -> None:
    locating(world, located())
    world.ask(cmd.Abort("enough"))
    world.until(lambda s: s.state.closed_at is not None)
    closed: list[cmd.Command] = [
        cmd.SetInput("day", "friday"),
        choice(3),
        cmd.Jump("v", "r"),
        cmd.DoneElsewhere("v", "failed", "r"),
        cmd.HandOver("carla"),
        cmd.CloseShell(1, 0),
    ]
    for command in closed:
        with pytest.raises(UsageError, match="closed"):
            world.ask(command)
    assert world.events()[-1] == "IncidentClosed"
    world.ask(cmd.WriteNote("this may still be said"))


# --- who leads, and what is written down ----------------------------------------------------------


def test_who_leads_is_named_from_then_on_and_does_not_approve(world: "World") -> None:
    world.start(step("a", "once", more=", approve: {by: CTO}"))
    world.ask(cmd.HandOver(" carla ", "shift ends"))
    handed = read(world.journal)[-1]
    assert (handed.actor, handed.event) == ("ops", ev.HandedOver(to="carla", comment="shift ends"))
    assert world.driver.state.operator == "carla"
    world.ask(cmd.Run("a"))
    assert read(world.journal)[-1].actor == "carla"
    with pytest.raises(UsageError, match="somebody else than the operator"):
        world.ask(cmd.Approve("a", "Carla"))
    with pytest.raises(UsageError, match="leads already"):
        world.ask(cmd.HandOver("CARLA"))
    world.ask(cmd.Approve("a", "ops"))
    world.reaches("a", StepState.SUCCEEDED)


def test_a_shell_is_on_record_with_its_duration(world: "World") -> None:
    world.start(step("a"))
    world.ask(cmd.OpenShell("a"))
    assert world.until(lambda s: s.state.shell_since is not None)
    world.ask(cmd.CloseShell(123_000, 0))
    assert world.events()[-2:] == ["ShellOpened", "ShellClosed"]
    with pytest.raises(UsageError, match="No shell is open"):
        world.ask(cmd.CloseShell(1, 0))
    world.ask(cmd.OpenShell())
    world.driver.stop()
    world.resume()
    assert world.driver.state.shell_since is None
    world.ask(cmd.Abort("enough"))
    world.until(lambda s: s.state.closed_at is not None)
    with pytest.raises(UsageError, match="closed"):
        world.ask(cmd.OpenShell())


def test_notes_have_a_kind_and_their_own_time(world: "World") -> None:
    world.start(step("a"))
    then = datetime.now(UTC) - timedelta(minutes=10)
    world.ask(cmd.WriteNote("disk full?\nno", then, "a", NoteKind.HYPOTHESIS))
    (note,) = world.driver.state.notes
    assert (note.text, note.happened_at) == ("disk full?\nno", then)
    assert (note.step, note.kind) == ("a", NoteKind.HYPOTHESIS)
    with pytest.raises(UsageError, match="has not come yet"):
        world.ask(cmd.WriteNote("n", datetime.now(UTC) + timedelta(minutes=1)))


def test_letters_carry_kind_and_time_and_old_ones_are_read(world: "World") -> None:
    then = datetime(2026, 4, 24, 19, 0, tzinfo=UTC)
    late = datetime.now(UTC) + timedelta(days=1)
    world.start(step("a"))
    box = world.folder / "inbox"
    mailbox.leave(world.folder, mailbox.Letter("carla", "told", NoteKind.MESSAGE, then))
    mailbox.leave(world.folder, mailbox.Letter("carla", "early", NoteKind.NOTE, late))
    for name, more in (("1", {}), ("2", {"kind": "rumour", "happened_at": "soon"})):
        letter = box / f"9{name}.json"
        letter.write_text(json.dumps({"actor": "dan", "text": "old", **more}))
    notes = world.until(lambda s: len(s.state.notes) == 4).state.notes
    told = {note.text: note for note in notes}
    assert (told["told"].kind, told["told"].happened_at) == (NoteKind.MESSAGE, then)
    assert [note.kind for note in notes if note.text == "old"] == [NoteKind.NOTE] * 2
    early = next(note for note in notes if note.text.startswith("early"))
    assert early.happened_at is None
    assert "had not come yet" in early.text
