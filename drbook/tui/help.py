"""The screen that explains a screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, STRONG, URGENT, WARN
from drbook.tui.modal import Modal
from drbook.tui.palette import explained, key_of

_SIGNS = (
    ("▶ ready", BUSY, "it can be run; Enter does it"),
    ("… awaiting you", WARN, "planned; it needs an answer, an approval or a typed name"),
    ("◐ running", BUSY, "it works; c cancels it"),
    ("✓ done", GOOD, "it succeeded, and a check passed"),
    ("✗ failed", URGENT, "it did not work; the pane says what it means and what to do"),
    ("? could not verify", URGENT, "nobody knows: never the same as passed"),
    ("⊘ refused", URGENT, "a guard would not let it happen; nothing was done"),
    ("‼ in doubt", URGENT, "it was interrupted; look, then settle it (i)"),
    ("≈ stale", WARN, "something that it used has changed; run it again"),
    ("~ not exercised", DIM, "a rehearsal planned it and did not do it"),
    ("– skipped", DIM, "not done, with a reason on record"),
    ("○ pending", DIM, "it waits for other steps"),
)
_WORDS = (
    "LOSS WINDOW is the data between the chosen backup and the incident: what is lost.",
    "RTO counts from the declaration until the restore is verified; OUTAGE since it occurred.",
    "forecast, or →: where the RTO's clock will stand when the restore is verified, by earlier runs.",
    "≥: it takes longer, for nobody knows how long some steps take. ▲ passes the objective, △ may.",
    "update, deadline: what is to be told, and until when. A note of the kind message settles it.",
    "journal ✓ N: N records are written and synced to disk. Nothing happens without a record.",
    "■ independent: the same disaster could not have reached this copy. ○ shared: it could.",
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `?` says of a screen beside its keys."""

    words: Sequence[str]
    signs: Sequence[tuple[str, str, str]] = ()
    keys: Sequence[tuple[str, str]] = ()
    """Keys that are no bindings of the screen's own."""


INCIDENT = Explanation(
    _WORDS, _SIGNS, (("↑ ↓", "Select another step"), ("PgUp PgDn", "Scroll the step's text"))
)


class HelpScreen(Modal[None]):
    """Keys, signs and words of one screen. A screen explains itself in `EXPLANATION`."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape,q,question_mark,enter", "back", "Back"),
        Binding("down,j", "scroll(5)", "Down"),
        Binding("up,k", "scroll(-5)", "Up"),
        Binding("pagedown,space", "scroll(15)", "Page down"),
        Binding("pageup", "scroll(-15)", "Page up"),
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._about = screen
        self._says: Explanation = getattr(screen, "EXPLANATION", INCIDENT)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="help", can_focus=False):
            yield Static(self._text(), markup=False)

    def _text(self) -> Group:
        keys = Table.grid(padding=(0, 2))
        rows = [(key_of(one), one.tooltip) for one in explained(self._about)]
        rows += [*self._says.keys, ("^p", "All of these by name")]
        rows += [(key_of(one), one.tooltip) for one in explained(self.app)]
        for key, does in rows:
            keys.add_row(Text(key, style=f"bold {BUSY}"), Text(does, style=PLAIN))
        signs = Table.grid(padding=(0, 2))
        for sign, style, meaning in self._says.signs:
            signs.add_row(Text(sign, style=style), Text(meaning, style=PLAIN))
        shown: list[RenderableType] = []
        if self._says.signs:
            shown = [Text("SIGNS", style=STRONG), signs, Text("")]
        words = [Text(line, style=PLAIN) for line in self._says.words]
        return Group(
            Text("KEYS   (Esc goes back, ↓ scrolls)", style=STRONG), keys, Text(""),
            *shown,
            Text("WORDS", style=STRONG), *words,
        )  # fmt: skip

    def action_back(self) -> None:
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
