"""The runbook: the document as written, and the compiled form that the engine works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from drbook.core.expressions import Expr, Tree
from drbook.core.hosts import HostEntry
from drbook.core.notify import NotifyConfig
from drbook.core.points import CredentialPlace, FailureDomain, SourceConfig
from drbook.core.signers import read_signers
from drbook.core.targets import DatabaseRef
from drbook.core.values import Duration, Frozen, Json, parse_duration

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Letters, digits and underscores, so that an expression can say it."""


class Phase(StrEnum):
    """The phases of a recovery, in the order in which they are shown."""

    PRESERVE = "preserve"
    DETECT = "detect"
    CONTAIN = "contain"
    LOCATE = "locate"
    RESTORE = "restore"
    VERIFY = "verify"
    DECIDE = "decide"
    CUTOVER = "cutover"
    PROTECT = "protect"
    RECONCILE = "reconcile"
    CLOSE = "close"


class Objectives(Frozen):
    """What the business tolerates; shown beside what was measured."""

    rpo: Duration | None = None
    """Recovery point objective: the longest tolerated loss window."""
    rto: Duration | None = None
    """Recovery time objective: the longest tolerated time to restore."""


def _some_time(value: timedelta) -> timedelta:
    if value < timedelta(minutes=1):
        raise ValueError("a duration of at least 1m")
    return value


Span = Annotated[Duration, AfterValidator(_some_time)]
"""A duration that a person can keep to."""


class Updates(Frozen):
    """How often somebody is told how things stand."""

    every: Span
    audience: str = Field(default="customers", min_length=1, max_length=60)


class Deadline(Frozen):
    """A notification that is owed within a time, like one to a supervisory authority."""

    name: str = Field(min_length=1, max_length=80, pattern=r"\S")
    """A message on record that begins with it is about it."""
    after: Span
    from_: Literal["occurred", "detected", "declared"] = Field(default="detected", alias="from")
    """Which of the three times it counts from."""


class Input(Frozen):
    """A value that the operator gives when the incident is opened."""

    type: Literal["text", "time", "number", "boolean"] = "text"
    prompt: str = ""
    default: Json = None
    required: bool = True


class Production(Frozen):
    """The thing that is protected, and that a restore never writes to."""

    database: DatabaseRef | None = None
    replica: DatabaseRef | None = None
    """A standby of it, which is read in its place where whole tables are read."""
    domain: FailureDomain = FailureDomain()
    volume: str | None = None
    """Its data directory on this host, where it has one that this host can see."""
    ignore_schemas: tuple[str, ...] = ()
    """Schemas that neither count nor make a target non-empty."""


class Confirm(Frozen):
    """A typed confirmation: the operator types `type` exactly."""

    type: str = Field(min_length=1, max_length=200)
    irreversible: str = ""
    """What cannot be undone, in one sentence."""
    cool_off: Duration = parse_duration("10s")


class Approve(Frozen):
    """Approval by somebody else than the operator."""

    by: Annotated[int, Field(ge=2, le=9)] | Annotated[str, Field(min_length=1)]
    """How many people in all, the operator counted; or who else is asked: a person of `approvers`, or without
    these a role or a name."""
    expires_after: Span = parse_duration("1h")
    """How long what is asked for may be signed."""
    break_glass_after: Duration | None = None
    """After that long without an answer the operator may go on alone; it is shown in every export."""

    @property
    def needed(self) -> int:
        """How many have to approve beside the operator."""
        return self.by - 1 if isinstance(self.by, int) else 1

    @property
    def who(self) -> str:
        """For people."""
        if isinstance(self.by, str):
            return self.by
        return "another person" if self.by == 2 else f"{self.by - 1} other people"


class Approvers(Frozen):
    """Whose SSH keys approve: an `allowed_signers` file, or its lines."""

    file: str = Field(default="", max_length=900, pattern=r"^$|^(/|~/)[^\x00-\x1f]*$")
    """Absolute, or beginning with `~/`. It is read when an incident is opened, and kept in its record."""
    lines: tuple[str, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.file) == bool(self.lines):
            raise ValueError("give either the file or its lines")
        if self.lines:
            read_signers(self.text)
        return self

    @property
    def text(self) -> str:
        """The lines as a file."""
        return "".join(f"{line}\n" for line in self.lines)


class Retry(Frozen):
    """Automatic retries; never applied to an action that may have happened (`effect: once`)."""

    times: int = Field(default=1, ge=1, le=20)
    wait: Duration = parse_duration("5s")


class Step(Frozen):
    """One step as written."""

    id: Name
    phase: Phase
    title: str = ""
    """What is to be done, in a few words; the action's own title where it is absent."""
    why: str = ""
    do: str
    """The action."""
    with_: Mapping[str, Json] = Field(default_factory=dict, alias="with")
    """The action's arguments; values may be expressions."""
    needs: tuple[Name, ...] | None = None
    """Steps that must be done before; absent = the previous step, `[]` = none."""
    when: bool | str | None = None
    """A condition; where it is false the step is skipped."""
    timeout: Duration | None = None
    retry: Retry | None = None
    on_failure: Literal["stop", "continue"] = "stop"
    """Whether an unattended run goes on with other steps after this one failed."""
    confirm: Confirm | None = None
    approve: Approve | None = None
    if_fails: str = ""
    """What the operator does where it fails; absent: what the action's effect allows."""
    notes: str = ""


def _no_boolean(value: object) -> object:
    """Python takes `True` for 1; a runbook does not."""
    if isinstance(value, bool):
        raise ValueError("the number 1")
    return value


class MirrorConfig(Frozen):
    """A `mirrors:` entry: a place off this machine that the record is copied to. Each kind derives
    from this."""

    kind: str
    domain: FailureDomain = FailureDomain()
    """Where it lives and who can destroy it; it should outlive production and this machine."""

    @property
    def retention(self) -> timedelta | None:
        """How long nobody can delete what is copied there; None where nothing is locked."""
        return None

    @property
    def place(self) -> str:
        """For people: `s3://bucket/prefix` or a directory."""
        return self.kind


class Contact(Frozen):
    """Somebody who can be called at night. It is printed, and shown to whoever opens the runbook."""

    name: str = Field(min_length=1, max_length=120, pattern=r"\S")
    role: str = Field(default="", max_length=120)
    """What is decided or done with this person, like `approves the cutover`."""
    phone: str = Field(default="", max_length=60)
    reach: str = Field(default="", max_length=400)
    """How to reach the person when single sign-on, chat and mail are down."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not (self.phone.strip() or self.reach.strip()):
            raise ValueError("give a phone, or how to reach this contact")
        return self


class PackPlace(Frozen):
    """Where the go-bag is kept, and when it is too old; `drbook pack` writes one, `drbook audit` looks."""

    path: str = Field(min_length=1, max_length=900, pattern=r"^(/|~/)[^\x00-\x1f]*$")
    """The file or the folder; absolute, or beginning with `~/`. A medium that is not mounted is unknown."""
    max_age: Span = parse_duration("30d")


class RunbookDocument(Frozen):
    """A runbook file, as written. Backups and baselines are checked by their own kinds."""

    drbook: Annotated[Literal[1], BeforeValidator(_no_boolean)]
    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    objectives: Objectives = Objectives()
    inputs: Mapping[Name, Input] = {}
    updates: Updates | None = None
    """When the next status update is due; the screen reminds of it."""
    deadlines: tuple[Deadline, ...] = Field(default=(), max_length=20)
    """Notifications that are owed; the screen reminds of them."""
    production: Production = Production()
    credentials: Mapping[str, CredentialPlace] = {}
    """Where each credential is stored and what its holder can read."""
    backups: tuple[Mapping[str, Json], ...] = ()
    """Backup sources; `id`, `kind` and the fields of that kind."""
    baselines: Mapping[str, Json] | None = None
    """Where baselines are stored, away from production; `kind` and the fields of that kind."""
    mirrors: tuple[Mapping[str, Json], ...] = Field(default=(), max_length=8)
    """Places off this machine that the record is copied to as it is written; `kind` and its fields."""
    notify: tuple[Mapping[str, Json], ...] = Field(default=(), max_length=8)
    """Who is told how an unattended run ended; `kind` and its fields."""
    contacts: tuple[Contact, ...] = Field(default=(), max_length=50)
    """Who can be called; they stand in the go-bag."""
    approvers: Approvers | None = None
    """Whose signatures approve; absent: a name is typed, and nothing proves it."""
    pack: PackPlace | None = None
    """Where the go-bag is kept."""
    hosts: tuple[HostEntry, ...] = ()
    """Hosts that the `http` action may talk to: `HOST`, `HOST:PORT`, or `graphql://HOST/PATH` where a
    GraphQL API answers, whose queries are then known to read."""
    steps: tuple[Step, ...] = Field(min_length=1, max_length=2000)


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """A step with its arguments compiled and its needs resolved."""

    step: Step
    arguments: Tree
    when: Expr | None
    confirm_type: Expr | None
    needs: frozenset[str]
    """Stated needs plus every step that an expression refers to."""
    uses: frozenset[str]
    """Steps whose output an expression refers to."""
    inputs: frozenset[str] = frozenset()
    """Inputs that an expression refers to; `incident.occurred` is the input `occurred`."""
    may_lack: frozenset[str] = frozenset()
    """Of `uses` the steps that may hand back nothing: every expression has a `default` for them."""

    @property
    def cannot_lack(self) -> frozenset[str]:
        """The steps without whose output this one cannot start."""
        return self.uses - self.may_lack

    @property
    def id(self) -> str:
        return self.step.id


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook that was loaded without a problem."""

    document: RunbookDocument
    sha256: str
    """Of the file's exact bytes."""
    file: str
    source: bytes = field(repr=False)
    """The file's exact bytes, copied into every incident."""
    steps: tuple[CompiledStep, ...]
    """In the order of the file."""
    sources: tuple[SourceConfig, ...] = ()
    """`backups:`, each read by its own kind."""
    baseline_store: Frozen | None = None
    """`baselines:`, read by its own kind."""
    mirrors: tuple[MirrorConfig, ...] = ()
    """`mirrors:`, each read by its own kind."""
    notify: tuple[NotifyConfig, ...] = ()
    """`notify:`, each read by its own kind."""
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    """Where each step stands, from 0."""

    def __post_init__(self) -> None:
        places = {step.id: place for place, step in enumerate(self.steps)}
        object.__setattr__(self, "places", places)

    def step(self, id: str) -> CompiledStep:
        """Raises KeyError where there is none."""
        return self.steps[self.places[id]]

    @property
    def title(self) -> str:
        return self.document.title
