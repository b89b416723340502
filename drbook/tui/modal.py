"""A dialog that ends once: a second Enter, faster than the screen, must not close what lies behind it."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Modal(ModalScreen[Result]):
    """Textual's `dismiss` takes away whatever screen is on top, each time it is called."""

    _ended = False

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        if self._ended or self.app.screen is not self:
            return AwaitComplete()
        self._ended = True
        return super().dismiss(result)
