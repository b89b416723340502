"""A streaming standby, or a delayed one, as a source: the `standby` kind of a `backups:` entry."""

from typing import ClassVar, Literal

from drbook.core.capabilities import Capabilities
from drbook.core.targets import DatabaseRef
from drbook.providers.sources.base import MadeSource, OpenableSource, Opening


class StandbySource(OpenableSource):
    """What a standby of production shows now. It is a copy only while its replay is paused."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("production",),
        pinned="how far it has replayed",
        observes=frozenset({"deletes_replicated"}),
    )
    kind: Literal["standby"] = "standby"
    format: Literal["pg_dump"] = "pg_dump"
    database: DatabaseRef
    """The standby, with a login that reads: `pg_read_all_data`, and `pg_monitor` to see its WAL receiver."""
    control: DatabaseRef | None = None
    """The same standby, with a login that may call `pg_wal_replay_pause()`; absent: that of `database`."""

    def open(self, opening: Opening) -> MadeSource:
        from drbook.providers.standbysource import StandbyReader

        return StandbyReader(self, opening)
