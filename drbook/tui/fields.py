"""Fields that take what a person types or pastes, and show what was pasted as text: a terminal's control
characters do nothing here."""

from textual import events
from textual.message import Message
from textual.widgets import Input, TextArea

from drbook.core.values import plain

MOST = 20_000
"""Characters that are taken of what is pasted."""


def pasted(text: str) -> str:
    """What was pasted, line by line, with every control character made visible."""
    lines = text[:MOST].splitlines()
    return "\n".join(plain(line.expandtabs(4), MOST) for line in lines)


class Line(Input):
    """One line of text."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        first = pasted(event.text).partition("\n")[0]
        if first:
            self.insert_text_at_cursor(first)


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
