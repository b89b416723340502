"""What is known and told of an incident while it is opened. Without Textual: who opens one unattended needs
no screen."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class First:
    """What is known of an incident before it is opened; nothing is decided by it."""

    mode: str = ""
    title: str = ""


@dataclass(slots=True)
class Told:
    """How far it is; written by the thread that opens, read by the screen."""

    lines: list[str] = field(default_factory=list)
    done: int = 0
    total: int = 0

    def say(self, line: str) -> None:
        """A sentence for a person."""
        self.lines.append(line)

    def reading(self, done: int, total: int) -> None:
        """So many of the record's lines were read."""
        self.done, self.total = done, total
        time.sleep(0)  # lets a key be heard
