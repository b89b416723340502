"""What the operator can do beside running steps: run on, jump, do it elsewhere, write, hand over."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.evidence import LOSS, located
from support.incident import World
from support.screen import Seat, at_the_screen
from textual import events
from textual.widgets import TextArea

from drbook.app.model import SetInput
from drbook.core.actions import Empty, Finished, StepContext
from drbook.core.errors import StepFailed
from drbook.core.events import Mode, Plan
from drbook.core.ports import Ports
from drbook.core.signals import Progress, Working
from drbook.core.state import StepState
from drbook.core.values import Frozen, parse_time
from drbook.tui.incident import IncidentScreen

FOUR = (
    "  - {id: a, phase: detect, do: none, title: Look}\n"
    "  - {id: b, phase: restore, do: once, title: Act}\n"
    "  - {id: c, phase: contain, do: manual, title: Revoke}\n"
    "  - {id: d, phase: verify, do: none, title: Count}\n"
)
SIZES = [(80, 24), (120, 40), (200, 60)]


class Held:
    """Runs with progress until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        while not self.go.wait(0.02):
            ports.cancel.raise_if_requested()
            yield Progress("load", 31, 41, "tables", "public.vehicles")
        return Finished(Empty(), reason="loaded")


@pytest.mark.parametrize("size", SIZES)
def test_running_on_stops_where_somebody_is_needed(world: World, size: tuple[int, int]) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("R")
        await seat.reaches("c", StepState.AWAITING)
        await seat.until(lambda snapshot: not snapshot.running_on)
        assert world.driver.snapshot.state.steps["b"].state is StepState.SUCCEEDED
        await seat.sees("3 Revoke")

    at_the_screen(world, script, size)


def test_running_on_is_seen_and_the_same_key_stops_it(world: World) -> None:
    hold = Held()
    world.start(FOUR)
    world.none.courses["a"] = hold

    async def script(seat: Seat) -> None:
        await seat.press("R")
        await seat.reaches("a", StepState.STARTED)
        await seat.sees("running on until something needs you")
        await seat.press("R")
        await seat.until(lambda snapshot: not snapshot.running_on)
        hold.go.set()
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.pilot.pause(0.3)
        assert world.driver.snapshot.state.steps["b"].state is StepState.PENDING

    at_the_screen(world, script)


@pytest.mark.parametrize("size", SIZES)
def test_what_runs_and_what_ended_beside_the_selected_step(
    world: World, size: tuple[int, int]
) -> None:
    hold = Held()
    world.start(
        "  - {id: a, phase: restore, do: once, title: Long}\n"
        "  - {id: b, phase: contain, do: manual, title: Revoke, needs: []}\n"
    )
    world.once.courses["a"] = hold

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.STARTED)
        await seat.press("down")
        await seat.sees("◐ 1 Long", "75 %", "2  Revoke")
        await seat.press("n")
        await seat.sees("Note")
        hold.go.set()
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("Note", "✓ done: 1 Long")  # said above the dialog, which keeps the focus
        await seat.press("escape")
        await seat.sees("● done: 1 Long", "loaded", "2  Revoke")
        await seat.press("up", "down")
        await seat.pilot.pause(0.2)
        assert "● done" not in seat.text()  # it was looked at

    at_the_screen(world, script, size)


def test_the_one_line_of_a_small_screen_says_what_runs(world: World) -> None:
    hold, other = Held(), Held()
    world.start(
        "  - {id: a, phase: restore, do: once, title: Long}\n"
        "  - {id: b, phase: restore, do: none, title: Longer, needs: []}\n"
        "  - {id: c, phase: contain, do: manual, title: Revoke, needs: []}\n"
    )
    world.once.courses["a"], world.none.courses["b"] = hold, other

    async def script(seat: Seat) -> None:
        await seat.press("R")
        await seat.reaches("b", StepState.STARTED)
        await seat.press("g")
        await seat.sees("3  Revoke", "◐ 1 Long", "75 %", " more")
        hold.go.set()
        await seat.reaches("a", StepState.SUCCEEDED)
        other.go.set()

    at_the_screen(world, script, (80, 24))


def test_a_jump_skips_what_is_before_with_one_reason(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("down", "down", "down", "J")
        await seat.sees("Jump to 4 Count", "3 Revoke")
        await seat.type("only the count is wanted")
        await seat.press("enter")
        await seat.until(lambda shown: shown.state.steps["c"].state is StepState.SKIPPED)
        assert world.driver.snapshot.state.steps["a"].state is StepState.SKIPPED
        await seat.sees("4  Count", "▶ ready")

    at_the_screen(world, script)
    assert "only the count is wanted" in world.driver.snapshot.state.steps["a"].reason


def test_a_jump_to_what_may_start_anyway_says_so(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("J")
        await seat.sees("✗", "Esc hides this")

    at_the_screen(world, script)
    assert "StepSkipped" not in world.events()


@pytest.mark.parametrize("size", SIZES)
def test_a_step_is_done_elsewhere_with_its_command_and_what_was_pasted(
    world: World, size: tuple[int, int]
) -> None:
    command = "curl --request DELETE https://api.example.com/tokens/7"
    world.once.plans["a"] = Plan(does=("sends one request",), runs=(command,))
    world.start("  - {id: a, phase: contain, do: once, title: Revoke}\n")
    copied: list[str] = []

    async def script(seat: Seat) -> None:
        seat.app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
        await seat.sees("RUNS", command[:40])
        await seat.press("m")
        await seat.sees("Do it yourself: 1 Revoke", "not said yet", "drbook runs nothing")
        await seat.press("ctrl+y")
        assert copied == [command]
        await seat.press("enter")
        await seat.sees("Say what you did and how you know")
        await seat.type("revoked in the console")
        await seat.press("tab")
        seat.app.screen.focused.post_message(events.Paste("HTTP/1.1 204\nx\x1b[2J\n"))  # type: ignore[union-attr]
        await seat.pilot.pause(0.1)
        assert "\x1b" not in seat.text()
        await seat.press("enter")
        await seat.sees("Say how it ended")
        await seat.press("ctrl+k")
        await seat.sees("✓ it was done")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script, size)
    run = world.driver.snapshot.state.steps["a"]
    assert (run.by_hand, run.reason) == (True, "revoked in the console")
    assert "HTTP/1.1 204" in run.evidence
    assert world.driver.snapshot.outcome.word == "partial"
    assert "StepStarted" not in world.events()


def test_what_did_not_work_elsewhere_is_a_failure(world: World) -> None:
    world.start("  - {id: a, phase: contain, do: once, title: Revoke}\n")

    async def script(seat: Seat) -> None:
        await seat.press("m", "ctrl+k", "ctrl+k")
        await seat.sees("✗ it did not work")
        await seat.type("the console is down")
        await seat.press("enter")
        await seat.reaches("a", StepState.FAILED)

    at_the_screen(world, script)


def test_back_to_the_step_before(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("down", "down")
        await seat.sees("3  Revoke")
        await seat.press("backspace")
        await seat.sees("2  Act")
        await seat.press("backspace", "backspace", "backspace")
        await seat.sees("1  Look")

    at_the_screen(world, script)


# --- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_note_of_several_lines_with_kind_and_time(world: World, size: tuple[int, int]) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.press("enter")
        await seat.sees("Say it in a few words")
        await seat.type("support says")
        await seat.press("ctrl+j")
        await seat.type("three customers")
        await seat.press("ctrl+k")
        await seat.sees("observation")
        await seat.press("tab")
        await seat.type("tomorrow")
        await seat.press("enter")
        await seat.sees("is not a")
        assert not world.driver.snapshot.state.notes
        await seat.press("ctrl+u")
        await seat.type("10m ago")
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(snapshot.state.notes))

    at_the_screen(world, script, size)
    (note,) = world.driver.snapshot.state.notes
    assert (note.text, note.kind.value, note.step) == (
        "support says\nthree customers", "observation", "a",
    )  # fmt: skip
    assert note.happened_at is not None
    assert 590 < (note.at - note.happened_at).total_seconds() < 660


def test_a_refused_note_is_not_lost(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.type("seen")
        await seat.press("tab")
        await seat.type("2999-01-01 10:00")
        await seat.press("enter")
        await seat.sees("has not come yet", "seen")
        await seat.press("tab", "tab")
        await seat.press("escape")
        await seat.sees("1  Look")

    at_the_screen(world, script)
    assert not world.driver.snapshot.state.notes


def test_an_editor_that_is_not_there_takes_no_text(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.type("half a sentence")
        await seat.press("ctrl+e")
        await seat.sees("cannot be handed to an editor", "half a sentence")
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(snapshot.state.notes))

    at_the_screen(world, script)
    assert world.driver.snapshot.state.notes[0].text == "half a sentence"


def test_what_the_editor_leaves_is_shown_as_text_and_its_length_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start(FOUR)
    left = ["seen \x1b]0;owned\x07\u202e\n\nand heard", "x" * 50_000]
    monkeypatch.setattr(IncidentScreen, "_edited", lambda self, text: left.pop(0))

    async def script(seat: Seat) -> None:
        await seat.press("n", "ctrl+e")
        await seat.sees("seen \\x1b]0;owned\\x07\\u202e", "and heard")
        await seat.press("ctrl+e")
        await seat.sees("at most 4,000 characters; this one has 50,000", "xxxx")
        await seat.press("enter")
        await seat.sees("at most 4,000 characters; this one has 50,000", "xxxx")

    at_the_screen(world, script)
    assert not world.driver.snapshot.state.notes


YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).replace(hour=22, minute=23, second=0)


def at_that_time(seat: Seat) -> None:
    seat.app.screen.clock = lambda: YESTERDAY  # type: ignore[attr-defined]


def test_a_local_time_in_a_note_is_said_back_and_needs_a_second_enter(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        at_that_time(seat)
        await seat.press("n")
        await seat.type("seen")
        await seat.press("tab")
        await seat.type("10 min ago")
        await seat.sees("✓ ", "10 m 00 s ago")
        await seat.press("ctrl+u")
        await seat.type("22:41")
        await seat.sees("▲ ", "that is 23 h 42 m ago; times are UTC.")
        await seat.press("enter")
        await seat.sees("Enter again takes")
        assert not world.driver.snapshot.state.notes
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(snapshot.state.notes))
        day = YESTERDAY - timedelta(days=1)
        await seat.sees(f"note of {day:%m-%d} 22:41 UTC")

    at_the_screen(world, script)


def test_times_that_contradict_each_other_need_a_second_enter(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("I", "2")
        await seat.type("10m ago")
        await seat.sees("✓ ", "10 m 00 s ago")
        await seat.press("enter")
        await seat.until(lambda snapshot: snapshot.state.occurred is not None)
        await seat.press("I", "3")
        await seat.sees("Input detected")
        await seat.type("an hour ago")
        await seat.sees("▲ ", "before it occurred")
        await seat.press("enter")
        await seat.sees("Enter again takes")
        assert world.driver.snapshot.state.detected is None
        await seat.press("ctrl+u")
        await seat.type("5 min ago")
        await seat.sees("✓ ", "5 m 00 s ago")
        await seat.press("enter")
        await seat.until(lambda snapshot: snapshot.state.detected is not None)

    at_the_screen(world, script)


def test_a_time_is_answered_as_people_say_it_and_recorded_as_it_was(world: World) -> None:
    world.start(
        "  - {id: a, phase: detect, do: ask, title: When, with: {prompt: 'Since when?', type: time}}\n"
    )

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Since when?")
        await seat.type("soon")
        await seat.press("enter")
        await seat.sees("'soon' is not a time", "Since when?")
        await seat.press("ctrl+u")
        await seat.type("10m ago")
        await seat.sees("✓ ", "10 m 00 s ago")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)
    run = world.driver.snapshot.state.steps["a"]
    told = parse_time(str(run.answer))
    assert 590 < (datetime.now(UTC) - told).total_seconds() < 660


def test_local_times_have_their_zones_name_in_the_header_the_strip_and_the_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "XYZ-9")
    time.tzset()
    world.start(FOUR)
    opened = world.driver.snapshot.records[0].at
    there = f"{opened + timedelta(hours=9):%H:%M:%S} XYZ"

    async def script(seat: Seat) -> None:
        text = await seat.sees(f"{opened:%H:%M:%S}  · drill opened")
        assert "XYZ" not in text
        pieces = [one for one in ("occurred", "declared", "LOSS", "RTO") if one in text]
        await seat.press("l")
        text = await seat.sees(f"{there}  · drill opened")
        assert "XYZ" in text.splitlines()[0]
        assert [one for one in ("occurred", "declared", "LOSS", "RTO") if one in text] == pieces
        await seat.press("t")
        await seat.sees("TIMELINE", f"{there}  · drill opened", f"{opened:%H:%M:%S} UTC")
        await seat.press("escape", "l")
        await seat.sees(f" {opened:%H:%M:%S}  · drill opened")

    try:
        at_the_screen(world, script, (80, 24))
    finally:
        monkeypatch.undo()
        time.tzset()


# --- the incident ----------------------------------------------------------------------------


def test_an_input_is_edited_and_what_used_it_runs_again(world: World) -> None:
    world.start(
        '  - {id: a, phase: detect, do: none, title: Look, with: {value: "${{ inputs.day }}"}}\n'
    )

    async def script(seat: Seat) -> None:
        await seat.press("I", "1")
        await seat.type("sunday")
        await seat.press("enter")
        await seat.until(lambda snapshot: snapshot.state.inputs.get("day") == "sunday")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.press("I")
        await seat.sees("Edit an input", "1  day", "2  occurred")
        await seat.press("2")
        await seat.sees("Input occurred")
        await seat.type("soon")
        await seat.press("enter")
        await seat.sees("'soon' is not a", "soon")
        await seat.press("escape", "I", "1")
        await seat.sees("Input day", "sunday")
        await seat.press("ctrl+u")
        await seat.type("monday")
        await seat.press("enter")
        await seat.reaches("a", StepState.STALE)
        await seat.press("r")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)
    assert world.driver.snapshot.state.inputs["day"] == "monday"


def test_the_incident_is_handed_over_by_name(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("h")
        await seat.sees("Hand over", "To whom?")
        await seat.type("berta")
        await seat.press("enter")
        await seat.sees("What does berta have to know?")
        await seat.type("the token is revoked")
        await seat.press("enter")
        await seat.until(lambda snapshot: snapshot.state.operator == "berta")
        await seat.press("g", "enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)
    started = [
        one for one in world.driver.snapshot.records if "Started" in type(one.event).__name__
    ]
    assert started[0].actor == "berta"
    assert "the token is revoked" in str(world.driver.snapshot.records)


def test_a_shell_that_cannot_be_had_is_on_record_all_the_same(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("exclamation_mark")
        await seat.sees("cannot be handed to a shell")
        await seat.until(lambda snapshot: snapshot.state.shell_since is None)

    at_the_screen(world, script)
    assert world.events()[-2:] == ["ShellOpened", "ShellClosed"]


# --- backups ---------------------------------------------------------------------------------

LOCATE = "  - {id: find, phase: locate, do: backups.locate}\n"


def _found(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    return Finished(located(), reason="found")
    yield


@pytest.mark.parametrize("size", SIZES)
def test_another_independent_copy_needs_a_reason(world: World, size: tuple[int, int]) -> None:
    world.start(LOCATE, Mode.LIVE, occurred=LOSS)
    world.locate.courses["find"] = _found

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("find", StepState.SUCCEEDED)
        await seat.press("b", "enter")
        await seat.sees("is the chosen one")
        await seat.press("end", "enter")
        await seat.sees("Why this copy, and not the proposed one?")
        await seat.press("enter")
        await seat.sees("Say it in a few words")
        assert seat.event("PointChosen") == ""
        await seat.type("the newer one was taken during the migration")
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(seat.event("PointChosen")))
        assert "break_glass=False" in seat.event("PointChosen")
        text = await seat.sees("Chosen.")
        assert "have to run again" not in text  # none has used the other one

    at_the_screen(world, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_a_shared_copy_breaks_the_glass(world: World, size: tuple[int, int]) -> None:
    world.start(LOCATE, Mode.LIVE, occurred=LOSS)
    world.locate.courses["find"] = _found

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("find", StepState.SUCCEEDED)
        await seat.press("b", "home", "enter")
        await seat.sees("Why this copy")
        await seat.type("two hours instead of a day")
        await seat.press("enter")
        await seat.sees("Break-glass", "○ shared", "Type  app  to go on", "⏎ Cancel")
        seat.app.screen.focused.post_message(events.Paste("app"))  # type: ignore[union-attr]
        await seat.pilot.pause(0.1)
        await seat.press("enter")  # nothing was typed: a short name is not pasted
        assert seat.event("PointChosen") == ""
        await seat.press("enter")
        await seat.sees("Why this copy")
        await seat.type("two hours instead of a day")
        await seat.press("enter")
        await seat.sees("Break-glass")
        await seat.type("app")
        await seat.press("enter")
        await seat.until(lambda snapshot: "break_glass=True" in seat.event("PointChosen"))
        await seat.press("escape")
        await seat.sees("‼ BREAK-GLASS copy" if size[0] > 80 else "‼ ")

    at_the_screen(world, script, size)


# --- the record ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_the_record_is_searched(world: World, size: tuple[int, int]) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        for text in ("the token was in a repository", "three customers"):
            await seat.press("n")
            await seat.type(text)
            await seat.press("enter")
            await seat.until(
                lambda shown, text=text: (
                    shown.state.notes[-1:] and shown.state.notes[-1].text == text
                )
            )  # type: ignore[misc]
        await seat.press("t", "slash")
        await seat.type("TOKEN was")
        await seat.press("enter")
        only = await seat.sees("1 record with", "the token was in a repository")
        assert "three customers" not in only
        await seat.press("escape")
        await seat.sees("three customers", "drill opened by ops")
        await seat.press("slash")
        await seat.type("nothing like it")
        await seat.press("enter")
        await seat.sees("Nothing was found")
        await seat.press("escape", "escape")
        await seat.sees("1  Look")

    at_the_screen(world, script, size)


def test_a_failure_offers_the_ways_on(world: World) -> None:
    world.start("  - {id: a, phase: restore, do: once, title: Act}\n")

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        raise StepFailed("The disk is full.", next="Make room.")
        yield

    world.once.courses["a"] = course

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("✗ failed", "r runs it again", "I edits an input", "m does it yourself")

    at_the_screen(world, script)


def test_every_key_that_changes_something_is_explained() -> None:
    keys = {one.key for one in IncidentScreen.BINDINGS if getattr(one, "tooltip", "")}
    wanted = {"enter", "g,home", "backspace", "r", "R", "m", "s", "J", "n", "c", "d", "i", "I", "b",
              "p", "v", "t", "e", "h", "exclamation_mark", "x", "a", "question_mark", "q"}  # fmt: skip
    assert wanted <= keys


def test_a_status_update_is_drafted_edited_and_recorded_as_a_message(world: World) -> None:
    world.start(FOUR, Mode.LIVE, occurred=LOSS)

    async def script(seat: Seat) -> None:
        await seat.press("u")
        await seat.sees("Status update", "Send it yourself", "message: what was told")
        await seat.sees("Status of")  # its beginning, not its end
        area = seat.app.screen.query_one(TextArea)
        area.move_cursor(area.document.end)
        await seat.type(" We are sorry.")
        await seat.press("enter")
        await seat.sees("Was it sent, as it stands here?")
        assert seat.event("NoteAdded") == ""
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(snapshot.state.notes))

    at_the_screen(world, script)
    (note,) = world.driver.snapshot.state.notes
    assert note.kind.value == "message"
    assert note.text.endswith(" We are sorry.")
    assert len(note.text.splitlines()) > 1


def test_a_note_of_a_time_to_come_is_not_taken_and_its_time_is_mended_where_it_stands(
    world: World,
) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.type("boss said yes")
        await seat.press("tab")
        await seat.type("2999-01-01")
        await seat.press("enter")
        await seat.sees("it has not come yet", "Enter: record it")
        await seat.press(*(["backspace"] * 10))
        await seat.type("5m ago")
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(snapshot.state.notes))

    at_the_screen(world, script)
    assert world.driver.snapshot.state.notes[0].text == "boss said yes"


def test_a_note_that_was_begun_comes_back(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.type("the console says 403")
        await seat.press("escape")
        await seat.sees("n brings the text back")
        assert seat.event("NoteAdded") == ""
        await seat.press("n")
        await seat.sees("the console says 403")
        await seat.press("enter")
        await seat.until(lambda snapshot: bool(snapshot.state.notes))
        await seat.press("n")
        await seat.sees("What was seen, decided or said")
        assert "console" not in seat.app.screen.query_one(TextArea).text

    at_the_screen(world, script)


def test_a_live_incident_is_aborted_by_its_name_and_not_at_once(world: World) -> None:
    world.start(FOUR, Mode.LIVE, occurred=LOSS)
    name = world.driver.snapshot.state.incident.rsplit("-", 1)[-1]

    async def script(seat: Seat) -> None:
        for back in ("escape", "enter"):
            await seat.press("a")
            await seat.sees("Abort the incident", "Why?")
            await seat.type("oops")
            await seat.press("enter")
            await seat.sees(f"Type  {name}", "cannot be opened again")
            if back == "escape":
                await seat.type(name)
                await seat.press("enter")
                await seat.sees("Esc takes it back")
            await seat.press(back)
            await seat.sees("1  ")
        assert seat.event("IncidentClosed") == ""

    at_the_screen(world, script)


def test_a_number_of_two_digits_is_waited_for(world: World) -> None:
    names = [f"r{number}" for number in range(1, 13)]
    choose = f"{{prompt: Which replica?, choices: [{', '.join(names)}]}}"
    world.start(f"  - {{id: a, phase: decide, do: choose, with: {choose}}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Which replica?")
        await seat.press("1")
        await seat.sees("Enter takes 1")
        await seat.press("2")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script, (80, 24))
    assert world.driver.snapshot.state.steps["a"].answer == "r12"


def test_a_long_instruction_is_read_to_its_end(world: World) -> None:
    told = ", ".join(f"'do number {number} of thirty, and then look at it'" for number in range(30))
    world.start(f"  - {{id: a, phase: contain, do: manual, with: {{instructions: [{told}]}}}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("It is done", "more lines: PgDn", "do number 0 of", "do number 7 of")
        for _ in range(8):
            await seat.press("pagedown")
        await seat.sees("do number 29 of", "PgUp: read back", "It is done")

    at_the_screen(world, script, (80, 24))


def test_no_go_is_not_skipped_and_nothing_follows_it(world: World) -> None:
    decide = "{prompt: Go?, choices: [go, no-go], stop_on: [no-go]}"
    world.start(
        f"  - {{id: d, phase: decide, do: choose, with: {decide}}}\n"
        "  - {id: c, phase: cutover, do: once, title: Send users}\n"
    )

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Go?")
        await seat.press("2")
        await seat.reaches("d", StepState.FAILED)
        assert "skip" not in seat.text().splitlines()[-1]
        await seat.press("s")
        await seat.sees("cannot be skipped", "runs it again")
        await seat.press("escape", "m")
        await seat.sees("it is a question, which is answered here")
        assert "c" not in world.driver.snapshot.decision.ready
        await seat.press("r")
        await seat.sees("Go?")
        await seat.press("1")
        await seat.until(lambda snapshot: "c" in snapshot.decision.ready)

    at_the_screen(world, script)


def test_what_is_typed_behind_an_answer_that_wants_a_reason_is_that_reason(world: World) -> None:
    world.start("  - {id: a, phase: contain, do: manual, with: {instructions: Revoke it.}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("It cannot be done")
        await seat.press("2")
        await seat.sees("it goes on record with answer 2")
        await seat.press("tab", "shift+tab", "tab")
        await seat.type("page 1 of it")
        assert seat.event("AnswerGiven") == ""
        await seat.press("enter")
        await seat.reaches("a", StepState.FAILED)

    at_the_screen(world, script)
    assert world.driver.snapshot.state.steps["a"].comment == "page 1 of it"


def test_twelve_choices_are_all_seen(world: World) -> None:
    names = [f"region-{number}" for number in range(1, 13)]
    choose = f"{{prompt: Which region?, choices: [{', '.join(names)}]}}"
    world.start(f"  - {{id: a, phase: decide, do: choose, with: {choose}}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Which region?", *names, "number (1 to 12)")

    at_the_screen(world, script, (80, 24))


def test_what_a_skip_frees_is_said_before_it(world: World) -> None:
    world.start(
        "  - {id: r, phase: contain, do: manual, with: {instructions: Revoke it.}}\n"
        "  - {id: d, phase: cutover, do: once, title: Delete the old volume}\n"
    )

    async def script(seat: Seat) -> None:
        await seat.press("s")
        await seat.sees("Nothing holds back any more: 2 Delete")

    at_the_screen(world, script)


def test_a_stale_step_runs_again_with_enter(world: World) -> None:
    world.start(
        "  - {id: a, phase: detect, do: none, with: {value: '${{ inputs.day }}'}}\n"
        "  - {id: b, phase: detect, do: manual, needs: []}\n"
    )
    world.ask(SetInput("day", "friday"))

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        await asyncio.wrap_future(world.driver.submit(SetInput("day", "sunday")))
        await seat.reaches("a", StepState.STALE)
        await seat.sees("run step 1 again")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)


def test_a_verification_by_hand_stops_no_clock_and_is_called_so(world: World) -> None:
    world.start("  - {id: v, phase: verify, do: postgres.verify, title: Count}\n", Mode.LIVE)

    async def script(seat: Seat) -> None:
        await seat.press("m")
        await seat.type("counted by eye")
        await seat.press("ctrl+k", "enter")
        await seat.reaches("v", StepState.SUCCEEDED)
        await seat.sees("✎ done by hand")
        assert "in time" not in seat.text()

    at_the_screen(world, script)


def test_what_starts_in_a_moment_is_seen_from_every_step(world: World) -> None:
    world.start(
        "  - {id: a, phase: cutover, do: once, title: Act,"
        " confirm: {type: prod, irreversible: Gone., cool_off: 30s}}\n"
        "  - {id: b, phase: cutover, do: none, needs: [], title: Look}\n"
    )

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Type  prod")
        await seat.type("prod")
        await seat.press("enter")
        await seat.sees("starts in")
        await seat.press("down")
        await seat.sees("1 Act starts in 0:", "Esc take it back")
        await seat.press("b")
        told = [one.message for one in seat.app._notifications]
        assert any("Esc twice takes it back" in words for words in told)
        await seat.press("escape", "escape")
        await seat.reaches("a", StepState.CANCELLED)

    at_the_screen(world, script, (80, 24))


def test_times_of_this_host_are_shown_where_they_are_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        assert "IST" not in await seat.sees("UTC")
        await seat.press("l")
        await seat.sees("IST", "UTC")
        await seat.press("l")
        await seat.pilot.pause(0.1)
        assert "IST" not in seat.text()

    try:
        at_the_screen(world, script)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_the_runbook_asks_for_and_nobody_has_said_is_asked_until_it_is(world: World) -> None:
    world.start(FOUR)

    async def script(seat: Seat) -> None:
        await seat.sees("nobody has said yet when it occurred: press I")
        await seat.press("I", "2")
        await seat.type("20m ago")
        await seat.press("enter")
        await seat.until(lambda snapshot: snapshot.state.occurred is not None)
        assert "nobody has said yet" not in seat.text()

    at_the_screen(world, script)
