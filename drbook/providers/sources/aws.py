"""Copies that AWS keeps and only AWS can read: the `rds`, `ebs` and `aws-backup` kinds of a `backups:` entry."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from drbook.core.capabilities import Capabilities
from drbook.providers.awsaccess import AwsRegions
from drbook.providers.sources.base import OpenableSource, Opening, Source

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,254}$")]
_Volume = Annotated[str, StringConstraints(pattern=r"^vol-[0-9a-f]{8,17}$")]
_Account = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
_Arn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[a-z-]*:[^\s\x00-\x1f]+$", max_length=500)
]


class AwsSnapshots(AwsRegions, OpenableSource):
    """What the three have in common: they are listed and judged, and AWS restores them."""

    format: Literal["snapshot"] = "snapshot"


class RdsSource(AwsSnapshots):
    """Snapshots and automated backups of PostgreSQL in RDS and Aurora, those kept of deleted instances and
    clusters among them."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool",), pinned="its ARN", observes=frozenset({"account", "region"})
    )
    kind: Literal["rds"] = "rds"
    instances: tuple[_Name, ...] = ()
    """Identifiers of the instances whose copies are meant, whether they still exist or not."""
    clusters: tuple[_Name, ...] = ()
    """The same of Aurora's clusters and of Multi-AZ clusters."""
    shared: bool = False
    """Whether snapshots that other accounts share with this one are looked at too."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.instances and not self.clusters:
            raise ValueError("name the instances or clusters whose copies are meant")
        return self

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its credentials cannot be read."""
        from drbook.providers.rdssource import RdsReader

        return RdsReader(self, opening)


class EbsSource(AwsSnapshots):
    """Snapshots of EBS volumes, and those that lie in the Recycle Bin."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool", "store"),
        pinned="its id",
        observes=frozenset({"account", "region"}),
        locks=True,
    )
    kind: Literal["ebs"] = "ebs"
    volumes: tuple[_Volume, ...] = Field(min_length=1, max_length=100)
    """The volumes whose snapshots are meant, whether they still exist or not."""
    owners: tuple[_Account, ...] = ()
    """Other accounts whose snapshots, shared with this one, are looked at too."""

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its credentials cannot be read."""
        from drbook.providers.ebssource import EbsReader

        return EbsReader(self, opening)


class AwsBackupSource(AwsSnapshots):
    """Recovery points in a vault of AWS Backup."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool",),
        pinned="its ARN",
        observes=frozenset({"resource", "account", "region"}),
    )
    kind: Literal["aws-backup"] = "aws-backup"
    vault: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,50}$")
    """Its name; the same in every region."""
    resources: tuple[_Arn, ...] = Field(min_length=1, max_length=100)
    """ARNs of the instances, clusters or volumes whose recovery points are meant."""

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its credentials cannot be read."""
        from drbook.providers.vaultsource import VaultReader

        return VaultReader(self, opening)
