"""The keys with which an incident ends, or is left, or handed out as a timeline."""

import asyncio
from pathlib import Path

from textual import work

from drbook.app.exports import write_timeline
from drbook.app.model import (
    Abort,
    Close,
)
from drbook.core.errors import DrbookError
from drbook.core.events import Mode
from drbook.core.state import in_doubt
from drbook.core.values import plain
from drbook.tui.colours import URGENT
from drbook.tui.confirming import ConfirmDialog
from drbook.tui.dialogs import ChoiceDialog, Chosen, WordsDialog
from drbook.tui.paint import said
from drbook.tui.seat import SeatKeys
from drbook.tui.signs import named, refusal

ABORT_SECONDS = 10
"""How long an abort of a live incident can be taken back after its name was typed."""


def short_name(incident: str) -> str:
    """The end of an incident's id, which tells it from others and can be typed."""
    return incident.rsplit("-", 1)[-1]


class EndingKeys(SeatKeys):
    """Close, abort, leave, export."""

    @work
    async def action_close(self) -> None:
        if not self.shown.decision.finished or self.shown.state.closed_at is not None:
            self.submit(Close())  # the driver says why not, in its words
            return
        ends = self.shown.outcome
        doubtful = [named(self.shown, one) for one in in_doubt(self.shown.state)]
        lines = [
            said(f"It ends as {ends.word.upper()}: {ends.reason}."),
            *(
                said(f"In doubt, and nobody can settle it after that: {one}", URGENT)
                for one in doubtful
            ),
            said("After that only notes can be written. A closing remark, if you like:"),
        ]
        words = await self.app.push_screen_wait(
            WordsDialog("Close the incident", lines, optional=True)
        )
        if words is not None:
            self.submit(Close(words))

    @work
    async def action_abort(self) -> None:
        if self.shown.state.closed_at is not None:
            self.submit(Abort("(not asked)"))  # the driver says why not, in its words
            return
        reason = await self.words(
            "Abort the incident",
            "What runs is cancelled, nothing more can be run, and it ends as aborted. Why?",
        )
        if reason is None:
            return
        if self.shown.state.mode is Mode.LIVE:
            name = short_name(self.shown.state.incident)
            lines = [
                said(
                    "An aborted incident cannot be opened again: only notes can be written.", URGENT
                ),
                *(
                    said(f"Cancelled: {named(self.shown, one)}", URGENT)
                    for one in self.shown.decision.running
                ),
            ]
            dialog = ConfirmDialog(
                "Abort the incident",
                lines,
                name,
                go="Abort",
                cool_off_seconds=0,
                count=ABORT_SECONDS,
            )
            if await self.app.push_screen_wait(dialog) is None:
                return
        self.submit(Abort(reason))

    @work
    async def action_leave(self) -> None:
        """Leave at once where the incident is closed; otherwise say what leaving does."""
        state = self.shown.state
        if state.closed_at is not None:
            self.post_message(self.Left())
            return
        running = [named(self.shown, step) for step in self.shown.decision.running]
        lines = [said(self.leaving)]
        lines += [said(f"Cancelled by leaving: {step}", URGENT) for step in running]
        choices = [("stay", "Stay"), ("leave", "Leave")]
        ended = await self.app.push_screen_wait(
            ChoiceDialog("Leave drbook?", lines, choices, comment=False)
        )
        if isinstance(ended, Chosen) and ended.choice == "leave":
            self.post_message(self.Left())

    @work
    async def action_export(self) -> None:
        name, line = f"{self.shown.state.incident}.html", "A new file: .html, .md, .json or .csv."
        again = False
        while True:
            typed = await self.words("Export the timeline", line, initial=name, again=again)
            if typed is None:
                return
            try:
                path = await asyncio.to_thread(_export, self.shown.journal.parent, typed)
            except DrbookError as error:
                name, line, again = typed, refusal(self.shown, error), True
            else:
                self.app.notify(f"Written: {plain(str(path), 300)}", markup=False)
                return


def _export(folder: Path, name: str) -> Path:
    path = Path(name).expanduser().resolve()
    write_timeline(folder, path)
    return path
