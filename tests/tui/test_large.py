"""A large incident at the screen: what is made for a drawing is what is seen, and nothing waits."""

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from support.incident import World
from support.large import large
from support.screen import Seat, at_the_screen, shown
from textual.pilot import Pilot

from drbook.app.session import Session, resume_incident
from drbook.core.actions import Finished
from drbook.core.state import StepState
from drbook.tui import journal, steps
from drbook.tui.app import IncidentApp
from drbook.tui.incident import IncidentScreen
from drbook.tui.lines import Lines
from drbook.tui.listing import ListScreen

STEPS, RECORDS = 300, 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large(tmp_path_factory.mktemp("large"), STEPS, RECORDS, hanging=False).folder


@pytest.fixture
def session(folder: Path, tmp_path: Path) -> Iterator[Session]:
    place = tmp_path / folder.name
    shutil.copytree(folder, place)
    with resume_incident(place, actor="alice") as made:
        yield made


def at(
    session: Session,
    script: Callable[[IncidentApp, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (120, 40),
) -> None:
    async def run() -> None:
        app = IncidentApp(session.driver)
        async with app.run_test(size=size) as pilot:
            await pilot.pause(0.2)
            await script(app, pilot)

    asyncio.run(run())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_only_steps_that_are_seen_are_drawn(
    session: Session, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    drawn = []
    line = steps._line
    monkeypatch.setattr(steps, "_line", lambda *given: drawn.append(given[1]) or line(*given))

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        drawn.clear()
        await pilot.press("j")
        assert f"{STEPS // 2 + 2}" in shown(app)
        narrow = size[0] < 100
        assert (len(drawn) == 0) if narrow else (0 < len(drawn) <= 3 * size[1])

    at(session, script, size)


def test_what_says_the_same_is_not_painted_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted = []
    update = Lines.update
    monkeypatch.setattr(
        Lines, "update", lambda self, *a, **k: painted.append(self.id) or update(self, *a, **k)
    )

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        now = screen.clock()  # type: ignore[attr-defined]
        screen.clock = lambda: now  # type: ignore[attr-defined]
        screen.draw()  # type: ignore[attr-defined]
        painted.clear()
        for _ in range(5):
            screen.draw()  # type: ignore[attr-defined]
        assert painted == []

    at(session, script)


def test_the_record_is_listed_to_its_begin_and_only_what_is_seen_is_made(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    line = journal.line
    monkeypatch.setattr(journal, "line", lambda *given: made.append(given[1].seq) or line(*given))

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        made.clear()
        await pilot.press("t")
        await pilot.pause(0.1)
        assert "resumed by alice" in shown(app)
        assert f"of {RECORDS + 1:,}" in shown(app)
        assert 0 < len(made) <= 6 * 40
        await pilot.press(*["pageup"] * 3)
        await pilot.pause(0.1)
        assert len(made) <= 12 * 40
        await pilot.press("home")
        await pilot.pause(0.1)
        assert "drill opened by" in shown(app)
        assert len(made) <= 15 * 40

    at(session, script)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_numbers_of_three_digits_leave_the_lines_whole(
    session: Session, size: tuple[int, int]
) -> None:
    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        text = shown(app)
        number = STEPS // 2 + 1
        assert (f"[▶{number}]" in text) if size[0] < 100 else (f"▶ {number} Bring back" in text)
        assert "▶ ready" in text

    at(session, script, size)


def test_the_log_stays_at_its_end_while_it_grows_and_elsewhere_where_it_is(world: World) -> None:
    world.start("  - {id: a, phase: detect, do: none}\n")

    async def script(seat: Seat) -> None:
        from drbook.app.model import WriteNote

        for number in range(40):
            world.ask(WriteNote(f"note {number}"))
        await seat.press("t")
        await seat.sees("note 39")
        world.ask(WriteNote("the newest"))
        await seat.sees("the newest")
        await seat.press("pageup", "pageup", "pageup")
        await seat.sees("drill opened")
        world.ask(WriteNote("one more"))
        await seat.pilot.pause(1.3)
        assert "drill opened" in seat.text()
        assert "one more" not in seat.text()

    at_the_screen(world, script, (80, 24))


def test_keys_are_heard_while_a_step_and_a_plan_hang(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = threading.Event()

    def course(params, context, ports):  # type: ignore[no-untyped-def]
        hang.wait(60)
        return Finished(params)
        yield

    world.once.courses["stuck"] = course
    monkeypatch.setattr(world.again, "plan", lambda params, context: hang.wait(60))
    world.start(
        "  - {id: stuck, phase: detect, do: once, title: The stuck one}\n"
        "  - {id: mute, phase: detect, do: again, needs: [], title: The mute one}\n"
        "  - {id: free, phase: detect, do: none, needs: [], title: The free one}\n"
    )

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("stuck", StepState.STARTED)
        for _ in range(5):
            for title in ("The mute one", "The free one"):
                await seat.press("j")
                await seat.sees(title, "ready", seconds=2)
            await seat.press("t")
            await seat.sees("TIMELINE", seconds=2)
            await seat.press("q", "k", "k")
            await seat.sees("The stuck one", "running", seconds=2)
        await seat.press("j", "j", "enter")
        await seat.reaches("free", StepState.SUCCEEDED)

    try:
        at_the_screen(world, script)
    finally:
        hang.set()


def test_a_list_is_made_once_and_begins_anew_each_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    compose = ListScreen.compose
    monkeypatch.setattr(ListScreen, "compose", lambda self: made.append(self) or compose(self))

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        await pilot.pause(1)
        assert len(made) == 4
        for _ in range(3):
            await pilot.press("t")
            await pilot.pause(0.05)
            assert f"{RECORDS + 1:,} of {RECORDS + 1:,}" in shown(app)
            await pilot.press("home")
            await pilot.pause(0.05)
            assert f"1 of {RECORDS + 1:,}" in shown(app)
            await pilot.press("slash", *"alice", "escape", "q")
        await pilot.press("v", "f")
        await pilot.pause(0.05)
        assert "TIMELINE" not in shown(app)
        await pilot.press("q", "v")
        assert len(made) == 4

    at(session, script)


def test_nothing_is_drawn_behind_a_list(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    for kind in (IncidentScreen, ListScreen):
        draw = kind.draw
        monkeypatch.setattr(
            kind, "draw", lambda self, d=draw: drawn.append(type(self).__name__) or d(self)
        )

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        await pilot.pause(1)
        await pilot.press("b")
        await pilot.pause(0.1)
        drawn.clear()
        await pilot.pause(2.2)
        assert set(drawn) == {"BackupsScreen"}
        await pilot.press("q")
        await pilot.pause(0.1)
        drawn.clear()
        await pilot.pause(2.2)
        assert set(drawn) == {"IncidentScreen"}

    at(session, script)


def test_a_key_lays_nothing_out_where_all_stays_as_high(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = []
    lay = IncidentScreen._refresh_layout
    monkeypatch.setattr(
        IncidentScreen,
        "_refresh_layout",
        lambda self, *a, **k: laid.append(1) or lay(self, *a, **k),
    )

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        await pilot.pause(1)
        await pilot.press("j", "j")
        await pilot.pause(0.1)
        laid.clear()
        await pilot.press("j", "j", "j")
        await pilot.pause(0.1)
        assert laid == []

    at(session, script)
