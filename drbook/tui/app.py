"""The terminal application over one incident: led, or watched."""

from typing import TYPE_CHECKING

from drbook.tui.base import Clock, DrbookApp, run, utc_now
from drbook.tui.first import First
from drbook.tui.opening import Opening, OpeningScreen

if TYPE_CHECKING:
    from drbook.app.model import Incident


class IncidentApp(DrbookApp):
    """One incident, led by keys. Where it is still to be opened, that is done behind the first frame: what
    the incident's own screen needs is loaded after it."""

    def __init__(
        self,
        incident: "Incident | None" = None,
        clock: Clock = utc_now,
        leaving: str = "The incident stays open; `drbook resume` goes on.",
        opening: Opening | None = None,
        first: First | None = None,
    ) -> None:
        """`leaving` says what it means to leave while the incident is open. `opening` opens one, where
        none is given; `first` is what is known of it until then."""
        super().__init__(clock)
        self.leaving = leaving
        self.incident = incident
        self.failed: BaseException | None = None
        """Why the incident could not be opened."""
        self._opening, self._first = opening, first or First()

    def on_mount(self) -> None:
        if self.incident is not None:
            self._show(self.incident)
        elif self._opening is not None:
            self.push_screen(OpeningScreen(self._opening, self._first))

    def _show(self, incident: "Incident") -> None:
        from drbook.tui.incident import IncidentScreen

        self.push_screen(IncidentScreen(incident, self.clock, self.leaving))
        self.attend(incident)

    def on_opening_screen_opened(self, message: OpeningScreen.Opened) -> None:
        self.incident, self.leaving = message.incident, message.leaving
        self.uncover()
        self.pop_screen()
        self._show(message.incident)
        for line in message.told.lines[-3:]:
            self.notify(line, timeout=15, markup=False)

    def on_opening_screen_failed(self, message: OpeningScreen.Failed) -> None:
        self.failed = message.error
        self.exit()


class WatchApp(IncidentApp):
    """One incident, looked at."""

    def _show(self, incident: "Incident") -> None:
        from drbook.tui.watch import WatchScreen

        self.push_screen(WatchScreen(incident, self.clock))
        self.attend(incident, watching=True)


def run_incident(opening: Opening, first: First) -> bool:
    """Lead an incident until the operator leaves; it stays open unless it was closed or aborted. True where
    nobody left it: the terminal went away, or drbook was told to end. Raises what `opening` raises."""
    app = IncidentApp(opening=opening, first=first)
    _run_opening(app)
    return app.told_to_end


def run_watch(opening: Opening, first: First) -> None:
    """Follow an incident until the operator leaves. Raises what `opening` raises."""
    _run_opening(WatchApp(opening=opening, first=first))


def _run_opening(app: IncidentApp) -> None:
    run(app)
    if app.failed is not None:
        raise app.failed
