"""drbook as a program that sends itself signals the moment a record is on disk: the worst moments, each time."""

import os
import signal
import sys
from pathlib import Path

from support.program import Drbook

_BEHIND = "TEST_SIGNALS_BEHIND"


def signalled(drbook: Drbook, **behind: str) -> Drbook:
    """The same program; `IncidentClosed="TERM"` sends it one signal behind that record, `"INT,INT"` two."""
    made = Drbook(drbook.home)
    made.environment = drbook.environment | {
        _BEHIND: " ".join(f"{event}={names}" for event, names in behind.items()),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    made.program = [sys.executable, "-m", "support.signalled"]
    return made


def main() -> int:
    from drbook.cli.main import main as whole
    from drbook.core import events as ev
    from drbook.core.events import Record
    from drbook.journal.writer import Writer

    append = Writer.append
    told = dict(one.split("=") for one in os.environ[_BEHIND].split())

    def telling(self: Writer, actor: str, event: ev.Event) -> Record:
        record = append(self, actor, event)
        for name in told.pop(type(event).__name__, "").split(","):
            if name:
                os.kill(os.getpid(), getattr(signal, f"SIG{name}"))
        return record

    Writer.append = telling  # type: ignore[method-assign]
    return whole()


if __name__ == "__main__":
    sys.exit(main())
