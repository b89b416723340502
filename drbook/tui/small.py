"""A terminal too small for any screen: it says so, and everything behind it goes on."""

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

SMALLEST = (60, 16)


def fits(size: Size) -> bool:
    return size.width >= SMALLEST[0] and size.height >= SMALLEST[1]


class TooSmall(ModalScreen[None]):
    """Covers what cannot be drawn until there is room; no key reaches what nobody can see."""

    _gone = False

    def compose(self) -> ComposeResult:
        yield Static(classes="small", markup=False)

    def on_mount(self) -> None:
        self._look(self.app.size)

    def on_resize(self, event: events.Resize) -> None:
        self._look(event.size)

    def on_screen_resume(self) -> None:
        self._look(self.app.size)

    def on_key(self, event: events.Key) -> None:
        event.stop()

    def _look(self, size: Size) -> None:
        if fits(size):
            if self.app.screen is self and not self._gone:
                self._gone = True
                self.dismiss(None)
            return
        text = (
            f"{size.width}×{size.height} is too small. What runs goes on. Make it 80×24 or larger."
        )
        from drbook.tui.paint import WARN  # the first frame pays for nothing that it does not show

        self.query_one(".small", Static).update(Text(text, style=WARN))
