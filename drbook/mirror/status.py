"""How a mirror stands, as an immutable value for screens and logs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from drbook.core.values import counted, plain, show_duration

PATIENCE = timedelta(seconds=5)
"""A mirror that lags for less is not called behind: every record takes its moment."""


class Standing(StrEnum):
    COPYING = "copying"
    DOWN = "down"
    """It does not answer or has no room; it is tried again."""
    DIFFERS = "differs"
    """It holds other content than the journal; nothing more is copied there."""
    SUPERSEDED = "superseded"
    """Another machine has taken over."""


@dataclass(frozen=True, slots=True)
class MirrorState:
    """One mirror at one moment."""

    where: str
    records: int
    """Records of the journal that are known to be there, from the first without a gap."""
    written: int
    """Records that the journal holds."""
    standing: Standing = Standing.COPYING
    since: datetime | None = None
    """Since when it lacks something; None where it lacks nothing."""
    error: str = ""
    """The last failure, in a sentence; empty once it works again."""
    note: str = ""
    """What is weaker there than it should be; empty where nothing is."""

    @property
    def behind(self) -> int:
        return self.written - self.records

    @property
    def waits(self) -> bool:
        """True while it may still get what it lacks."""
        return self.behind > 0 and self.standing in (Standing.COPYING, Standing.DOWN)

    def fine(self, now: datetime) -> bool:
        """True where nothing is wrong and it is at most a moment late."""
        if self.standing is not Standing.COPYING:
            return False
        return self.behind == 0 or self.since is None or now - self.since < PATIENCE

    def short(self, now: datetime) -> str:
        """`✓`, `12 behind`, `✗ differs`: for a corner of the screen."""
        if self.standing in (Standing.DIFFERS, Standing.SUPERSEDED):
            return f"✗ {self.standing.value}"
        if self.fine(now):
            return "✓"
        return f"{self.behind:,} behind" if self.behind else self.standing.value

    def long(self, now: datetime) -> str:
        """One line for a log or the end of a run."""
        lag = f"{counted(self.behind, 'record')} behind"
        if self.since is not None:
            lag += f" since {self.since:%H:%M:%S} UTC ({show_duration(now - self.since)})"
        text = f"{self.where}: {'up to date' if self.behind == 0 else lag}"
        text += f". {plain(self.error, 400)}" if self.error else ""
        return f"{text} ({plain(self.note, 200)})" if self.note else text
