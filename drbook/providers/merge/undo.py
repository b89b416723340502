"""The script that takes a merge back: a person runs it with psql, and drbook never does.

It removes exactly what was inserted and puts back exactly what was overwritten, and leaves every row that
is not as the merge left it, or that other rows refer to by now.
"""

from collections.abc import Iterable, Iterator, Sequence

from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.reviewed import TableFacts
from drbook.providers.merge import statements as made
from drbook.providers.merge.describe import Described, Reference

_HEAD = """\
-- Takes back one merge of reviewed rows. Run it with:  psql -X -f THIS_FILE CONNECTION
-- Rows that were changed since, and rows that others refer to by now, are left as they are, and counted.
-- Sequences stay where they are.
\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL extra_float_digits = 3;
SET LOCAL bytea_output = 'hex';
SET LOCAL lc_monetary = 'C';
SET LOCAL xmloption = 'content';
SET LOCAL row_security = off;
SET LOCAL lock_timeout = '5s';
SET client_encoding = 'UTF8';
"""
_THERE = """\
DO $drbook$ BEGIN IF (SELECT system_identifier::text FROM pg_control_system()) IS DISTINCT FROM {system}
 OR (SELECT oid::text FROM pg_database WHERE datname = current_database()) IS DISTINCT FROM {oid}
 THEN RAISE EXCEPTION 'this is not the database that was merged into; nothing was changed'; END IF;
 END $drbook$;
"""


def head(production: Identity, *, triggers_skipped: bool) -> bytes:
    """The beginning: it runs in the database that was merged into, and nowhere else."""
    there = sql.SQL(_THERE).format(
        system=sql.Literal(production.system_identifier),
        oid=sql.Literal(str(production.database_oid)),
    )
    text = _HEAD + there.as_string()
    if triggers_skipped:
        text += "SET LOCAL session_replication_role = 'replica';\n"
    return text.encode()


def tail() -> bytes:
    return b"SET CONSTRAINTS ALL IMMEDIATE;\nCOMMIT;\n"


def rows(name: str, facts: TableFacts, lines: Iterable[bytes], *, both: bool) -> Iterator[bytes]:
    """The rows as the merge left them; with `both`, behind them what they were before."""
    yield (made.stage(name, facts, both=both).as_string() + ";\n").encode()
    yield (made.fill(name).as_string() + ";\n").encode()
    yield from lines
    yield b"\\.\n"
    yield (made.analyze(name).as_string() + ";\n").encode()


def back(name: str, table: Described) -> bytes:
    """Put back what was overwritten, where it is still as the merge left it."""
    facts = table.facts
    places = {column: number for number, column in enumerate(facts.written)}
    given = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one), made.of("s", made.old(places[one])))
        for one in facts.updated
    )
    change = sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {}").format(
        made.table(facts), given, made.staged(name), made.unchanged(facts)
    )
    return _counting(change, name, facts, "put back")


def away(name: str, table: Described) -> bytes:
    """Remove what was inserted, where it is still as the merge left it and nothing refers to it."""
    facts = table.facts
    change = sql.SQL("DELETE FROM {} t USING {} s WHERE {}{}").format(
        made.table(facts),
        made.staged(name),
        made.unchanged(facts),
        _unreferred(table.referred, facts, name),
    )
    return _counting(change, name, facts, "removed")


def _unreferred(referred: Sequence[Reference], facts: TableFacts, name: str) -> sql.Composed:
    """No row refers to it: removing it could take newer rows along. A row of the same merge in the same table
    goes with it."""
    parts: list[sql.Composable] = []
    for one in referred:
        same = sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(made.of("c", there), made.of("t", here))
            for there, here in zip(one.here, one.there, strict=True)
        )
        besides: sql.Composable = sql.SQL("")
        if (one.schema, one.table) == (facts.schema_, facts.name):
            besides = sql.SQL(" AND NOT EXISTS (SELECT FROM {} s2 WHERE {})").format(
                made.staged(name),
                sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(made.of("c", key), made.of("s2", made.new(number)))
                    for number, key in enumerate(facts.key)
                ),
            )
        parts.append(
            sql.SQL(" AND NOT EXISTS (SELECT FROM {} c WHERE {}{})").format(
                sql.Identifier(one.schema, one.table), same, besides
            )
        )
    return sql.SQL("").join(parts)


def _counting(change: sql.Composed, name: str, facts: TableFacts, what: str) -> bytes:
    query = sql.SQL(
        "WITH done AS ({} RETURNING 1) SELECT {} AS in_table, (SELECT count(*) FROM done) AS {},"
        " (SELECT count(*) FROM {}) AS of_rows;\n"
    ).format(change, sql.Literal(facts.shown), sql.Identifier(what), made.staged(name))
    return query.as_string().encode()
