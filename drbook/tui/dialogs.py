"""What the screen asks for: words, a choice, and the name that is typed before data can be damaged.

Every dialog is left with Escape, and then nothing was done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, OptionList, Static

from drbook.tui.colours import DIM, PLAIN, STRONG, WARN
from drbook.tui.fields import Line, Options
from drbook.tui.heard import Heard
from drbook.tui.modal import Modal
from drbook.tui.paint import said


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice and what was said with it."""

    choice: str
    comment: str


NOTHING: Mapping[str, str] = MappingProxyType({})
WHY = "Say why in a few words"
"""What is asked for with an answer that needs a reason."""


def headed(title: str, lines: Sequence[Text]) -> Text:
    text = Text.assemble(said(title, STRONG), "\n")
    for line in lines:
        text.append("\n")
        text.append_text(line)
    return text


def heading(title: str, lines: Sequence[Text]) -> Static:
    return Static(headed(title, lines), classes="words", markup=False)


def half_a_block(text: str) -> bool:
    """Whether it is the beginning of an armoured block: a terminal that marks no paste sends line by line."""
    return text.startswith("-----") and text.count("-----") < 4


class WordsDialog(Modal[str | None]):
    """A line of text; ends with it, or with None where the operator backed out."""

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        title: str,
        lines: Sequence[Text] = (),
        *,
        initial: str = "",
        again: bool = False,
        needed: str = "Say it in a few words; it goes on record.",
        optional: bool = False,
        heard: Heard | None = None,
        joined: bool = False,
    ) -> None:
        """With `joined`, all lines of what is pasted are taken, as one. `initial` is what is proposed; with `again`, what was written here before and is not to be lost.
        `heard` says what is understood, where a time is asked for."""
        super().__init__()
        self._heading, self._explanation, self._again = title, lines, again
        self._initial, self._needed, self._optional = initial, needed, optional
        self._heard, self._refused, self._joined = heard, "", joined

    def begin_with(self, text: str, refused: str) -> None:
        """Before it is shown: what was typed before, and why it was not taken."""
        self._initial, self._refused, self._again = text, refused, True

    @property
    def typed(self) -> str:
        """What stands in the line."""
        return self.query_one(Line).value

    def say(self, lines: Sequence[Text]) -> None:
        """Other lines above the one that is typed, which stays as it is."""
        if list(lines) != list(self._explanation):
            self._explanation = lines
            self.say_anew(headed(self._heading, lines))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            with VerticalScroll(classes="body", can_focus=False):
                yield heading(self._heading, self._explanation)
            yield Line(self._initial, proposed=not self._again, joined=self._joined)
            if self._heard is not None:
                yield Static(classes="says", markup=False)
            yield Static(
                said(self._refused, WARN) if self._refused
                else "Enter: write it down    Esc: back, nothing is done",
                classes="keys",
            )  # fmt: skip

    @on(Input.Changed)
    def _say(self, message: Input.Changed) -> None:
        if self._heard is not None:
            self.query_one(".says", Static).update(self._heard.line(message.value))

    @on(Input.Submitted)
    def _take(self, message: Input.Submitted) -> None:
        text = message.value.strip()
        if self._joined and half_a_block(text):
            self.query_one(Line).put(" ")  # more lines follow
        elif not text and not self._optional:
            self.query_one(".keys", Static).update(Text(self._needed, style=WARN))
        elif self._heard is None or self._heard.takes(message.value):
            self.dismiss(text)
        else:
            self.query_one(".says", Static).update(self._heard.line(message.value))

    def action_back(self) -> None:
        self.dismiss(None)


class ChoiceDialog(Modal[Chosen | None]):
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
        needing: Mapping[str, str] = NOTHING,
        joined: bool = False,
    ) -> None:
        """`choices` are pairs of the value and its words; those in `needing` need a comment, of which it says
        what it has to be. With `joined`, all lines of what is pasted there are taken, as one."""
        super().__init__()
        self._heading, self._explanation = title, lines
        self._choices, self._comment, self._needing = choices, comment, needing
        self._joined = joined
        self._initial, self._refused = "", ""
        self._typed = ""
        """The first digit of a number that may have two."""
        self._asked = False
        """Whether an answer was chosen that wants a comment: what is typed then is that comment."""

    def begin_with(self, text: str, refused: str = "") -> None:
        """Before it is shown: what was typed before, when something else was asked, and why it was not taken."""
        self._initial, self._refused = text, refused

    @property
    def typed(self) -> str:
        """What stands in the comment."""
        return self.query_one(Line).value if self._comment else ""

    def say(self, lines: Sequence[Text]) -> None:
        """Other lines above the choices; what was chosen and written stays as it is."""
        if list(lines) != list(self._explanation):
            self._explanation = lines
            self.say_anew(headed(self._heading, lines))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog many" if len(self._choices) > 6 else "dialog"):
            with VerticalScroll(classes="body", can_focus=False):
                yield heading(self._heading, self._explanation)
            shown = [
                said(f"{number}  {words}") for number, (_, words) in enumerate(self._choices, 1)
            ]
            yield Options(shown)
            if self._comment:
                yield Line(
                    self._initial, placeholder="comment for the record (Tab)", joined=self._joined
                )
            number = f"number (1 to {len(self._choices)})" if len(self._choices) > 6 else "number"
            yield Static(
                f"{number}, or ↑↓ and Enter: choose    Esc: back, nothing is done", classes="keys"
            )

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = None
        if not self._initial:
            options.focus()
            return
        self.query_one(Line).focus()
        words = "You may choose now: Shift+Tab, then the number. What you wrote is kept."
        self.query_one(".keys", Static).update(Text(f"{self._refused} {words}".strip(), style=WARN))

    def on_key(self, event: events.Key) -> None:
        """A number chooses, unless a comment is being written; one that could go on waits for Enter."""
        if self._asked and event.is_printable and not isinstance(self.focused, Input):
            event.stop()
            line = self.query_one(Line)
            line.focus()
            line.put(event.character or "")
            return
        if isinstance(self.focused, Input) or not (event.character or "").isdecimal():
            return
        event.stop()
        number = int(self._typed + (event.character or ""))
        if not 1 <= number <= len(self._choices):
            number = int(event.character or 0)
        if not 1 <= number <= len(self._choices):
            return
        if number * 10 > len(self._choices):
            self._end(number - 1)
            return
        self._typed = str(number)
        self.query_one(OptionList).highlighted = number - 1
        words = f"Enter takes {number}; or type a second digit."
        self.query_one(".keys", Static).update(Text(words, style=WARN))

    @on(OptionList.OptionSelected)
    def _take(self, message: OptionList.OptionSelected) -> None:
        self._end(message.option_index)

    @on(Input.Submitted)
    def _take_from_comment(self, message: Input.Submitted) -> None:
        highlighted = self.query_one(OptionList).highlighted
        if self._joined and half_a_block(message.value.strip()):
            self.query_one(Line).put(" ")  # more lines follow
        elif highlighted is None:
            text = Text("Choose first: Shift+Tab, then the number.", style=WARN)
            self.query_one(".keys", Static).update(text)
        else:
            self._end(highlighted)

    def _end(self, index: int) -> None:
        comment = self.query_one(Input).value.strip() if self._comment else ""
        needed = self._needing.get(self._choices[index][0], "")
        # A name or a signature that was being typed when the wait ended is no reason.
        elsewhere = needed == WHY and bool(comment) and comment == self._initial.strip()
        if needed and (not comment or elsewhere):
            self.query_one(OptionList).highlighted = index
            self._asked = True
            line = self.query_one(Input)
            line.placeholder = "why?" if needed == WHY else needed[0].lower() + needed[1:]
            line.focus()
            asked = f"{needed}, then Enter: it goes on record with answer {index + 1}."
            asked += " What stands there was typed for another question." if elsewhere else ""
            self.query_one(".keys", Static).update(Text(asked, style=WARN))
            return
        self.dismiss(Chosen(self._choices[index][0], comment))

    def action_back(self) -> None:
        self.dismiss(None)


def labelled(label: str, text: str, style: str = PLAIN) -> Text:
    """A line of a dialog: what it is about, and what is said about it."""
    return Text.assemble((f"{label}  ", f"bold {DIM}"), said(text, style))
