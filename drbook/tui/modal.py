"""A dialog that ends once: a second Enter, faster than the screen, must not close what lies behind it."""

from typing import Any, TypeVar

from rich.text import Text
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from drbook.core.plaintext import counted
from drbook.tui.colours import WARN

Result = TypeVar("Result")


class Modal(ModalScreen[Result]):
    """Textual's `dismiss` takes away whatever screen is on top, each time it is called.

    A dialog's text that is longer than its place is read on with PgUp and PgDn, whatever has the focus.
    """

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("pagedown", "read(1)", "Read on", priority=True),
        Binding("pageup", "read(-1)", "Read back", priority=True),
    ]
    _ended = False

    def _body(self) -> VerticalScroll | None:
        found = self.query(".body").results(VerticalScroll)
        return next((one for one in found if one.max_scroll_y > 0), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where all of the text is seen, these keys are the list's or the field's."""
        return self._body() is not None if action == "read" else True

    def action_read(self, pages: int) -> None:
        if (body := self._body()) is not None:
            body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)
            self.call_after_refresh(self._say_more)

    def on_mount(self) -> None:
        self.call_after_refresh(self._make_room)

    def on_resize(self, event: Resize) -> None:
        self._measure()

    def _measure(self) -> None:
        for body in self.query(".body"):
            body.styles.clear_rule("max_height")
        self.call_after_refresh(self._make_room)

    def say_anew(self, text: Text) -> None:
        """Other words in the dialog's text, which may need more room than those before, or less."""
        for words in self.query(".words").results(Static):
            words.update(text)
        self._measure()

    def _make_room(self) -> None:
        """Give a text that does not fit the lines that the rest of the dialog leaves."""
        body = self._body()
        if body is not None and isinstance(body.parent, Widget):
            seen = [one.region.bottom for one in body.parent.children if one.display]
            free = (
                body.parent.content_region.bottom - max(seen) - 1
            )  # a line for what is said of it
            if free > 0:
                body.styles.max_height = body.size.height + free
        self.call_after_refresh(self._say_more)

    def _say_more(self) -> None:
        """Under the text, whether there is more of it."""
        body, marks = self._body(), self.query(".more")
        if body is None or not isinstance(body.parent, Widget):
            marks.remove()
            return
        left = body.max_scroll_y - round(body.scroll_y)
        words = f"▼ {counted(left, 'more line')}: PgDn" if left > 0 else "▲ PgUp: read back"
        text = Text(words, style=WARN)
        if marks:
            marks.first(Static).update(text)
        else:
            body.parent.mount(Static(text, classes="more"), after=body)

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        if self._ended or self.app.screen is not self:
            return AwaitComplete()
        self._ended = True
        return super().dismiss(result)


def is_seen(screen: Screen[Any]) -> bool:
    """Whether nothing but dialogs lies over it; Textual also counts what a whole screen covers."""
    stack = screen.app.screen_stack if screen.is_running else []
    if screen not in stack:
        return False
    return all(isinstance(one, ModalScreen) for one in stack[stack.index(screen) + 1 :])
