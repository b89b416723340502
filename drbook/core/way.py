"""One way back, as it is compared with the others."""

from datetime import timedelta
from typing import Literal

from drbook.core.values import Frozen, show_duration

Kind = Literal["undelete", "thaw", "roll forward", "restore", "restore, proved", "promote"]


class Way(Frozen):
    """One way back. All texts are safe to show."""

    kind: Kind
    what: str
    """What it starts from: a copy's place, or a standby."""
    key: str = ""
    """The recovery point's; empty where it starts from none."""
    loss_seconds: int | None = None
    """What it loses, to the loss; None where nobody can say."""
    at_least: bool = False
    """It loses that much or more."""
    ready_seconds: int | None = None
    """Until it answers, by what earlier restores here took for as many bytes, and by how long its archive
    tier takes; None where nothing tells."""
    ready_at_least: bool = False
    """It takes that long or longer: only the archive tier's part of it is known."""
    ready_note: str = ""
    """Why nothing has to be brought anywhere, in words; a way with it counts as ready sooner than any that
    moves bytes."""
    proof: str
    """What proves that it works."""
    risk: str
    """What may go wrong with it, and what has to be seen to."""

    def loss(self) -> str:
        if self.loss_seconds is None:
            return "unknown"
        return f"{'at least ' if self.at_least else ''}{show_duration(timedelta(seconds=self.loss_seconds))}"

    def ready(self) -> str:
        if self.ready_note:
            return self.ready_note
        if self.ready_seconds is None:
            return "unknown"
        about = "at least" if self.ready_at_least else "about"
        return f"{about} {show_duration(timedelta(seconds=self.ready_seconds))}"
