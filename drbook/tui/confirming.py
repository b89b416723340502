"""The dialog in which a name is typed before something that cannot be undone."""

from collections.abc import Sequence

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from drbook.tui.colours import DIM, PLAIN, STRONG, URGENT
from drbook.tui.dialogs import heading
from drbook.tui.modal import Modal
from drbook.tui.paint import said

PASTE_FROM = 20
"""Names of this length may be pasted: nobody types an ARN by hand. A shorter one is typed."""


class NameField(Static, can_focus=True):
    """Takes every key of the dialog itself, so that no letter is lost on the way to it."""

    class Entered(Message):
        """Enter, with what stands there."""

        def __init__(self, typed: str) -> None:
            super().__init__()
            self.typed = typed

    class Changed(Message):
        """Another letter."""

    class Refused(Message):
        """A paste into a field for a name that is short enough to type."""

    typed = ""

    def __init__(self, *, paste: bool) -> None:
        super().__init__(Text("▏"), classes="name", markup=False)
        self._paste = paste

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            self.post_message(self.Entered(self.typed))
        elif event.key == "backspace":
            self._show(self.typed[:-1])
        elif event.key == "ctrl+u":
            self._show("")
        elif event.is_printable and event.character:
            self._show(self.typed + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._paste:
            self._show(self.typed + "".join(event.text.split("\n")))
        else:
            self.post_message(self.Refused())

    def _show(self, typed: str) -> None:
        self.typed = typed[:1000]
        self.update(Text.assemble(said(self.typed, STRONG), "▏"))
        self.post_message(self.Changed())


class ConfirmDialog(Modal[str | None]):
    """The resource's name is typed, exactly. While nothing is typed, Enter cancels."""

    BINDINGS = [Binding("escape", "back", "Back")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        title: str,
        lines: Sequence[Text],
        name: str,
        *,
        go: str,
        cool_off_seconds: int,
        count: int = 0,
    ) -> None:
        """`count` are seconds that the dialog itself counts down behind the name; `cool_off_seconds` those
        that follow it."""
        super().__init__()
        self._heading, self._explanation, self._resource = title, lines, name
        delay = (
            f" (starts after {cool_off_seconds or count} s)" if cool_off_seconds or count else ""
        )
        self._go = f"{go}{delay}"
        self._left = count
        self._counting = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog danger"):
            with VerticalScroll(classes="body", can_focus=False):
                yield heading(self._heading, self._explanation)
            yield Static(
                Text.assemble(
                    ("Type  ", PLAIN), said(self._resource, STRONG), ("  to go on:", PLAIN)
                ),
                classes="ask",
            )
            yield NameField(paste=len(self._resource) >= PASTE_FROM)
            yield Static(classes="answer", markup=False)
            yield Static("Esc: cancel, nothing is done", classes="keys")

    def on_mount(self) -> None:
        self.query_one(NameField).focus()
        self._say()

    @on(NameField.Changed)
    def _say(self) -> None:
        """What Enter does now."""
        typed = self.query_one(NameField).typed
        if not typed:
            answer = Text(" ⏎ Cancel ", style="reverse bold")
        elif typed == self._resource:
            answer = Text(f" ⏎ {self._go} ", style=f"reverse {URGENT}")
        else:
            answer = Text(" not yet the name ", style=DIM)
        self.query_one(".answer", Static).update(answer)

    @on(NameField.Refused)
    def _refused(self) -> None:
        words = "Pasting is not taken here: type the name, letter by letter. It is short."
        self.query_one(".keys", Static).update(Text(words, style=URGENT))

    @on(NameField.Entered)
    def _entered(self, message: NameField.Entered) -> None:
        if not message.typed:
            self.dismiss(None)
        elif message.typed == self._resource:
            self._confirmed()
        else:
            said_now = "That is not the name, letter by letter. Nothing was done."
            self.query_one(".keys", Static).update(Text(said_now, style=URGENT))

    def _confirmed(self) -> None:
        if self._counting:
            return
        if self._left <= 0:
            self.dismiss(self._resource)
            return
        self._counting = True
        self.query_one(NameField).disabled = True
        self.set_interval(1.0, self._count)
        self._tell_left()

    def _count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.dismiss(self._resource)
        else:
            self._tell_left()

    def _tell_left(self) -> None:
        answer = Text(f" ▲ in {self._left} s; Esc takes it back ", style=f"reverse {URGENT}")
        self.query_one(".answer", Static).update(answer)

    def action_back(self) -> None:
        self.dismiss(None)
