"""Lines of a fixed height that are painted again only where they say something else."""

from rich.text import Text
from textual.widgets import Static


class Lines(Static):
    """`show` is called as often as anybody likes."""

    _shown: tuple[str, str, object] | None = None

    def show(self, text: Text) -> None:
        saying = (text.plain, str(text.style), text.spans)
        if saying != self._shown:
            self._shown = saying
            self.update(text, layout=False)
