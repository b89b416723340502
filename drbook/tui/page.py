"""The runbook's page: what it is for, what to do first and what not, and who is called at night."""

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from drbook.app.pages import page_of
from drbook.core.runbook import Runbook
from drbook.tui.colours import DIM, PLAIN, STRONG
from drbook.tui.modal import Modal
from drbook.tui.paint import said


class PageScreen(Modal[None]):
    """The page as `drbook show --page` prints it. Nothing is decided or changed here."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape,q,p,enter", "back", "Back"),
        Binding("down,j", "scroll(1)", "Down"),
        Binding("up,k", "scroll(-1)", "Up"),
        Binding("pagedown,space", "scroll(15)", "Page down"),
        Binding("pageup", "scroll(-15)", "Page up"),
    ]

    def __init__(self, runbook: Runbook) -> None:
        super().__init__()
        self._runbook = runbook

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="help", can_focus=False):
            yield Static(page_text(self._runbook), markup=False)

    def action_back(self) -> None:
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def page_text(runbook: Runbook) -> Text:
    """The page, its title and headings told apart; text of the file is shown as text."""
    title, *lines = page_of(runbook)
    text = Text.assemble(said(title, STRONG), ("   (Esc goes back, ↓ scrolls)", DIM))
    for line in lines:
        heading = line.strip().isupper()
        text.append("\n")
        text.append_text(said(line, STRONG if heading else PLAIN))
    return text
