"""A terminal too small for any screen: it says so, and everything behind it goes on."""

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.geometry import Size
from textual.widgets import Static

from drbook.tui.colours import WARN
from drbook.tui.modal import Modal

SMALLEST = (60, 16)


def fits(size: Size) -> bool:
    return size.width >= SMALLEST[0] and size.height >= SMALLEST[1]


class TooSmall(Modal[None]):
    """Covers what cannot be drawn until there is room; no key reaches what nobody can see."""

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
            self.dismiss(None)
            return
        text = (
            f"{size.width}×{size.height} is too small. Make it 80×24 or larger. What runs goes on."
        )
        self.query_one(".small", Static).update(Text(text, style=WARN))
