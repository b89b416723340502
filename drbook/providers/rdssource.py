"""Reading snapshots and automated backups from RDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from drbook.providers.awsclient import explain_aws, pages
from drbook.providers.awskept import Asked, Item, Kept
from drbook.providers.awsreader import AwsReader
from drbook.providers.rdspoints import (
    cluster_backup,
    cluster_snapshot,
    db_snapshot,
    instance_backup,
)
from drbook.providers.s3client import STORE_ERRORS
from drbook.providers.sources.base import Opening

if TYPE_CHECKING:
    from drbook.providers.sources.aws import RdsSource

_PAGE = 100


class RdsReader(AwsReader):
    """Implements `Source`. RDS filters by instances that exist; here those that do not are asked about
    too, so everything is listed, and what is of others is passed over."""

    service = "RDS"
    deletes = "RDS keeps nothing of a snapshot that was deleted, and does not say what is mirrored"

    def __init__(self, config: RdsSource, opening: Opening) -> None:
        """Raises UsageError where its credentials cannot be read."""
        super().__init__(config, opening)
        self._config = config

    def _ask(self, region: str) -> None:
        rds = self._connection.client("rds", region)
        if self._config.instances:
            rds.describe_db_snapshots(MaxRecords=20)
        else:
            rds.describe_db_cluster_snapshots(MaxRecords=20)

    def _list(self, asked: Asked, left: list[str], none: list[str]) -> list[Kept]:
        rds = self._connection.client("rds", asked.region)
        found: list[Kept | str] = []
        if wanted := self._config.instances:
            backups = self._backups(
                rds.describe_db_instance_automated_backups, "DBInstanceAutomatedBackups", left,
                f"{asked.region}: automated backups of instances",
            )  # fmt: skip
            mine = _of(backups, "DBInstanceIdentifier", wanted)
            kept = _retained(mine, "DbiResourceId")
            found += [instance_backup(each, asked) for each in mine]
            snapshots = self._snapshots(rds.describe_db_snapshots, "DBSnapshots")
            mine = _of(snapshots, "DBInstanceIdentifier", wanted)
            found += [db_snapshot(each, asked, kept) for each in mine]
        if wanted := self._config.clusters:
            backups = self._backups(
                rds.describe_db_cluster_automated_backups, "DBClusterAutomatedBackups", left,
                f"{asked.region}: automated backups of clusters",
            )  # fmt: skip
            mine = _of(backups, "DBClusterIdentifier", wanted)
            kept = _retained(mine, "DbClusterResourceId")
            found += [cluster_backup(each, asked) for each in mine]
            snapshots = self._snapshots(rds.describe_db_cluster_snapshots, "DBClusterSnapshots")
            mine = _of(snapshots, "DBClusterIdentifier", wanted)
            found += [cluster_snapshot(each, asked, kept) for each in mine]
        none += [each for each in dict.fromkeys(found) if isinstance(each, str)]
        return [each for each in found if isinstance(each, Kept)]

    def _backups(
        self, call: Callable[..., Any], items: str, left: list[str], what: str
    ) -> list[Item]:
        """Where they cannot be asked for, the snapshots are worth having without them."""
        try:
            return list(pages(call, items, self._cancel, token="Marker", MaxRecords=_PAGE))
        except STORE_ERRORS as error:
            left.append(f"{what}: {explain_aws(error).reason}")
            return []

    def _snapshots(self, call: Callable[..., Any], items: str) -> Iterator[Item]:
        """Those of AWS Backup and of other accounts are told only to who asks for their type."""
        kinds: list[dict[str, object]] = [{}, {"SnapshotType": "awsbackup"}]
        if self._config.shared:
            kinds.append({"SnapshotType": "shared", "IncludeShared": True})
        for kind in kinds:
            ask = {**kind, "MaxRecords": _PAGE}
            yield from pages(call, items, self._cancel, token="Marker", **ask)


def _of(items: Iterator[Item] | list[Item], name: str, wanted: tuple[str, ...]) -> list[Item]:
    """Those of the wanted ones; RDS keeps identifiers in lower case."""
    lower = {each.lower() for each in wanted}
    return [each for each in items if str(each.get(name, "")).lower() in lower]


def _retained(items: list[Item], name: str) -> frozenset[str]:
    kept = (each for each in items if each.get("Status") == "retained")
    return frozenset(str(each[name]) for each in kept if each.get(name))
