"""Every error an operator can meet, with what it means and what to do next.

DrbookError
├── UsageError            2   the command line or its input is wrong
│   └── RunbookInvalid    2   all problems of a runbook at once
├── StepFailed            1   an action ran and failed
│   ├── VerificationFailed 1  a check ran to its end and the answer is no
│   └── Interrupted        1  it was cut off under way; in doubt where that may have had an effect
├── Aborted               3   the operator ended it
├── Cancelled             3   the operator cancelled one step
├── Refused               4   a guard said no; nothing was changed
├── CouldNotVerify        5   a check did not run to its end
├── InDoubt               6   nobody knows whether an effect happened
├── NeedsHuman            7   an unattended run met a step for a person
├── Rehearsed             8   another rehearsal of the same runbook runs on this machine
├── NotExercised          0   a dry run planned it and did not do it
└── JournalError          70  the record cannot be written or read; 4 where another drbook writes it,
                              or where another machine has taken over
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from drbook.core.plaintext import plain, plain_lines

if TYPE_CHECKING:
    from drbook.core.values import Json


class ExitCode(IntEnum):
    """The process exit codes; README documents the same table."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ABORTED = 3
    REFUSED = 4
    COULD_NOT_VERIFY = 5
    IN_DOUBT = 6
    NEEDS_HUMAN = 7
    REHEARSED = 8
    INTERNAL = 70


_LONGEST = 4000
"""Characters of a line; what quotes something from outside has cut it long before."""


class DrbookError(Exception):
    """What happened, to what; what it means now; what to do next; a stable `code` for machines."""

    code = "internal"
    exit_code = ExitCode.INTERNAL

    def __init__(
        self, what: str, *, means: str = "", next: str = "", code: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.means = means
        self.next = next
        self.found: Json = None
        """What is known all the same, in the shape of the action's result; it goes on record."""
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.what

    def explain(self) -> str:
        """The message for a person, one thought per line; nothing in it acts on a terminal."""
        parts = [plain_lines(self.what, _LONGEST)]
        if self.means:
            parts.append(f"What it means: {plain_lines(self.means, _LONGEST)}")
        if self.next:
            parts.append(f"What to do: {plain_lines(self.next, _LONGEST)}")
        return "\n".join(parts)


class UsageError(DrbookError):
    code = "usage"
    exit_code = ExitCode.USAGE


class StepFailed(DrbookError):
    code = "step-failed"
    exit_code = ExitCode.FAILED


class VerificationFailed(StepFailed):
    code = "verification-failed"


class Interrupted(StepFailed):
    """The work was cut off, and what it does may have happened: a step whose effect is `once` is in doubt.
    A StepFailed says that it did not happen, or that its result is known."""

    code = "interrupted"


class Aborted(DrbookError):
    code = "aborted"
    exit_code = ExitCode.ABORTED


class Cancelled(DrbookError):
    code = "cancelled"
    exit_code = ExitCode.ABORTED


class Refused(DrbookError):
    code = "refused"
    exit_code = ExitCode.REFUSED


class CouldNotVerify(DrbookError):
    code = "could-not-verify"
    exit_code = ExitCode.COULD_NOT_VERIFY


class InDoubt(DrbookError):
    code = "in-doubt"
    exit_code = ExitCode.IN_DOUBT


class NeedsHuman(DrbookError):
    code = "needs-human"
    exit_code = ExitCode.NEEDS_HUMAN


class Rehearsed(DrbookError):
    """Another rehearsal of the same runbook runs on this machine; nothing was started."""

    code = "rehearsed"
    exit_code = ExitCode.REHEARSED


class NotExercised(DrbookError):
    """Raised by a guarded port in a dry run at the first effect; the step planned it and stopped."""

    code = "not-exercised"
    exit_code = ExitCode.DONE


class JournalError(DrbookError):
    code = "journal"
    exit_code = ExitCode.INTERNAL


class JournalLocked(JournalError):
    """Another drbook writes it: a refusal, not a defect."""

    code = "journal-locked"
    exit_code = ExitCode.REFUSED


class TakenOver(JournalError):
    """Another machine goes on with this incident; nothing more is executed here."""

    code = "taken-over"
    exit_code = ExitCode.REFUSED


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a runbook, where it stands and what was expected there.

    `line` and `column` count from 1; 0 means the file as a whole.
    """

    file: str
    line: int
    column: int
    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        file = plain(self.file, 1000)
        place = f"{file}:{self.line}:{self.column}" if self.line else file
        at = f" {self.path}:" if self.path else ""
        return f"{place}:{at} found {self.found}; expected {self.expected}"


class RunbookInvalid(UsageError):
    """All problems of one runbook."""

    code = "runbook-invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"The runbook has {count} problem{'s' if count != 1 else ''}:\n"
            + "\n".join(str(problem) for problem in self.problems),
            means="Nothing was started.",
            next="Mend the lines named above, then run `drbook lint` on the file.",
        )
