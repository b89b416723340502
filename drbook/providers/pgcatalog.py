"""What there is to count: every relation of a database, with all that a count needs to know of it.

Everything is asked in a few catalogue queries, however many tables there are. What is not counted on
purpose is listed with its reason; nothing is left out in silence but what the runbook ignores, other
sessions' temporary tables and the server's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from psycopg import sql

from drbook.core.baseline import Aside, TableCount
from drbook.core.hashes import RECORD, TEXT
from drbook.providers import pgnames as names
from drbook.providers.pgnames import as_asked
from drbook.providers.pgrelation import (
    Relation,
    carried_rows,
    kind_of,
    lies_in,
    note_of,
    shown_names,
    why_aside,
    why_not,
)
from drbook.providers.pgsession import Connection

_RELATIONS = sql.SQL("""
SELECT c.oid::bigint, {schema}, {name}, c.relkind::text, c.relpersistence = 'u', c.relispopulated,
       c.relispartition,
       (SELECT x.extname FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
           AND d.refclassid = 'pg_extension'::regclass LIMIT 1),
       greatest(c.relpages, pg_stat_get_live_tuples(c.oid) / 50, 0)::bigint,
       c.reltuples >= 0 OR pg_stat_get_live_tuples(c.oid) > 0
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL (%(ignored)s)
 ORDER BY n.nspname, c.relname
""").format
"""The last two columns are a hint of the size in pages, and whether it is more than a guess: the real one
(`pg_relation_size`) would wait for locks."""

_CARRIED = """
SELECT u.config::bigint, coalesce(u.condition, '')
  FROM pg_extension x, unnest(x.extconfig, x.extcondition) AS u (config, condition)
"""
"""Tables of extensions whose rows a dump holds, and which of the rows (`pg_extension_config_dump`)."""

_PARENTS = "SELECT inhrelid::bigint, inhparent::bigint FROM pg_inherits"

_PARTICULAR = sql.SQL("""
SELECT a.attrelid::bigint, {name}, {dates}, {generated}
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND ({dates} OR {generated})
""").format
"""Columns that may say when a row was written, and those that the server computes (stored or, since 18,
virtual ones)."""
_DATES = sql.SQL("""(a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
   AND a.attname = ANY (%(names)s))""")

_KEYS = sql.SQL("""
SELECT i.indrelid::bigint, {name}, i.indnkeyatts = 1
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indisprimary AND i.indisvalid AND i.indrelid >= 16384
   AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
""").format
"""Primary keys that begin with a whole number: its column, and whether it is all of the key."""

_COLUMNS = """
SELECT a.attname FROM pg_attribute a
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

FRESHNESS = (
    "created_at",
    "created",
    "created_on",
    "inserted_at",
    "recorded_at",
    "occurred_at",
    "paid_at",
    "booked_at",
    "updated_at",
    "modified_at",
    "timestamp",
    "ts",
)
"""Columns that say when a row was written; a date that a row merely speaks of may lie in the future."""

_ONLY = sql.SQL("ONLY ")
TINY_PAGES = 8


@dataclass(frozen=True, slots=True)
class Key:
    """A column by which a table's rows are told apart in stretches."""

    column: str
    kind: Literal["integer", "days"]


@dataclass(frozen=True, slots=True)
class Table:
    """One relation to count."""

    schema: str
    name: str
    oid: int
    kind: str
    shown: str
    """How it is recorded: `schema.name`, quoted only where two would be called the same."""
    hint: int
    """Roughly its pages; only for the order of work."""
    tiny: bool
    """As far as is known, so small that asking takes longer than counting."""
    newest: str | None = None
    """The column that says when a row was written."""
    method: str = TEXT
    traits: frozenset[str] = frozenset()
    note: str = ""
    key: Key | None = None
    """By what its rows are cut into stretches; None where it has nothing that would do."""
    parts: tuple[sql.Composable, ...] = ()
    """What is read in its place: the partitions that live here, where others live elsewhere."""
    columns: tuple[str, ...] = ()
    """Known where its content is hashed."""
    generated: tuple[str, ...] = ()
    """Columns that the server computes from the others."""
    hashed: bool = True
    """False where a column cannot be named in a query."""

    @property
    def lies_in(self) -> str:
        """Its schema, where `shown` does not say it plainly."""
        plain_name = self.shown == f"{self.schema}.{self.name}" and self.shown.count(".") == 1
        return "" if plain_name else self.schema

    @property
    def in_stretches(self) -> bool:
        """Whether it can be told where its rows lie, and is so large that it is worth it."""
        return self.hashed and self.key is not None and self.hint > 1

    @property
    def given(self) -> tuple[str, ...]:
        """The others, where both are there and its content is hashed: they are hashed by themselves too."""
        if not self.generated:
            return ()
        return tuple(name for name in self.columns if name not in self.generated)

    def source(self) -> tuple[sql.Composable, ...]:
        """What stands behind FROM. A partitioned table reads its partitions, others only themselves."""
        if self.parts:
            return (sql.SQL("({})").format(sql.SQL(" UNION ALL ").join(self.parts)),)
        name = sql.Identifier(self.schema, self.name)
        return (name,) if self.kind == "partitioned table" else (_ONLY, name)


@dataclass(frozen=True, slots=True)
class Catalog:
    tables: list[Table]
    aside: list[Aside]
    unnamed: list[TableCount]
    """What no query can name, and so nobody here can count."""


class Method(NamedTuple):
    """How a table's rows are hashed."""

    name: str
    traits: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()
    """The table's own, in the order of their names."""
    named: bool = True
    """Whether a query can name all of them."""


def catalog(
    connection: Connection,
    ignore: Sequence[str],
    methods: Mapping[int, Method],
    *,
    version: int,
    standby: bool,
) -> Catalog:
    """Everything that there is to count, in the order of names, and what is left aside.

    `methods` says how each table's rows are hashed, `version` is `server_version_num`. Raises psycopg.Error.
    """
    found = _relations(connection, ignore)
    parents = _parents(connection, found)
    freshness, generated = _particular(connection, version)
    keys = _keys(connection)
    shown = shown_names(found)
    tables, aside, unnamed = [], [], []
    for each in found.values():
        name = shown[each.oid]
        if why := why_aside(each, standby):
            aside.append(Aside(name=name, kind=why[0], why=why[1]))
        elif not each.partition and (odd := why_not(each)):
            unnamed.append(
                TableCount(
                    table=name,
                    rows=None,
                    why_unknown=odd,
                    kind=kind_of(each),
                    lies_in=lies_in(each),
                )
            )
        elif not each.partition:
            method = methods.get(each.oid, Method(RECORD))
            hint = max(1, each.hint + sum(leaf.hint for leaf in each.leaves))
            newest = freshness.get(each.oid)
            tables.append(
                Table(
                    each.schema,
                    each.name,
                    each.oid,
                    kind_of(each),
                    name,
                    hint,
                    each.hinted and hint <= TINY_PAGES and each.kind == "r",
                    newest,
                    method.name,
                    method.traits,
                    note_of(each, each.oid in parents, method.named),
                    key_of(keys.get(each.oid), newest),
                    carried_rows(each) or _parts(connection, each),
                    method.columns,
                    generated.get(each.oid, ()),
                    method.named,
                )
            )
    return Catalog(tables, aside, unnamed)


def _relations(connection: Connection, ignore: Sequence[str]) -> dict[int, Relation]:
    query = _RELATIONS(
        schema=sql.SQL(as_asked(connection, "n.nspname")),
        name=sql.SQL(as_asked(connection, "c.relname")),
    )
    found = {}
    for oid, schema, name, *more in connection.execute(query, {"ignored": list(ignore)}):
        found[oid] = Relation(oid, names.shown(schema), names.shown(name), *more)
        found[oid].named = names.is_text((schema, name))
    for oid, condition in connection.execute(_CARRIED):
        if oid in found and found[oid].extension is not None:
            found[oid].carried = condition
    return found


def _keys(connection: Connection) -> dict[int, tuple[str, bool]]:
    query = _KEYS(name=sql.SQL(as_asked(connection, "a.attname")))
    return {
        oid: (names.shown(column), whole)
        for oid, column, whole in connection.execute(query)
        if names.is_text([column])
    }


def key_of(primary: tuple[str, bool] | None, newest: str | None) -> Key | None:
    """A whole number that alone is the primary key; else the time of writing; else the number that the
    key begins with, like that of a tenant."""
    if primary is not None and primary[1]:
        return Key(primary[0], "integer")
    if newest is not None:
        return Key(newest, "days")
    return Key(primary[0], "integer") if primary is not None else None


def _parents(connection: Connection, found: Mapping[int, Relation]) -> frozenset[int]:
    """Who has children; every leaf of a partitioned table is handed to the table at the top."""
    above: dict[int, int] = dict(connection.execute(_PARENTS).fetchall())
    for each in found.values():
        if not each.partition or each.kind == "p":
            continue
        top = each.oid
        while (higher := found.get(top)) is not None and higher.partition and top in above:
            top = above[top]
        if top in found:
            found[top].leaves.append(each)
    return frozenset(above.values())


def _particular(
    connection: Connection, version: int
) -> tuple[dict[int, str], dict[int, tuple[str, ...]]]:
    """By table: the column that says when a row was written, and the generated ones."""
    best: dict[int, int] = {}
    generated: dict[int, tuple[str, ...]] = {}
    query = _PARTICULAR(
        generated=sql.SQL("a.attgenerated <> ''" if version >= 120000 else "false"),
        name=sql.SQL(as_asked(connection, "a.attname")),
        dates=_DATES,
    )
    for oid, name, dates, computed in connection.execute(query, {"names": list(FRESHNESS)}):
        column = names.shown(name)
        if dates:
            best[oid] = min(best.get(oid, len(FRESHNESS)), FRESHNESS.index(column))
        if computed:
            generated[oid] = tuple(sorted((*generated.get(oid, ()), column)))
    return {oid: FRESHNESS[rank] for oid, rank in best.items()}, generated


def _parts(connection: Connection, each: Relation) -> tuple[sql.Composable, ...]:
    """Where partitions live on other servers: those that live here, with the parent's columns."""
    if not any(leaf.kind == "f" for leaf in each.leaves):
        return ()
    names = [sql.Identifier(row[0]) for row in connection.execute(_COLUMNS, (each.oid,))]
    columns = sql.SQL(", ").join(names)
    own = [leaf for leaf in each.leaves if leaf.kind != "f"]
    made = tuple(
        sql.SQL("SELECT {} FROM ONLY {}").format(columns, sql.Identifier(leaf.schema, leaf.name))
        for leaf in own
    )
    itself = sql.SQL("SELECT {} FROM ONLY {}").format(
        columns, sql.Identifier(each.schema, each.name)
    )
    return (itself, *made)  # the parent holds no rows, but makes this a query where all are foreign
