"""How a database is counted, within which bounds, and what makes a capture suspect."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import Field

from drbook.core.baseline import LARGE_OBJECTS, TableCounts
from drbook.core.production import compare_production
from drbook.core.remarks import TableVerdict
from drbook.core.values import Frozen, counted

COVERED = ("table", "partitioned table", "unlogged table", "materialized view", LARGE_OBJECTS)
"""The kinds that a count of today looks for."""

AS_OF = """
CASE WHEN pg_catalog.pg_is_in_recovery() THEN least(
    pg_catalog.transaction_timestamp(),
    greatest(
        pg_catalog.pg_last_xact_replay_timestamp(),
        (SELECT r.last_msg_send_time FROM pg_catalog.pg_stat_wal_receiver r
          WHERE r.latest_end_lsn <= pg_catalog.pg_last_wal_replay_lsn()),
        (SELECT c.checkpoint_time FROM pg_catalog.pg_control_checkpoint() c)))
ELSE pg_catalog.transaction_timestamp() END
"""
"""Of which moment a server's data is, in SQL. Of a standby's it is known up to the last commit that it
replayed, up to the last word of its sender where all WAL of which that speaks is replayed (a login that
may not see this is told less), and at least up to the checkpoint that it began from."""


class Pace(Frozen):
    """How much load a count may put on a server."""

    jobs: int = Field(default=2, ge=1, le=32)
    """Connections that count at the same time, in one snapshot; fewer where the server has no more."""
    statement_timeout: timedelta = timedelta(hours=2)
    """For one table; the step's own timeout is the operator's."""
    max_load: int | None = Field(default=None, ge=0)
    """Before each table: wait while more sessions than this are active. None: never wait."""
    max_wait: timedelta = timedelta(minutes=15)
    """How long all these waits may take together; after that the count is given up."""


def work_order(hints: Sequence[int]) -> list[int]:
    """Positions, the largest first: no connection is left alone with a large table at the end."""
    return sorted(range(len(hints)), key=lambda position: (-hints[position], position))


def drops(
    counts: TableCounts, good: Sequence[TableCounts], max_drop_percent: int
) -> tuple[str, ...]:
    """What makes figures suspect against the good ones of before, the newest first: another server of
    the same name, and tables that vanished, were emptied or lost a larger share of their rows than
    allowed. A table that was not counted now says nothing, one that was not counted the last time is
    held to the time before, and an unlogged one says nothing where a standby was read."""
    silent = {each.name for each in counts.aside if each.kind == "unlogged table"}
    compared = compare_production(counts, _known(good), max_drop_percent)
    mine, theirs = (one.identity.system_identifier for one in (counts, good[0]))
    other = [f"it is of server {mine}, and the newest good one of {theirs}"] * (mine != theirs)
    return (
        *other,
        *(
            f"{row.table}: {row.reason}"
            for row in compared.tables
            if row.verdict is TableVerdict.FAIL and row.table not in silent
        ),
    )


BEHIND = "it was truncated or rewritten after the snapshot was taken, and what it held then cannot be read"
"""PostgreSQL's snapshots do not protect from that: such a table reads as empty."""


def behind(counts: TableCounts) -> tuple[str, ...]:
    """What makes figures suspect by themselves: tables that were truncated while they were taken."""
    return tuple(
        f"{row.table}: {row.why_unknown}" for row in counts.tables if row.why_unknown == BEHIND
    )


def blind(counts: TableCounts) -> tuple[str, ...]:
    """What makes figures suspect that hardly tell anything, like those of a login without rights: more than
    half of the tables are unknown."""
    unknown = [row.table for row in counts.tables if row.rows is None]
    if 2 * len(unknown) <= len(counts.tables):
        return ()
    return (f"{len(unknown)} of {counted(len(counts.tables), 'table')} could not be counted",)


def not_counted(good: Sequence[TableCounts]) -> bool:
    """Whether an older one would say more: the newest has tables of which none of these has a number."""
    return any(row.rows is None for row in _known(good).tables)


def _known(good: Sequence[TableCounts]) -> TableCounts:
    """The newest, and for what was not counted there the newest that counted it."""
    newest = good[0]
    known = {
        row.table: row for one in reversed(good[1:]) for row in one.tables if row.rows is not None
    }
    tables = (row if row.rows is not None else known.get(row.table, row) for row in newest.tables)
    return newest.model_copy(update={"tables": tuple(tables)})
