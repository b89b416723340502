"""Text on the screen that is painted again only where it says something else, and for which the screen is
laid out anew only where it takes another number of lines."""

from rich.console import RenderableType
from rich.text import Text
from textual.widgets import Static


class Lines(Static):
    """Lines of a fixed height. `show` is called as often as anybody likes."""

    _shown: tuple[str, str, object] | None = None

    def show(self, text: Text) -> None:
        saying = (text.plain, str(text.style), text.spans)
        if saying != self._shown:
            self._shown = saying
            self.update(text, layout=False)


class Block(Static):
    """Whatever it is that is shown, as high as it has to be."""

    def show(self, content: RenderableType) -> None:
        self.update(content, layout=False)
        before = self.content_size
        if not before or self.get_content_height(before, before, before.width) != before.height:
            self.refresh(layout=True)
