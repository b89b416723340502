"""What each key of the incident's screen asks for: a command, with the words that it needs first."""

import asyncio
from pathlib import Path

from textual import events, work
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker

from drbook.app.exports import write_timeline
from drbook.app.model import (
    Abort,
    Accept,
    CancelStep,
    Close,
    Command,
    Incident,
    Probe,
    Resolve,
    Run,
    Skip,
    Snapshot,
    WriteNote,
)
from drbook.core.engine import Readiness, may_run, may_skip, used_by
from drbook.core.errors import DrbookError
from drbook.core.state import StepState
from drbook.core.values import plain
from drbook.tui.dialogs import ChoiceDialog, Chosen, WordsDialog
from drbook.tui.help import HelpScreen
from drbook.tui.hints import ACTION
from drbook.tui.lists import BackupsScreen, TablesScreen, TimelineScreen
from drbook.tui.paint import URGENT, WARN, said
from drbook.tui.signs import named, next_for_you
from drbook.tui.steps import STEP


class Operations(Screen[None]):
    """The keys' half of `IncidentScreen`; the other half draws and submits."""

    class Left(Message):
        """The operator leaves this incident; where to is the application's."""

    incident: Incident
    leaving: str
    shown: Snapshot
    selected: str

    def submit(self, command: Command) -> Worker[None]:
        raise AssertionError("the screen submits")

    def ask(self, step: str) -> Worker[None]:
        raise AssertionError("the screen asks")

    def select(self, step: str) -> None:
        raise AssertionError("the screen selects")

    def action_next(self) -> None:
        raise AssertionError("the screen moves")

    @property
    def _state(self) -> StepState:
        return self.shown.state.steps[self.selected].state

    def _may_close(self) -> bool:
        """Whether closing is all that is left to do."""
        done = self.shown.decision.finished and self.shown.state.closed_at is None
        return done and next_for_you(self.shown) is None

    async def on_click(self, event: events.Click) -> None:
        """A step is selected, a key's hint does what its key does."""
        clicked = event.style.meta
        if clicked.get(STEP) in self.shown.state.steps:
            self.select(clicked[STEP])
        elif ACTION in clicked:
            await self.run_action(clicked[ACTION])

    # --- the selected step --------------------------------------------------------------------

    def action_go_on(self) -> None:
        """Enter: answer what it needs, run it, or go where the operator is needed."""
        if self._state is StepState.AWAITING and self.selected not in self.shown.cooling:
            self.ask(self.selected)
        elif self.shown.decision.view(self.selected).readiness is Readiness.READY:
            self.submit(Run(self.selected))
        elif self._state is StepState.IN_DOUBT:
            self.action_doubt()
        elif self._may_close():
            self.action_close()
        else:
            self.action_next()

    @work
    async def action_again(self) -> None:
        step = self.selected
        why_not = may_run(self.shown.runbook, self.shown.state, step)
        if self._state is StepState.SUCCEEDED and not why_not:
            lines = [said("It succeeded. What used its result becomes stale and has to run again.")]
            choices = [("stay", "Leave it as it is"), ("run", "Run it again")]
            dialog = ChoiceDialog(named(self.shown, step), lines, choices, comment=False)
            ended = await self.app.push_screen_wait(dialog)
            if ended is None or ended.choice != "run":
                return
        self.submit(Run(step))

    @work
    async def action_skip(self) -> None:
        step = self.selected
        if may_skip(self.shown.state, step):
            self.submit(Skip(step, "(not asked)"))  # the driver says why not, in its words
            return
        reason = await self._words(
            f"Skip {named(self.shown, step)}", "Why? What it would have done is not done."
        )
        if reason is not None:
            self.submit(Skip(step, reason))

    @work
    async def action_cancel(self) -> None:
        step = self.selected
        if step in self.shown.cooling or self._state is StepState.AWAITING:
            self.submit(CancelStep(step, "taken back before it started"))
            return
        if self._state is not StepState.STARTED:
            self.submit(CancelStep(step))  # the driver says why not, in its words
            return
        reason = await self._words(
            f"Cancel {named(self.shown, step)}",
            "It is asked to stop; what it began is recorded. Why?",
            initial="the operator cancelled it",
        )
        if reason is not None:
            self.submit(CancelStep(step, reason))

    @work
    async def action_accept(self) -> None:
        step = self.selected
        if self._state is not StepState.COULD_NOT_VERIFY:
            self.submit(Accept(step, "(not asked)"))  # the driver says why not, in its words
            return
        run = self.shown.state.steps[step]
        reason = await self._words(
            f"Go on unverified: {named(self.shown, step)}",
            f"{run.reason} Nobody knows whether it is well. Why do you go on all the same?",
        )
        if reason is not None:
            self.submit(Accept(step, reason))

    @work
    async def action_doubt(self) -> None:
        step = self.selected
        if self._state is not StepState.IN_DOUBT:
            self.submit(Probe(step))  # the driver says why not, in its words
            return
        run = self.shown.state.steps[step]
        notes = [note for note in self.shown.state.notes if note.step == step]
        lines = [said(run.reason or "It was interrupted.", WARN)]
        lines += [said(f"{note.at:%H:%M:%S}  {note.text}") for note in notes[-2:]]
        choices = [
            ("look", "Look: let drbook check whether it happened"),
            ("failed", "It did not happen, or not to its end (then r runs it again)"),
        ]
        if used_by(self.shown.runbook, step):
            lines.append(said("Later steps use its result, which nobody recorded: run it again."))
        else:
            choices.append(("succeeded", "It happened (say in the comment how you know)"))
        dialog = ChoiceDialog(
            f"In doubt: {named(self.shown, step)}",
            lines,
            choices,
            needing=frozenset({"succeeded", "failed"}),
        )
        ended = await self.app.push_screen_wait(dialog)
        if isinstance(ended, Chosen):
            self.submit(_settled(step, ended))

    # --- the incident -------------------------------------------------------------------------

    @work
    async def action_note(self) -> None:
        text = await self._words("Note", "What was seen, decided or said. It goes on record now.")
        if text is not None:
            self.submit(WriteNote(text, step=self.selected))

    @work
    async def action_close(self) -> None:
        if not self.shown.decision.finished or self.shown.state.closed_at is not None:
            self.submit(Close())  # the driver says why not, in its words
            return
        ends = self.shown.outcome
        lines = [
            said(f"It ends as {ends.word.upper()}: {ends.reason}."),
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
        reason = await self._words(
            "Abort the incident",
            "What runs is cancelled, nothing more can be run, and it ends as aborted. Why?",
        )
        if reason is not None:
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
        state = self.shown.state
        name = await self._words(
            "Export the timeline",
            "A new file: .html, .md, .json or .csv.",
            initial=f"{state.incident}.html",
        )
        if name is None:
            return
        try:
            path = await asyncio.to_thread(_export, self.shown.journal.parent, name)
        except DrbookError as error:
            self.app.notify(error.explain(), severity="error", timeout=15, markup=False)
        else:
            self.app.notify(f"Written: {plain(str(path), 300)}", markup=False)

    def action_backups(self) -> None:
        self.app.push_screen(BackupsScreen(lambda: self.incident.snapshot))

    def action_tables(self) -> None:
        self.app.push_screen(TablesScreen(lambda: self.incident.snapshot))

    def action_timeline(self) -> None:
        self.app.push_screen(TimelineScreen(lambda: self.incident.snapshot))

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self))

    async def _words(self, title: str, line: str, initial: str = "") -> str | None:
        dialog = WordsDialog(title, [said(line)], initial=initial)
        return await self.app.push_screen_wait(dialog)


def _export(folder: Path, name: str) -> Path:
    path = Path(name).expanduser().resolve()
    write_timeline(folder, path)
    return path


def _settled(step: str, ended: Chosen) -> Command:
    if ended.choice == "look":
        return Probe(step)
    return Resolve(step, "succeeded" if ended.choice == "succeeded" else "failed", ended.comment)
