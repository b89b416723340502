"""The kinds of backup source, fresh target and baseline store: built in, and plugged in by entry points.

Importing this loads configuration models only; client libraries load when something is opened.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from drbook.core.errors import UsageError
from drbook.core.points import SourceConfig
from drbook.core.values import Frozen, plain
from drbook.providers.baselines import DirectoryBaselines, OpenableStore, S3Baselines
from drbook.providers.sources.aws import AwsBackupSource, EbsSource, RdsSource
from drbook.providers.sources.barman import BarmanCloudSource, BarmanSource
from drbook.providers.sources.base import OpenableSource
from drbook.providers.sources.basebackup import BaseBackupSource
from drbook.providers.sources.borg import BorgSource
from drbook.providers.sources.directory import DirectorySource
from drbook.providers.sources.pgbackrest import PgBackRestSource
from drbook.providers.sources.rclone import RcloneSource
from drbook.providers.sources.restic import ResticSource
from drbook.providers.sources.s3 import S3Source
from drbook.providers.sources.standby import StandbySource
from drbook.providers.sources.walg import WalGSource
from drbook.providers.targets.base import OpenableTarget
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget


@cache
def SOURCES() -> Mapping[str, type[SourceConfig]]:
    """Kind → configuration model of a `backups:` entry. Raises UsageError for a broken plug-in."""
    table: dict[str, type[SourceConfig]] = {
        "directory": DirectorySource,
        "basebackup": BaseBackupSource,
        "s3": S3Source,
        "restic": ResticSource,
        "borg": BorgSource,
        "rclone": RcloneSource,
        "barman": BarmanSource,
        "barman-cloud": BarmanCloudSource,
        "pgbackrest": PgBackRestSource,
        "wal-g": WalGSource,
        "standby": StandbySource,
        "rds": RdsSource,
        "ebs": EbsSource,
        "aws-backup": AwsBackupSource,
    }
    _plug_in(table, "drbook.sources", OpenableSource)
    return table


@cache
def TARGETS() -> Mapping[str, type[OpenableTarget]]:
    """Kind → configuration model of a `target:`. Raises UsageError for a broken plug-in."""
    table: dict[str, type[OpenableTarget]] = {"cluster": ClusterTarget, "database": DatabaseTarget}
    _plug_in(table, "drbook.targets", OpenableTarget)
    return table


@cache
def BASELINE_STORES() -> Mapping[str, type[Frozen]]:
    """Kind → configuration model of `baselines:`. Raises UsageError for a broken plug-in."""
    table: dict[str, type[Frozen]] = {"directory": DirectoryBaselines, "s3": S3Baselines}
    _plug_in(table, "drbook.baseline_stores", OpenableStore)
    return table


def _plug_in(table: dict[str, type], group: str, base: type) -> None:
    """Add what is installed. A kind that does not load, or takes a taken name, is an error."""
    for entry in entry_points(group=group):
        package = plain(entry.dist.name if entry.dist is not None else "unknown", 100)
        try:
            found = entry.load()
        except Exception as error:
            why = f"{type(error).__name__}: {plain(str(error), 200)}"
            raise _broken(group, entry.name, package, why) from error
        if not isinstance(found, type) or not issubclass(found, base):
            raise _broken(group, entry.name, package, f"it is not derived from {base.__name__}")
        if table.get(entry.name, found) is not found:
            raise _broken(group, entry.name, package, f"the kind {entry.name} exists already")
        table[entry.name] = found


def _broken(group: str, name: str, package: str, why: str) -> UsageError:
    return UsageError(
        f"The plug-in {group} {plain(name, 100)} of package {package} cannot be used: {why}.",
        means="Runbooks that use it would fail in the middle of an incident.",
        next=f"Mend or uninstall {package}.",
        code="plug-in",
    )
