"""The keys for the incident as a whole: notes, inputs, handing over, a shell, the lists."""

import asyncio
from collections.abc import Sequence

from rich.text import Text
from textual import work
from textual.app import SuspendNotSupported

from drbook.app import foreground
from drbook.app.exports import status_text
from drbook.app.model import (
    CloseShell,
    HandOver,
    OpenShell,
    SetInput,
    Snapshot,
    WriteNote,
)
from drbook.core.clocks import editable
from drbook.core.errors import DrbookError, UsageError
from drbook.core.events import NoteKind
from drbook.core.timers import times_of
from drbook.core.values import plain
from drbook.tui.backups import BackupsScreen
from drbook.tui.dialogs import ChoiceDialog, Chosen, WordsDialog
from drbook.tui.ending import EndingKeys
from drbook.tui.fields import cleaned
from drbook.tui.heard import Heard
from drbook.tui.help import HelpScreen
from drbook.tui.lists import Lists
from drbook.tui.overview import StepsScreen
from drbook.tui.page import PageScreen
from drbook.tui.paint import said
from drbook.tui.signs import named, refusal
from drbook.tui.tables import TablesScreen
from drbook.tui.timeline import TimelineScreen
from drbook.tui.writing import NoteDialog, Written


class DeskKeys(EndingKeys):
    """What any screen over one incident can ask for that is not about a single step."""

    # --- the record -----------------------------------------------------------------------------

    @work
    async def action_note(self) -> None:
        lines = [said("What was seen, decided or said. It goes on record now.")]
        await self.write_note("Note", lines, None)

    @work
    async def action_status(self) -> None:
        """A status text for customers, drafted from the facts, edited here, and recorded as sent."""
        try:
            drafted = await asyncio.to_thread(status_text, self.shown, self.clock())
        except DrbookError as error:
            self.app.notify(error.explain(), severity="error", timeout=15, markup=False)
            return
        lines = [
            said(
                "Drafted from what is on record. Send it yourself, then write down what you sent."
            ),
        ]
        draft = Written(drafted, NoteKind.MESSAGE, None)
        await self.write_note("Status update", lines, draft, draft=True)

    async def write_note(
        self, title: str, lines: Sequence[Text], initial: Written | None, *, draft: bool = False
    ) -> None:
        """Ask for a note until it is on record, or the operator backs out; no text is lost: what was
        written until then comes back with the next note."""
        refused, step = "", self.selected
        if not draft:
            initial, self.kept = initial or self.kept, None
        while True:
            dialog = NoteDialog(
                self.clock, self._edited,
                title=title, lines=lines, initial=initial, refused=refused, draft=draft,
            )  # fmt: skip
            initial = await self.app.push_screen_wait(dialog)
            if initial is None:
                if not draft and dialog.left_behind and dialog.left_behind.text.strip():
                    self.kept = dialog.left_behind
                    self.app.notify("Not recorded. n brings the text back.", markup=False)
                return
            error = await self.carried_out(
                WriteNote(initial.text, initial.happened_at, step, initial.kind)
            )
            if error is None:
                return
            refused = refusal(self.shown, error)

    def _edited(self, text: str) -> str:
        """The text as the operator's editor leaves it. Raises UsageError, with the terminal taken back."""
        try:
            with self.app.suspend():
                return foreground.editor(text)
        except SuspendNotSupported:
            raise UsageError("This terminal cannot be handed to an editor.") from None

    @work
    async def action_input(self) -> None:
        """Edit a value that was given when the incident was opened, so that a step can be retried."""
        declared = editable(self.shown.runbook)
        given = self.shown.state.inputs
        choices = [
            (name, f"{name}: {plain(str(given.get(name, 'not given')), 120)}") for name in declared
        ]
        ended = await self.app.push_screen_wait(
            ChoiceDialog(
                "Edit an input",
                [said("Steps that used it become stale and have to run again.")],
                choices,
                comment=False,
            )
        )
        if not isinstance(ended, Chosen):
            return
        name, value, refused = ended.choice, str(given.get(ended.choice) or ""), ""
        heard = Heard(self.clock, name, lambda: times_of(self.shown.state))
        is_time, unchanged = declared[name].type == "time", cleaned(value)
        while True:
            line = refused or declared[name].prompt or f"A {declared[name].type}."
            typed = await self.words(
                f"Input {plain(name, 60)}",
                line,
                value,
                heard if is_time else None,
                again=bool(refused),
            )
            if typed is None or typed == unchanged:
                return
            error = await self.carried_out(SetInput(name, typed))
            if error is None:
                return
            value, refused = typed, refusal(self.shown, error)

    @work
    async def action_hand_over(self) -> None:
        line = "To whom? From then on the record names them as the operator."
        to = await self.words("Hand over", line)
        if to is None:
            return
        said_line = f"What does {plain(to, 100)} have to know? It goes on record."
        comment = await self.app.push_screen_wait(
            WordsDialog("Hand over", [said(said_line)], optional=True)
        )
        if comment is not None:
            self.submit(HandOver(to, comment))

    @work
    async def action_shell(self) -> None:
        """A shell on this host; how long it took goes on record. Steps go on meanwhile."""
        self.opens_shell = True
        error = await self.carried_out(OpenShell(self.selected))
        self.opens_shell = False
        if error is not None:
            return
        state = self.shown.state
        left = foreground.Left(126, 0.0)
        try:
            with self.app.suspend():
                print(f"drbook waits; `exit` goes back. The incident: {plain(state.incident, 80)}")
                left = foreground.operators_shell(state.incident, str(self.shown.journal.parent))
        except SuspendNotSupported:
            self.app.notify("This terminal cannot be handed to a shell.", severity="warning")
        except DrbookError as problem:
            self.app.notify(problem.explain(), severity="error", timeout=15, markup=False)
        finally:
            await self.carried_out(CloseShell(round(left.seconds * 1000), left.exit_code))

    # --- what fills the screen --------------------------------------------------------------------

    def make_lists(self) -> Lists:
        """Once the screen is mounted."""

        def look() -> Snapshot:
            return self.incident.snapshot

        return Lists(
            self.app,
            {
                "backups": BackupsScreen(look, self.carried_out),
                "tables": TablesScreen(look),
                "timeline": TimelineScreen(look, lambda: self.zone),
                "steps": StepsScreen(look, self.clock, lambda: self.selected, self.select),
            },
        )

    def action_backups(self) -> None:
        self._show_list("backups")

    def action_tables(self) -> None:
        self._show_list("tables")

    def action_timeline(self) -> None:
        self._show_list("timeline")

    def _show_list(self, name: str) -> None:
        """A list covers what is about to start: it is said once more."""
        for step in self.shown.cooling:
            words = f"▲ {named(self.shown, step)} starts in a moment. Esc twice takes it back."
            self.app.notify(words, severity="warning", markup=False)
        self.lists.show(name)

    def action_overview(self) -> None:
        self.lists.show("steps")

    def action_page(self) -> None:
        self.app.push_screen(PageScreen(self.shown.runbook))

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self))
