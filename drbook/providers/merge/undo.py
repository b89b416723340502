"""The script that takes a merge back: a person runs it with psql, and drbook never does.

It removes exactly what was inserted and puts back exactly what was overwritten, and leaves every row that
is not as the merge left it, or that other rows refer to by now. So that nothing newer goes along, it locks
its tables and what refers to them before it looks, and ends where something refers that it does not know of.
"""

from collections.abc import Iterable, Iterator, Sequence

from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.reviewed import TableFacts
from drbook.providers.merge import statements as made
from drbook.providers.merge.describe import Described
from drbook.providers.merge.references import Reference, referring

_HEAD = """\
-- Takes back one merge of reviewed rows. Run it with:  psql -X -f THIS_FILE CONNECTION
-- Rows that were changed since, and rows that others refer to by now, are left as they are, and counted.
-- It locks the tables, and those that refer to them, against writes until it is through, and waits 5 s for
-- that. Where other foreign keys lead to them than at the merge, or rules act on them, it changes nothing.
-- The login owns these tables, or may UPDATE and DELETE in them and in those that refer to them.
-- Triggers fire unless the merge skipped them. Sequences stay where they are.
\\set ON_ERROR_STOP on
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
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

_KNOWN = """\
CREATE TEMPORARY TABLE drbook_known (schema text, name text, here text[], there text[]) ON COMMIT DROP;
CREATE TEMPORARY TABLE drbook_now (schema text, name text, here text[], there text[], more boolean) ON COMMIT DROP;
CREATE TEMPORARY TABLE drbook_merged (oid oid) ON COMMIT DROP;
"""
_AS_KNOWN = """\
DO $drbook$ DECLARE other text; BEGIN
 SELECT string_agg(DISTINCT format('%I.%I', schema, name), ', ') INTO other FROM (
  (SELECT schema, name, here, there FROM pg_temp.drbook_now EXCEPT SELECT * FROM pg_temp.drbook_known)
  UNION ALL
  (SELECT * FROM pg_temp.drbook_known EXCEPT SELECT schema, name, here, there FROM pg_temp.drbook_now)) apart;
 IF other IS NOT NULL THEN RAISE EXCEPTION 'foreign keys of % came or went since the merge; nothing was changed', other
  USING HINT = 'Rows could go along that are newer. Drop what came, or make what went again, and run this anew; '
   'or take the rows back by hand: they stand in this file.'; END IF;
 SELECT string_agg(format('%I', rulename), ', ') INTO other FROM pg_rewrite
  WHERE ev_class IN (SELECT oid FROM pg_temp.drbook_merged) AND ev_enabled <> 'D';
 IF other IS NOT NULL THEN RAISE EXCEPTION 'the rules % act on these tables; nothing was changed', other
  USING HINT = 'ALTER TABLE … DISABLE RULE … for the time of this, or take the rows back by hand.'; END IF;
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


def alone(tables: Sequence[Described]) -> bytes:
    """Lock the tables, see that what refers to them is what the rest of the script looks at, and lock that
    too. Each statement sees what was committed before it, so what is counted afterwards stays."""
    known = {
        (one.schema, one.table, one.here, one.there) for table in tables for one in table.referred
    }
    listed: list[sql.Composable] = [
        sql.SQL("SELECT * FROM ({}) q").format(referring(_literal(one))) for one in tables
    ]
    values: list[sql.Composable] = [
        sql.SQL("({}, {}, {}, {})").format(
            sql.Literal(schema), sql.Literal(table), _array(here), _array(there)
        )
        for schema, table, here, there in sorted(known)
    ]
    text = _locks([made.table(one.facts) for one in tables])
    text += _KNOWN
    if values:
        text += (
            sql.SQL("INSERT INTO pg_temp.drbook_known VALUES {};\n")
            .format(sql.SQL(", ").join(values))
            .as_string()
        )
    text += (
        sql.SQL("INSERT INTO pg_temp.drbook_now {};\n")
        .format(sql.SQL(" UNION ALL ").join(listed))
        .as_string()
    )
    text += (
        sql.SQL("INSERT INTO pg_temp.drbook_merged VALUES {};\n")
        .format(
            sql.SQL(", ").join(sql.SQL("({}::regclass)").format(_literal(one)) for one in tables)
        )
        .as_string()
    )
    text += _AS_KNOWN
    others = sorted({(schema, table) for schema, table, _, _ in known})
    return (text + _locks([sql.Identifier(*one) for one in others])).encode()


def _locks(tables: Sequence[sql.Composable]) -> str:
    return "".join(
        sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE;\n").format(one).as_string()
        for one in tables
    )


def _literal(table: Described) -> sql.Literal:
    """The table's quoted name, as text."""
    return sql.Literal(sql.Identifier(table.facts.schema_, table.facts.name).as_string())


def _array(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("ARRAY[{}]::text[]").format(
        sql.SQL(", ").join(sql.Literal(one) for one in columns)
    )


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
    """Put back what was overwritten, where it is still as the merge left it, and no row refers to a value
    that would go."""
    facts = table.facts
    places = {column: number for number, column in enumerate(facts.written)}
    given = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one), made.of("s", made.old(places[one])))
        for one in facts.updated
    )
    held = [
        sql.SQL(" AND NOT ({} AND EXISTS (SELECT FROM {} c WHERE {}))").format(
            moves, sql.Identifier(one.schema, one.table), _refers(one, "t")
        )
        for one in table.referred
        if (moves := made.moves(facts, one, "o")) is not None
    ]
    change = sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {}{}").format(
        made.table(facts),
        given,
        made.staged(name),
        made.unchanged(facts),
        sql.SQL("").join(held),
    )
    return _counting(change, name, facts, "put back")


def away(name: str, gone: str, table: Described) -> bytes:
    """Remove what was inserted, where it is still as the merge left it and no row that stays refers to it.
    `gone` is the name of a table for what is removed where rows refer to others of the same table."""
    facts = table.facts
    itself = [one for one in table.referred if one.itself]
    text, removed = "", name
    if itself:
        removed = gone
        text = _those(name, gone, table, itself) + _those_that_stay(gone, facts, itself)
    change = sql.SQL("DELETE FROM {} t USING {} s WHERE {}{}").format(
        made.table(facts),
        made.staged(removed),
        made.unchanged(facts),
        _unreferred(table),
    )
    return text.encode() + _counting(change, name, facts, "removed")


def _refers(one: Reference, alias: str) -> sql.Composed:
    """The row `c` refers to the one behind the alias."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(made.of("c", here), made.of(alias, there))
        for here, there in zip(one.here, one.there, strict=True)
    )


def _unreferred(table: Described) -> sql.Composed:
    """No row of another table refers to it: removing it could take newer rows along."""
    return sql.SQL("").join(
        sql.SQL(" AND NOT EXISTS (SELECT FROM {} c WHERE {})").format(
            sql.Identifier(one.schema, one.table), _refers(one, "t")
        )
        for one in table.referred
        if not one.itself
    )


def _those(name: str, gone: str, table: Described, itself: Sequence[Reference]) -> str:
    """What can be removed if all of it is, with the values by which its rows refer to each other."""
    facts = table.facts
    more = [
        sql.SQL("{} AS {}").format(made.of("t", column), sql.Identifier(f"{label}{number}_{place}"))
        for number, one in enumerate(itself)
        for label, columns in (("h", one.here), ("t", one.there))
        for place, column in enumerate(columns)
    ]
    query = sql.SQL(
        "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT s.*, row_number() OVER () AS g, {}"
        " FROM {} t JOIN {} s ON {} WHERE true{};\nANALYZE {};\n"
    ).format(
        sql.Identifier(gone),
        sql.SQL(", ").join(more),
        made.table(facts),
        made.staged(name),
        made.unchanged(facts),
        _unreferred(table),
        made.staged(gone),
    )
    return query.as_string()


def _those_that_stay(gone: str, facts: TableFacts, itself: Sequence[Reference]) -> str:
    """Leave out what a row that stays refers to, what that refers to, and so on to the end."""
    first: list[sql.Composable] = []
    edges: list[sql.Composable] = []
    for number, one in enumerate(itself):
        places = range(len(one.here))
        first.append(
            sql.SQL(
                "SELECT s.g FROM {gone} s JOIN {child} c ON {same}"
                " WHERE NOT EXISTS (SELECT FROM {gone} x WHERE {key})"
            ).format(
                gone=made.staged(gone),
                child=sql.Identifier(one.schema, one.table),
                same=sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(
                        made.of("c", one.here[place]), made.of("s", f"t{number}_{place}")
                    )
                    for place in places
                ),
                key=sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(made.of("c", column), made.of("x", made.new(at)))
                    for at, column in enumerate(facts.key)
                ),
            )
        )
        edges.append(
            sql.SQL(
                "SELECT x.g AS child, s.g AS parent FROM {gone} x JOIN {gone} s ON {same}"
            ).format(
                gone=made.staged(gone),
                same=sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(
                        made.of("x", f"h{number}_{place}"), made.of("s", f"t{number}_{place}")
                    )
                    for place in places
                ),
            )
        )
    query = sql.SQL(
        "WITH RECURSIVE first AS ({first}), edges AS ({edges}), stays AS (SELECT g FROM first UNION"
        " SELECT e.parent FROM stays JOIN edges e ON e.child = stays.g)"
        " DELETE FROM {gone} s USING stays WHERE s.g = stays.g;\n"
    ).format(
        first=sql.SQL(" UNION ").join(first),
        edges=sql.SQL(" UNION ").join(edges),
        gone=made.staged(gone),
    )
    return query.as_string()


def _counting(change: sql.Composed, name: str, facts: TableFacts, what: str) -> bytes:
    query = sql.SQL(
        "WITH done AS ({} RETURNING 1) SELECT {} AS in_table, (SELECT count(*) FROM done) AS {},"
        " (SELECT count(*) FROM {}) AS of_rows;\n"
    ).format(change, sql.Literal(facts.shown), sql.Identifier(what), made.staged(name))
    return query.as_string().encode()
