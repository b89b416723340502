"""What the screen asks for: words, a choice, and the name that is typed before data can be damaged.

Every dialog is left with Escape, and then nothing was done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from drbook.tui.paint import DIM, PLAIN, STRONG, URGENT, WARN, said


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice and what was said with it."""

    choice: str
    comment: str


def _heading(title: str, lines: Sequence[Text]) -> Static:
    text = Text.assemble(said(title, STRONG), "\n")
    for line in lines:
        text.append("\n")
        text.append_text(line)
    return Static(text, classes="words", markup=False)


class WordsDialog(ModalScreen[str | None]):
    """A line of text; ends with it, or with None where the operator backed out."""

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        title: str,
        lines: Sequence[Text] = (),
        *,
        initial: str = "",
        needed: str = "Say it in a few words; it goes on record.",
        optional: bool = False,
    ) -> None:
        super().__init__()
        self._heading, self._explanation = title, lines
        self._initial, self._needed, self._optional = initial, needed, optional

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            with VerticalScroll(classes="body", can_focus=False):
                yield _heading(self._heading, self._explanation)
            yield Input(value=self._initial, max_length=4000, compact=True, select_on_focus=False)
            yield Static("Enter: write it down    Esc: back, nothing is done", classes="keys")

    @on(Input.Submitted)
    def _take(self, message: Input.Submitted) -> None:
        if message.value.strip() or self._optional:
            self.dismiss(message.value.strip())
        else:
            self.query_one(".keys", Static).update(Text(self._needed, style=WARN))

    def action_back(self) -> None:
        self.dismiss(None)


class ChoiceDialog(ModalScreen[Chosen | None]):
    """One of several ways to go on, with a comment where one is wanted.

    Nothing is chosen beforehand: a second Enter by accident answers nothing.
    """

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        title: str,
        lines: Sequence[Text],
        choices: Sequence[tuple[str, str]],
        *,
        comment: bool = True,
    ) -> None:
        """`choices` are pairs of the value and its words."""
        super().__init__()
        self._heading, self._explanation = title, lines
        self._choices, self._comment = choices, comment

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            with VerticalScroll(classes="body", can_focus=False):
                yield _heading(self._heading, self._explanation)
            shown = [
                Option(said(f"{number}  {words}"))
                for number, (_, words) in enumerate(self._choices, 1)
            ]
            yield OptionList(*shown, markup=False, compact=True)
            if self._comment:
                yield Input(
                    placeholder="comment for the record (Tab comes here)",
                    max_length=4000,
                    compact=True,
                )
            yield Static(
                "number, or ↑↓ and Enter: choose    Esc: back, nothing is done", classes="keys"
            )

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.focus()
        options.highlighted = None

    def on_key(self, event: events.Key) -> None:
        """A number chooses, unless a comment is being written."""
        if isinstance(self.focused, Input) or not (event.character or "").isdecimal():
            return
        event.stop()
        if 1 <= int(event.character or 0) <= len(self._choices):
            self._end(int(event.character or 0) - 1)

    @on(OptionList.OptionSelected)
    def _take(self, message: OptionList.OptionSelected) -> None:
        self._end(message.option_index)

    @on(Input.Submitted)
    def _take_from_comment(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if highlighted is None:
            text = Text("Choose first: Shift+Tab, then the number.", style=WARN)
            self.query_one(".keys", Static).update(text)
        else:
            self._end(highlighted)

    def _end(self, index: int) -> None:
        comment = self.query_one(Input).value.strip() if self._comment else ""
        self.dismiss(Chosen(self._choices[index][0], comment))

    def action_back(self) -> None:
        self.dismiss(None)


class ConfirmDialog(ModalScreen[str | None]):
    """The resource's name is typed, exactly. Cancel has the focus: Enter alone does nothing."""

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self, title: str, lines: Sequence[Text], name: str, *, go: str, cool_off_seconds: int
    ) -> None:
        super().__init__()
        self._heading, self._explanation, self._resource = title, lines, name
        delay = f" (starts after {cool_off_seconds} s)" if cool_off_seconds else ""
        self._go = f"{go}{delay}"

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog danger"):
            with VerticalScroll(classes="body", can_focus=False):
                yield _heading(self._heading, self._explanation)
            yield Static(
                Text.assemble(
                    ("Type  ", PLAIN), said(self._resource, STRONG), ("  to go on:", PLAIN)
                ),
                classes="ask",
            )
            yield Input(max_length=1000, compact=True, select_on_focus=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(Text(self._go), id="go", variant="error", disabled=True, compact=True)
            yield Static("Esc: cancel, nothing is done", classes="keys")

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()

    def on_key(self, event: events.Key) -> None:
        """A character typed while Cancel has the focus begins the name."""
        field = self.query_one(Input)
        if event.is_printable and event.character and self.focused is not field:
            event.stop()
            event.prevent_default()
            field.focus()
            field.insert_text_at_cursor(event.character)

    @on(Input.Changed)
    def _compare(self, message: Input.Changed) -> None:
        self.query_one("#go", Button).disabled = message.value != self._resource

    @on(Input.Submitted)
    def _typed(self, message: Input.Submitted) -> None:
        if message.value == self._resource:
            self.dismiss(message.value)
            return
        said_now = "That is not the name, letter by letter. Nothing was done."
        self.query_one(".keys", Static).update(Text(said_now, style=URGENT))

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#go")
    def _confirmed(self) -> None:
        typed = self.query_one(Input).value
        self.dismiss(typed if typed == self._resource else None)

    def action_back(self) -> None:
        self.dismiss(None)


def labelled(label: str, text: str, style: str = PLAIN) -> Text:
    """A line of a dialog: what it is about, and what is said about it."""
    return Text.assemble((f"{label}  ", f"bold {DIM}"), said(text, style))
