"""What a field's time is understood as, said below it while it is typed; a doubtful one is taken only at
the second Enter."""

from collections.abc import Callable, Mapping
from datetime import datetime

from rich.text import Text

from drbook.core.moments import Understood, understand
from drbook.tui.colours import GOOD, WARN
from drbook.tui.paint import said

Times = Mapping[str, datetime | None]


class Heard:
    """One field's text, as it was understood last."""

    def __init__(
        self,
        now: Callable[[], datetime],
        name: str = "",
        times: Callable[[], Times] = dict,
        *,
        past: bool = False,
    ) -> None:
        """`name` is the time's, and `times` are the others that it must not contradict; `past`: one that has
        not come yet is not taken at all."""
        self._now, self._name, self._times, self._past = now, name, times, past
        self._doubted = ""

    def of(self, text: str) -> Understood | None:
        return understand(text, self._now(), self._name, self._times())

    def line(self, text: str) -> Text:
        """What is said below the field."""
        found = self.of(text)
        if found is None:
            return Text()
        if found.at is None:
            return said(f"✗ {found.words}", WARN)
        if self._ahead(found):
            return said(f"✗ {found.words}: it has not come yet; times are UTC", WARN)
        if not found.doubt:
            return said(f"✓ {found.words}", GOOD)
        again = " Enter again takes it." if self._doubted == text else ""
        return said(f"▲ {found.words[:23]}: {found.doubt}.{again}", WARN)

    def takes(self, text: str) -> bool:
        """Whether Enter takes it: a time, and no doubtful one unless it was entered before."""
        found = self.of(text)
        if found is not None and self._ahead(found):
            return False
        if found is None or (found.at is not None and not found.doubt):
            return True
        taken = found.at is not None and self._doubted == text
        self._doubted = text
        return taken

    def _ahead(self, found: Understood) -> bool:
        return self._past and found.at is not None and found.at > self._now()
