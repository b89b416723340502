"""What acts on a write to a table besides the write: for people by name, and all of it as digests, so that
a merge can tell whether what acted in its rehearsal is what acts now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from drbook.core.values import plain
from drbook.providers.merge.references import TREE
from drbook.providers.pgsession import Connection

_TRIGGERS = (
    TREE
    + """
SELECT t.tgname::text, t.tgenabled::text, CASE WHEN t.tgrelid <> {root} THEN t.tgrelid::regclass::text END
  FROM pg_trigger t
 WHERE t.tgrelid IN (SELECT oid FROM tree) AND t.tgtype & 20 > 0
   AND (t.tgrelid = {root} AND NOT t.tgisinternal OR t.tgrelid <> {root} AND t.tgconstraint = 0
        AND NOT EXISTS (SELECT FROM pg_trigger p WHERE p.tgrelid = {root} AND p.tgname = t.tgname
                           AND p.tgfoid = t.tgfoid AND p.tgenabled = t.tgenabled))
 ORDER BY t.tgrelid <> {root}, t.tgname, 3
"""
)
"""Bits 4 and 16 of `tgtype`: INSERT and UPDATE (PostgreSQL, `src/include/catalog/pg_trigger.h`). A partition
has a copy of its parent's, under the same name."""
_RULES = """
SELECT rulename::text, ev_type = '2', ev_enabled::text FROM pg_rewrite
 WHERE ev_class = %s AND ev_type IN ('2', '3') AND ev_enabled <> 'D' ORDER BY rulename
"""
"""`ev_type`: 2 is UPDATE, 3 is INSERT (PostgreSQL, `pg_rewrite`). Rules of partitions do not act on a write
to their parent."""
_KEYS = (
    TREE
    + """
SELECT c.conname::text, c.conrelid::regclass::text FROM pg_constraint c
 WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conrelid <> {root}
   AND c.conrelid IN (SELECT oid FROM tree) ORDER BY 2, 1
"""
)
_DIGESTS = (
    TREE
    + """
SELECT kind, md5(string_agg(line, E'\\n' ORDER BY line COLLATE "C")) FROM (
SELECT 'triggers' AS kind, concat_ws('|', t.tgrelid::regclass, t.tgenabled, pg_get_triggerdef(t.oid), p.oid,
       p.prosecdef, p.proowner, p.prolang, p.proconfig, p.probin, md5(p.prosrc)) AS line
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid IN (SELECT oid FROM tree)
UNION ALL
SELECT 'rules', concat_ws('|', w.ev_class::regclass, w.ev_enabled, pg_get_ruledef(w.oid))
  FROM pg_rewrite w WHERE w.ev_class IN (SELECT oid FROM tree)
UNION ALL
SELECT 'constraints', concat_ws('|', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
  FROM pg_constraint c
 WHERE c.conrelid IN (SELECT oid FROM tree) OR c.confrelid IN (SELECT oid FROM tree)
UNION ALL
SELECT 'unique indexes', concat_ws('|', i.indisvalid, pg_get_indexdef(i.indexrelid))
  FROM pg_index i WHERE i.indisunique AND i.indrelid IN (SELECT oid FROM tree)
UNION ALL
SELECT 'columns and defaults', concat_ws('|', a.attrelid::regclass, a.attname,
       format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, to_jsonb(a) ->> 'attgenerated',
       pg_get_expr(f.adbin, f.adrelid))
  FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (SELECT oid FROM tree)
) acting GROUP BY kind
"""
)
_STATES = {"D": " (disabled)", "A": " (always)", "R": " (replica only)"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that rewrites an INSERT, or an UPDATE."""

    name: str
    on_update: bool
    fires: bool
    fires_skipped: bool
    """With `session_replication_role = replica`."""


@dataclass(frozen=True, slots=True)
class Acts:
    """What acts on a write, by name."""

    triggers: tuple[str, ...]
    always: tuple[str, ...]
    """Of them those that fire although triggers are skipped."""
    rules: tuple[Rule, ...]
    keys: tuple[str, ...]
    """Foreign keys that partitions have and the whole table has not."""


def acts(connection: Connection, oid: int) -> Acts:
    """Triggers of the table and of its partitions, each with its state, and rules of the table."""
    found = [
        (
            plain(name, 90)
            + (f" on {plain(where, 130)}" if where else "")
            + _STATES.get(state, ""),
            state in "AR",
        )
        for name, state, where in connection.execute(
            sql.SQL(_TRIGGERS).format(root=sql.Literal(oid))
        )
    ]
    rules = tuple(
        Rule(plain(name, 90), on_update, state in "OA", state in "AR")
        for name, on_update, state in connection.execute(_RULES, (oid,))
    )
    keys = connection.execute(sql.SQL(_KEYS).format(root=sql.Literal(oid)))
    return Acts(
        tuple(name for name, _ in found),
        tuple(name for name, always in found if always),
        rules,
        tuple(f"{plain(name, 63)} on {plain(where, 130)}" for name, where in keys),
    )


def digests(connection: Connection, table: str) -> Mapping[str, str]:
    """By kind, a digest of the definitions of all that acts on a write to the table, which is given by its
    quoted name, and to its partitions. What functions call in turn is not in it."""
    row = connection.execute("SELECT %s::regclass::oid::bigint", (table,)).fetchone()
    assert row is not None
    query = sql.SQL(_DIGESTS).format(root=sql.Literal(row[0]))
    return {str(kind): str(digest) for kind, digest in connection.execute(query)}
