"""Reading recovery points from a vault of AWS Backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drbook.core.holding import VaultFact
from drbook.providers.awsclient import explain_aws, pages
from drbook.providers.awskept import Asked, Kept
from drbook.providers.awsreader import AwsReader
from drbook.providers.s3client import STORE_ERRORS
from drbook.providers.sources.base import Opening
from drbook.providers.vaultpoints import recovery_point, vault_of

if TYPE_CHECKING:
    from drbook.providers.sources.aws import AwsBackupSource

_PAGE = 1000


class VaultReader(AwsReader):
    """Implements `Source`."""

    service = "AWS Backup"
    deletes = "AWS Backup does not say what is left of a recovery point that was deleted"

    def __init__(self, config: AwsBackupSource, opening: Opening) -> None:
        """Raises UsageError where its credentials cannot be read."""
        super().__init__(config, opening)
        self._config = config

    def _resource(self) -> str:
        return self._config.vault

    def _ask(self, region: str) -> None:
        backup = self._connection.client("backup", region)
        backup.list_recovery_points_by_backup_vault(
            BackupVaultName=self._config.vault, MaxResults=1
        )

    def _list(self, asked: Asked, left: list[str], none: list[str]) -> list[Kept]:
        backup, name = self._connection.client("backup", asked.region), self._config.vault
        try:
            vault = vault_of(backup.describe_backup_vault(BackupVaultName=name))
        except STORE_ERRORS as error:
            vault = VaultFact(why_unknown=explain_aws(error).reason)
        found: list[Kept | str] = []
        for resource in self._config.resources:
            listed = pages(
                backup.list_recovery_points_by_backup_vault, "RecoveryPoints", self._cancel,
                token="NextToken", BackupVaultName=name, ByResourceArn=resource, MaxResults=_PAGE,
            )  # fmt: skip
            found += [recovery_point(each, asked, name, vault) for each in listed]
        none += [each for each in found if isinstance(each, str)]
        return [each for each in found if isinstance(each, Kept)]
