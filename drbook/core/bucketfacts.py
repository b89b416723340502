"""What a store itself says of one bucket to one credential, and what that alone means.

Pure. Nothing is tried: versioning, lock, lifecycle, policy and access list are read. A store other than AWS may
exempt its administrators from a policy, so that there a denial proves nothing.
"""

from collections.abc import Sequence

from drbook.core.bucketpolicy import Effect, Ruling
from drbook.core.credentials import Might, Power
from drbook.core.points import Answer, Basis
from drbook.core.values import Frozen, counted, plain

ALWAYS = ("s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy")
"""Each destroys versions: at once, by expiry, or by giving itself the right."""
UNVERSIONED = ("s3:DeleteObject", "s3:PutObject")
"""These destroy where no version stays behind."""
UNDENIED = "s3:DeleteBucketPolicy"
"""Who may do this lifts every denial of the policy."""
RULED = (*ALWAYS, *UNVERSIONED, UNDENIED, "s3:BypassGovernanceRetention", "s3:DeleteBucket")
"""What a bucket's policy is asked about."""


class StoreFacts(Frozen):
    """What was read of a bucket. None, and unknown, is what was refused or not offered."""

    rulings: tuple[Ruling, ...] | None = None
    """Of its policy; empty where it has none."""
    public: bool | None = None
    """Whether the store calls its policy public."""
    versioned: Answer = Answer.UNKNOWN
    locked: str | None = None
    """Its default lock in words; empty where it has none."""
    hidden_days: int | None = None
    """After how many days its lifecycle removes versions that a delete or an overwrite hid; None where it
    does not, or was not read."""
    writers: tuple[str, ...] | None = None
    """Whom its access list lets write, beside its owner."""

    def ruling(self, action: str) -> Ruling | None:
        return next((one for one in self.rulings or () if one.action == action), None)

    def those(self, actions: Sequence[str], effect: Effect) -> tuple[Ruling, ...]:
        found = (self.ruling(one) for one in actions)
        return tuple(one for one in found if one is not None and one.effect is effect)

    def said(self) -> str:
        """What else was read, for people."""
        words = {
            Answer.PASS: "it keeps versions",
            Answer.FAIL: "it keeps no versions",
            Answer.UNKNOWN: "whether it keeps versions was not told",
        }[self.versioned]
        parts = [words]
        if self.hidden_days is not None:
            parts.append(f"what is hidden is removed after {counted(self.hidden_days, 'day')}")
        parts += [f"its default lock is {self.locked}"] if self.locked else []
        if self.writers:
            parts.append(f"its access list lets write: {', '.join(self.writers)}")
        parts += ["its policy is public"] if self.public else []
        return "; ".join(parts)


def deadly(versioned: Answer) -> tuple[str, ...]:
    return ALWAYS if versioned is Answer.PASS else (*ALWAYS, *UNVERSIONED)


def all_denied(facts: StoreFacts, versioned: Answer) -> tuple[Ruling, ...]:
    """The denials that leave no way to delete there, the policy's own removal among them; else none."""
    ways = (*deadly(versioned), UNDENIED)
    denials = facts.those(ways, Effect.DENIED)
    return denials if len(denials) == len(ways) else ()


def power_of(thing: str, facts: StoreFacts, *, versioned: Answer, lock: Answer) -> Power:
    """At a store that is not AWS: what it lets everybody do is known, the rest is not."""
    kept = versioned if versioned is not Answer.UNKNOWN else facts.versioned
    might, reason = _judged(facts, kept)
    might, reason = behind_the_lock(might, reason, lock)
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    return Power(thing=thing, might=might, basis=basis, reason=plain(reason, 400))


def _judged(facts: StoreFacts, versioned: Answer) -> tuple[Might, str]:
    open_to_all = [one for one in facts.those(deadly(versioned), Effect.ALLOWED) if one.everybody]
    named = ", ".join(one.action for one in open_to_all)
    if open_to_all and versioned is Answer.UNKNOWN and not _at_once(open_to_all):
        return Might.UNKNOWN, f"everybody may {named}; whether versions stay behind is not known"
    if open_to_all:
        return Might.DESTROYS, f"{open_to_all[0].why}, to everybody: {named}"
    if all_denied(facts, versioned):
        return (
            Might.UNKNOWN,
            "the bucket's policy denies every way to delete there; whether this store holds its "
            f"administrators to it was not asked ({facts.said()})",
        )
    if facts.rulings is None:
        said = "the store tells no rights, and its bucket's policy could not be read"
    else:
        hanging = facts.those(deadly(versioned), Effect.UNKNOWN)
        said = hanging[0].why if hanging else "the bucket's policy does not say that it may delete"
    return Might.UNKNOWN, f"{said}; what the store itself allows it was not told ({facts.said()})"


def _at_once(found: Sequence[Ruling]) -> bool:
    return any(one.action in ALWAYS for one in found)


def behind_the_lock(might: Might, reason: str, lock: Answer) -> tuple[Might, str]:
    """A lock that was tried holds what is there; one that was not is no answer."""
    if might is Might.DESTROYS and lock is Answer.PASS:
        return Might.CANNOT, f"{reason}; but a lock that was tried holds what is there"
    if might is Might.DESTROYS and lock is Answer.UNKNOWN:
        return Might.UNKNOWN, f"{reason}; whether its lock holds was not tried"
    return might, reason
