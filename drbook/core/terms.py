"""The terms that events are made of: modes, how steps end, what they leave behind, plans, and kinds of notes."""

from enum import StrEnum
from typing import Literal

from drbook.core.values import Frozen

ADMIN = "drbook_admin"
LOADER = "drbook_loader"
READER = "drbook_reader"
"""The logins of a cluster that drbook makes: who made it, who loads, who looks."""


class Mode(StrEnum):
    LIVE = "live"
    DRILL = "drill"
    DRY_RUN = "dry-run"


class StepEnd(StrEnum):
    """How an attempt of a step can end."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    COULD_NOT_VERIFY = "could-not-verify"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    NOT_EXERCISED = "not-exercised"
    IN_DOUBT = "in-doubt"


class Effect(StrEnum):
    """What an interrupted action may have left behind, and so whether it may simply run again."""

    NONE = "none"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


class Question(Frozen):
    """What a step asks a person before it runs."""

    kind: Literal["done", "text", "choice"]
    prompt: str
    choices: tuple[str, ...] = ()
    type: Literal["text", "time", "number", "boolean"] = "text"


class Plan(Frozen):
    """Exactly what a step will do, before it does anything."""

    does: tuple[str, ...]
    """One sentence per thing that will happen, in order."""
    source: str = ""
    """What it reads from."""
    into: str = ""
    """What it writes into."""
    touches: str = "nothing outside the incident folder"
    expects: str = ""
    damage: str = ""
    """What cannot be undone, in one sentence; empty where nothing is damaged."""
    runs: tuple[str, ...] = ()
    """Exactly what is sent or started: a query, a request, a command line; secrets as references.
    A person who does the step with other means can copy it."""
    asks: Question | None = None
    confirm: str | None = None
    """The name that a person types before it runs."""
    cool_off_seconds: int = 0
    approve: str | None = None
    """Who else has to approve."""


class Proof(Frozen):
    """What proves an approval to somebody who has only the record and ssh-keygen."""

    key: str
    """Kind and fingerprint."""
    text_sha256: str
    """Of the text that was signed; it stands on record where the approval was asked for."""
    signature: str
    """As ssh-keygen writes it, in the namespace `drbook-approval`."""
    signature_sha256: str


class Life(Frozen):
    """One process of drbook, so that a later one can look for what it started."""

    token: str
    """Random. Each child has it in its environment, before a dot and a token of its own."""
    boot: str = ""
    """The kernel's boot id; empty where the system does not say. Host names may change."""
    pids: str = ""
    """The namespace that its process numbers belong to; empty where the system does not say."""


class NoteKind(StrEnum):
    """What a note is, for whoever reads the timeline afterwards."""

    NOTE = "note"
    OBSERVATION = "observation"
    HYPOTHESIS = "hypothesis"
    DECISION = "decision"
    MESSAGE = "message"
    """Something that was told to somebody: customers, a manager, an authority."""
