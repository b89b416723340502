"""The home screen by its keys: what is shown, what is filtered, what is opened, and the way back."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.nasty import NASTY, unsafe
from support.screen import shown
from textual.pilot import Pilot
from textual.widgets import Input

from drbook.app.places import Home
from drbook.app.session import open_incident
from drbook.app.shipped import names, open_runbook
from drbook.core.errors import RunbookInvalid
from drbook.core.events import Mode
from drbook.core.state import StepState
from drbook.tui.home import HomeScreen
from drbook.tui.homeapp import HomeApp
from drbook.tui.incident import IncidentScreen
from drbook.tui.modal import Modal
from drbook.tui.starting import StartDialog, WordsScreen
from drbook.tui.turns import HELD
from drbook.tui.watch import WatchScreen

HAND = """\
drbook: 1
title: Revoke by hand
objectives: {rto: 1h}
inputs:
  who: {prompt: "Who is on call?", required: false}
  occurred: {type: time, prompt: "When did it happen?"}
steps:
  - {id: a, phase: contain, do: manual, title: Revoke}
  - {id: b, phase: close, do: note, with: {text: Call the provider.}}
"""
BROKEN = HAND.replace("do: manual", "do: manul").replace("Revoke by hand", "Broken")
PLAIN_BOOK = "drbook: 1\ntitle: Without inputs\nsteps:\n  - {id: a, phase: contain, do: manual}\n"


@dataclass
class Sitting:
    """Somebody at home."""

    app: HomeApp
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        for key in keys:
            if key == "enter" and isinstance(self.app.screen, Modal):
                await self.pilot.pause(HELD + 0.02)  # nobody reads a dialog faster
            await self.pilot.press(key)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*("space" if letter == " " else letter for letter in text))

    def text(self) -> str:
        return shown(self.app)

    async def sees(self, *words: str, seconds: float = 15) -> str:
        for _ in range(int(seconds * 50)):
            text = self.text()
            if all(word in text for word in words):
                return text
            await self.pilot.pause(0.02)
        missing = [word for word in words if word not in self.text()]
        raise AssertionError(f"{missing} not on the screen:\n{self.text()}")

    async def at(self, kind: type, seconds: float = 15) -> None:
        for _ in range(int(seconds * 50)):
            if isinstance(self.app.screen, kind):
                await self.pilot.pause(0.05)
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"at {self.app.screen}:\n{self.text()}")

    @property
    def home(self) -> HomeScreen:
        return next(one for one in self.app.screen_stack if isinstance(one, HomeScreen))

    async def read(self) -> str:
        """Wait until everything is read."""
        for _ in range(1000):
            if not self.home.contents.reading:
                await self.pilot.pause(0.05)
                return self.text()
            await self.pilot.pause(0.02)
        raise AssertionError("still reading")


Script = Callable[[Sitting], Awaitable[None]]


@dataclass
class Place:
    """A state directory and a folder to be in."""

    home: Home
    here: Path

    def book(self, name: str, text: str) -> Path:
        path = self.here / name
        path.write_text(text)
        return path

    def incident(self, text: str, mode: Mode = Mode.DRILL, **inputs: str) -> Path:
        """An incident that was opened and left."""
        path = self.here.parent / "elsewhere.yaml"
        path.write_text(text)
        with open_incident(open_runbook(str(path)), mode, self.home, inputs) as session:
            return session.folder

    def sit(self, script: Script, size: tuple[int, int] = (100, 30)) -> HomeApp:
        async def run() -> HomeApp:
            app = HomeApp(self.home, self.here, {"PATH": "/usr/bin:/bin"})
            async with app.run_test(size=size, notifications=True) as pilot:
                await script(Sitting(app, pilot))
            return app

        app = asyncio.run(run())
        app.close_all()
        return app


@pytest.fixture
def place(tmp_path: Path) -> Place:
    here = tmp_path / "here"
    here.mkdir()
    return Place(Home(tmp_path / "home"), here)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 60)])
def test_it_shows_its_three_sections_at_every_size(place: Place, size: tuple[int, int]) -> None:
    place.book("hand.yaml", HAND)
    place.book("broken.yaml", BROKEN)
    place.book("docker-compose.yaml", "services: {}\n")
    place.incident(PLAIN_BOOK)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        books = f"RUNBOOKS {len(names()) + 2}"
        text = await sitting.sees("OPEN INCIDENTS 1", "Without inputs", books, "✓ hand.yaml")
        await sitting.sees("✗ broken.yaml", "1 problem", names()[0], "⏎ resume")
        assert "docker-compose" not in text
        assert all(len(line) <= size[0] for line in text.splitlines())

    place.sit(script, size)


def test_an_empty_machine_says_what_to_do(place: Place) -> None:
    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.sees("OPEN INCIDENTS 0", "drbook demo", "⏎ start")

    place.sit(script)


def test_letters_filter_and_escape_clears(place: Place) -> None:
    place.book("hand.yaml", HAND)
    place.book("broken.yaml", BROKEN)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("hand revoke")
        text = await sitting.sees("filter: hand revoke", "1 found")
        assert "broken.yaml" not in text
        await sitting.press("backspace")
        await sitting.sees("filter: hand revok")
        await sitting.press("ctrl+u")
        await sitting.sees("Type to filter", "broken.yaml")
        await sitting.type("zzz")
        await sitting.sees("0 found", "none that the filter finds")
        await sitting.press("enter")
        await sitting.press("escape")
        await sitting.sees("Type to filter", "broken.yaml")

    place.sit(script)


def test_arrows_pages_and_sections(place: Place) -> None:
    for name in ("one", "two", "three"):
        place.book(f"{name}.yaml", HAND)
    place.incident(PLAIN_BOOK)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        assert sitting.home.chosen is not None
        assert sitting.home.chosen.section == "OPEN INCIDENTS"
        await sitting.press("tab")
        assert sitting.home.chosen.section == "RUNBOOKS"
        first = sitting.home.chosen.key
        await sitting.press("down")
        assert sitting.home.chosen.key != first
        await sitting.press("up")
        assert sitting.home.chosen.key == first
        await sitting.press("end")
        last = sorted(names())[-1]  # the shipped ones come behind one's own
        assert sitting.home.chosen.key.endswith(f"{last}.yaml")
        await sitting.press("home")
        assert sitting.home.chosen.section == "OPEN INCIDENTS"
        await sitting.press("pagedown")
        last = sorted(names())[-1]  # the shipped ones come behind one's own
        assert sitting.home.chosen.key.endswith(f"{last}.yaml")
        await sitting.press("pageup")
        await sitting.press("shift+tab")
        assert sitting.home.chosen.section == "RUNBOOKS"

    place.sit(script)


def test_a_runbook_is_started_with_its_mode_and_inputs_and_resumed_after_leaving(
    place: Place,
) -> None:
    place.book("hand.yaml", HAND)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("hand")
        await sitting.press("enter")
        await sitting.at(StartDialog)
        text = await sitting.sees("Revoke by hand", "1  LIVE", "2  drill", "3  dry run", "needed")
        assert text.index("When did it happen?") < text.index("Who is on call?")  # asked early
        await sitting.press("enter")  # nothing is chosen beforehand
        await sitting.at(StartDialog)
        await sitting.press("2")
        await sitting.type("yesterday")
        await sitting.sees("✗ 'yesterday' is not a time")
        await sitting.press("enter")
        await sitting.at(StartDialog)
        await sitting.press("ctrl+u")
        await sitting.type("20m ago")
        await sitting.sees("✓ 20", "20 m 00 s ago")
        await sitting.press("enter", "enter")
        await sitting.at(IncidentScreen)
        await sitting.sees("REHEARSAL", "Revoke by hand", "run step 1")
        await sitting.press("enter")
        await sitting.sees("It is done")
        await sitting.press("1")
        await sitting.sees("go to step 2")
        await sitting.press("q")
        await sitting.sees("Leave drbook?", "waits on the")
        await sitting.press("2")
        await sitting.at(HomeScreen)
        await sitting.press("escape")
        await sitting.sees("OPEN INCIDENTS 1", "▶ ◇ drill", "Type to filter")
        await sitting.press("home", "enter")
        await sitting.at(IncidentScreen)
        await sitting.sees("run step 2")
        screen = sitting.app.screen
        assert isinstance(screen, IncidentScreen)
        assert screen.shown.state.steps["a"].state is StepState.SUCCEEDED
        assert screen.shown.state.occurred is not None
        await sitting.press("enter")
        await sitting.sees("x close")
        await sitting.press("x")
        await sitting.sees("PASS")
        await sitting.press("enter")
        await sitting.sees("CLOSED: PASS")
        await sitting.press("q")
        await sitting.at(HomeScreen)
        await sitting.sees("OPEN INCIDENTS 0", "HISTORY 1", "✓ pass", "RTO not measured")
        await sitting.press("end", "enter")
        await sitting.at(WatchScreen)
        await sitting.sees("CLOSED RECORD", "read-only", "CLOSED: PASS")
        await sitting.press("q")
        await sitting.at(HomeScreen)

    assert place.sit(script).left_open == {}


def test_more_enters_than_needed_open_one_incident(place: Place) -> None:
    place.book("plain.yaml", PLAIN_BOOK)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("plain.yaml")
        await sitting.press("enter")
        await sitting.at(StartDialog)
        dialog = sitting.app.screen
        dialog.dismiss(None)
        dialog.dismiss(None)  # a second end of a dialog takes nothing else away
        await sitting.at(HomeScreen)
        await sitting.press("enter")
        await sitting.at(StartDialog)
        await sitting.press("3")
        await sitting.at(IncidentScreen)
        await sitting.sees("DRY RUN")
        assert isinstance(sitting.app.screen_stack[1], HomeScreen)

    app = place.sit(script)
    assert len(list(place.home.incidents.iterdir())) == 1
    assert len(app.left_open) == 1  # the application ended with it open


def test_escape_starts_nothing(place: Place) -> None:
    place.book("hand.yaml", HAND)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("hand")
        await sitting.press("enter")
        await sitting.at(StartDialog)
        await sitting.press("1")
        await sitting.type("now")
        await sitting.press("escape")
        await sitting.at(HomeScreen)

    place.sit(script)
    assert not place.home.incidents.exists()


def test_a_runbooks_problems_are_shown_with_their_places(place: Place) -> None:
    place.book("broken.yaml", BROKEN)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("broken")
        await sitting.sees("⏎ show the problems")
        await sitting.press("enter")
        await sitting.at(WordsScreen)
        await sitting.sees("1 problem in broken.yaml", "broken.yaml:8:", "manul")
        await sitting.press("down", "pagedown", "up", "escape")
        await sitting.at(HomeScreen)

    place.sit(script)


def test_what_is_in_doubt_is_first_and_in_red(place: Place) -> None:
    left = place.incident(PLAIN_BOOK.replace("Without inputs", "Harmless"))
    doubtful = place.incident(
        PLAIN_BOOK.replace("Without inputs", "Half done").replace(
            "do: manual", "do: shell, with: {shell: sleep 600, changes: target}"
        )
    )
    _break_off(doubtful)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        text = await sitting.sees("‼ IN DOUBT: 1 open incident", "in doubt: a", "OPEN INCIDENTS 2")
        assert text.index("Half done") < text.index("Harmless")
        assert sitting.home.chosen is not None
        assert sitting.home.chosen.key.endswith(doubtful.name)

    assert left != doubtful
    place.sit(script)


def _break_off(folder: Path) -> None:
    """As if drbook had been killed while the step ran."""
    from drbook.core import events as ev
    from drbook.journal.writer import Writer

    with Writer(folder / "journal.jsonl", mode=Mode.DRILL, host="here") as writer:
        plan = ev.Plan(does=("sleeps",))
        writer.append(
            "ops",
            ev.StepPlanned(
                step="a",
                attempt=1,
                action="shell",
                effect=ev.Effect.ONCE,
                params={},
                plan=plan,
                digest="0",
            ),
        )
        writer.append("ops", ev.StepStarted(step="a", attempt=1))


def test_a_damaged_record_is_named_and_not_gone_on_with(place: Place) -> None:
    folder = place.incident(PLAIN_BOOK)
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"Without", b"Whatout") + b"rubbish\n")

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.sees("✗ damaged", "⏎ what is wrong")
        await sitting.press("enter")
        await sitting.sees("What it means", "journal verify")
        await sitting.press("escape")
        await sitting.at(HomeScreen)

    place.sit(script)


def test_an_error_is_said_with_what_to_do_next(place: Place) -> None:
    folder = place.incident(PLAIN_BOOK)
    (folder / "runbook.yaml").write_text(PLAIN_BOOK + "\n# changed\n")

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.press("enter")
        await sitting.sees("does not hold the runbook", "What it means", "What to do")
        await sitting.press("escape")
        await sitting.at(HomeScreen)

    place.sit(script)


def test_what_another_drbook_leads_is_watched(place: Place) -> None:
    path = place.here.parent / "elsewhere.yaml"
    path.write_text(PLAIN_BOOK)
    with open_incident(open_runbook(str(path)), Mode.DRILL, place.home, {}):

        async def script(sitting: Sitting) -> None:
            await sitting.read()
            await sitting.press("enter")
            await sitting.at(WatchScreen)
            await sitting.sees("WATCHING")
            await sitting.press("q")
            await sitting.at(HomeScreen)
            # Where nothing tells beforehand that it is led, the refusal offers it.
            sitting.app.resume(next(place.home.incidents.iterdir()))
            await sitting.sees("Another drbook", "w: watch it")
            await sitting.press("w")
            await sitting.at(WatchScreen)

        place.sit(script)


def test_help_palette_theme_and_leaving(place: Place) -> None:
    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.press("question_mark")
        await sitting.sees("KEYS", "Filter: each word", "The next section", "^t")
        await sitting.press("escape")
        await sitting.press("ctrl+p")
        await sitting.sees("Clear the filter", "Theme: dark, light, high contrast")
        await sitting.press("escape")
        await sitting.press("ctrl+r")
        await sitting.press("ctrl+q")
        await sitting.pilot.pause(0.1)
        assert sitting.app._exit

    place.sit(script)


def test_a_click_chooses_and_a_second_one_acts(place: Place) -> None:
    place.book("broken.yaml", BROKEN)
    place.book("hand.yaml", HAND)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        rows = (await sitting.sees("broken.yaml")).splitlines()
        at = next(number for number, row in enumerate(rows) if "broken.yaml" in row and "✗" in row)
        await sitting.pilot.click(offset=(10, at))
        await sitting.sees("▌✗ broken.yaml")
        await sitting.pilot.click(offset=(10, at))
        await sitting.sees("1 problem in broken.yaml")
        await sitting.press("escape")
        rows = (await sitting.sees("⏎ show the problems")).splitlines()
        await sitting.pilot.click(offset=(rows[-1].index("help"), len(rows) - 1))
        await sitting.sees("KEYS")

    place.sit(script)


def test_too_small_says_so_over_dialogs_too_and_goes_on(place: Place) -> None:
    place.book("hand.yaml", HAND)

    async def script(sitting: Sitting) -> None:
        await sitting.sees("too small")
        await sitting.pilot.resize_terminal(80, 24)
        await sitting.read()
        await sitting.type("hand")
        await sitting.press("enter")
        await sitting.at(StartDialog)
        await sitting.press("2")
        await sitting.type("20m")
        await sitting.pilot.resize_terminal(30, 8)
        await sitting.sees("too small")
        await sitting.press("enter", "escape", "x")  # nobody sees what these would do
        await sitting.pilot.resize_terminal(80, 24)
        await sitting.at(StartDialog)
        await sitting.type(" ago")
        await sitting.sees("20 m 00 s ago")

    place.sit(script, (40, 10))


@pytest.mark.parametrize("name", sorted(NASTY))
def test_hostile_titles_and_names_are_shown_harmlessly(place: Place, name: str) -> None:
    text = NASTY[name].encode("utf-8", "replace").decode()[:10_000]
    title = json.dumps(text)
    place.book("evil.yaml", PLAIN_BOOK.replace("Without inputs", title))
    place.book("worse.yaml", BROKEN.replace("Broken", title).replace("manul", title))
    safe = "".join(letter for letter in text if letter not in "/\0\n")[:60] or "x"
    (place.here / f"{safe}.yaml").write_text(BROKEN)
    with suppress(RunbookInvalid):  # a title that is refused is harmless, too
        place.incident(PLAIN_BOOK.replace("Without inputs", title))

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        for keys in ((), ("down",), ("down",), ("down",), ("down",), ("enter",), ("escape",)):
            await sitting.press(*keys)
            text = sitting.text()
            assert unsafe(text) == []
            assert all(min(len(line), cell_len(line)) <= 80 for line in text.splitlines()), text
        await sitting.type("evil")
        await sitting.press("enter")
        await sitting.pilot.pause(0.1)
        assert unsafe(sitting.text()) == []

    place.sit(script, (80, 24))


def test_a_hostile_default_is_text_in_its_field_and_is_taken_as_it_was(place: Place) -> None:
    hostile = "x \x1b]0;owned\x07\u202e"
    place.book("evil.yaml", HAND.replace("required: false", f"default: {json.dumps(hostile)}"))

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("evil")
        await sitting.press("enter")
        await sitting.sees("Who is on call?")
        fields = [field.value for field in sitting.app.screen.query(Input)]
        assert "x \\x1b]0;owned\\x07\\u202e" in fields
        await sitting.press("2")
        await sitting.type("20m ago")
        await sitting.press("enter", "enter")
        await sitting.at(IncidentScreen)
        assert sitting.app.screen.shown.state.inputs["who"] == hostile  # type: ignore[attr-defined]

    place.sit(script, (80, 24))


def test_a_time_that_has_not_come_is_taken_at_the_second_enter(place: Place) -> None:
    place.book("hand.yaml", HAND)

    async def script(sitting: Sitting) -> None:
        await sitting.read()
        await sitting.type("revoke")
        await sitting.press("enter")
        await sitting.sees("When did it happen?")
        await sitting.press("2")
        await sitting.type("2999-01-01 10:00")
        await sitting.sees("▲ 2999-01-01 10:00:00 UTC: that is in the future")
        await sitting.press("enter")
        await sitting.sees("Enter again takes")
        await sitting.press("ctrl+u")
        await sitting.type("10 min ago")
        await sitting.sees("✓ ", "10 m 00 s ago")
        await sitting.press("enter", "enter")
        await sitting.at(IncidentScreen)

    place.sit(script, (100, 30))


def test_hundreds_of_incidents_are_read_behind_the_screen(place: Place) -> None:
    folder = place.incident(PLAIN_BOOK)
    journal, book = (folder / "journal.jsonl").read_bytes(), (folder / "runbook.yaml").read_bytes()
    for number in range(300):
        other = place.home.incidents / f"20250101-{number:06d}-by-hand-0000"
        other.mkdir()
        (other / "journal.jsonl").write_bytes(journal)
        (other / "runbook.yaml").write_bytes(book)

    async def script(sitting: Sitting) -> None:
        await sitting.sees("OPEN INCIDENTS")
        await sitting.press("x")  # a key is taken while it reads
        assert sitting.home.filter == "x"
        await sitting.press("escape")
        await sitting.read()
        await sitting.sees("OPEN INCIDENTS 301")
        await sitting.press("end")
        await sitting.press("home")

    place.sit(script, (120, 40))
