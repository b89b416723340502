"""Foreign keys from a table and to it, as a merge and its undo script ask for them.

A foreign key may lead to a partition alone. So what refers to a table is asked of all that its rows lie in.
"""

from dataclasses import dataclass

from psycopg import sql

from drbook.providers.pgsession import Connection

TREE = """
WITH RECURSIVE tree (oid) AS (SELECT {root}::oid UNION
  SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    JOIN pg_class k ON k.oid = i.inhrelid AND k.relispartition)
"""
"""The table and its partitions, down to the last. Tables that inherit from it hold rows of their own."""
_NAMED = """
       (SELECT array_agg(a.attname::text ORDER BY k.place)
          FROM unnest({numbers}) WITH ORDINALITY AS k (number, place)
          JOIN pg_attribute a ON a.attrelid = {of} AND a.attnum = k.number)"""
_COLUMNS = (
    _NAMED.format(numbers="c.conkey", of="c.conrelid")
    + " AS here,"
    + _NAMED.format(numbers="c.confkey", of="c.confrelid")
    + " AS there"
)
_REFERS = (
    "SELECT n.nspname::text, r.relname::text,"
    + _COLUMNS
    + """, c.confupdtype::text, c.confrelid = c.conrelid
  FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE c.contype = 'f' AND c.conrelid = %s
   AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
 ORDER BY c.conname
"""
)
"""A partition has its parent's as its own; those to the partitions of what is referred to are left out."""
_REFERRED = (
    TREE
    + "SELECT DISTINCT n.nspname::text, r.relname::text,"
    + _COLUMNS
    + """, {more}
  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE c.contype = 'f' AND c.confrelid IN (SELECT oid FROM tree)
   AND NOT EXISTS (SELECT FROM pg_constraint p
                    WHERE p.oid = c.conparentid AND p.confrelid IN (SELECT oid FROM tree))
 ORDER BY 1, 2, 3, 4
"""
)
"""Parts of a key that are found by its whole are left out."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: from these columns to those of another table."""

    schema: str
    table: str
    """The other table."""
    here: tuple[str, ...]
    there: tuple[str, ...]
    on_update: str = "a"
    """`confupdtype` (PostgreSQL, `pg_constraint`)."""
    itself: bool = False
    """The other table is the same one, or a partition of it."""

    @property
    def follows(self) -> bool:
        """ON UPDATE CASCADE, SET NULL or SET DEFAULT: the rows that refer change along."""
        return self.on_update in ("c", "n", "d")


def refers(connection: Connection, oid: int) -> tuple[Reference, ...]:
    """Foreign keys of the table."""
    rows = connection.execute(_REFERS, (oid,))
    return tuple(Reference(one[0], one[1], tuple(one[2]), tuple(one[3]), *one[4:]) for one in rows)


def referred(connection: Connection, oid: int) -> tuple[Reference, ...]:
    """Foreign keys to the table, or to a partition of it."""
    query = sql.SQL(_REFERRED).format(
        root=sql.Literal(oid),
        more=sql.SQL("c.confupdtype::text, c.conrelid IN (SELECT oid FROM tree)"),
    )
    rows = connection.execute(query)
    return tuple(Reference(one[0], one[1], tuple(one[2]), tuple(one[3]), *one[4:]) for one in rows)


def referring(table: sql.Composable) -> sql.Composed:
    """The same as a query of a script: schema, table, `here` and `there`. `table` is its name as a literal."""
    root = sql.SQL("{}::regclass").format(table)
    return sql.SQL(_REFERRED).format(root=root, more=sql.SQL("true"))
