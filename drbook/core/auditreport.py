"""What an audit says: one document for the terminal, JSON and the page."""

from typing import Literal

from drbook.core.copyset import Line
from drbook.core.credentials import Exposed, Power
from drbook.core.errors import ExitCode
from drbook.core.kills import Kill
from drbook.core.lockproofs import LockProof
from drbook.core.points import Answer
from drbook.core.values import Frozen, UtcTime


class Opened(Frozen):
    """What came of opening one backup source with its own secrets, and of reading a little of what it holds."""

    source: str
    answer: Answer
    """Fails only where the source's own answer, or the program's, is that the key is not the right one, or
    where the key is not here; what could not be asked is unknown."""
    outcome: Literal["decrypted", "nothing-to-decrypt", "not-opened"]
    reason: str


class Report(Frozen):
    """Everything that the audit says. No value of a credential is in it."""

    title: str
    at: UtcTime
    copies: tuple[Line, ...]
    credentials: tuple[Exposed, ...]
    kills: tuple[Kill, ...]
    things: tuple[str, ...]
    """What can be destroyed, production first."""
    asked: Power | None = None
    """What production's server says of the runbook's login; None where nobody asked."""
    locks: tuple[LockProof, ...] = ()
    """Attempts on locks that were made for this report."""
    unstated: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Files that were read."""
    samples: tuple[Opened, ...] | None = None
    """What came of opening each source; None where nobody tried."""
    unknown: tuple[str, ...] = ()
    """What could not be told, in words."""

    @property
    def exit_code(self) -> ExitCode:
        """1 where something is bad, 5 where something could not be told, 0 where all is well."""
        answers = [line.answer for line in self.copies] + [one.answer for one in self.samples or ()]
        if self.kills or Answer.FAIL in answers:
            return ExitCode.FAILED
        return ExitCode.COULD_NOT_VERIFY if self.unknown else ExitCode.DONE
