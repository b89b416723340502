"""What an audit says: one document for the terminal, JSON and the page."""

from drbook.core.copyset import Line
from drbook.core.credentials import Exposed, Power
from drbook.core.errors import ExitCode
from drbook.core.kills import Kill
from drbook.core.lockproofs import LockProof
from drbook.core.points import Answer
from drbook.core.values import Frozen, UtcTime


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
    unknown: tuple[str, ...] = ()
    """What could not be told, in words."""

    @property
    def exit_code(self) -> ExitCode:
        """1 where something is bad, 5 where something could not be told, 0 where all is well."""
        if self.kills or any(line.answer is Answer.FAIL for line in self.copies):
            return ExitCode.FAILED
        return ExitCode.COULD_NOT_VERIFY if self.unknown else ExitCode.DONE
