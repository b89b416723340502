"""Targets: the fresh places that are restored into, and what is known about them."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.baseline import Identity, Place
from drbook.core.globals import Globals
from drbook.core.isolation import Isolation
from drbook.core.terms import ADMIN as ADMIN
from drbook.core.terms import LOADER as LOADER
from drbook.core.terms import READER as READER
from drbook.core.values import Duration, Frozen, parse_duration

_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|cmd:.+)$"


def _written_out(value: object) -> object:
    """A text that an expression gives could come from outside, and `cmd:` would run it."""
    if not isinstance(value, str | Mapping):
        raise PydanticCustomError(
            "secret_reference",
            "a reference to a secret as it stands: env:NAME, file:PATH or cmd:PROGRAM",
        )
    return value


SecretRef = Annotated[
    str, Field(pattern=_REFERENCE, max_length=1000), BeforeValidator(_written_out)
]
"""`env:NAME`, `file:PATH` or `cmd:PROGRAM ARG …`: where a secret is, never the secret. In a runbook it
is written out; no expression stands for it."""

SecretRefs = Annotated[Mapping[str, SecretRef], BeforeValidator(_written_out)]
"""Several by name, written out as well."""


class DatabaseRef(Frozen):
    """How to reach a database: a libpq service, a DSN that is itself a secret, or the parts.

    What is not given here comes from libpq's own defaults and files (`.pgpass`, `pg_service.conf`).
    """

    service: str | None = None
    dsn: SecretRef | None = None
    host: str | None = None
    """Host name, address or absolute socket directory."""
    port: int | None = Field(default=None, ge=1, le=65535)
    dbname: str | None = None
    user: str | None = None
    password: SecretRef | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = (
        None
    )
    sslrootcert: str | None = None
    connect_timeout: Duration = parse_duration("10s")
    ignore_environment: bool = False
    """True where libpq's environment variables (PGSERVICE, PGOPTIONS, …) must have no say: a server
    of drbook's own is reached by these fields alone."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.service is not None, self.dsn is not None, self.host is not None]
        if sum(ways) != 1:
            raise ValueError("give exactly one of service, dsn or host")
        return self

    def show(self) -> str:
        """For people; never a secret."""
        if self.service is not None:
            return f"service {self.service}"
        if self.dsn is not None:
            return f"the DSN in {self.dsn.split(' ')[0]}"
        port = f":{self.port}" if self.port else ""
        return f"{self.host}{port}/{self.dbname or self.user or 'postgres'}"


class TargetSpec(Frozen):
    """A `target:` of the runbook: a kind of fresh place with its fields. Each kind derives from this."""

    kind: str

    def into(self, name: str) -> str:
        """What is made, for the plan: `new cluster restore-7f3a-1`."""
        return f"new {self.kind} {name}"

    @property
    def making(self) -> str:
        """How it is made, in a sentence without its subject."""
        return f"makes an empty {self.kind}"

    @property
    def touches(self) -> str:
        """The only thing that making and filling it changes."""
        return f"only the new {self.kind}"

    def runs(self, name: str, archive: str) -> tuple[str, ...]:
        """The command lines and statements that make and fill it, secrets never among them; empty where a
        kind does not say."""
        return ()


class Target(Frozen):
    """A target that was created in this incident. It is the key to writing: a lease is bound to it."""

    kind: str
    name: str
    """Derived from incident, step and attempt."""
    nonce: str
    location: str
    """The cluster's folder, or where the server is."""
    connect: DatabaseRef
    """How to look at the restored database, with as few rights as there are; for a new cluster a
    private socket directory."""
    loader: DatabaseRef | None = None
    """The login that loads the archive, where it is another one: no superuser."""
    admin: DatabaseRef | None = None
    """The login for what comes before the load, where the server is ours."""
    extensions: tuple[str, ...] = ()
    """Extensions beyond the harmless ones that the runbook lets an archive have."""
    identity: Identity
    settings: DatabaseSettings | None = None
    """How it writes and sorts text; None where it did not say."""
    proof: str
    """Why it is fresh and not production, in words."""
    whole_server: bool
    """True where the server itself was made by this incident: its roles are ours too."""
    marked: Literal["comment", "setting"] = "comment"
    """How it carries its nonce: as the database's comment, or, in what was not made but copied, as a setting
    of its server."""
    ignored: tuple[str, ...] = ()
    """Schemas whose objects do not make it non-empty, as the runbook lists them."""


class TargetLook(Frozen):
    """What a look at a derived name showed: the probe of an interrupted creation."""

    name: str
    state: Literal["absent", "present", "unknown"]
    reason: str


class Complaint(Frozen):
    """What a loading program complained of, of one kind."""

    level: Literal["error", "warning"]
    kind: str
    """Like `missing role`; `other` where its words are of no known kind."""
    count: int
    first: tuple[str, ...]
    """The first of them, safe to show; the count is of all."""


class LoadReport(Frozen):
    """What loading an archive did. A load with an error has no report: the step fails."""

    tool: str
    tool_version: str
    archive_format: str
    items: int
    """Archive entries or statements that the tool reported."""
    errors: tuple[str, ...] = ()
    roles_standing_in: tuple[str, ...] = ()
    """NOLOGIN roles that were made because the archive grants to them; no globals file names them."""
    roles_made: tuple[str, ...] = ()
    """Those of the globals file, with their memberships, without login or any other attribute."""
    rights_left: tuple[str, ...] = ()
    """What the globals file gives them beside, role by role: to be given back before production runs on
    this database."""
    left_out: tuple[str, ...] = ()
    """What only a superuser could create and no data depends on, in words: event triggers,
    subscriptions, publications of everything."""
    complaints: tuple[Complaint, ...] = ()
    """Warnings of the program and of the server, by kind."""
    alone: Isolation | None = None
    """What its server answered of all that could reach outside; None in records of before that was asked."""
    seconds: int


class DatabaseProbe(Frozen):
    """What one look at a database showed."""

    state: Literal["reachable", "unreachable", "denied", "unknown"]
    """`denied`: a server answered and refused this login or database."""
    reason: str
    identity: Identity | None = None
    volume: Literal["present", "missing", "not-declared", "unknown"] = "not-declared"
    """The declared local data directory, where there is one."""
    volume_place: Place | None = None
    """What it is on this host's disk."""
    dialled: str = ""
    """What was asked for, `host:port/database`, also where nobody answered."""
    diagnosis: Literal["available", "loss", "outage", "unknown"] = "unknown"


class LocalCopy(Frozen):
    """A recovery point's bytes inside the incident folder."""

    name: str
    """Relative to the incident folder."""
    size: int
    sha256: str
    checked: Literal["digest", "structure", "nothing"]
    """What is proven: the digest was compared, the archive was read to its end, or neither."""
    held: ArchiveFacts | None = None
    """What was in it, where it was read to its end; its digest may be proven without that."""
    database_bytes: int | None = None
    """What the dumped database took on its disk, where the manifest says so."""
    globals: Globals | None = None
    """The roles that production had, where a globals file was given."""

    @property
    def rows(self) -> Mapping[str, int] | None:
        """`schema.table` → rows in the archive; None where they were not counted."""
        return self.held.rows if self.held is not None else None


class ProcessResult(Frozen):
    """What a command did. Of a long output the end is kept: `cut` names the streams of which more came."""

    argv: tuple[str, ...]
    exit_code: int | None
    """None where it was stopped before it ended."""
    seconds: int
    stdout: str
    """At most the last 64 KiB, safe to show."""
    stderr: str
    cut: tuple[Literal["stdout", "stderr"], ...] = ()


class QueryResult(Frozen):
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    """Every value as PostgreSQL's own text."""
    truncated: bool = False


class HttpResult(Frozen):
    status: int
    seconds: int
    body: str
    """At most 64 KiB, safe to show."""
