"""The incident's screen by its keys: what is asked for, what goes on record, what is shown."""

import threading
from pathlib import Path

import pytest
from support.incident import World
from support.screen import Seat, at_the_screen
from textual import events

from drbook.core.actions import Empty, Finished, Probed, StepContext
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.events import Mode, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.signals import Output, Progress, Working
from drbook.core.state import StepState
from drbook.core.values import Frozen
from drbook.tui.incident import IncidentScreen

TWO = "  - {id: a, phase: detect, do: none, title: Look}\n  - {id: b, phase: restore, do: once, title: Act}\n"
MANUAL = "  - {id: a, phase: contain, do: manual, with: {instructions: Revoke the token.}}\n"
CONFIRMED = "  - {id: a, phase: cutover, do: once, confirm: {type: rental-prod, irreversible: Gone is gone., cool_off: 30s}}\n"
ONCE = "  - {id: a, phase: restore, do: once, title: Act}\n"


def _fails(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    raise StepFailed("The disk is full.", means="Nothing was restored.", next="Make room.")
    yield


def _unknown(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    raise CouldNotVerify("The server did not answer.", next="Ask it again.")
    yield


class _Hold:
    """Runs with progress until it is let go or cancelled."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output("pg_restore: loading")
        while not self.go.wait(0.02):
            ports.cancel.raise_if_requested()
            yield Progress("load", 11, 41, "tables", "public.vehicles")
        return Finished(Empty(), reason="loaded")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (100, 30), (120, 40), (200, 60)])
@pytest.mark.parametrize(
    ("mode", "banner"),
    [(Mode.LIVE, "LIVE"), (Mode.DRILL, "REHEARSAL"), (Mode.DRY_RUN, "DRY RUN")],
)
def test_what_matters_is_seen_at_every_size(
    world: World, size: tuple[int, int], mode: Mode, banner: str
) -> None:
    world.start(TWO, mode)

    async def script(seat: Seat) -> None:
        text = await seat.sees(banner, "RTO", "LOSS", "Look", "▶ ready", "pretends", "run step 1")
        assert "✓ 1" in text
        assert all(len(line) <= size[0] for line in text.splitlines())

    at_the_screen(world, script, size)


@pytest.mark.parametrize(("columns", "whole"), [(120, False), (140, True), (200, True)])
def test_a_wide_screen_shows_whole_titles(world: World, columns: int, whole: bool) -> None:
    title = "Restore it to a fresh cluster on this host"
    world.start(TWO.replace("title: Act", f"title: {title}"))

    async def script(seat: Seat) -> None:
        text = await seat.sees("Look", "run step 1")
        assert (title in text) is whole

    at_the_screen(world, script, (columns, 40))


def test_a_screen_that_is_too_small_says_so_and_goes_on(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        await seat.sees("too small")
        await seat.pilot.resize_terminal(80, 24)
        await seat.sees("REHEARSAL", "run step 1")

    at_the_screen(world, script, (50, 10))


def test_enter_runs_then_shows_the_result_and_only_then_moves_on(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("1  Look", "✓ done", "go to step 2")
        await seat.press("enter")
        await seat.sees("2  Act", "run step 2")
        assert world.driver.snapshot.state.steps["b"].state is StepState.PENDING
        await seat.press("enter")
        await seat.reaches("b", StepState.SUCCEEDED)
        await seat.press("enter")
        await seat.sees("Close the incident", "PASS")
        await seat.press("enter")
        await seat.sees("CLOSED: PASS")
        await seat.press("q")
        assert not seat.app.is_running or seat.app._exit

    at_the_screen(world, script)
    assert world.driver.snapshot.state.outcome == "pass"


def test_what_is_done_by_hand_is_answered_on_purpose(world: World) -> None:
    world.start(MANUAL)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Revoke the token.", "1  It is done", "2  It cannot be done")
        await seat.press("enter", "enter")  # an Enter too many answers nothing
        assert seat.event("AnswerGiven") == ""
        await seat.press("tab")
        await seat.type("revoked at 21:40")
        await seat.press("enter")
        await seat.sees("Choose first")
        await seat.press("shift+tab", "1")
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("revoked at 21:40")

    at_the_screen(world, script)
    assert world.driver.snapshot.state.steps["a"].comment == "revoked at 21:40"


def test_backing_out_of_a_question_leaves_it_open(world: World) -> None:
    world.start(MANUAL)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("It is done")
        await seat.press("escape")
        await seat.sees("needs an answer from you", "answer step 1")
        await seat.press("enter")
        await seat.sees("It is done")
        await seat.press("2")
        await seat.sees("Say why in a few words")
        await seat.type("nobody has the key")
        await seat.press("enter")
        await seat.reaches("a", StepState.FAILED)

    at_the_screen(world, script)


def test_an_answer_of_the_wrong_type_is_refused_and_can_be_given_again(world: World) -> None:
    world.start("  - {id: a, phase: decide, do: ask, with: {prompt: How many?, type: number}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("How many?", "A whole number.")
        await seat.press("enter")
        await seat.sees("An answer is needed.")
        await seat.type("twelve")
        await seat.press("enter")
        text = await seat.sees("'twelve' is not a whole number", "How many?")
        assert text.count("twelve") >= 2  # it stays in its field, too
        assert seat.event("AnswerGiven") == ""
        await seat.press("ctrl+u")
        await seat.type("12")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)


def test_a_confirmation_is_typed_exactly_and_cancel_has_the_focus(world: World) -> None:
    world.start(CONFIRMED)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Type  rental-prod", "Gone is gone.", "⏎ Cancel")
        await seat.sees("Esc: cancel, nothing is done")
        assert "Verified" not in seat.text()  # nothing is restored in this runbook
        seat.app.screen.focused.post_message(events.Paste("rental-prod"))  # type: ignore[union-attr]
        await seat.sees("Pasting is not taken here")
        await seat.press("enter")  # Cancel has the focus
        await seat.sees("needs a confirmation from you")
        await seat.press("enter")
        await seat.sees("Type  rental-prod")
        await seat.type("rental-pro")
        await seat.press("enter")
        await seat.sees("not the name")
        assert seat.event("ConfirmationGiven") == ""
        await seat.type("d")
        await seat.press("enter")
        await seat.sees("starts in", "Escape takes it back")
        assert "rental-prod" in seat.event("ConfirmationGiven")
        await seat.press("escape")
        await seat.reaches("a", StepState.CANCELLED)

    at_the_screen(world, script, (80, 24))
    assert "StepStarted" not in world.events()


def test_the_dialog_says_what_enter_does_at_each_letter(world: World) -> None:
    world.start(CONFIRMED.replace("30s", "0s"))

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Type  rental-prod", "⏎ Cancel")
        await seat.type("rental-prodx")
        await seat.sees("not yet the name")
        await seat.press("backspace")
        await seat.sees("⏎ Go on")
        await seat.press("ctrl+u")
        await seat.sees("⏎ Cancel")
        seat.app.post_message(events.Paste("rental-prod"))
        await seat.sees("⏎ Cancel")  # a short name is typed, not pasted
        # Letters as fast as a machine sends them: none is lost.
        for letter in "rental-prod":
            seat.app.post_message(events.Key("minus" if letter == "-" else letter, letter))
        await seat.sees("⏎ Go on")
        assert seat.event("ConfirmationGiven") == ""
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script, (80, 24))


def test_by_hand_is_confirmed_before_it_is_answered(world: World) -> None:
    world.start("  - {id: a, phase: cutover, do: manual, confirm: {type: prod, cool_off: 1s}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Type  prod")
        await seat.type("prod")
        await seat.press("enter")
        await seat.sees("It is done")  # asked for by itself, once the cooling-off is over
        await seat.press("1")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)
    names = world.events()
    assert names.index("ConfirmationGiven") < names.index("AnswerGiven")


def test_an_approval_names_somebody_else(world: World) -> None:
    world.start("  - {id: a, phase: cutover, do: once, approve: {by: lead}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("needed by lead", "Who approves it?")
        await seat.type("ops")
        await seat.press("enter")
        await seat.sees("somebody else than the operator", "Who approves it?")
        await seat.press("ctrl+u")
        await seat.type("maria")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)
    assert world.driver.snapshot.state.steps["a"].approved_by == "maria"


def test_could_not_verify_never_looks_like_passed(world: World) -> None:
    world.start("  - {id: a, phase: detect, do: none, title: Count}\n")
    world.none.courses["a"] = _unknown

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.COULD_NOT_VERIFY)
        text = await seat.sees("? could not verify", "The server did not answer.", "d go on")
        steps = [line for line in text.splitlines() if "Count" in line]
        assert steps
        assert not any("✓" in line.split("│")[0] for line in steps)
        await seat.press("d")
        await seat.sees("Nobody knows whether it is well")
        await seat.press("enter")
        assert seat.event("DecisionRecorded") == ""
        await seat.type("counted by hand")
        await seat.press("enter")
        await seat.sees("not verified, accepted")
        assert "counted by hand" in seat.event("DecisionRecorded")

    at_the_screen(world, script)


def test_a_failure_says_what_it_means_and_can_be_tried_again_or_skipped(world: World) -> None:
    world.start(ONCE)
    world.once.courses["a"] = _fails

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("✗ failed", "The disk is full.", "Nothing was restored.", "Make room.")
        await seat.press("r")
        await seat.until(lambda shot: shot.state.steps["a"].attempt == 2)
        await seat.reaches("a", StepState.FAILED)
        await seat.press("s")
        await seat.sees("Skip 1 Act")
        await seat.press("enter")
        assert seat.event("StepSkipped") == ""
        await seat.type("restored by hand")
        await seat.press("enter")
        await seat.reaches("a", StepState.SKIPPED)
        await seat.sees("– skipped", "restored by hand")

    at_the_screen(world, script)


def test_running_a_finished_step_again_is_asked(world: World) -> None:
    world.start(ONCE)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.press("r")
        await seat.sees("becomes stale")
        await seat.press("1")
        assert world.driver.snapshot.state.steps["a"].attempt == 1
        await seat.press("r")
        await seat.press("2")
        await seat.until(lambda shot: shot.state.steps["a"].attempt == 2)

    at_the_screen(world, script)


def test_a_running_step_shows_how_far_it_is_and_can_be_cancelled(world: World) -> None:
    world.start("  - {id: a, phase: locate, do: none, title: Act}\n")
    world.none.courses["a"] = _Hold()

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("◐ running", "load", "26 %", "11 of 41 tables", "pg_restore: loading")
        await seat.press("c")
        await seat.sees("Cancel 1 Act")
        await seat.press("enter")
        await seat.reaches("a", StepState.CANCELLED)

    at_the_screen(world, script)
    assert "CancelRequested" in world.events()


def test_another_step_is_led_while_one_runs(world: World) -> None:
    hold = _Hold()
    world.start(
        "  - {id: a, phase: restore, do: once, title: Long}\n"
        "  - {id: b, phase: contain, do: manual, title: Revoke, needs: []}\n"
    )
    world.once.courses["a"] = hold

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("◐ running", "next for you: 2 Revoke", "go to step 2")
        await seat.press("enter", "enter")
        await seat.sees("It is done")
        hold.go.set()
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("It is done")  # a step that ends takes nothing away
        await seat.press("1")
        await seat.reaches("b", StepState.SUCCEEDED)
        await seat.sees("2  Revoke")

    at_the_screen(world, script)


def test_a_step_in_doubt_is_looked_at_then_settled(world: World) -> None:
    world.start(ONCE)

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output("x")
        raise TimeoutError("the answer never came")

    world.once.courses["a"] = course
    world.once.probed = Probed("happened", "the cluster is there")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.IN_DOUBT)
        await seat.sees("‼ in doubt", "settle step 1")
        await seat.press("i", "1")
        await seat.sees("the cluster is there", "its own look says that it happened")
        await seat.press("i")
        await seat.sees("Seen", "It happened")
        await seat.press("3")  # without a reason
        await seat.sees("Say why in a few words")
        await seat.type("the cluster answers")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)


def test_the_authors_own_words_come_first_where_a_step_failed(world: World) -> None:
    world.start(TWO.replace("do: none", "if_fails: call Anna, do: none", 1))
    world.none.courses["a"] = _fails

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.FAILED)
        text = await seat.sees("✗ failed", "call Anna", "DO NEXT")
        assert text.index("call Anna") < text.index("DO NEXT")
        assert text.count("call Anna") == 1

    at_the_screen(world, script)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (TWO, "it changes nothing outside"),
        (ONCE, "do not repeat it blindly"),
        (TWO.replace("do: none", "if_fails: call Anna, do: none", 1), "call Anna"),
    ],
)
def test_what_to_do_where_it_fails_is_said_before_it_runs_and_after(
    world: World, steps: str, said: str
) -> None:
    world.start(steps)
    world.none.courses["a"] = world.once.courses["a"] = _fails

    async def script(seat: Seat) -> None:
        await seat.sees("IF FAILS", said)
        await seat.press("enter")
        await seat.reaches("a", StepState.FAILED)
        await seat.sees("✗ failed", "IF FAILS", said)

    at_the_screen(world, script)


def test_a_note_goes_on_record_with_its_step(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.sees("goes on record now")
        await seat.type("three customers at the counter")
        await seat.press("enter")
        await seat.sees("note (ops): three customers at the counter")

    at_the_screen(world, script)
    assert world.driver.snapshot.state.notes[0].step == "a"


def test_abort_needs_a_reason_and_ends_the_incident(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        await seat.press("a")
        await seat.sees("Abort the incident")
        await seat.press("escape", "a")
        await seat.type("wrong database")
        await seat.press("enter")
        await seat.sees("CLOSED: ABORTED")
        assert "wrong database" in seat.event("IncidentClosed")

    at_the_screen(world, script)


def test_leaving_an_open_incident_is_asked_and_names_what_it_cancels(world: World) -> None:
    world.start(ONCE)
    world.once.courses["a"] = _Hold()

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.STARTED)
        await seat.press("q")
        await seat.sees("stays open", "drbook resume", "Cancelled by leaving: 1 Act")
        await seat.press("1")
        await seat.sees("◐ running")
        await seat.press("ctrl+q")
        await seat.sees("Leave drbook?")
        await seat.press("2")
        assert seat.app._exit

    at_the_screen(world, script)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("c", "does not run"),
        ("d", "is not one that could not be verified"),
        ("i", "is not in doubt"),
        ("x", "Not every step has ended."),
    ],
)
def test_a_key_that_does_nothing_now_says_why(world: World, key: str, words: str) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        before = len(world.events())
        await seat.press(key)
        await seat.sees("✗", words, "Esc hides this")
        await seat.press("escape")
        assert words not in seat.text()
        assert len(world.events()) == before

    at_the_screen(world, script, (80, 24))


def test_a_blocked_step_is_not_run_by_enter(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        await seat.press("down")
        await seat.sees("2  Act", "waits for step 1 (a) to be done", "go to step 1")
        await seat.press("enter")
        await seat.sees("1  Look")
        assert "StepPlanned" not in world.events()
        await seat.press("down", "r")
        await seat.sees("waits for step 1 (a) to be done", "cannot run")
        assert "StepPlanned" not in world.events()

    at_the_screen(world, script)


def test_the_timeline_is_exported_by_a_key_and_never_over_another_file(
    world: World, tmp_path: Path
) -> None:
    world.start(TWO)
    target = tmp_path / "out.html"

    async def script(seat: Seat) -> None:
        for words in ("Written", "exists already"):
            await seat.press("e")
            await seat.sees("Export the timeline", "20260424-x-7f3a.html")
            await seat.press("ctrl+u")
            await seat.type(str(target))
            await seat.press("enter")
            await seat.sees(words)
        await seat.press("e", "ctrl+u")
        await seat.type(str(tmp_path / "out.pdf"))
        await seat.press("enter")
        await seat.sees("Nobody knows what format")

    at_the_screen(world, script)
    assert world.driver.snapshot.head in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_record_that_cannot_be_written_is_unmistakable(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        world.writer.close()
        await seat.press("enter")
        text = await seat.sees("journal ✗ NOT WRITTEN")
        assert "run step 1" not in text

    at_the_screen(world, script)


def test_every_key_is_in_the_palette_and_in_the_help(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        words = [one.tooltip for one in IncidentScreen.BINDINGS if getattr(one, "tooltip", "")]
        assert len(words) > 12
        await seat.press("question_mark")
        await seat.sees("KEYS", "SIGNS", "could not verify", *words)
        await seat.press("escape", "ctrl+p")
        await seat.sees("Write a note into the record")
        await seat.type("write a note")
        await seat.pilot.pause(0.5)
        await seat.press("enter", "enter")
        await seat.sees("goes on record now")

    at_the_screen(world, script, (120, 60))


def test_hostile_text_is_shown_as_text(world: World) -> None:
    evil = "[bold red]x[/] \x1b[2J\x1b]0;t\x07 \u202egnp.exe \x9b31m"
    world.once.plans["a"] = Plan(does=(evil,), source=evil, touches=evil)
    world.start(ONCE)

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output(evil)
        return Finished(Empty(), StepEnd.FAILED, evil, means=evil, next=evil)

    world.once.courses["a"] = course

    async def script(seat: Seat) -> None:
        before = await seat.sees("[bold red]x[/]", r"\x1b[2J", r"\u202e", r"\x9b")
        await seat.press("enter")
        after = await seat.sees("✗ failed", "[bold red]x[/]", r"\x1b[2J", r"\u202e")
        await seat.press("t")
        listed = await seat.sees("TIMELINE", r"\x1b[2J")
        for text in (before, after, listed):
            assert not any(bad in text for bad in "\x1b\x07\x9b\u202e")

    at_the_screen(world, script)
