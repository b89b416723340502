"""Where the operator writes: notes of several lines with their time and kind, and what was done elsewhere.

Enter writes it down, Ctrl+J makes a new line, Ctrl+E opens the operator's own editor. A text that was
refused stays, so that nothing has to be written twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, Static

from drbook.app.logbook import NOTE_LENGTH
from drbook.core.errors import DrbookError
from drbook.core.events import NoteKind
from drbook.core.values import plain
from drbook.tui.colours import DIM, STRONG, WARN
from drbook.tui.dialogs import heading
from drbook.tui.fields import Area, Line
from drbook.tui.heard import Heard
from drbook.tui.modal import Modal

KINDS = {
    NoteKind.NOTE: "note",
    NoteKind.OBSERVATION: "observation: what was seen",
    NoteKind.HYPOTHESIS: "hypothesis: what may be so",
    NoteKind.DECISION: "decision: what was decided, and by whom",
    NoteKind.MESSAGE: "message: what was told to somebody",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A note as it was written, before anybody has recorded it."""

    text: str
    kind: NoteKind
    happened_at: datetime | None


Edit = Callable[[str], str]
"""The operator's editor over a text; runs while the application is suspended. Raises DrbookError, and then
the text is as it was."""


class NoteDialog(Modal[Written | None]):
    """A note: what, of which kind, and when it happened where that is not now."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape", "back", "Back"),
        Binding("ctrl+k", "kind", "Kind", priority=True),
        Binding("ctrl+e", "editor", "Editor", priority=True),
        Binding("ctrl+y", "copy", "Copy", priority=True),
    ]

    def __init__(
        self,
        now: Callable[[], datetime],
        edit: Edit,
        *,
        title: str = "Note",
        lines: Sequence[Text] = (),
        initial: Written | None = None,
        refused: str = "",
        draft: bool = False,
    ) -> None:
        """`draft`: the text was drafted, and goes on record as sent: its beginning is shown, and Enter is
        asked for twice."""
        super().__init__()
        self._edit, self._refused = edit, refused
        self._unsure = draft
        self.left_behind: Written | None = None
        """What stood there when the operator backed out."""
        self._heading, self._explanation = title, lines
        self._initial = initial or Written("", NoteKind.NOTE, None)
        self._kind = self._initial.kind
        self._heard = Heard(now, past=True)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            with VerticalScroll(classes="body", can_focus=False):
                yield heading(self._heading, self._explanation)
            tall = " tall" if self._unsure else ""
            yield Area(self._initial.text, compact=True, classes=f"area{tall}", soft_wrap=True)
            yield Static(classes="kind", markup=False)
            yield Line(
                value="" if self._initial.happened_at is None
                else f"{self._initial.happened_at:%Y-%m-%d %H:%M:%S}",
                placeholder="when it happened, if not now: 22:41, 10m ago (UTC; Tab comes here)",
                max_length=60,
            )  # fmt: skip
            yield Static(classes="says", markup=False)
            yield Static(classes="keys", markup=False)

    def on_mount(self) -> None:
        area = self.query_one(Area)
        area.focus()
        area.move_cursor((0, 0) if self._unsure else area.document.end)
        self._hear(self.query_one(Input).value)
        self._say(self._refused)

    def _say(self, wrong: str = "") -> None:
        kind = Text.assemble(
            ("kind  ", f"bold {DIM}"), (KINDS[self._kind], STRONG), ("   ^k other", DIM)
        )
        self.query_one(".kind", Static).update(kind)
        records = "it was sent" if self._unsure else "record it"
        copy = "   ^y: copy it" if self._unsure else ""
        keys = Text(f"{wrong}\n" if wrong else "", style=WARN)
        keys.append(
            f"Enter: {records}{copy}   ^j: new line   ^e: editor   Esc: back, no note", style=DIM
        )
        self.query_one(".keys", Static).update(keys)

    @on(Area.Submitted)
    @on(Input.Submitted)
    def _take(self) -> None:
        text = self.query_one(Area).text.strip()
        when = self.query_one(Input).value.strip()
        if not text:
            self._say("Say it in a few words; it goes on record.")
            return
        if wrong := _too_long(text):
            self._say(wrong)
            return
        if not self._heard.takes(when):
            self._hear(when)
            self.query_one(Input).focus()
            return
        if self._unsure:
            self._unsure = False
            self._say("Was it sent, as it stands here? Enter again records that; Esc: not yet.")
            return
        heard = self._heard.of(when)
        self.dismiss(Written(text, self._kind, heard.at if heard is not None else None))

    @on(Input.Changed)
    def _changed(self, message: Input.Changed) -> None:
        self._hear(message.value.strip())

    def _hear(self, when: str) -> None:
        """Say what is understood; nothing takes room where nothing was said."""
        says = self.query_one(".says", Static)
        says.display = bool(when)
        says.update(self._heard.line(when))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one(Area).text)
        self._say("Sent to your terminal's clipboard. Where it takes none, select it by mouse.")

    def action_kind(self) -> None:
        kinds = list(KINDS)
        self._kind = kinds[(kinds.index(self._kind) + 1) % len(kinds)]
        self._say()

    def action_editor(self) -> None:
        area = self.query_one(Area)
        area.focus()
        try:
            area.text = self._edit(area.text)
        except DrbookError as error:
            self._say(plain(f"{error.what} {error.means}", 400))
            return
        area.move_cursor(area.document.end)
        self._say(_too_long(area.text))

    def action_back(self) -> None:
        self.left_behind = Written(self.query_one(Area).text, self._kind, None)
        self.dismiss(None)


def _too_long(text: str) -> str:
    """What is wrong where the text is longer than a note may be; the text stays where it is."""
    if len(text) <= NOTE_LENGTH:
        return ""
    return f"A note has at most {NOTE_LENGTH:,} characters; this one has {len(text):,}. Shorten it."


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How a step ended that somebody did with other means."""

    happened: bool | None
    """None while nobody has said."""
    reason: str
    evidence: str


class ElsewhereDialog(Modal[Elsewhere | None]):
    """The exact commands to copy, and then how it ended, with what the other terminal printed."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape", "back", "Back"),
        Binding("ctrl+y", "copy", "Copy", priority=True),
        Binding("ctrl+k", "ending", "It ended otherwise", priority=True),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[Text],
        command: str,
        *,
        refused: str = "",
        initial: Elsewhere | None = None,
    ) -> None:
        super().__init__()
        self._heading, self._explanation, self._command = title, lines, command
        self._initial = initial or Elsewhere(None, "", "")
        self._happened = self._initial.happened
        self._refused = refused

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            with VerticalScroll(classes="body", can_focus=False):
                yield heading(self._heading, self._explanation)
            yield Static(classes="kind", markup=False)
            yield Line(
                value=self._initial.reason,
                placeholder="what you did, and how you know how it ended",
                max_length=1000,
            )
            yield Area(
                self._initial.evidence,
                placeholder="paste here what the other terminal printed (Tab comes here)",
                compact=True,
                classes="area",
                soft_wrap=True,
            )
            yield Static(classes="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        area = self.query_one(Area)
        area.move_cursor(area.document.end)
        self._say(self._refused)

    def _say(self, wrong: str = "") -> None:
        words = {None: "not said yet", True: "✓ it was done", False: "✗ it did not work"}
        word, more = words[self._happened], "   ^k changes that"
        self.query_one(".kind", Static).update(
            Text.assemble(("ended  ", f"bold {DIM}"), (word, STRONG), (more, DIM))
        )
        copy = "^y: copy the command    " if self._command else ""
        keys = f"{copy}Enter: put it on record    Esc: back, nothing is recorded"
        self.query_one(".keys", Static).update(Text(wrong or keys, style=WARN if wrong else DIM))

    @on(Area.Submitted)
    @on(Input.Submitted)
    def _take(self) -> None:
        reason = self.query_one(Input).value.strip()
        if not reason:
            self._say("Say what you did and how you know; it goes on record.")
            self.query_one(Input).focus()
            return
        if self._happened is None:
            self._say("Say how it ended: ^k changes between done and not.")
            return
        self.dismiss(Elsewhere(self._happened, reason, self.query_one(Area).text.strip("\n")))

    def action_copy(self) -> None:
        if self._command:
            self.app.copy_to_clipboard(self._command)
            self._say("Sent to your terminal's clipboard. Where it takes none, select it by mouse.")

    def action_ending(self) -> None:
        self._happened = self._happened is not True
        self._say()

    def action_back(self) -> None:
        self.dismiss(None)
