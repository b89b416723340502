"""Reading snapshots of EBS volumes, their locks and the Recycle Bin from EC2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drbook.providers.awsclient import explain_aws, pages
from drbook.providers.awskept import Asked, Kept
from drbook.providers.awsreader import AwsReader
from drbook.providers.ebspoints import Locks, in_bin, lock_of, snapshot
from drbook.providers.s3client import STORE_ERRORS
from drbook.providers.sources.base import Opening

if TYPE_CHECKING:
    from drbook.providers.sources.aws import EbsSource

_PAGE = 1000


class EbsReader(AwsReader):
    """Implements `Source`."""

    service = "EBS"
    deletes = "whether a rule of the Recycle Bin keeps what is deleted is not asked"

    def __init__(self, config: EbsSource, opening: Opening) -> None:
        """Raises UsageError where its credentials cannot be read."""
        super().__init__(config, opening)
        self._config = config

    def _ask(self, region: str) -> None:
        self._connection.client("ec2", region).describe_snapshots(OwnerIds=["self"], MaxResults=5)

    def _list(self, asked: Asked, left: list[str], none: list[str]) -> list[Kept]:
        ec2, whose = self._connection.client("ec2", asked.region), self._account().value
        account = whose if isinstance(whose, str) else None
        listed = list(
            pages(
                ec2.describe_snapshots, "Snapshots", self._cancel, token="NextToken",
                OwnerIds=["self", *self._config.owners], MaxResults=_PAGE,
                Filters=[{"Name": "volume-id", "Values": list(self._config.volumes)}],
            )
        )  # fmt: skip
        locks = self._locks(asked.region)
        found = [snapshot(each, asked, locks, account) for each in listed]
        try:
            binned = list(
                pages(
                    ec2.list_snapshots_in_recycle_bin, "Snapshots", self._cancel,
                    token="NextToken", MaxResults=_PAGE,
                )
            )  # fmt: skip
        except STORE_ERRORS as error:
            left.append(f"{asked.region}: the Recycle Bin: {explain_aws(error).reason}")
            binned = []
        mine = [each for each in binned if each.get("VolumeId") in self._config.volumes]
        found += [in_bin(each, asked, account) for each in mine]
        none += [each for each in found if isinstance(each, str)]
        return [each for each in found if isinstance(each, Kept)]

    def _locks(self, region: str) -> Locks:
        ec2 = self._connection.client("ec2", region)
        try:
            locked = pages(
                ec2.describe_locked_snapshots, "Snapshots", self._cancel,
                token="NextToken", MaxResults=_PAGE,
            )  # fmt: skip
            return {str(each.get("SnapshotId")): lock_of(each) for each in locked}
        except STORE_ERRORS as error:
            return explain_aws(error).reason
