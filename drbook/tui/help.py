"""The screen that explains the screen."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from drbook.tui.paint import BUSY, DIM, GOOD, PLAIN, STRONG, URGENT, WARN

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


class HelpScreen(ModalScreen[None]):
    """Keys, signs and words of the incident's screen."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape,q,question_mark,enter", "back", "Back"),
        Binding("down,j,pagedown", "scroll(1)", "Down"),
        Binding("up,k,pageup", "scroll(-1)", "Up"),
    ]

    def __init__(self, bindings: Sequence[BindingType]) -> None:
        super().__init__()
        self._bindings_shown = [one for one in bindings if isinstance(one, Binding) and one.tooltip]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="help", can_focus=False):
            yield Static(self._text(), markup=False)

    def _text(self) -> Group:
        keys = Table.grid(padding=(0, 2))
        for binding in self._bindings_shown:
            shown = binding.key_display or binding.key.partition(",")[0]
            keys.add_row(Text(shown, style=f"bold {BUSY}"), Text(binding.tooltip, style=PLAIN))
        keys.add_row(Text("↑ ↓", style=f"bold {BUSY}"), Text("Select another step", style=PLAIN))
        keys.add_row(
            Text("PgUp PgDn", style=f"bold {BUSY}"), Text("Scroll the step's text", style=PLAIN)
        )
        keys.add_row(Text("^p", style=f"bold {BUSY}"), Text("All of these by name", style=PLAIN))
        signs = Table.grid(padding=(0, 2))
        for sign, style, meaning in _SIGNS:
            signs.add_row(Text(sign, style=style), Text(meaning, style=PLAIN))
        words = [Text(line, style=PLAIN) for line in _WORDS]
        return Group(
            Text("KEYS   (Esc goes back, ↓ scrolls)", style=STRONG), keys, Text(""),
            Text("SIGNS", style=STRONG), signs, Text(""),
            Text("WORDS", style=STRONG), *words,
        )  # fmt: skip

    def action_back(self) -> None:
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines * 5, animate=False)
