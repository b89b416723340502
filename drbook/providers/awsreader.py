"""Reading what AWS keeps: the lists of every region, whose they are, and the keys that they need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_KEY, KeyFact
from drbook.core.points import ByteFact, Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Output, Progress, Working
from drbook.core.values import plain
from drbook.providers.awsclient import AwsConnection, explain_aws
from drbook.providers.awskept import Asked, Kept, account_in, region_in
from drbook.providers.s3client import STORE_ERRORS
from drbook.providers.sources.base import Blob, Opening

if TYPE_CHECKING:
    from drbook.providers.sources.aws import AwsSnapshots

NOT_VERIFIED = "AWS verifies nothing of it that can be asked: restoring it does"
_STATES: dict[str, Any] = {
    "Enabled": "enabled",
    "Disabled": "disabled",
    "PendingDeletion": "pending_deletion",
    "PendingReplicaDeletion": "pending_deletion",
    "PendingImport": "unavailable",
    "Unavailable": "unavailable",
}
SAID = 10
"""How many things that are no copies are said one by one."""


class AwsReader(ABC):
    """Implements `Source`. A kind says what it lists in one region."""

    service: ClassVar[str]
    """As an operator calls it."""
    deletes: ClassVar[str]
    """Why nothing is known of what a delete leaves behind."""

    def __init__(self, config: AwsSnapshots, opening: Opening) -> None:
        """Raises UsageError where credentials or profile cannot be read."""
        self._settings = config
        self._cancel = opening.cancel
        self._connection = AwsConnection(config, opening.secrets)
        self._whose: Observed | None = None
        self._kept: dict[str, Kept] | None = None
        self._keys: dict[str, KeyFact] = {}
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        self._connection.close()

    # --- what a kind says ----------------------------------------------------------------------

    @abstractmethod
    def _ask(self, region: str) -> None:
        """The smallest request that shows whether lists can be had there. Raises botocore's errors."""

    @abstractmethod
    def _list(self, asked: Asked, left: list[str], none: list[str]) -> list[Kept]:
        """All of one region. What could not be seen goes into `left`, what is no copy into `none`, in words.
        Raises botocore's errors."""

    def _resource(self) -> str | None:
        """The place's own name, where the copies lie in one that has a name."""
        return None

    # --- the place -----------------------------------------------------------------------------

    def _account(self) -> Observed:
        if self._whose is None:
            sts = self._connection.client("sts", self._settings.regions[0])
            try:
                found = sts.get_caller_identity().get("Account")
                told = isinstance(found, str) and found != ""
                self._whose = Observed(value=found) if told else Observed(why="AWS names none")
            except STORE_ERRORS as error:
                why = explain_aws(error).reason
                return Observed(why=f"whose the credentials are is not told: {why}")
        return self._whose

    def _another(self) -> str:
        """Why these are the credentials of somebody else than was meant; empty where that is not known."""
        expected, found = self._settings.expected_account, self._account()
        if expected is None or not found.known or found.value == expected:
            return ""
        return f"the credentials are of account {plain(str(found.value), 40)}, not {expected}"

    def survey(self) -> SourceFacts:
        source, regions = self._settings.id, self._settings.regions
        silent: list[str] = []
        for region in regions:
            try:
                self._ask(region)
            except STORE_ERRORS as error:
                why = explain_aws(error)
                silent.append(f"{region}: {why.reason}. {why.next}")
        another = "" if len(silent) == len(regions) else self._another()
        if another or len(silent) == len(regions):
            why_not = another or "; ".join(silent)
            return SourceFacts(source=source, reachable=False, why_unreachable=why_not)
        unknown = Observed(why=self.deletes)
        several = Observed(why=f"it is looked for in {len(regions)} regions")
        return SourceFacts(
            source=source,
            reachable=True,
            resource=self._resource(),
            account=self._account(),
            region=Observed(value=regions[0]) if len(regions) == 1 else several,
            versioned=unknown,
            lock_default=unknown,
            deletes_replicated=unknown,
            expires_after_days=Observed(why=f"{self.service} does not say when all of them go"),
            policy_limits_deletes=Observed(why="who may delete it is not asked"),
            opened=Observed(why="only AWS opens it"),
        )

    # --- points --------------------------------------------------------------------------------

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        if another := self._another():
            raise self._unlisted(another, "Give the credentials of the account that is meant.")
        found: dict[str, Kept] = {}
        left: list[str] = []
        none: list[str] = []
        refused: list[tuple[str, str]] = []
        regions = self._settings.regions
        for number, region in enumerate(regions):
            yield Progress(f"list {self.service}", number, len(regions), "regions", region)
            asked = Asked(self._settings.id, self._settings.domain, region)
            try:
                found.update((each.point.id, each) for each in self._list(asked, left, none))
            except STORE_ERRORS as error:
                why = explain_aws(error)
                refused.append((f"{region}: {why.reason}", why.next))
        if len(refused) == len(regions):
            raise self._unlisted("; ".join(why for why, _ in refused), refused[0][1])
        self.left_out = (*left, *(why for why, _ in refused))
        for line in none[:SAID]:
            yield Output(f"no copy: {line}")
        if len(none) > SAID:
            yield Output(f"no copy: and {len(none) - SAID} more")
        self._kept = found
        points = [each.point for each in found.values()]
        return sorted(points, key=lambda point: (point.taken_at, point.id), reverse=True)

    def _unlisted(self, why: str, advice: str) -> CouldNotVerify:
        return CouldNotVerify(
            f"The copies of {plain(self._settings.id, 100)} in {self.service} cannot be listed: {why}.",
            means="Recovery points there are unknown; this is not the same as none.",
            next=advice,
            code="list-failed",
        )

    # --- one point -----------------------------------------------------------------------------

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """As the list told it a moment ago; only its key is asked for."""
        if self._kept is None:
            _drained(self.points())
        kept = (self._kept or {}).get(point.id)
        if kept is None:
            gone = ByteFact(state="unknown", reason="it is not listed any more")
            return PointFacts(point=point, still_there=False, bytes=gone)
        return PointFacts(
            point=point,
            lock=kept.lock,
            hidden_by_delete_marker=kept.recoverable is not None,
            unhide=kept.recoverable or "",
            recoverable=kept.recoverable,
            vault=kept.vault,
            snapshot=kept.snapshot,
            owner=kept.owner,
            expires_at=kept.expires_at,
            key=self._key(kept),
            bytes=ByteFact(state="unknown", reason=NOT_VERIFIED),
        )

    def _key(self, kept: Kept) -> KeyFact:
        if not kept.key:
            return NO_KEY
        found = self._keys.get(kept.key)
        if found is None:
            found = self._keys[kept.key] = self._key_now(kept)
        return found

    def _key_now(self, kept: Kept) -> KeyFact:
        name, account = plain(kept.key, 300), account_in(kept.key)
        kms = self._connection.client("kms", region_in(kept.key) or kept.region)
        try:
            told = kms.describe_key(KeyId=kept.key).get("KeyMetadata", {})
        except STORE_ERRORS as error:
            return KeyFact(name=name, account=account, why_unknown=explain_aws(error).reason)
        state = _STATES.get(str(told.get("KeyState")))
        return KeyFact(
            name=name,
            account=account or told.get("AWSAccountId"),
            state=state,
            deleted_at=told.get("DeletionDate"),
            why_unknown="" if state else f"KMS calls it {plain(str(told.get('KeyState')), 60)}",
        )

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        """None: nothing lies beside a snapshot."""
        return None

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise StepFailed(
            f"{plain(point.location, 300)} is a snapshot: AWS hands out no files of it.",
            means="Nothing was downloaded.",
            next=point.restored_by or "Have AWS restore it into something new.",
            code="snapshot",
        )


def _drained(work: Working[Sequence[RecoveryPoint]]) -> None:
    """Run work to its end where nobody shows its progress."""
    for _ in work:
        continue
