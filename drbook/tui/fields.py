"""Fields that take what a person types or pastes, or what comes from a file, a runbook or an editor. All of it
is shown as text: a terminal's control characters do nothing here, however they got in."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Input, OptionList, TextArea
from textual.widgets.text_area import Edit, EditResult

from drbook.core.values import plain
from drbook.tui.colours import STRONG

MOST = 20_000
"""Characters that are taken of what is pasted."""


def pasted(text: str) -> str:
    """What was pasted, line by line, with every control character made visible."""
    return cleaned(text[:MOST])


def cleaned(text: str) -> str:
    """The whole text, line by line, with every control character made visible. Where it was clean, it is
    the same text."""
    lines = f"{text}.".splitlines()  # the full stop keeps a last, empty line
    lines[-1] = lines[-1][:-1]
    return "\n".join(_visible(line.expandtabs(4)) for line in lines)


def _visible(line: str) -> str:
    return plain(line, 10 * len(line) + 10)  # an escape has up to ten characters


class Line(Input):
    """One line of text. What is only proposed (`proposed`) is selected, so that the first letter takes its
    place; what a person wrote, and comes back, is written on at its end."""

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        max_length: int = 4000,
        id: str | None = None,
        proposed: bool = False,
        joined: bool = False,
    ) -> None:
        """Of what is pasted, the first line is taken; with `joined` all of them, with a space between."""
        super().__init__(
            value, placeholder, max_length=max_length, compact=True, select_on_focus=False, id=id
        )
        self._proposed, self._joined = proposed, joined

    def on_mount(self) -> None:
        if self._proposed:
            self.select_all()

    def put(self, text: str) -> None:
        """As if it had been typed here."""
        if self.selection.is_empty:
            self.insert_text_at_cursor(text)
        else:
            self.replace(text, *self.selection)

    def validate_value(self, value: str) -> str:
        """Whatever sets it: a key, what was there before, a runbook."""
        return _visible(value.expandtabs(4))

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        lines = pasted(event.text).split("\n")
        if taken := " ".join(lines).strip() if self._joined else lines[0]:
            self.put(taken)


class Options(OptionList):
    """Ways to choose from: ▸ stands before the highlighted one, for a ground alone is not seen everywhere."""

    _prompts: Sequence[Text] = ()

    def __init__(self, prompts: Sequence[Text]) -> None:
        super().__init__(*(_marked(one) for one in prompts), markup=False, compact=True)
        self._prompts = list(prompts)

    def say(self, prompts: Sequence[Text]) -> None:
        """The same options in other words."""
        self._prompts = list(prompts)
        self._mark()

    def watch_highlighted(self, highlighted: int | None) -> None:
        self._mark()
        super().watch_highlighted(highlighted)

    def _mark(self) -> None:
        for number, prompt in enumerate(self._prompts):
            shown = _marked(prompt, here=number == self.highlighted)
            self.replace_option_prompt_at_index(number, shown)


def _marked(prompt: Text, *, here: bool = False) -> Text:
    return Text.assemble(("▸ " if here else "  ", STRONG), prompt)


class Area(TextArea):
    """A text of several lines, in which Enter means: that is all. Ctrl+J makes a new line."""

    class Submitted(Message):
        """Enter."""

    def __init__(self, text: str = "", **given: Any) -> None:
        super().__init__(cleaned(text), **given)

    def load_text(self, text: str) -> None:
        super().load_text(cleaned(text))

    def edit(self, edit: Edit) -> EditResult:
        """Every change, also one from the clipboard of the application."""
        edit.text = cleaned(edit.text)
        return super().edit(edit)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            self.post_message(self.Submitted())
        elif event.key == "ctrl+j":
            self.insert("\n")
        else:
            return
        event.stop()
        event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert(pasted(event.text))
