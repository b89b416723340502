"""Recovery points, failure domains, and the facts and verdicts that independence is judged by."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.holding import NO_KEY, Disagreement, KeyFact, SnapshotFact, Stated, VaultFact
from drbook.core.standby import Replay
from drbook.core.values import Duration, Frozen, Json, UtcTime, plain, show_size, show_time


class FailureDomain(Frozen):
    """Where a thing lives and who can destroy it. None means *not stated*, never *none*."""

    provider: str | None = None
    """The company or technology that holds it, like `aws` or `railway`."""
    account: str | None = None
    """The account within the provider."""
    project: str | None = None
    region: str | None = None
    resource: str | None = None
    """The volume, bucket, instance or directory it is stored in."""
    credentials: tuple[str, ...] | None = None
    """Names of the credentials that can destroy it; their storage is stated under `credentials:`."""
    reads: tuple[str, ...] = ()
    """Places where other credentials are stored that this domain's holder can read."""

    def named(self) -> str:
        """The one resource that this domain names, from its provider down; empty where it names none."""
        if self.resource is None:
            return ""
        parts = (self.provider, self.account, self.project, self.region, self.resource)
        return "/".join(part for part in parts if part is not None)


class CredentialPlace(Frozen):
    """Where one credential is stored and what its holder can read. None means *not stated*."""

    stored_in: tuple[str, ...] | None = None
    """Places (hosts, vaults, repositories) that hold a copy of the credential. `env:NAME`, `file:PATH`,
    `file:PATH#NAME`, `service:NAME` and `profile:NAME` name one exactly, by which an audit knows it."""
    reads: tuple[str, ...] = ()
    """Places that somebody who has the credential can read; what is stored there leaks with it."""


Format = Literal["pg_dump", "physical", "snapshot"]
"""How a backup is written. `pg_dump` stands for all four of its output formats; `physical` for a copy of a
server's data directory, which is started and rolled forward instead of being loaded; `snapshot` for a copy
whose bytes nobody but its provider can read, who restores it into a new instance or volume."""

Clock = Literal["manifest", "production", "tool", "store", "name", "file"]
"""Whose clock says when a recovery point was taken, the most trusted first. `production`: the commit time
of the last transaction in it."""


class RecoveryPoint(Frozen):
    """One restorable copy."""

    source: str
    """The id of the backup source in the runbook."""
    id: str
    """The object key or path within the source, exactly as the store spells it."""
    version: str | None = None
    """The store's version id, pinned so that a later overwrite or delete marker does not matter."""
    taken_at: UtcTime
    taken_by: Clock
    """Whose clock said so; `taken_note` names a disagreement."""
    taken_note: str = ""
    size: int
    """Bytes, as `size_is` says; 0 where they are not known."""
    size_is: Literal["stored", "allocated", "unknown"] = "stored"
    """What `size` counts: what is stored, or what the copied disk can hold at most."""
    format: Format = "pg_dump"
    digest: str | None = None
    """Expected SHA-256 of the bytes (hex), from a manifest or the store; None where nobody recorded one."""
    digest_by: Literal["manifest", "store", "none"] = "none"
    seen: str = ""
    """What tells these bytes from others that the place may hold under the same name later: size
    and time of the last write, of each file. Empty where a version pins them."""
    manifest: str | None = None
    """The id of the manifest that describes this copy."""
    manifest_version: str | None = None
    location: str
    """For people: `s3://bucket/key` or an absolute path."""
    domain: FailureDomain = FailureDomain()
    needs: tuple[str, ...] = ()
    """Ids of the copies in the same source that it cannot be restored without, the oldest first: an
    incremental one needs its parents."""
    encrypted: bool | None = None
    """Whether the place says that it holds the bytes encrypted; None where it does not say."""
    database_bytes: int | None = None
    """Of a physical copy: what its data directory and tablespaces take, laid down; of a standby: what its
    database takes."""
    server_version: int | None = None
    """Of the server that it was taken from, like 150004 or, where only that is known, 150000."""
    system_identifier: str | None = None
    """Of the cluster that it was taken from."""
    rolls_to: UtcTime | None = None
    """Of a physical copy: the last moment that the source's archive of WAL reaches, as far as can be seen
    without reading it; None where it holds no WAL beyond the copy's own end."""
    rolls_note: str = ""
    """Whose word `rolls_to` is, and what speaks against it."""
    wal_from: str | None = None
    """Of a physical copy: the first segment of WAL that it needs, with which reading its archive begins."""
    standby: bool = False
    """It is what a running standby shows: the dump of it is made when it is fetched, and `seen` is the end of
    what was replayed."""
    restored_by: str = ""
    """Of a snapshot: the commands by which its provider restores it into something new, for a person. A name
    in them derives from the copy's, and is never production's."""

    @property
    def sized(self) -> str:
        """Its size for a person; one that is not known is no size of 0."""
        if self.size_is == "unknown":
            there = self.database_bytes
            return "size unknown" if there is None else f"a database of {show_size(there)}"
        return show_size(self.size) + (" allocated" if self.size_is == "allocated" else "")

    def holds_to(self, occurred: datetime | None) -> datetime:
        """The last moment that restoring it can bring back, if the loss was at `occurred`: what rolls
        forward comes up to the loss, and not further."""
        if self.rolls_to is None:
            return self.taken_at
        latest = self.rolls_to if occurred is None else min(self.rolls_to, occurred)
        return max(self.taken_at, latest)

    def rolls(self, occurred: datetime | None) -> str:
        """Up to where it can be rolled forward, in words, with whose word that is and what speaks against it;
        empty where it cannot be."""
        if self.rolls_to is None:
            return f"not rolled forward: {plain(self.rolls_note, 300)}" if self.rolls_note else ""
        note = f" ({plain(self.rolls_note, 300)})" if self.rolls_note else ""
        return f"rolled forward to at most {show_time(self.holds_to(occurred))}{note}"

    @property
    def dated_late(self) -> bool:
        """True where only its storing is dated: what it holds is older, by an unknown time."""
        return self.taken_by in ("store", "file")

    @property
    def key(self) -> str:
        """One string that names the point within an incident."""
        return f"{self.source}:{self.id}" + (f"@{self.version}" if self.version else "")

    @property
    def bytes_key(self) -> str:
        """One string that names these very bytes: what is said about them, as when they were taken or
        whose domain they lie in, may change beside them."""
        return f"{self.key} {self.size} {self.seen}"


class Criterion(StrEnum):
    """What makes a copy independent of production, in the order in which it is shown."""

    RESOURCE = "resource"
    ACCOUNT = "account"
    CREDENTIAL = "credential"
    VERSIONED = "versioned"
    LOCKED = "locked"
    LOCK_OUTLIVES = "lock_outlives"
    VISIBLE = "visible"
    REPLICATION = "replication"
    LIFECYCLE = "lifecycle"
    POLICY = "policy"
    BYTES = "bytes"
    KEY = "key"
    VAULT = "vault"
    OUTLIVES = "outlives"
    RESTORED = "restored"


class Answer(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """How an answer is known. *Declared* is somebody's word in the runbook, and is shown as such."""

    OBSERVED = "observed"
    DECLARED = "declared"
    DERIVED = "derived"
    NONE = "none"


class Verdict(StrEnum):
    INDEPENDENT = "independent"
    SHARED = "shared"
    DESTROYED = "destroyed"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"
    RECOVERABLE = "recoverable"
    """It cannot be read as it is, and there is a way to bring it back."""


class Finding(Frozen):
    """One criterion's answer for one recovery point, and how it is known."""

    criterion: Criterion
    answer: Answer
    basis: Basis
    reason: str


Back = Literal["bin", "provider", "tier", "replay"]
"""What a recoverable copy needs first: to be taken out of where it is going, its provider's restore, its archive
tier's time, or that its standby stands still."""


class Judgement(Frozen):
    """The verdict on one recovery point, with every criterion's answer and the reasons in words."""

    point: RecoveryPoint
    verdict: Verdict
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]

    disagreements: tuple[Disagreement, ...] = ()
    """What the runbook states of its place, and the place answers otherwise."""
    agreed: tuple[str, ...] = ()
    """Facts that the runbook states and the place confirms."""
    pause: tuple[str, ...] = ()
    """What removes copies from its place by itself, in words: to be paused before anything of it is mounted
    or restored."""
    recoverable: str = ""
    """The way back, in words, where it cannot be read as it is."""
    back: Back | None = None
    """How, in one word; None for any other verdict, and in records of before it was told."""
    readable_in: int | None = None
    """Seconds until an archive tier gives it, once it was asked for; None where it lies in none."""
    replay: Replay | None = None
    """Of a standby: how its replay stood when it was judged."""
    place: str = ""
    """What its place answered to be: a bucket's name or a path; empty where it answered nothing, and in
    records of before it was kept."""

    def finding(self, criterion: Criterion) -> Finding:
        """Its answer; unknown where the criterion was not asked, as in records of before it was known."""
        for found in self.findings:
            if found.criterion is criterion:
                return found
        reason = "this was not asked of it"
        return Finding(criterion=criterion, answer=Answer.UNKNOWN, basis=Basis.NONE, reason=reason)


class Observed(Frozen):
    """A fact that a provider answered, or why it could not be had.

    `value` None with `why` set means the store was asked and nobody knows; it is never read as *no*.
    """

    value: Json = None
    why: str = ""

    @property
    def known(self) -> bool:
        return not self.why


class LockFact(Frozen):
    """Object Lock on one version. `mode` is None where the store says there is none."""

    mode: Literal["COMPLIANCE", "GOVERNANCE"] | None = None
    until: UtcTime | None = None
    legal_hold: bool = False
    why_unknown: str = ""


class ByteFact(Frozen):
    """What reading the bytes showed. `unread` means that nobody looked at more than names."""

    state: Literal["intact", "damaged", "structure", "unread", "unknown"] = "unread"
    """`intact`: the digest matches. `structure`: read to its end, content unproven. `damaged`: not
    what it claims. `unread`: not looked at. `unknown`: looking failed."""
    reason: str = ""
    held: ArchiveFacts | None = None
    """What was in it, where it was read to its end."""
    rolls_less: bool = False
    """Of a physical copy: reading its archive of WAL found damage, and it leads to `rolls_to` at most (to the
    copy's own end where that is None), whatever the list of its files promised."""
    rolls_to: UtcTime | None = None


class SourceFacts(Frozen):
    """What the provider of one source answered about the place as a whole."""

    source: str
    reachable: bool
    why_unreachable: str = ""
    destroyed: bool = False
    """True where the place does not answer and lay in the destroyed resource, as the runbook says."""
    resource: str | None = None
    """The place's own name, as observed: the bucket's name or the directory's device and path."""
    account: Observed = Observed(why="not asked")
    """The account that the place's own credentials belong to."""
    versioned: Observed = Observed(why="not asked")
    """True or False."""
    lock_default: Observed = Observed(why="not asked")
    """True where Object Lock is on for the place."""
    lock_enforced: Observed = Observed(why="not tried")
    """True where the place refused to delete a locked object of our own, False where it deleted it. Some
    stores repeat a lock that they do not enforce (FACTS.md, section 7)."""
    deletes_replicated: Observed = Observed(why="not asked")
    """True where a delete here or elsewhere is mirrored."""
    expires_after_days: Observed = Observed(why="not asked")
    """Days after which a lifecycle rule removes current objects; None where there is no rule."""
    policy_limits_deletes: Observed = Observed(why="not asked")
    """True where a policy denies deletes to everybody but named principals."""
    region: Observed = Observed(why="not asked")
    """The region that the place says it is in."""
    opened: Observed = Observed(why="not asked")
    """True where its own program opened it a moment ago, with the key or password that the runbook gives."""


class PointFacts(Frozen):
    """What is known about one recovery point beyond its listing."""

    point: RecoveryPoint
    lock: LockFact = LockFact(why_unknown="not asked")
    hidden_by_delete_marker: bool | None = None
    """True where a delete marker stands on top of this version; None where versions cannot be listed."""
    unhide: str = ""
    """How it is brought back for everybody where a delete marker hides it, in words or as a command."""
    still_there: bool = True
    recoverable: str | None = None
    """Where it cannot be read as it is (it lies in a bin, or is a backup that the provider kept): the step
    that brings it back, in words or as a command. None for a copy that can be read, and for a snapshot,
    whose own `restored_by` says it."""
    readable_in: int | None = None
    """Seconds that its place may take, at most, until it can be read once it was asked for: it lies in an archive
    tier. None for a copy that can be read, or that is gone."""
    owner: str | None = None
    """The account that the copy itself belongs to, where the place names it for each."""
    expires_at: UtcTime | None = None
    """When the place removes this very copy, where it says so of each."""
    key: KeyFact = NO_KEY
    vault: VaultFact = VaultFact()
    snapshot: SnapshotFact = SnapshotFact()
    bytes: ByteFact = ByteFact()
    replay: Replay | None = None
    """Of a standby: how its replay stands; None for what is no standby, or did not say."""


def _a_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("a duration of at least 1s")
    return value


Silence = Annotated[Duration, AfterValidator(_a_second)]


class SourceConfig(Stated):
    """The part of a `backups:` entry that every kind has; kinds add their own fields."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    kind: str
    format: Format = "pg_dump"
    domain: FailureDomain = FailureDomain()
    timeout: Silence = timedelta(seconds=60)
    """How long it may say nothing when it is asked for its copies; one that is silent for longer is
    unknown."""
