"""Habits of every screen: themes, no colour, title, bell, motion, palette and help."""

import asyncio
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.color import Color, ColorSystem
from support.incident import World
from support.screen import Seat, at_the_screen

from drbook.app.preferences import preferences, remember
from drbook.core.actions import Empty, Finished, StepContext
from drbook.core.ports import Ports
from drbook.core.signals import Working
from drbook.core.state import StepState
from drbook.core.values import Frozen
from drbook.tui import colours as palette_of
from drbook.tui import themes
from drbook.tui.app import IncidentApp
from drbook.tui.attention import reminders
from drbook.tui.backups import BackupsScreen
from drbook.tui.listing import ListScreen
from drbook.tui.palette import explained, key_of
from drbook.tui.tables import TablesScreen
from drbook.tui.terminal import notice_sequence, title_sequence
from drbook.tui.timeline import TimelineScreen

MINUTE = timedelta(minutes=1)
ONE = "  - {id: a, phase: detect, do: none, title: Look}\n"


@pytest.fixture(autouse=True)
def _settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "state"))
    for name in ("NO_COLOR", "DRBOOK_THEME", "DRBOOK_BELL", "DRBOOK_REDUCED_MOTION"):
        monkeypatch.delenv(name, raising=False)


def colours(seat: Seat) -> set[str]:
    """Every colour of the picture."""
    picture = seat.app.export_screenshot()
    body = picture[picture.index("-matrix") :] + picture[: picture.index("</style>")]
    return {one.lower() for one in re.findall(r"#[0-9a-fA-F]{6}", body)} - {
        "#292929", "#ff5f57", "#febc2e", "#28c840", "#ffffff", "#c5c8c6",  # the picture's frame
    }  # fmt: skip


def hexes(palette: themes.Palette) -> dict[str, str]:
    return {name: getattr(palette, name) for name in themes.Palette.__slots__}


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


LETTERS = ("plain", "strong", "dim", "busy", "good", "warn", "urgent")
GROUNDS = ("ground", "bar", "strip", "alarm", "selected")


@pytest.mark.parametrize("name", sorted(themes.PALETTES))
@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("ground", GROUNDS)
def test_letters_can_be_read_in_every_theme(name: str, letters: str, ground: str) -> None:
    palette = hexes(themes.PALETTES[name])
    least = 7.0 if name == "high-contrast" else 4.5
    if name == "dark" and ground == "selected":
        least = 3.0  # the selected line, which is bold and marked with ▌
    assert contrast(palette[letters], palette[ground]) >= least


@pytest.mark.parametrize("name", sorted(themes.PALETTES))
def test_letters_can_be_read_with_sixteen_colours(name: str) -> None:
    """As Rich brings colours down for a terminal that has no more; the selected line keeps its ▌."""
    palette = {
        field: Color.parse(colour).downgrade(ColorSystem.STANDARD).number
        for field, colour in hexes(themes.PALETTES[name]).items()
    }
    assert not {palette[one] for one in LETTERS} & {palette[ground] for ground in GROUNDS}


def test_what_is_painted_has_a_name_in_the_themes() -> None:
    """A colour that no theme knows would stay dark in all of them."""
    known = set(hexes(themes.DARK).values())
    tags = {
        palette_of.LIVE_TAG,
        palette_of.DRILL_TAG,
        palette_of.DRY_TAG,
    }  # grounds that every theme keeps
    for name, style in vars(palette_of).items():
        if name.isupper() and isinstance(style, str) and style not in tags:
            assert set(re.findall(r"#[0-9a-f]{6}", style)) <= known, name
    for module in Path(palette_of.__file__).parent.glob("*.py"):
        if module.name not in ("colours.py", "themes.py"):
            assert not re.findall(r"#[0-9a-fA-F]{6}", module.read_text()), module.name


def test_no_other_theme_says_what_dark_says_elsewhere() -> None:
    """What one theme puts in a colour's place must not be taken for another one's name."""
    for name in ("light", "high-contrast"):
        other = hexes(themes.PALETTES[name])
        grounds = {other[ground] for ground in ("ground", "bar", "strip", "line", "alarm")}
        painted = {hexes(themes.DARK)[letters] for letters in LETTERS}
        assert not grounds & painted


@pytest.mark.parametrize("name", ["light", "high-contrast"])
def test_every_colour_follows_the_theme(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DRBOOK_THEME", name.upper().replace("-", " "))
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        found = colours(seat)
        dark = set(hexes(themes.DARK).values()) - set(hexes(themes.PALETTES[name]).values())
        assert not found & (dark - {"#5cc8ff"})  # the rehearsal's banner keeps its ground
        assert hexes(themes.PALETTES[name])["plain"] in found

    at_the_screen(world, script)


def test_the_theme_changes_by_a_key_and_is_remembered(world: World) -> None:
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        assert themes.DARK.dim in colours(seat)
        await seat.press("ctrl+t")
        await seat.sees("Theme: light")
        assert themes.LIGHT.dim in colours(seat)
        assert themes.DARK.dim not in colours(seat)
        await seat.press("ctrl+t")
        await seat.sees("Theme: high-contrast")
        assert themes.CONTRAST.dim in colours(seat)

    at_the_screen(world, script)
    assert preferences().theme == "high-contrast"
    assert IncidentApp(world.driver).theme == "high-contrast"


def test_no_color_leaves_greys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("▶ ready", "◇ REHEARSAL", "▌")
        grey = {one for one in colours(seat) if one[1:3] == one[3:5] == one[5:7]}
        assert colours(seat) == grey

    at_the_screen(world, script)


# --- settings ---------------------------------------------------------------------------------------


def test_the_environment_wins_and_is_not_remembered(tmp_path: Path) -> None:
    around = {"DRBOOK_HOME": str(tmp_path / "s")}
    assert remember(theme="light", bell=5, environment=around)
    assert preferences(around).theme == "light"
    assert preferences(around).bell == 5
    loud = around | {"DRBOOK_THEME": "dark", "DRBOOK_BELL": "off", "DRBOOK_REDUCED_MOTION": "1"}
    assert (preferences(loud).theme, preferences(loud).bell, preferences(loud).still) == (
        "dark",
        0,
        True,
    )
    assert preferences(around).theme == "light"
    assert preferences(around | {"TEXTUAL_ANIMATIONS": "none"}).still
    assert preferences(around | {"DRBOOK_BELL": "2m"}).bell == 120
    assert preferences(around | {"DRBOOK_BELL": "often"}).bell == 5
    assert (tmp_path / "s" / "settings.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"theme": "pink", "bell": -1}', b'{"bell": true}', b"[" * 50_000],
)
def test_settings_that_cannot_be_read_are_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    assert preferences({"DRBOOK_HOME": str(tmp_path)}) == preferences(
        {"DRBOOK_HOME": str(tmp_path / "no")}
    )


def test_settings_that_cannot_be_kept_stop_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not remember(theme="light", environment={"DRBOOK_HOME": str(tmp_path / "file")})
    assert not remember(theme="light", environment={"DRBOOK_HOME": "~nobody-is-called-so/x"})


def test_nothing_moves_where_that_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start(ONE)
    assert IncidentApp(world.driver).animation_level == "full"
    monkeypatch.setenv("DRBOOK_REDUCED_MOTION", "yes")
    assert IncidentApp(world.driver).animation_level == "none"


# --- the terminal around the screen -----------------------------------------------------------------


def test_the_windows_title_says_mode_title_and_state(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(IncidentApp, "set_window_title", lambda self, text: titles.append(text))
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        for _ in range(100):
            if "all steps have ended" in titles[-1]:
                return
            await seat.pilot.pause(0.05)

    at_the_screen(world, script)
    assert titles[1] == "REHEARSAL · T · needs you: 1 Look"
    assert titles[-1] == "REHEARSAL · T · all steps have ended"


class _Held:
    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        self.go.wait(10)
        return Finished(Empty(), reason="done")
        yield


@pytest.mark.parametrize("bell", ["1s", "off", "1h"])
def test_a_long_steps_end_rings_unless_switched_off(
    world: World, monkeypatch: pytest.MonkeyPatch, bell: str
) -> None:
    monkeypatch.setenv("DRBOOK_BELL", bell)
    sent: list[str] = []
    monkeypatch.setattr(IncidentApp, "write_out", lambda self, text: sent.append(text))
    held = _Held()
    world.start(ONE)
    world.none.courses["a"] = held

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        await seat.press("enter")
        await seat.reaches("a", StepState.STARTED)
        await asyncio.sleep(1.1)
        held.go.set()
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.pilot.pause(0.3)

    at_the_screen(world, script)
    rung = [one for one in sent if one.startswith("\x07")]
    assert len(rung) == (1 if bell == "1s" else 0)
    assert all(re.search(r"1 Look: done after \d+ s", one) for one in rung)


@pytest.mark.parametrize("bell", ["60s", "off"])
def test_what_is_due_to_be_told_rings_once_and_is_said_on_the_screen(
    world: World, monkeypatch: pytest.MonkeyPatch, bell: str
) -> None:
    monkeypatch.setenv("DRBOOK_BELL", bell)
    sent: list[str] = []
    monkeypatch.setattr(IncidentApp, "write_out", lambda self, text: sent.append(text))
    world.start(ONE, head="updates: {every: 1m, audience: customers}\n")

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        await asyncio.sleep(1.2)
        assert "To be told" not in seat.text()
        seat.app.clock = lambda: datetime.now(UTC) + 2 * MINUTE
        await seat.sees("To be told", "update overdue by")
        await asyncio.sleep(1.5)

    at_the_screen(world, script)
    rung = [one for one in sent if one.startswith("\x07")]
    assert len(rung) == (1 if bell == "60s" else 0)
    assert all("update" in one for one in rung)


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        (1, []),
        (31, ["▲ update overdue by 1 min"]),
        (55, ["▲ update overdue by 25 min", "Authority in 5 min"]),
        (61, ["▲ update overdue by 31 min", "▲ Authority overdue by 1 min"]),
    ],
)
def test_what_is_due_at_which_time(world: World, minutes: int, found: list[str]) -> None:
    world.start(
        ONE,
        head="updates: {every: 30m, audience: customers}\n"
        "deadlines:\n  - {name: Authority, after: 1h, from: declared}\n",
    )
    snapshot = world.driver.snapshot
    assert snapshot.state.declared is not None
    told = reminders(snapshot, snapshot.state.declared + minutes * MINUTE)
    assert list(told.values()) == found
    later = reminders(snapshot, snapshot.state.declared + minutes * MINUTE + MINUTE / 2)
    assert told.keys() <= later.keys()  # the same occasion, which is told once


def test_the_bell_is_switched_by_a_key(world: World) -> None:
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        await seat.press("f9")
        await seat.sees("Bell: off")
        await seat.press("f9")
        await seat.sees("Bell: after steps of 60 s")

    at_the_screen(world, script)
    assert preferences().bell == 60


EVIL = "x\x07\x1b]0;y\x1b\\\x9c;z\n\u202e"


def test_no_text_leaves_its_sequence() -> None:
    title = title_sequence(EVIL)
    assert title.startswith("\x1b]2;")
    assert re.findall(r"[\x00-\x1f\x7f-\x9f]", title) == ["\x1b", "\x07"]
    for around in ({}, {"TERM": "foot"}, {"VTE_VERSION": "7600"}):
        notice = notice_sequence(EVIL, around)
        assert re.findall(r"[\x00-\x1f\x7f-\x9f]", notice) == ["\x07", "\x1b", "\x07"]
        assert ("777;notify;" in notice) is bool(around)
    inside = notice_sequence(EVIL, {"TMUX": "/tmp/x,1,0"})
    assert inside.startswith("\x07\x1bPtmux;\x1b\x1b]9;")
    assert inside.endswith("\x07\x1b\\")


# --- palette and help -------------------------------------------------------------------------------


def test_the_palette_holds_every_key_of_the_screen(world: World) -> None:
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        await seat.press("ctrl+p")
        await seat.sees("Skip the selected step, with a reason  (s)")
        await seat.type("theme")
        await seat.sees("Theme: dark, light, high contrast  (^t)")
        await seat.press("enter")
        await seat.pilot.pause(0.2)
        await seat.press("enter")
        await seat.sees("Theme: light")

    at_the_screen(world, script)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("b", "Take the selected copy"),
        ("v", "All, what differs, what is lost"),
        ("t", "Search in the record"),
        ("o", "Go to the selected step"),
    ],
)
def test_each_list_explains_itself(world: World, key: str, words: str) -> None:
    world.start(ONE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        await seat.press(key, "question_mark")
        await seat.sees("KEYS", words)
        await seat.press("escape", "escape")
        await seat.sees("run step 1")

    at_the_screen(world, script)


def test_every_list_names_its_own_keys_and_those_of_all_lists() -> None:
    screens: tuple[ListScreen, ...] = (  # type: ignore[type-arg]
        BackupsScreen(lambda: None, None), TablesScreen(lambda: None), TimelineScreen(lambda: None)  # type: ignore[arg-type,return-value]
    )  # fmt: skip
    for screen in screens:
        keys = {key_of(one) for one in explained(screen)}
        assert {"Esc", "?"} <= keys
