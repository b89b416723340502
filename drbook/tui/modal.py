"""A dialog that ends once: a second Enter, faster than the screen, must not close what lies behind it."""

from typing import Any, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen

Result = TypeVar("Result")


class Modal(ModalScreen[Result]):
    """Textual's `dismiss` takes away whatever screen is on top, each time it is called."""

    _ended = False

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
