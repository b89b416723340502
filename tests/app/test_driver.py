"""The driver with fake actions and doors: the record comes first, whatever happens."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from drbook.app import doubts, mailbox, steps, work
from drbook.app import model as cmd
from drbook.core import events as ev
from drbook.core.actions import Empty, Finished, Probed, StepContext
from drbook.core.errors import (
    CouldNotVerify,
    DrbookError,
    Interrupted,
    JournalError,
    Refused,
    StepFailed,
    UsageError,
)
from drbook.core.events import Mode, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.signals import (
    Milestone,
    Output,
    ProcessStarted,
    Progress,
    ResourceCreated,
    ResourceIntended,
    Working,
)
from drbook.core.state import StepState
from drbook.core.values import Frozen
from drbook.journal.reader import read, verify

if TYPE_CHECKING:
    from support.incident import World

Course = Callable[[Frozen, StepContext, Ports], Working[Finished]]

ONE = "  - {id: a, phase: restore, do: none}\n"
ONCE = "  - {id: a, phase: restore, do: once}\n"
CONFIRMED = "  - {id: a, phase: cutover, do: once, confirm: {type: prod, cool_off: COOL}}\n"


class Gate:
    """A course that signals, waits to be let through, and stops when it is asked to."""

    def __init__(self, *, heeds: bool = True) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.heeds = heeds

    def __call__(self, params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        self.entered.set()
        while not self.opened.wait(0.01):
            yield Progress("waiting", 1, None, "things")
            if self.heeds:
                ports.cancel.raise_if_requested()
        return Finished(Empty(), reason="let through")


def _ends(finished: Finished) -> Course:
    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output("x")
        return finished

    return course


def _raises(error: BaseException) -> Course:
    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output("x")
        raise error

    return course


# --- record first ---------------------------------------------------------------------------------


def test_what_is_intended_is_in_the_file_before_the_action_goes_on(world: "World") -> None:
    seen: dict[str, list[str]] = {}

    def look(when: str) -> None:
        seen[when] = world.events()

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        look("begin")
        yield ResourceIntended("cluster", "a-7f3a-1", "nonce", "/target")
        look("intended")
        yield ProcessStarted(1, 2, ("initdb",))
        look("process")
        yield ResourceCreated("cluster", "a-7f3a-1", "/target", {"sysid": 2**60})
        look("created")
        yield Milestone("loaded", {"rows": 3})
        look("milestone")
        return Finished(Empty())

    world.once.courses["a"] = course
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    snapshot = world.reaches("a", StepState.SUCCEEDED)
    assert seen["begin"][-2:] == ["StepPlanned", "StepStarted"]
    assert seen["intended"][-1] == "ResourceIntended"
    assert seen["process"][-1] == "ProcessStarted"
    assert seen["created"][-1] == "ResourceCreated"
    assert seen["milestone"][-1] == "MilestoneReached"
    assert world.events()[-1] == "StepFinished"
    (resource,) = snapshot.state.resources
    assert (resource.name, resource.created) == ("a-7f3a-1", True)
    assert resource.identity == {"sysid": str(2**60)}


def test_progress_and_output_are_shown_and_never_recorded(world: "World") -> None:
    gate = Gate()
    world.none.courses["a"] = gate
    world.start(ONE)
    world.ask(cmd.Run("a"))
    shown = world.until(lambda s: bool(s.live.get("a") and s.live["a"].progress))
    assert shown.live["a"].progress[0].label == "waiting"
    gate.opened.set()
    world.reaches("a", StepState.SUCCEEDED)
    assert world.events() == ["IncidentOpened", "StepPlanned", "StepStarted", "StepFinished"]


def test_a_second_resource_of_one_name_is_refused_and_leaves_the_record_whole(
    world: "World",
) -> None:
    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield ResourceIntended("cluster", "same", "n", "/t")
        yield ResourceIntended("cluster", "same", "n", "/t")
        raise AssertionError("went on after what could not be recorded")

    world.once.courses["a"] = course
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.IN_DOUBT)
    assert world.events().count("ResourceIntended") == 1
    assert verify(world.journal).intact
    world.ask(cmd.WriteNote("still going"))


def test_a_journal_that_cannot_be_written_stops_everything(
    world: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on = threading.Event()
    go = threading.Event()

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        go.wait(10)
        yield ResourceIntended("cluster", "c", "n", "/t")
        went_on.set()
        return Finished(Empty())

    other = Gate()
    world.once.courses["a"] = course
    world.none.courses["b"] = other
    world.start(ONCE + "  - {id: b, phase: restore, do: none, needs: []}\n")
    world.ask(cmd.Run("a"))
    world.ask(cmd.Run("b"))
    other.entered.wait(10)
    size = world.journal.stat().st_size

    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        go.set()
        snapshot = world.until(lambda s: s.broken)
    assert snapshot.trouble is not None
    assert "No space left" in snapshot.trouble.what
    for asked in (cmd.WriteNote("there is room again"), cmd.Run("b"), cmd.Abort("no use")):
        with pytest.raises(JournalError, match="cannot be written any more"):
            world.ask(asked)
    assert not went_on.is_set()
    assert world.journal.stat().st_size == size
    world.driver.stop()
    world.resume()
    assert world.driver.state.steps["a"].state is StepState.IN_DOUBT
    assert world.driver.state.steps["b"].state is StepState.PENDING


# --- people ---------------------------------------------------------------------------------------


def test_a_wrong_confirmation_is_refused_and_not_recorded(world: "World") -> None:
    world.start(CONFIRMED.replace("COOL", "0s"))
    world.ask(cmd.Run("a"))
    for wrong in ("", "Prod", "prod ", "PROD", "drop"):
        with pytest.raises(UsageError):
            world.ask(cmd.Confirm("a", wrong))
    assert world.events()[-1] == "StepPlanned"
    assert world.opener.opened == []
    world.ask(cmd.Confirm("a", "prod"))
    world.reaches("a", StepState.SUCCEEDED)
    assert world.events()[-3:] == ["ConfirmationGiven", "StepStarted", "StepFinished"]


def test_a_cooling_off_can_be_cancelled(world: "World") -> None:
    world.start(CONFIRMED.replace("COOL", "60s"))
    world.ask(cmd.Run("a"))
    world.ask(cmd.Confirm("a", "prod"))
    assert "a" in world.until(lambda s: bool(s.cooling)).cooling
    with pytest.raises(UsageError):
        world.ask(cmd.Confirm("a", "prod"))
    world.ask(cmd.CancelStep("a"))
    snapshot = world.reaches("a", StepState.CANCELLED)
    assert not snapshot.cooling
    assert world.opener.opened == []


def test_a_cooling_off_ends_with_the_start(world: "World") -> None:
    world.start(CONFIRMED.replace("COOL", "1s"))
    world.ask(cmd.Run("a"))
    begun = time.monotonic()
    world.ask(cmd.Confirm("a", "prod"))
    world.reaches("a", StepState.SUCCEEDED)
    assert time.monotonic() - begun >= 1


def test_a_step_that_is_skipped_while_it_cools_off_never_starts(world: "World") -> None:
    world.start(CONFIRMED.replace("COOL", "1s"))
    world.ask(cmd.Run("a"))
    world.ask(cmd.Confirm("a", "prod"))
    world.ask(cmd.Skip("a", "changed my mind"))
    time.sleep(1.5)
    assert world.driver.snapshot.state.steps["a"].state is StepState.SKIPPED
    assert not world.driver.snapshot.cooling
    assert world.opener.opened == []
    world.ask(cmd.WriteNote("the record goes on"))


def test_approval_is_by_somebody_else(world: "World") -> None:
    world.start("  - {id: a, phase: cutover, do: once, approve: {by: CTO}}\n")
    world.ask(cmd.Run("a"))
    for by in ("", "ops", " OPS "):
        with pytest.raises(UsageError):
            world.ask(cmd.Approve("a", by))
    with pytest.raises(UsageError):
        world.ask(cmd.Approve("a", "", break_glass=True))
    world.ask(cmd.Approve("a", "carla"))
    snapshot = world.reaches("a", StepState.SUCCEEDED)
    assert snapshot.state.steps["a"].approved_by == "carla"


def test_break_glass_waits_for_its_time(world: "World") -> None:
    world.start(
        "  - {id: a, phase: cutover, do: once, approve: {by: CTO, break_glass_after: 1h}}\n"
        "  - {id: b, phase: cutover, do: once, needs: [],"
        " approve: {by: CTO, break_glass_after: 0s}}\n"
    )
    for step in ("a", "b"):
        world.ask(cmd.Run(step))
    with pytest.raises(UsageError) as caught:
        world.ask(cmd.Approve("a", "", break_glass=True))
    assert "Break-glass is possible from" in caught.value.what
    with pytest.raises(UsageError) as caught:
        world.ask(cmd.Approve("b", "", break_glass=True, reason="  "))
    assert "A reason is needed" in caught.value.what
    world.ask(cmd.Approve("b", "", break_glass=True, reason="the CTO is on a plane"))
    world.reaches("b", StepState.SUCCEEDED)
    given = [one.event for one in read(world.journal) if isinstance(one.event, ev.ApprovalGiven)]
    said = [(one.by, one.reason, one.waited_seconds, one.proof) for one in given]
    assert said == [("CTO", "the CTO is on a plane", 0, None)]


def test_a_wall_clock_that_is_set_forward_breaks_no_glass(world: "World") -> None:
    world.start(
        "  - {id: a, phase: cutover, do: once, approve: {by: CTO, break_glass_after: 1h}}\n"
    )
    world.ask(cmd.Run("a"))
    world.driver.now = lambda: datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(UsageError) as caught:
        world.ask(cmd.Approve("a", "", break_glass=True, reason="in a hurry"))
    assert "Break-glass is possible from" in caught.value.what


def test_an_answer_must_be_one_of_the_choices(world: "World") -> None:
    world.start("  - {id: a, phase: decide, do: choose, with: {prompt: P, choices: [go, no-go]}}\n")
    world.ask(cmd.Run("a"))
    with pytest.raises(UsageError):
        world.ask(cmd.Answer("a", "maybe"))
    world.ask(cmd.Answer("a", "go", "all counts match"))
    snapshot = world.reaches("a", StepState.SUCCEEDED)
    assert snapshot.state.steps["a"].result == {"choice": "go", "comment": "all counts match"}


NOT_NOW: list[cmd.Command] = [
    cmd.Run("zz"),
    cmd.Run("b"),
    cmd.Answer("a", "x"),
    cmd.Confirm("a", "prod"),
    cmd.Confirm("zz", "prod"),
    cmd.Approve("a", "x"),
    cmd.CancelStep("a"),
    cmd.CancelStep("zz"),
    cmd.Skip("a", " "),
    cmd.Skip("zz", "r"),
    cmd.Accept("a", "r"),
    cmd.Accept("a", ""),
    cmd.Probe("a"),
    cmd.Resolve("a", "succeeded", "r"),
    cmd.Resolve("zz", "failed", ""),
    cmd.WriteNote("  "),
    cmd.WriteNote("n", step="zz"),
    cmd.WriteNote("n", happened_at=datetime.now(UTC) + timedelta(hours=1)),
    cmd.Jump("a", "r"),
    cmd.Jump("b", " "),
    cmd.Jump("zz", "r"),
    cmd.DoneElsewhere("a", "succeeded", ""),
    cmd.DoneElsewhere("a", "succeeded", "r", "x" * 20_001),
    cmd.DoneElsewhere("b", "succeeded", "r"),
    cmd.DoneElsewhere("zz", "succeeded", "r"),
    cmd.ChoosePoint("a", "s", "i", None, "r"),
    cmd.ChoosePoint("a", "s", "i", None, ""),
    cmd.ChoosePoint("zz", "s", "i", None, "r"),
    cmd.HandOver(" "),
    cmd.HandOver(" OPS "),
    cmd.HandOver("x" * 201),
    cmd.OpenShell("zz"),
    cmd.CloseShell(1, 0),
    cmd.SetInput("zz", 1),
    cmd.SetInput("occurred", "yesterday"),
    cmd.Close(),
    cmd.Abort(""),
]


def test_what_is_not_possible_now_changes_nothing_and_says_what_to_do(world: "World") -> None:
    world.start(ONE + "  - {id: b, phase: restore, do: none}\n")
    size = world.journal.stat().st_size
    for command in NOT_NOW:
        with pytest.raises(UsageError) as caught:
            world.ask(command)
        assert caught.value.what
        assert caught.value.next
    assert world.journal.stat().st_size == size
    assert world.until(lambda s: s.trouble is not None).trouble is not None


# --- how steps end --------------------------------------------------------------------------------

ENDINGS: list[tuple[str, BaseException | Finished, StepState, str]] = [
    ("once", Finished(Empty()), StepState.SUCCEEDED, ""),
    ("once", Finished(Empty(), StepEnd.FAILED, "no"), StepState.FAILED, ""),
    ("none", Finished(Empty(), StepEnd.COULD_NOT_VERIFY), StepState.COULD_NOT_VERIFY, ""),
    ("once", StepFailed("no"), StepState.FAILED, "step-failed"),
    ("once", Refused("not fresh"), StepState.REFUSED, "refused"),
    ("none", CouldNotVerify("?"), StepState.COULD_NOT_VERIFY, "could-not-verify"),
    ("once", Interrupted("late", code="timeout"), StepState.IN_DOUBT, "timeout"),
    (
        "once",
        Interrupted("no answer", code="http-unanswered"),
        StepState.IN_DOUBT,
        "http-unanswered",
    ),
    ("once", StepFailed("not sent", code="http"), StepState.FAILED, "http"),
    ("none", Interrupted("late", code="timeout"), StepState.FAILED, "timeout"),
    ("again", Interrupted("late", code="timeout"), StepState.FAILED, "timeout"),
    ("none", ZeroDivisionError("secret detail"), StepState.FAILED, "internal"),
    ("again", ZeroDivisionError("x"), StepState.FAILED, "internal"),
    ("once", ZeroDivisionError("x"), StepState.IN_DOUBT, "internal"),
    ("none", RecursionError("x"), StepState.FAILED, "internal"),
]


@pytest.mark.parametrize(
    ("kind", "end", "state", "code"), ENDINGS, ids=[f"{e[0]}-{e[1]!r}"[:40] for e in ENDINGS]
)
def test_ending(
    world: "World", kind: str, end: BaseException | Finished, state: StepState, code: str
) -> None:
    action = {"none": world.none, "once": world.once, "again": world.again}[kind]
    action.courses["a"] = _ends(end) if isinstance(end, Finished) else _raises(end)
    world.start(f"  - {{id: a, phase: restore, do: {kind}}}\n")
    world.ask(cmd.Run("a"))
    run = world.reaches("a", state).state.steps["a"]
    assert run.code == code
    log = world.folder / "errors.log"
    if code == "internal":
        assert "Traceback (most recent call last)" in log.read_text()
        assert "Traceback" not in run.reason + run.means + run.next
        assert "errors.log" in run.next
    else:
        assert not log.exists()


def test_what_is_known_of_work_that_was_cut_off_is_on_record(world: "World") -> None:
    late = Interrupted("late", code="timeout")
    late.found = {"stdout": "half of it"}
    world.none.courses["a"] = _raises(late)
    world.start("  - {id: a, phase: restore, do: none}\n")
    world.ask(cmd.Run("a"))
    run = world.reaches("a", StepState.FAILED).state.steps["a"]
    assert run.result == {"stdout": "half of it"}


def test_a_timeout_of_an_effect_that_may_have_happened_is_in_doubt(world: "World") -> None:
    world.once.courses["a"] = Gate()
    world.none.courses["b"] = Gate()
    world.start(
        "  - {id: a, phase: restore, do: once, timeout: 300ms}\n"
        "  - {id: b, phase: restore, do: none, timeout: 300ms, needs: []}\n"
    )
    world.ask(cmd.Run("a"))
    world.ask(cmd.Run("b"))
    world.reaches("a", StepState.IN_DOUBT)
    world.reaches("b", StepState.FAILED)
    assert "CancelRequested" in world.events()


def test_cancel(world: "World") -> None:
    gates = {"a": Gate(), "b": Gate()}
    world.once.courses["a"], world.none.courses["b"] = gates["a"], gates["b"]
    world.start(ONCE + "  - {id: b, phase: restore, do: none, needs: []}\n")
    for step in ("a", "b"):
        world.ask(cmd.Run(step))
        gates[step].entered.wait(10)
        world.ask(cmd.CancelStep(step, "wrong bucket"))
    world.reaches("a", StepState.IN_DOUBT)
    world.reaches("b", StepState.CANCELLED)
    assert world.events().count("CancelRequested") == 2


def test_a_step_that_ignores_a_cancel_is_left_behind_in_doubt(
    world: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "GRACE", 0.3)
    stubborn = Gate(heeds=False)
    late: list[str] = []

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield from stubborn(params, context, ports)
        try:
            yield ResourceIntended("cluster", "late", "n", "/t")
        except DrbookError as error:
            late.append(error.what)
            raise
        late.append("went on")
        return Finished(Empty())

    world.once.courses["a"] = course
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    stubborn.entered.wait(10)
    world.ask(cmd.CancelStep("a"))
    snapshot = world.reaches("a", StepState.IN_DOUBT)
    assert snapshot.state.steps["a"].code == "did-not-stop"
    stubborn.opened.set()
    time.sleep(0.5)
    assert "went on" not in late
    assert "ResourceIntended" not in world.events()
    assert world.driver.snapshot.state.steps["a"].state is StepState.IN_DOUBT
    world.ask(cmd.Resolve("a", "failed", "looked: nothing was made"))
    world.reaches("a", StepState.FAILED)


@pytest.mark.parametrize(("kind", "attempts"), [("none", 3), ("again", 3), ("once", 1)])
def test_automatic_retry_never_applies_to_once(world: "World", kind: str, attempts: int) -> None:
    action = {"none": world.none, "once": world.once, "again": world.again}[kind]
    action.courses["a"] = _raises(StepFailed("no"))
    world.start(f"  - {{id: a, phase: restore, do: {kind}, retry: {{times: 2, wait: 10ms}}}}\n")
    world.ask(cmd.Run("a"))
    world.until(
        lambda s: (
            s.state.steps["a"].attempt == attempts and s.state.steps["a"].state is StepState.FAILED
        )
    )
    time.sleep(0.5)
    assert world.events().count("StepStarted") == attempts


def test_two_steps_run_at_once(world: "World") -> None:
    gates = [Gate(), Gate()]
    world.none.courses["a"], world.none.courses["b"] = gates
    world.start(ONE + "  - {id: b, phase: restore, do: none, needs: []}\n")
    for step in ("a", "b"):
        world.ask(cmd.Run(step))
    assert all(gate.entered.wait(10) for gate in gates)
    assert set(world.until(lambda s: len(s.decision.running) == 2).decision.running) == {"a", "b"}
    with pytest.raises(UsageError):
        world.ask(cmd.Run("a"))
    for gate in gates:
        gate.opened.set()
    world.until(lambda s: s.decision.finished)


@pytest.mark.parametrize("heeds", [True, False])
def test_a_look_without_an_end_is_ended_or_left_behind(
    world: "World", monkeypatch: pytest.MonkeyPatch, heeds: bool
) -> None:
    """Everybody waits for it: resume, and an unattended run."""
    monkeypatch.setattr(doubts, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(doubts, "STOP_SECONDS", 0.2)
    over = threading.Event()

    def endless(ports: Ports) -> None:
        while not over.wait(0.02):
            if heeds:
                ports.cancel.raise_if_requested()

    world.once.looking = endless
    world.once.courses["a"] = _raises(Interrupted("late", code="timeout"))
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.IN_DOUBT)
    world.until(lambda s: any("looked whether" in note.text for note in s.state.notes))
    over.set()
    time.sleep(0.1)
    said = [
        note.text for note in world.driver.snapshot.state.notes if "looked whether" in note.text
    ]
    assert len(said) == 1  # a look that was left behind says nothing more
    assert said[0].startswith("looked whether step a happened: unknown. ")
    assert ("did not end within" in said[0]) is not heeds
    assert not world.driver.doubts.looking


def test_an_interruption_leaves_an_incident_open_where_something_is_in_doubt(
    world: "World",
) -> None:
    gate = Gate()
    world.once.courses["a"] = gate
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    gate.entered.wait(10)
    world.ask(cmd.Abort("interrupted", leave_doubt=True))
    snapshot = world.reaches("a", StepState.IN_DOUBT)
    assert snapshot.state.closed_at is None
    world.until(lambda s: not world.driver.aborting)
    assert "IncidentClosed" not in world.events()
    # Whoever is there and says so closes it all the same.
    world.ask(cmd.Abort("false alarm"))
    closed = world.until(lambda s: s.state.closed_at is not None)
    assert (closed.state.outcome, closed.state.exit_code) == ("aborted", 3)


def test_a_step_in_doubt_is_looked_at_and_settled(world: "World") -> None:
    world.once.courses["a"] = _raises(Interrupted("late", code="timeout"))
    world.once.probed = Probed("happened", "the cluster is there")
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.IN_DOUBT)
    with pytest.raises(UsageError):
        world.ask(cmd.Run("a"))
    with pytest.raises(UsageError):
        world.ask(cmd.Skip("a", "no"))
    world.ask(cmd.Probe("a"))
    snapshot = world.until(lambda s: bool(s.state.notes))
    assert "happened. the cluster is there" in snapshot.state.notes[0].text
    world.ask(cmd.Resolve("a", "succeeded", "it is there"))
    world.reaches("a", StepState.SUCCEEDED)


@pytest.mark.parametrize(
    ("kind", "state"), [("once", StepState.IN_DOUBT), ("none", StepState.FAILED)]
)
def test_a_result_that_is_too_long_for_the_record_is_not_put_there(
    world: "World", monkeypatch: pytest.MonkeyPatch, kind: str, state: StepState
) -> None:
    """A record of any length could be written, and never be mirrored."""
    monkeypatch.setattr(work, "LARGEST", 1000)
    action = {"none": world.none, "once": world.once}[kind]
    action.courses["a"] = _ends(Finished(Long(text="x" * 2000)))
    world.start(f"  - {{id: a, phase: restore, do: {kind}}}\n")
    world.ask(cmd.Run("a"))
    run = world.reaches("a", state).state.steps["a"]
    assert (run.code, run.result) == ("result-too-long", None)
    assert "its result is not kept" in run.means
    assert world.journal.stat().st_size < 5000


class Long(Frozen):
    text: str


def test_an_action_that_says_it_does_not_know_is_looked_at(world: "World") -> None:
    """A gateway gave up on it: the action ran to its end and cannot tell."""
    world.once.courses["a"] = _ends(Finished(Empty(), StepEnd.IN_DOUBT, "the gateway gave up"))
    world.once.probed = Probed("did-not-happen", "nothing is there")
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    run = world.reaches("a", StepState.IN_DOUBT).state.steps["a"]
    assert (run.reason, run.result) == ("the gateway gave up", {})
    snapshot = world.until(lambda s: bool(s.state.notes))
    assert "did-not-happen. nothing is there" in snapshot.state.notes[0].text


def test_a_probe_that_breaks_is_unknown(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> Probed:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(type(world.once), "probe", broken)
    world.once.courses["a"] = _raises(Interrupted("late", code="timeout"))
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.IN_DOUBT)
    world.ask(cmd.Probe("a"))
    snapshot = world.until(lambda s: bool(s.state.notes))
    assert ": unknown." in snapshot.state.notes[0].text


def test_a_step_that_runs_again_makes_stale_what_used_it(world: "World") -> None:
    world.start(
        ONE + "  - {id: b, phase: verify, do: none, with: {value: '${{ steps.a.value }}'}}\n"
        "  - {id: c, phase: verify, do: none, needs: [a]}\n"
    )
    for step in ("a", "b", "c"):
        world.ask(cmd.Run(step))
        world.reaches(step, StepState.SUCCEEDED)
    world.ask(cmd.Run("a"))
    snapshot = world.reaches("b", StepState.STALE)
    assert snapshot.state.steps["c"].state is StepState.SUCCEEDED


def test_arguments_that_do_not_fit_leave_the_step_unstarted(world: "World") -> None:
    world.start(ONE + "  - {id: b, phase: verify, do: wait, with: {for: '${{ steps.a.value }}'}}\n")
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.SUCCEEDED)
    with pytest.raises(StepFailed) as caught:
        world.ask(cmd.Run("b"))
    assert caught.value.code == "arguments"
    assert world.until(lambda s: bool(s.preview_problems)).preview_problems["b"]
    assert world.driver.snapshot.state.steps["b"].state is StepState.PENDING


# --- the incident ---------------------------------------------------------------------------------


def test_a_dry_run_plans_what_people_do_and_does_not_ask(world: "World") -> None:
    world.start(
        "  - {id: a, phase: contain, do: manual}\n"
        "  - {id: b, phase: cutover, do: once, confirm: {type: prod}}\n"
        "  - {id: c, phase: cutover, do: once, approve: {by: CTO}}\n",
        Mode.DRY_RUN,
    )
    for step in ("a", "b", "c"):
        world.ask(cmd.Run(step))
        world.reaches(step, StepState.NOT_EXERCISED)
    assert world.opener.opened == []
    assert "StepStarted" not in world.events()
    world.ask(cmd.Close())
    assert world.until(lambda s: s.state.closed_at is not None).state.outcome == "not-exercised"


def test_close_is_refused_while_something_is_not_ended(world: "World") -> None:
    gate = Gate()
    world.none.courses["a"] = gate
    world.start(ONE)
    with pytest.raises(UsageError):
        world.ask(cmd.Close())
    world.ask(cmd.Run("a"))
    with pytest.raises(UsageError):
        world.ask(cmd.Close())
    gate.opened.set()
    world.reaches("a", StepState.SUCCEEDED)
    world.ask(cmd.Close("done"))
    closed = world.until(lambda s: s.state.closed_at is not None)
    assert (closed.state.outcome, closed.state.exit_code) == ("pass", 0)
    for command in (cmd.Close(), cmd.Run("a"), cmd.Skip("a", "r"), cmd.Abort("r")):
        with pytest.raises(UsageError):
            world.ask(command)
    world.ask(cmd.WriteNote("afterwards"))


def test_an_abort_cancels_what_runs_and_then_closes(world: "World") -> None:
    gate = Gate()
    world.none.courses["a"] = gate
    world.start(ONE + "  - {id: b, phase: restore, do: none, needs: []}\n")
    world.ask(cmd.Run("a"))
    gate.entered.wait(10)
    world.ask(cmd.Abort("false alarm"))
    snapshot = world.until(lambda s: s.state.closed_at is not None)
    assert snapshot.state.steps["a"].state is StepState.CANCELLED
    assert (snapshot.state.outcome, snapshot.state.exit_code) == ("aborted", 3)


def test_nothing_starts_while_an_abort_is_under_way(world: "World") -> None:
    stubborn = Gate(heeds=False)
    world.none.courses["a"] = stubborn
    world.start(ONE + "  - {id: b, phase: restore, do: none, needs: []}\n")
    world.ask(cmd.Run("a"))
    stubborn.entered.wait(10)
    world.ask(cmd.Abort("false alarm"))
    with pytest.raises(UsageError):
        world.ask(cmd.Run("b"))
    stubborn.opened.set()
    world.until(lambda s: s.state.closed_at is not None)
    assert world.opener.opened == ["a"]


def test_a_condition_that_is_false_skips_by_the_runbook(world: "World") -> None:
    world.start(
        ONE + "  - {id: b, phase: restore, do: none, when: \"${{ incident.mode == 'live' }}\"}\n"
    )
    world.ask(cmd.Run("a"))
    run = world.reaches("b", StepState.SKIPPED).state.steps["b"]
    assert run.skipped_by_rule
    assert read(world.journal)[-1].actor == "runbook"


def test_inputs_can_be_set_later(world: "World") -> None:
    world.start(ONE)
    world.ask(cmd.SetInput("occurred", "2026-04-24 19:04 UTC"))
    snapshot = world.until(lambda s: s.state.occurred is not None)
    assert snapshot.state.inputs["occurred"] == "2026-04-24T19:04:00Z"


# --- notes from other seats -----------------------------------------------------------------------


def test_notes_from_the_mailbox_are_recorded_once(world: "World") -> None:
    world.start(ONE)
    mailbox.leave(world.folder, mailbox.Letter("carla", "I called the customer\x1b[2J"))
    mailbox.leave(world.folder, mailbox.Letter("dan", "me too \ud800"))
    snapshot = world.until(lambda s: len(s.state.notes) == 2)
    assert [note.actor for note in snapshot.state.notes] == ["carla", "dan"]
    assert list((world.folder / "inbox").iterdir()) == []


@pytest.mark.parametrize(
    "letter",
    [b"", b"[]", b"nonsense", b"[" * 60_000, b'{"actor": "x"}', b"\xff\xfe", b'"' + b"x" * 70_000],
    ids=range(7),
)
def test_a_broken_letter_becomes_a_note_that_says_so(world: "World", letter: bytes) -> None:
    world.start(ONE)
    (world.folder / "inbox").mkdir(exist_ok=True)
    (world.folder / "inbox" / "1.json").write_bytes(letter)
    snapshot = world.until(lambda s: bool(s.state.notes))
    assert "a note could not be read" in snapshot.state.notes[0].text
    world.ask(cmd.WriteNote("still going"))


# --- defects of drbook itself -----------------------------------------------------------------------


def test_a_plan_that_breaks_does_not_end_the_driver(
    world: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> Plan:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(type(world.none), "plan", broken)
    world.start(ONE + "  - {id: m, phase: contain, do: manual, needs: []}\n")
    with pytest.raises(DrbookError) as caught:
        world.ask(cmd.Run("a"))
    assert caught.value.code == "internal"
    assert "Traceback" not in caught.value.explain()
    assert "Traceback" in (world.folder / "errors.log").read_text()
    world.ask(cmd.WriteNote("still going"))
    world.ask(cmd.Run("m"))
    assert world.until(lambda s: "m" in s.decision.awaiting)


def test_a_command_after_the_end_is_answered(world: "World") -> None:
    world.start(ONE)
    world.driver.stop()
    with pytest.raises(DrbookError):
        world.driver.submit(cmd.WriteNote("too late")).result(timeout=5)


def test_stopping_leaves_a_hung_step_to_the_next_resume(
    world: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "GRACE", 0.3)
    stubborn = Gate(heeds=False)
    world.once.courses["a"] = stubborn
    world.start(ONCE)
    world.ask(cmd.Run("a"))
    stubborn.entered.wait(10)
    begun = time.monotonic()
    world.driver.stop()
    assert timedelta(seconds=time.monotonic() - begun) < timedelta(seconds=5)
    stubborn.opened.set()
    world.resume()
    assert world.driver.state.steps["a"].state is StepState.IN_DOUBT


def test_a_doubt_is_not_settled_as_done_where_others_need_its_result(world: "World") -> None:
    world.start(
        "  - {id: a, phase: restore, do: once}\n"
        "  - {id: b, phase: verify, do: none, with: {value: '${{ steps.a.value }}'}}\n"
    )

    def broken(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        raise TimeoutError
        yield

    world.once.courses["a"] = broken
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.IN_DOUBT)
    with pytest.raises(UsageError, match="hands a result to b"):
        world.ask(cmd.Resolve("a", "succeeded", "it is there"))
    assert world.driver.state.steps["a"].state is StepState.IN_DOUBT
    world.ask(cmd.Resolve("a", "failed", "not to its end"))
    world.reaches("a", StepState.FAILED)
