"""What is asked before an incident opens, and what is said while it does, or where it does not."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, OptionList, Static

from drbook.app.inputs import in_order_of_asking, read_input
from drbook.core.errors import DrbookError, Problem, UsageError
from drbook.core.events import Mode
from drbook.core.runbook import Input as Declared
from drbook.core.runbook import Runbook
from drbook.core.values import counted, parse_moment, plain
from drbook.tui.colours import DIM, GOOD, PLAIN, STRONG, URGENT, WARN
from drbook.tui.fields import Line, Options, cleaned
from drbook.tui.heard import Heard
from drbook.tui.modal import Modal
from drbook.tui.paint import said

_MODES = (
    (Mode.LIVE, "LIVE: the real thing; steps may change what is outside", URGENT),
    (Mode.DRILL, "drill: for real, but writes into fresh targets only", PLAIN),
    (Mode.DRY_RUN, "dry run: plans every step, changes nothing", PLAIN),
)


@dataclass(frozen=True, slots=True)
class Start:
    """What the operator decided."""

    mode: Mode
    inputs: Mapping[str, str]


class StartDialog(Modal[Start | None]):
    """The mode, then each input in its place; nothing is chosen beforehand, and Escape starts nothing."""

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(self, runbook: Runbook, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._runbook, self._path, self._clock = runbook, path, clock
        self._inputs = in_order_of_asking(runbook)
        self._mode: Mode | None = None
        self._heard = {
            number: Heard(clock, name, self._times) if declared.type == "time" else None
            for number, (name, declared) in enumerate(self._inputs)
        }

    def compose(self) -> ComposeResult:
        steps = counted(len(self._runbook.steps), "step")
        head = Text.assemble(
            said(plain(self._runbook.title, 300), STRONG), "\n",
            said(f"{steps} · {self._path}", DIM),
        )  # fmt: skip
        with Vertical(classes="dialog start"):
            with VerticalScroll(classes="body", can_focus=False):
                yield Static(head, classes="words", markup=False)
            yield Options(self._modes())
            with VerticalScroll(classes="fields", can_focus=False):
                for number, (name, declared) in enumerate(self._inputs):
                    yield Static(_asked(name, declared), classes="ask", markup=False)
                    yield Line(_default(declared), id=f"input-{number}", proposed=True)
                    yield Static(id=f"says-{number}", classes="says", markup=False)
            yield Static(classes="keys", markup=False)

    def _modes(self) -> list[Text]:
        found = []
        for number, (mode, words, style) in enumerate(_MODES, 1):
            mark = "●" if mode is self._mode else " "
            found.append(Text(f"{mark} {number}  {words}", style=style))
        return found

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.focus()
        options.highlighted = None
        for number in range(len(self._inputs)):
            self._check(number)
        self._say("1, 2 or 3: choose the mode   Esc: nothing is started")

    def on_key(self, event: events.Key) -> None:
        if isinstance(self.focused, Line):
            if event.is_printable and event.character:  # typed faster than the focus has moved
                self.focused.put(event.character)
            return
        if event.character in ("1", "2", "3"):
            event.stop()
            self._choose(int(event.character) - 1)

    @on(OptionList.OptionSelected)
    def _chosen(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        self._choose(message.option_index)

    def _choose(self, index: int) -> None:
        self._mode = _MODES[index][0]
        options = self.query_one(Options)
        options.say(self._modes())
        options.highlighted = index
        self._go_on(0)

    @on(Input.Changed)
    def _changed(self, message: Input.Changed) -> None:
        self._check(self._number(message.input))

    @on(Input.Submitted)
    def _entered(self, message: Input.Submitted) -> None:
        number = self._number(message.input)
        if self._check(number):
            heard = self._heard[number]
            if heard is None or heard.takes(message.value.strip()):
                self._go_on(number + 1)
            else:
                self._check(number)

    def _go_on(self, number: int) -> None:
        """To the next input; behind the last one, open it if everything is known."""
        if number < len(self._inputs):
            self.set_focus(self.query_one(f"#input-{number}", Input))
            last = number + 1 == len(self._inputs)
            does = "start" if last else "next"
            self._say(f"Enter: {does}   Shift+Tab: one back   Esc: nothing is started")
            return
        wrong = [at for at in range(len(self._inputs)) if not self._check(at)]
        if wrong:
            self.set_focus(self.query_one(f"#input-{wrong[0]}", Input))
        elif self._mode is None:
            self.query_one(OptionList).focus()
            self._say("Choose the mode first: 1, 2 or 3.", WARN)
        else:
            self.dismiss(Start(self._mode, self._given()))

    def _given(self) -> dict[str, str]:
        found = {}
        for number, (name, declared) in enumerate(self._inputs):
            text = self.query_one(f"#input-{number}", Input).value.strip()
            untouched = text == cleaned(_default(declared)).strip()
            if text and not untouched:  # the default itself has no control character made visible
                found[name] = text
        return found

    def _check(self, number: int) -> bool:
        """Say what was understood, or what is wrong."""
        name, declared = self._inputs[number]
        text = self.query_one(f"#input-{number}", Input).value.strip()
        says = self.query_one(f"#says-{number}", Static)
        if not text:
            needed = declared.required and declared.default is None
            says.update(Text("  needed" if needed else "  may stay empty", style=DIM))
            return not needed
        try:
            value = read_input(name, text, declared.type, self._clock())
        except (ValueError, UsageError) as error:
            says.update(said(f"  ✗ {error}", WARN))
            return False
        heard = self._heard[number]
        good = said(f"✓ {value}", GOOD) if heard is None else heard.line(text)
        says.update(Text.assemble("  ", good))
        return True

    def _times(self) -> dict[str, datetime | None]:
        """The times that stand in the form so far."""
        found: dict[str, datetime | None] = {}
        for number, (name, declared) in enumerate(self._inputs):
            if declared.type == "time":
                text = self.query_one(f"#input-{number}", Input).value
                with suppress(ValueError, OverflowError):
                    found[name] = parse_moment(text, self._clock())
        return found

    def _number(self, field: Input) -> int:
        return int(str(field.id).removeprefix("input-"))

    def _say(self, text: str, style: str = DIM) -> None:
        self.query_one(".keys", Static).update(Text(text, style=style))

    def action_back(self) -> None:
        self.dismiss(None)


def _default(declared: Declared) -> str:
    return "" if declared.default is None else str(declared.default)


def _asked(name: str, declared: Declared) -> Text:
    hint = {"time": "UTC: 19:04, 20m ago, now", "number": "a whole number", "boolean": "yes or no"}
    text = said(plain(declared.prompt or name, 300), PLAIN)
    more = hint.get(declared.type, "")
    return text.append(f"  ({more})" if more else "", style=DIM)


class WordsScreen(Modal[bool]):
    """Something to be read: an error with what to do next, or a runbook's problems. It ends with True
    where `other` was chosen."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape,enter,q", "back", "Back"),
        Binding("w", "other", "Other"),
        Binding("down,j", "scroll(1)", "Down"),
        Binding("up,k", "scroll(-1)", "Up"),
        Binding("pagedown,space", "scroll(10)", "Page down"),
        Binding("pageup", "scroll(-10)", "Page up"),
    ]

    def __init__(self, title: Text, lines: Sequence[Text], other: str = "") -> None:
        """`other` says what `w` does; nothing where it is empty."""
        super().__init__()
        self._heading, self._lines, self._other = title, lines, other

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._heading, classes="words", markup=False)
            with VerticalScroll(classes="body", can_focus=False):
                yield Static(Text("\n\n").join(self._lines), classes="words", markup=False)
            more = f"w: {self._other}    " if self._other else ""
            yield Static(f"{more}↑ ↓: scroll    Esc: back", classes="keys", markup=False)

    def action_back(self) -> None:
        self.dismiss(False)

    def action_other(self) -> None:
        if self._other:
            self.dismiss(True)

    def action_scroll(self, lines: int) -> None:
        self.query_one(".body", VerticalScroll).scroll_relative(y=lines, animate=False)


def error_screen(error: DrbookError, other: str = "") -> WordsScreen:
    lines = [Text.assemble(("What it means: ", f"bold {DIM}"), said(error.means))] * bool(
        error.means
    )
    lines += [Text.assemble(("What to do: ", f"bold {DIM}"), said(error.next))] * bool(error.next)
    return WordsScreen(Text.assemble(("✗ ", URGENT), said(error.what, URGENT)), lines, other)


def problems_screen(name: str, problems: Sequence[Problem], trouble: str) -> WordsScreen:
    """Each problem with file, line and column; the file is not changed from here."""
    count = counted(len(problems), "problem") if problems else "It cannot be checked"
    lines = [said(str(one), PLAIN) for one in problems] or [said(trouble, WARN)]
    title = Text.assemble(("✗ ", URGENT), said(f"{count} in {plain(name, 200)}", STRONG))
    return WordsScreen(title, lines)


class Waiting(Modal[None]):
    """While something opens; Escape stops waiting for it, and what opens then is left at once."""

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(self, title: str, gave_up: Callable[[], None]) -> None:
        super().__init__()
        self._heading, self._gave_up = title, gave_up
        self._told: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(said(self._heading, STRONG), classes="words", markup=False)
            yield Static(classes="body told", markup=False)
            yield Static("Esc: do not wait for it", classes="keys", markup=False)

    def tell(self, text: str) -> None:
        self._told = [*self._told, text][-6:]
        self.query_one(".told", Static).update(Text("\n").join(said(one) for one in self._told))

    def action_back(self) -> None:
        self._gave_up()
        self.dismiss(None)
