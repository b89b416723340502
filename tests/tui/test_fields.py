"""What stands in a field beforehand, what comes back into it, and the sign before what Enter would take."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.folded import loaded
from support.incident import World
from support.screen import Seat, at_the_screen
from textual.widgets import Input, OptionList

from drbook.core.events import NoteKind
from drbook.tui.dialogs import WHY, ChoiceDialog, Chosen, WordsDialog
from drbook.tui.fields import Area
from drbook.tui.starting import StartDialog
from drbook.tui.writing import Elsewhere, ElsewhereDialog, NoteDialog, Written

STEPS = "  - {id: one, phase: contain, do: manual}\n"
BOOK = (
    "drbook: 1\ntitle: T\ninputs:\n"
    "  place: {type: text, default: db1}\n"
    "steps:\n  - {id: one, phase: contain, do: manual}\n"
)
NOW = datetime(2026, 4, 24, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("again", "typed", "ends"),
    [(False, "it hung", "it hung"), (True, " too", "proposed too"), (False, "", "proposed")],
)
def test_typing_replaces_what_is_proposed_and_goes_on_with_what_came_back(
    world: World, again: bool, typed: str, ends: str
) -> None:
    world.start(STEPS)
    ended: list[str | None] = []

    async def script(seat: Seat) -> None:
        dialog = WordsDialog("Cancel", initial="proposed", again=again)
        await seat.app.push_screen(dialog, ended.append)
        await seat.type(typed)
        await seat.press("enter")

    at_the_screen(world, script)
    assert ended == [ends]


def test_a_proposed_text_can_be_changed_at_its_end(world: World) -> None:
    world.start(STEPS)
    ended: list[str | None] = []

    async def script(seat: Seat) -> None:
        await seat.app.push_screen(WordsDialog("Export", initial="a.html"), ended.append)
        await seat.press("end", *["backspace"] * 4, "m", "d", "enter")

    at_the_screen(world, script)
    assert ended == ["a.md"]


def test_a_default_of_the_start_form_is_replaced_by_what_is_typed(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        dialog = StartDialog(loaded(BOOK), Path("/b.yaml"), lambda: NOW)
        await seat.app.push_screen(dialog)
        await seat.press("2")
        await seat.type("db7")
        assert dialog.query_one("#input-0", Input).value == "db7"

    at_the_screen(world, script)


def test_what_comes_back_after_a_refusal_is_not_wiped_by_the_next_key(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        before = Elsewhere(True, "I did it", "printed")
        await seat.app.push_screen(ElsewhereDialog("E", [], "ls", refused="no", initial=before))
        await seat.type("!")
        assert seat.app.screen.query_one(Input).value == "I did it!"
        await seat.press("tab", "exclamation_mark")
        assert seat.app.screen.query_one(Area).text == "printed!"
        await seat.press("escape")
        note = Written("seen", NoteKind.NOTE, NOW)
        await seat.app.push_screen(
            NoteDialog(lambda: NOW, lambda text: text, initial=note, refused="no")
        )
        await seat.type("!")
        assert seat.app.screen.query_one(Area).text == "seen!"
        await seat.press("tab", "backspace", "5")
        assert seat.app.screen.query_one(Input).value == "2026-04-24 19:00:05"

    at_the_screen(world, script)


def test_a_sign_stands_before_what_enter_would_take_and_before_nothing_at_first(
    world: World,
) -> None:
    world.start(STEPS)
    ended: list[Chosen | None] = []

    async def script(seat: Seat) -> None:
        choices = [("a", "first way"), ("b", "second way")]
        await seat.app.push_screen(ChoiceDialog("Which?", [], choices), ended.append)
        text = await seat.sees("1  first way", "2  second way")
        assert "▸" not in text
        assert seat.app.screen.query_one(OptionList).highlighted is None
        await seat.press("down", "down")
        text = await seat.sees("▸ 2  second way")
        assert "▸ 1" not in text
        await seat.press("up")
        text = await seat.sees("▸ 1  first way")
        assert "▸ 2" not in text
        await seat.press("enter")

    at_the_screen(world, script)
    assert ended == [Chosen("a", "")]


def test_the_start_form_has_the_same_sign(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.app.push_screen(StartDialog(loaded(BOOK), Path("/b.yaml"), lambda: NOW))
        await seat.sees("1  LIVE")
        assert "▸" not in seat.text()
        await seat.press("down", "down")
        await seat.sees("▸   2  drill")
        await seat.press("enter")
        await seat.sees("● 2  drill")

    at_the_screen(world, script)


def test_what_was_typed_for_another_question_is_no_reason(world: World) -> None:
    world.start(STEPS)
    ended: list[Chosen | None] = []

    async def script(seat: Seat) -> None:
        choices = [("approved", "somebody approves"), ("break-glass", "go on without")]
        dialog = ChoiceDialog(
            "Who?", [], choices, needing={"approved": "A name", "break-glass": WHY}
        )
        dialog.begin_with("Ann", "Refused: Ann is not on the list.")
        await seat.app.push_screen(dialog, ended.append)
        await seat.sees("Refused: Ann is not on the list.", "You may choose now")
        await seat.press("shift+tab", "2")
        await seat.sees("typed for another question")
        await seat.press("enter")
        await seat.sees("typed for another question")
        assert ended == []
        await seat.type(" does not answer")
        await seat.press("enter")

    at_the_screen(world, script)
    assert ended == [Chosen("break-glass", "Ann does not answer")]


def test_a_name_that_was_typed_before_the_wait_ended_still_approves(world: World) -> None:
    world.start(STEPS)
    ended: list[Chosen | None] = []

    async def script(seat: Seat) -> None:
        choices = [("approved", "somebody approves"), ("break-glass", "go on without")]
        dialog = ChoiceDialog(
            "Who?", [], choices, needing={"approved": "A name", "break-glass": WHY}
        )
        dialog.begin_with("Ann")
        await seat.app.push_screen(dialog, ended.append)
        await seat.press("shift+tab", "1")

    at_the_screen(world, script)
    assert ended == [Chosen("approved", "Ann")]
