"""Events of what others consent to: who may approve, what they were asked, what they signed."""

from drbook.core.event import AttemptEvent, Event
from drbook.core.terms import Proof
from drbook.core.values import UtcTime


class ApproversTaken(Event):
    """Who may approve, as the incident was opened; what becomes of the file later does not count."""

    file: str
    """Where it was read; empty where the runbook itself holds it."""
    sha256: str
    text: str
    """All of it: an `allowed_signers` file (ssh-keygen(1))."""
    problem: str = ""
    """Why nobody can approve by it; empty where it is well."""


class ApprovalAsked(AttemptEvent):
    """What others are asked to sign, or how many names have to be given."""

    title: str
    operator: str
    """Who leads: whoever signs says that this is somebody else."""
    people: tuple[str, ...] = ()
    """Who may sign it now, of the incident's list."""
    cannot: tuple[str, ...] = ()
    """Who of the list cannot, as it was asked, each with the reason: an expired key, one for something else."""
    needed: int = 1
    """How many of them, beside the operator."""
    signed: bool = True
    """False where the incident has no list: names are typed then, and nothing proves them."""
    asked_at: UtcTime
    expires: UtcTime
    nonce: str
    text: str = ""
    """Exactly what is signed."""


class ApprovalGiven(AttemptEvent):
    by: str
    """Who approved; with `break_glass`, who was asked and did not."""
    break_glass: bool = False
    reason: str = ""
    """Why the operator went on alone."""
    waited_seconds: int | None = None
    """For how long the approval had been asked for by then, by the machine's own clock."""
    proof: Proof | None = None
    """Absent where a name was typed: nothing proves that."""


class ApprovalRefused(Event):
    """A signature, or what was meant to be one, that approves nothing."""

    why: str
    by: str = ""
    """Whose key it is of, by the incident's list; empty for a key that nobody has there."""
    key: str = ""
    step: str | None = None
    """The step that it was made for, where that is known."""
    sha256: str
    """Of what was handed in."""
