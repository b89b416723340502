"""How a copy is held beside its place: the vault, the snapshot, its keys, and what the runbook says of the
place. Facts and statements only; what follows from them is worked out in `core.custody`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drbook.core.values import Frozen, Json, UtcTime


class VaultFact(Frozen):
    """The vault that a copy lies in (FACTS.md, section 3, no 13)."""

    kind: Literal["none", "vault", "air_gapped"] | None = None
    """`none`: it lies in no vault, so that there is nothing to judge. `air_gapped`: the provider holds it
    apart from every account of its customer. None: nobody knows."""
    locked: bool | None = None
    """Whether the vault says that it is locked."""
    fixed_at: UtcTime | None = None
    """From when nobody can lift the lock any more; None where whoever has the right always can."""
    why_unknown: str = "not asked"


class SnapshotFact(Frozen):
    """Whether a copy is a snapshot of an instance, and of which kind (FACTS.md, section 3, no 14)."""

    kind: Literal["none", "automated", "retained", "manual", "copied"] | None = None
    """`none`: a copy of its own, no snapshot of an instance. `automated`: made by the instance's schedule,
    and removed with it. `retained`: kept after its instance was removed. `manual`: kept until somebody
    removes it. `copied`: a copy of one in another account. None: nobody knows."""
    of: str = ""
    """The instance, cluster or volume that it is a snapshot of, by its own name; empty where nobody says."""
    why_unknown: str = "not asked"


class KeyFact(Frozen):
    """The provider's key that a copy is encrypted with (FACTS.md, section 3, no 12)."""

    name: str = ""
    """The key's own name; empty where none is known of."""
    account: str | None = None
    """The account that the key belongs to."""
    state: Literal["enabled", "disabled", "pending_deletion", "unavailable"] | None = None
    """None: there is no such key, or nobody knows."""
    deleted_at: UtcTime | None = None
    """When it will be removed, and with it all that only it decrypts."""
    why_unknown: str = ""


NO_KEY = KeyFact()
"""What kinds say whose copies are encrypted by no key of the provider's, or by none that it tells of."""
NO_VAULT = VaultFact(kind="none", why_unknown="")
NO_SNAPSHOT = SnapshotFact(kind="none", why_unknown="")
"""What kinds say whose copies are files of their own."""


class Disagreement(Frozen):
    """One fact that the runbook states and the place answers otherwise."""

    fact: str
    """Which, like `account` or `versioned`."""
    stated: Json
    observed: Json
    words: str
    """For people; safe to show."""


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("a name or a command")
    return value


Said = Annotated[str, Field(max_length=300), AfterValidator(_said)]


class Claims(Frozen):
    """What the runbook states of a place beside its domain. It counts as *declared* where the place does
    not answer; where it answers otherwise, the stricter of the two counts. None means *not stated*."""

    versioned: bool | None = None
    """Whether overwrites and deletes keep the version before."""
    lock_default: bool | None = None
    """Whether Object Lock is on."""
    deletes_replicated: bool | None = None
    """Whether a delete is mirrored, from here or to here."""
    expires_after_days: int | None = Field(default=None, ge=1)
    """Days after which a rule or a job removes a copy."""
    policy_limits_deletes: bool | None = None
    """Whether a policy denies deletes to all but named principals."""


class Stated(Frozen):
    """What a `backups:` entry states of how its copies are held."""

    keys: tuple[Said, ...] | None = None
    """Names of the keys and passwords that its copies cannot be read without; where each is kept is stated
    under `credentials:`. `[]`: they need none. Absent: not stated."""
    purged_by: tuple[Said, ...] = ()
    """Jobs, units or commands that remove copies from it: to be paused before anything of it is mounted or
    restored."""
    states: Claims = Claims()
