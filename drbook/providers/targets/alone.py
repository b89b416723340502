"""Asking a target's server whether it keeps to itself: settings and catalogues alone, each question by itself."""

from collections.abc import Mapping
from typing import Any

import psycopg

from drbook.core.errors import DrbookError, StepFailed
from drbook.core.isolation import ASKED, ForeignServer, Isolation, ServerSaid, judge, wrong
from drbook.core.ports import Cancel
from drbook.core.targets import Target
from drbook.providers.pgsession import Connection
from drbook.providers.targets.lease import proven

_SUBSCRIPTIONS = """
SELECT subname::text, subenabled FROM pg_catalog.pg_subscription
 WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
"""
_FOREIGN = """
SELECT s.srvname::text, w.fdwname::text,
       COALESCE(pg_catalog.array_agg(COALESCE(NULLIF(m.usename, 'public')::text, ''))
                FILTER (WHERE m.umid IS NOT NULL), '{}')
  FROM pg_catalog.pg_foreign_server s
  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  LEFT JOIN pg_catalog.pg_user_mappings m ON m.srvid = s.oid
 GROUP BY 1, 2 ORDER BY 1
"""
_TRIGGERS = (
    "SELECT evtname::text FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D' ORDER BY 1"
)
_EXTENSIONS = "SELECT extname::text FROM pg_catalog.pg_extension ORDER BY 1"
_SCHEMAS = """
SELECT CASE nspname WHEN 'timetable' THEN 'pg_timetable' ELSE 'pgagent' END
  FROM pg_catalog.pg_namespace WHERE nspname IN ('timetable', 'pgagent')
"""
_WORKERS = "SELECT DISTINCT backend_type::text FROM pg_catalog.pg_stat_activity"
_UNTRUSTED = """
SELECT l.lanname::text, pg_catalog.count(*)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE NOT l.lanpltrusted AND p.oid >= 16384
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                      AND d.deptype = 'e')
 GROUP BY 1
"""
"""C and internal functions are in untrusted languages as well. 16384 is the first number that initdb does not give
(`FirstNormalObjectId`)."""

_NOTHING: Mapping[str, str | None] = {}


def ask(connection: Connection) -> ServerSaid:
    """What the server says of itself and of this database. A question that it does not answer stays open."""
    subscriptions = _rows(connection, _SUBSCRIPTIONS)
    foreign = _rows(connection, _FOREIGN)
    untrusted = _rows(connection, _UNTRUSTED)
    workers = _column(connection, _WORKERS)
    return ServerSaid(
        major=connection.info.server_version // 10000,
        settings=settings(connection),
        subscriptions=None if subscriptions is None else dict(subscriptions),
        foreign=None
        if foreign is None
        else tuple(
            ForeignServer(name=name, wrapper=wrapper, mapped=tuple(mapped))
            for name, wrapper, mapped in foreign
        ),
        event_triggers=_column(connection, _TRIGGERS),
        extensions=_column(connection, _EXTENSIONS),
        schemas=_column(connection, _SCHEMAS),
        # Whoever may not see another's processes is told nothing of their kind.
        workers=None if workers is None or None in workers else workers,
        untrusted=None if untrusted is None else dict(untrusted),
    )


def settings(connection: Connection) -> Mapping[str, str | None]:
    """The settings that count, by name; None for one that it does not have or does not tell."""
    found: dict[str, str | None] = {}
    for name in ASKED:
        rows = _rows(connection, "SELECT pg_catalog.current_setting(%s::text, true)", name)
        value = rows[0][0] if rows else None
        found[name] = None if value is None else str(value)
    return found


def must_keep_to_itself(connection: Connection) -> None:
    """Raises StepFailed where a server of drbook's own is not set as it was told to be."""
    found = wrong(settings(connection), connection.info.server_version // 10000)
    if found:
        raise StepFailed(
            f"The new server is not isolated: {'; '.join(found)}.",
            means="It might archive into production's backups or follow production. Nothing was restored.",
            next="Report this: it should not be possible.",
            code="not-isolated",
        )


def isolation_of(target: Target, environment: Mapping[str, str], cancel: Cancel) -> Isolation:
    """Asked over a proven connection; where that cannot be had, everything is unknown. Raises Refused where
    something else answers there."""
    login = target.admin or target.loader or target.connect
    nothing = ServerSaid(major=target.identity.server_version // 10000, settings=_NOTHING)
    try:
        with proven(target, environment, cancel, login) as connection:
            others = [one.user for one in (login, target.connect, target.loader) if one is not None]
            logins = tuple(sorted({connection.info.user, *(one for one in others if one)}))
            said = ask(connection).model_copy(update={"logins": logins})
    except (psycopg.Error, StepFailed):
        said = nothing
    return judge(said, own_server=target.whole_server)


def _rows(connection: Connection, query: str, *given: object) -> list[tuple[Any, ...]] | None:
    try:
        with connection.transaction():
            return connection.execute(query.encode(), given or None).fetchall()
    except (psycopg.Error, DrbookError):
        if connection.closed:
            raise  # that is no answer of the server's
        return None


def _column(connection: Connection, query: str) -> tuple[Any, ...] | None:
    rows = _rows(connection, query)
    return None if rows is None else tuple(row[0] for row in rows)
