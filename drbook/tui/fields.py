"""Fields that take what a person types or pastes, and show what was pasted as text: a terminal's control
characters do nothing here."""

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Input, OptionList, TextArea

from drbook.core.values import plain
from drbook.tui.colours import STRONG

MOST = 20_000
"""Characters that are taken of what is pasted."""


def pasted(text: str) -> str:
    """What was pasted, line by line, with every control character made visible."""
    lines = text[:MOST].splitlines()
    return "\n".join(plain(line.expandtabs(4), MOST) for line in lines)


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
    ) -> None:
        super().__init__(
            value, placeholder, max_length=max_length, compact=True, select_on_focus=False, id=id
        )
        self._proposed = proposed

    def on_mount(self) -> None:
        if self._proposed:
            self.select_all()

    def put(self, text: str) -> None:
        """As if it had been typed here."""
        if self.selection.is_empty:
            self.insert_text_at_cursor(text)
        else:
            self.replace(text, *self.selection)

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        first = pasted(event.text).partition("\n")[0]
        if first:
            self.put(first)


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
