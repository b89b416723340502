"""Asking a standby how its replay stands: one look in one guarded, reading session."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg

from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Cancel
from drbook.core.standby import Replay
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers.pgsession import Connection, Lookup, broke_off, guarded, said

ANSWER = timedelta(seconds=15)
"""For each of the few questions; none of them reads a table."""
SAYS_PAUSED = 140000
"""The first version that tells a pause that was asked for from one that has taken hold."""

_ALL = """
SELECT pg_is_in_recovery(), current_setting('server_version_num')::int,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'recovery_min_apply_delay')
"""
_PLACE = """
SELECT pg_last_wal_receive_lsn()::text, pg_last_wal_replay_lsn()::text, pg_last_xact_replay_timestamp(),
       clock_timestamp()
"""
_LOCKED = """
SELECT DISTINCT c.oid::regclass::text FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND c.relkind IN ('r', 'p', 'm')
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
 ORDER BY 1 LIMIT 1000
"""
"""While a server recovers, nobody but its replay can hold this kind of lock."""
_SINGLE: Mapping[str, str] = {
    "system_identifier": "SELECT system_identifier::text FROM pg_control_system()",
    "checkpoint": "SELECT checkpoint_time FROM pg_control_checkpoint()",
    "timeline": """
SELECT coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                (SELECT nullif(min_recovery_end_timeline, 0) FROM pg_control_recovery()),
                (SELECT timeline_id FROM pg_control_checkpoint()))""",
    "receiver": "SELECT coalesce((SELECT coalesce(status, 'running') FROM pg_stat_wal_receiver), '')",
    "database_bytes": "SELECT pg_database_size(current_database())",
}
"""What an administrator may keep from a login, each asked by itself."""


def ask(ref: DatabaseRef, lookup: Lookup, cancel: Cancel, *, refuse_strong: bool) -> Replay:
    """One look. Raises CouldNotVerify: `no-standby` where it is none (any more), `no-connection` where
    nobody answers; Refused for a login that a dry run may not have."""
    with guarded(ref, lookup, cancel, timeout=ANSWER, refuse_strong=refuse_strong) as connection:
        return replay_of(connection, ref, cancel)


def replay_of(connection: Connection, ref: DatabaseRef, cancel: Cancel) -> Replay:
    """The same on a connection that is there, whose names are looked up in `pg_catalog` alone."""
    try:
        recovering, version, delay = _row(connection, _ALL)
        if recovering is not True:
            raise no_standby(ref)
        unknown: list[str] = []
        paused = None
        if version >= SAYS_PAUSED:
            (paused,) = _row(connection, "SELECT pg_get_wal_replay_pause_state()")
        received, replayed, transaction, asked = _row(connection, _PLACE)
        locked = tuple(str(row[0]) for row in connection.execute(_LOCKED.encode()))
        single = {name: _single(connection, name, unknown) for name in _SINGLE}
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "said how its replay stands") from None
    moments = [each for each in (transaction, single.pop("checkpoint")) if each is not None]
    if replayed is None or not moments:
        raise CouldNotVerify(
            f"{plain(ref.show(), 200)} does not say what it has replayed.",
            means="Of which moment its data is, is unknown.",
            next="Give its login pg_monitor, or look at its log.",
            code="no-replay",
        )
    return Replay.model_validate(
        {
            **single,
            "received": received,
            "replayed": replayed,
            "transaction_at": transaction,
            "moment": max(moments),
            "asked_at": asked,
            "pause": paused,
            "delay_ms": delay,
            "server_version": version,
            "locked": locked,
            "unknown": tuple(unknown),
        }
    )


def no_standby(ref: DatabaseRef) -> CouldNotVerify:
    return CouldNotVerify(
        f"{plain(ref.show(), 200)} is no standby (any more): it takes writes of its own.",
        means="It was promoted, or it is production itself: what it shows is no copy from before a loss.",
        next="Look which server answers there, and mend `backups:` in the runbook.",
        code="no-standby",
    )


def _row(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return tuple(row)


def _single(connection: Connection, name: str, unknown: list[str]) -> Any:
    try:
        with connection.transaction():
            return _row(connection, _SINGLE[name])[0]
    except psycopg.errors.InsufficientPrivilege as error:
        unknown.append(f"{name.replace('_', ' ')}: {said(error)}")
        return None


def run_of(connection: Connection) -> tuple[object, ...]:
    """What tells this run of a server from every other one."""
    return _row(connection, "SELECT pg_postmaster_start_time()::text")
