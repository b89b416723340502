"""The application that begins at home: it opens incidents, and closes what it opened."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from textual import work
from textual.message import Message

from drbook.app.history import Summary
from drbook.app.library import Entry
from drbook.app.model import Incident
from drbook.app.places import Home
from drbook.app.planning import internal_error
from drbook.core.errors import DrbookError, JournalLocked
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.tui.base import Clock, DrbookApp, run, utc_now
from drbook.tui.home import HomeScreen
from drbook.tui.incident import IncidentScreen
from drbook.tui.starting import Start, StartDialog, Waiting, error_screen, problems_screen
from drbook.tui.watch import WatchScreen

LEAVING = (
    "The incident stays open, and a restored cluster's server stops. It waits on the home screen, "
    "and `drbook resume` goes on with it, too."
)


@dataclass(frozen=True)
class Seat:
    """An incident that is led or watched from here."""

    folder: Path
    incident: Incident
    leads: bool
    begin: Callable[[], object]
    end: Callable[[], None]


# What opens an incident loads every client library there is: not before it is asked for.


def _opened(runbook: Runbook, start: Start, home: Home, environment: Mapping[str, str]) -> Seat:
    from drbook.app.session import open_incident

    made = open_incident(runbook, start.mode, home, start.inputs, environment=environment)
    return Seat(made.folder, made.driver, True, made.__enter__, made.close)


def _resumed(folder: Path, environment: Mapping[str, str], tell: Callable[[str], None]) -> Seat:
    from drbook.app.session import resume_incident

    made = resume_incident(folder, environment=environment, tell=tell)
    return Seat(made.folder, made.driver, True, made.__enter__, made.close)


def _followed(folder: Path) -> Seat:
    from drbook.app.follower import Follower

    made = Follower(folder)
    return Seat(folder, made, False, made.start, made.stop)


class Opening:
    """One attempt to open something, in a thread of its own: whatever it waits for, the screen does not."""

    def __init__(self, folder: Path | None, make: Callable[[Callable[[str], None]], Seat]) -> None:
        self.folder = folder
        self.make = make
        self.given_up = threading.Event()


class HomeApp(DrbookApp):
    """Home, and the incidents that are opened from there, one at a time."""

    class Told(Message):
        """What an opening waits for."""

        def __init__(self, opening: Opening, text: str) -> None:
            super().__init__()
            self.opening, self.text = opening, text

    class GaveUp(Message):
        """An incident that was left is free again."""

    class Ended(Message):
        """An opening ended, with a seat or with an error."""

        def __init__(self, opening: Opening, seat: Seat | None, error: DrbookError | None) -> None:
            super().__init__()
            self.opening, self.seat, self.error = opening, seat, error

    def __init__(
        self, home: Home, here: Path, environment: Mapping[str, str], clock: Clock = utc_now
    ) -> None:
        super().__init__(clock)
        self.home, self.here, self.environment_of_steps = home, here, environment
        self.left_open: dict[str, None] = {}
        """Incidents that were led from here and are not closed, in order."""
        self._seat: Seat | None = None
        self._giving_up: dict[Path, threading.Thread] = {}
        self._waiting: tuple[Opening, Waiting] | None = None

    def on_mount(self) -> None:
        self.push_screen(HomeScreen(self.home, self.here, self.clock))
        self.set_window_title("drbook")

    # --- what Enter does ------------------------------------------------------------------------

    def on_home_screen_opened(self, message: HomeScreen.Opened) -> None:
        about = message.row.about
        if isinstance(about, Summary):
            self._open_incident(about, ended=message.row.section == "HISTORY")
        elif isinstance(about, Entry):
            self.notify("It is still being checked.", markup=False)
        elif about.runbook is None:
            screen = problems_screen(about.entry.name, about.problems, about.trouble)
            self.push_screen(screen)
        else:
            self._start(about.runbook, about.entry.path)

    def _open_incident(self, one: Summary, *, ended: bool) -> None:
        if one.outcome in ("damaged", "unread"):
            error = DrbookError(
                one.problem,
                means="Whether that incident is open is not known, and it is not gone on with.",
                next=f"`drbook journal verify {one.folder}` says where its record was changed; a mirror "
                "or a copy elsewhere may hold it whole.",
            )
            self.push_screen(error_screen(error))
        elif ended or one.led:
            self.look_on(one.folder)
        else:
            self.resume(one.folder)

    @work
    async def _start(self, runbook: Runbook, path: Path) -> None:
        start = await self.push_screen_wait(StartDialog(runbook, path, self.clock))
        if isinstance(start, Start):
            self._begin(
                f"Opening {plain(runbook.title, 100)}",
                None,
                lambda _: _opened(runbook, start, self.home, self.environment_of_steps),
            )

    def resume(self, folder: Path) -> None:
        around = self.environment_of_steps
        self._begin(
            f"Resuming {folder.name}",
            folder,
            lambda tell: _resumed(folder, around, tell),
        )

    def look_on(self, folder: Path) -> None:
        self._begin(f"Reading {folder.name}", folder, lambda _: _followed(folder))

    # --- opening, behind the screen -------------------------------------------------------------

    def _begin(
        self, title: str, folder: Path | None, make: Callable[[Callable[[str], None]], Seat]
    ) -> None:
        if self._waiting is not None or self._seat is not None:
            return  # a second Enter by accident opens nothing
        opening = Opening(folder, make)
        screen = Waiting(title, lambda: self._give_up(opening))
        self._waiting = opening, screen
        self.push_screen(screen)
        threading.Thread(target=self._work, args=(opening,), name="opening", daemon=True).start()

    def _give_up(self, opening: Opening) -> None:
        opening.given_up.set()
        self._waiting = None

    def _work(self, opening: Opening) -> None:
        """In the opening's thread."""
        seat, failed = None, None
        try:
            if opening.folder in self._giving_up:
                self._giving_up[opening.folder].join()  # this process still has its lock
            seat = opening.make(lambda text: self._post(self.Told(opening, text)))
        except DrbookError as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - a defect is a sentence, too
            failed = internal_error(error)
        if seat is not None and (opening.given_up.is_set() or not self.is_running):
            seat.end()
            return
        self._post(self.Ended(opening, seat, failed))

    def _post(self, message: Message) -> None:
        self.post_message(message)

    def on_home_app_gave_up(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, HomeScreen):
                screen.action_refresh()

    def on_home_app_told(self, message: Told) -> None:
        if self._waiting is not None and self._waiting[0] is message.opening:
            self._waiting[1].tell(message.text)

    def on_home_app_ended(self, message: Ended) -> None:
        if self._waiting is None or self._waiting[0] is not message.opening:
            if message.seat is not None:
                self._end_behind(message.seat)
            return
        self._home_again()
        self._waiting = None
        if message.seat is not None:
            self._sit(message.seat)
        elif message.error is not None:
            self._refused(message.error, message.opening.folder)

    @work
    async def _refused(self, error: DrbookError, folder: Path | None) -> None:
        led = folder is not None and isinstance(error, JournalLocked)
        screen = error_screen(error, "watch it" if led else "")
        if await self.push_screen_wait(screen) and folder is not None:
            self.look_on(folder)

    # --- at an incident, and back ---------------------------------------------------------------

    def _sit(self, seat: Seat) -> None:
        self._seat = seat
        seat.begin()
        if seat.leads:
            self.push_screen(IncidentScreen(seat.incident, self.clock, LEAVING))
        else:
            self.push_screen(WatchScreen(seat.incident, self.clock))
        self.attend(seat.incident, watching=not seat.leads)

    def left(self) -> None:
        """Back home; what the incident held is given up behind the screen."""
        seat, self._seat = self._seat, None
        self.unattend()
        self._home_again()
        if seat is None:
            return
        self._note_left(seat)
        self._end_behind(seat)

    def _home_again(self) -> None:
        while len(self.screen_stack) > 1 and not isinstance(self.screen, HomeScreen):
            self.pop_screen()

    def _note_left(self, seat: Seat) -> None:
        if not seat.leads:
            return
        if seat.incident.snapshot.state.closed_at is None:
            self.left_open[seat.folder.name] = None
        else:
            self.left_open.pop(seat.folder.name, None)

    def _end_behind(self, seat: Seat) -> None:
        thread = threading.Thread(target=self._give_up_seat, args=(seat,), name="closing")
        self._giving_up[seat.folder] = thread
        thread.start()

    def _give_up_seat(self, seat: Seat) -> None:
        """In a thread: what runs is cancelled and recorded, which takes its time."""
        seat.end()
        self._post(self.GaveUp())

    def close_all(self) -> None:
        """After the application has ended: what is still open is given up, and waited for."""
        if self._seat is not None:
            self._note_left(self._seat)
            self._seat.end()
        for thread in self._giving_up.values():
            thread.join()


def run_home(
    home: Home,
    here: Path,
    environment: Mapping[str, str],
    running: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> tuple[str, ...]:
    """Until the operator leaves; returns the incidents that were led and are still open. `running` is around the
    application alone, not around the end of what it opened."""
    app = HomeApp(home, here, environment)
    try:
        with running():
            run(app)
    finally:
        app.close_all()
    return tuple(app.left_open)
