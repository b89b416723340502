"""What is written down beside the steps: notes, who leads, and the time in a shell."""

from datetime import datetime
from typing import TYPE_CHECKING

from drbook.app import model as cmd
from drbook.app.mailbox import Letter
from drbook.app.refusing import need_reason, refuse
from drbook.core import events as ev
from drbook.core.values import plain, show_time

if TYPE_CHECKING:
    from drbook.app.driver import Driver

NOTE_LENGTH = 4000
NAME_LENGTH = 200


def must_be_past(happened_at: datetime | None, now: datetime) -> None:
    """Raises UsageError for a time that has not come yet: nobody has seen it happen."""
    if happened_at is not None and happened_at > now:
        refuse(
            f"{show_time(happened_at)} has not come yet; it is {show_time(now)}.",
            "Say when it happened, like 22:41 (UTC) or 10m ago.",
        )


class Logbook:
    """Runs in the driver's thread only."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver

    def note(self, command: cmd.WriteNote, actor: str) -> None:
        need_reason(command.text, "a note")
        if len(command.text) > NOTE_LENGTH:
            refuse(
                f"The note has {len(command.text):,} characters.", f"At most {NOTE_LENGTH:,} fit."
            )
        must_be_past(command.happened_at, self._driver.now())
        self._known(command.step)
        self._driver.put(
            ev.NoteAdded(
                text=command.text,
                happened_at=command.happened_at,
                step=command.step,
                kind=command.kind,
            ),
            actor,
        )

    def letter(self, letter: Letter) -> None:
        """A note from another seat. Its writer cannot be asked again, so nothing of it is refused."""
        text, happened_at = letter.text, letter.happened_at
        if happened_at is not None and happened_at > self._driver.now():
            text += f" (said to have happened at {show_time(happened_at)}, which had not come yet)"
            happened_at = None
        event = ev.NoteAdded(text=text, happened_at=happened_at, kind=letter.kind)
        self._driver.put(event, letter.actor)

    def hand_over(self, command: cmd.HandOver, actor: str) -> None:
        """Another operator leads; what they do from now on is recorded in their name."""
        driver, to = self._driver, command.to.strip()
        self._must_be_open()
        if not to or len(to) > NAME_LENGTH:
            refuse("Who takes over is not named.", f"Give a name of 1 to {NAME_LENGTH} characters.")
        if to.casefold() == driver.actor.strip().casefold():
            refuse(f"{plain(to, 80)} leads already.", "Name somebody else.")
        driver.put(ev.HandedOver(to=to, comment=command.comment), actor)
        driver.actor = to
        driver.running_on.halt()

    def open_shell(self, step: str | None, actor: str) -> None:
        self._must_be_open()
        self._known(step)
        self._driver.put(ev.ShellOpened(step=step), actor)

    def close_shell(self, duration_ms: int, exit_code: int, actor: str) -> None:
        self._must_be_open()
        if self._driver.state.shell_since is None:
            refuse("No shell is open.", "Nothing was recorded.")
        event = ev.ShellClosed(duration_ms=max(0, duration_ms), exit_code=exit_code)
        self._driver.put(event, actor)

    def _must_be_open(self) -> None:
        if self._driver.state.closed_at is not None:
            refuse("The incident is closed.", "Notes may still be written.")

    def _known(self, step: str | None) -> None:
        if step is not None and step not in self._driver.state.steps:
            refuse(f"There is no step {step!r}.", "Name one of the runbook's, or none.")
