"""The statements of a merge, each built from quoted names and nothing else.

Rows never stand in a statement: they come through COPY into a temporary table of the session, which goes
with the transaction. Values are compared as PostgreSQL's own text, since not every type has an equality.
"""

import re
from collections.abc import Collection, Sequence

from psycopg import sql

from drbook.core.reviewed import TableFacts
from drbook.providers.merge.describe import Drawn
from drbook.providers.merge.references import Reference

Text = sql.Composable
_AND, _OR, _COMMA = sql.SQL(" AND "), sql.SQL(" OR "), sql.SQL(", ")


def names(columns: Sequence[str]) -> Text:
    return _COMMA.join(sql.Identifier(one) for one in columns)


def table(facts: TableFacts) -> Text:
    """Behind FROM: a partitioned table with its partitions, any other without its children."""
    name = sql.Identifier(facts.schema_, facts.name)
    return name if facts.partitioned else sql.SQL("ONLY {}").format(name)


def of(alias: str, column: str) -> Text:
    return sql.Identifier(alias, column)


def new(number: int) -> str:
    """The name of a staged column: never one of the table's own, which may be anything."""
    return f"n{number}"


def old(number: int) -> str:
    return f"o{number}"


# --- reading -----------------------------------------------------------------------------------


def ordered(facts: TableFacts, version: int) -> sql.Composed:
    """COPY every row whose key is whole, in the order of its key: the parts to order by, then the row."""
    parts = [
        of("t", column) if kind == "integer" else _as_bytes(facts, column, version)
        for column, kind in zip(facts.key, facts.kinds, strict=True)
    ]
    return sql.SQL(
        "COPY (SELECT {keys}, {row} FROM {table} t WHERE {whole} ORDER BY {order}) TO STDOUT"
    ).format(
        keys=_COMMA.join(parts),
        row=_COMMA.join(of("t", one) for one in facts.written),
        table=table(facts),
        whole=_AND.join(sql.SQL("{} IS NOT NULL").format(of("t", one)) for one in facts.key),
        order=_COMMA.join(parts),
    )


def _as_bytes(facts: TableFacts, column: str, version: int) -> Text:
    """Text whose order both servers have, whatever their collations: by its bytes. Keys that are one to the
    server are one text: `1.0` and `1.00`, `0` and `-0`."""
    type_ = next(one.type for one in facts.columns if one.name == column)
    name: Text = of("t", column)
    if type_.startswith("numeric") and version >= 130000:
        name = sql.SQL("trim_scale({})").format(name)
    elif type_ in ("real", "double precision"):
        name = sql.SQL("({} + 0)").format(name)
    return sql.SQL('({}::text COLLATE "C")').format(name)


def without_key(facts: TableFacts) -> sql.Composed:
    return sql.SQL("SELECT count(*) FROM {} t WHERE {}").format(
        table(facts), _OR.join(sql.SQL("{} IS NULL").format(of("t", one)) for one in facts.key)
    )


# --- staging -----------------------------------------------------------------------------------


def stage(name: str, facts: TableFacts, *, both: bool) -> sql.Composed:
    """A temporary table with the types of the table's columns; `both`: the restored row and production's."""
    columns = [
        sql.SQL("t.{} AS {}").format(sql.Identifier(column), sql.Identifier(label(number)))
        for label in ((new, old) if both else (new,))
        for number, column in enumerate(facts.written)
    ]
    return sql.SQL(
        "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} t WITH NO DATA"
    ).format(sql.Identifier(name), _COMMA.join(columns), table(facts))


def staged(name: str) -> Text:
    return sql.Identifier("pg_temp", name)


def fill(name: str) -> sql.Composed:
    return sql.SQL("COPY {} FROM STDIN").format(staged(name))


def analyze(name: str) -> sql.Composed:
    return sql.SQL("ANALYZE {}").format(staged(name))


def by_key(facts: TableFacts) -> Text:
    """The row in production has the key of the staged one."""
    return _AND.join(
        sql.SQL("{} = {}").format(of("t", column), of("s", new(number)))
        for number, column in enumerate(facts.key)
    )


def _same(facts: TableFacts, label: str, without: Collection[str] = ()) -> Text:
    """Every value of the row in production is the staged one's, but for those of some columns."""
    return _AND.join(
        sql.SQL("{}::text IS NOT DISTINCT FROM {}::text").format(
            of("t", column), of("s", f"{label}{number}")
        )
        for number, column in enumerate(facts.written)
        if column not in without
    )


def unchanged(facts: TableFacts) -> Text:
    """The row in production is the staged one, in every value."""
    return sql.SQL("{} AND {}").format(by_key(facts), _same(facts, "n"))


def moves(facts: TableFacts, to: Reference, label: str) -> Text | None:
    """A value that the other table's key refers to would be another one, the staged; None where it cannot
    be. What is computed of others may always be."""
    places = {column: number for number, column in enumerate(facts.written)}
    generated = {one.name for one in facts.columns if one.generated}
    if generated & set(to.there):
        return sql.SQL("true")
    parts = [
        sql.SQL("{}::text IS DISTINCT FROM {}::text").format(
            of("t", one), of("s", f"{label}{places[one]}")
        )
        for one in to.there
        if one in facts.updated
    ]
    return sql.SQL("({})").format(_OR.join(parts)) if parts else None


# --- looking before writing --------------------------------------------------------------------


def present(name: str, facts: TableFacts) -> sql.Composed:
    """Rows to insert whose key is in production by now."""
    return sql.SQL("SELECT count(*) FROM {} s WHERE EXISTS (SELECT FROM {} t WHERE {})").format(
        staged(name), table(facts), by_key(facts)
    )


def lock(name: str, facts: TableFacts) -> sql.Composed:
    """Hold the rows to put back, so that nobody changes them between the look and the write."""
    return sql.SQL(
        "SELECT count(*) FROM (SELECT FROM {} t JOIN {} s ON {} FOR UPDATE OF t) x"
    ).format(table(facts), staged(name), by_key(facts))


def drifted(name: str, facts: TableFacts) -> sql.Composed:
    """Rows to put back that are not in production any more as they were reviewed."""
    return sql.SQL(
        "SELECT count(*) FROM {} s WHERE NOT EXISTS (SELECT FROM {} t WHERE {} AND {})"
    ).format(staged(name), table(facts), by_key(facts), _same(facts, "o"))


def along(name: str, facts: TableFacts, by: Reference) -> sql.Composed | None:
    """Rows to put back with other values of columns by which rows of another table refer to them; None
    where no such column is written."""
    apart = moves(facts, by, "n")
    if apart is None:
        return None
    same = _AND.join(
        sql.SQL("{} = {}").format(of("c", here), of("t", there))
        for here, there in zip(by.here, by.there, strict=True)
    )
    return sql.SQL(
        "SELECT count(*) FROM {} s JOIN {} t ON {} WHERE {} AND EXISTS (SELECT FROM {} c WHERE {})"
    ).format(
        staged(name), table(facts), by_key(facts), apart, sql.Identifier(by.schema, by.table), same
    )


def taken(name: str, facts: TableFacts, columns: Sequence[str]) -> sql.Composed:
    """Rows with values of another unique index that other rows have."""
    places = {column: number for number, column in enumerate(facts.written)}
    same = _AND.join(
        sql.SQL("{} = {}").format(of("t", one), of("s", new(places[one]))) for one in columns
    )
    return sql.SQL(
        "SELECT count(*) FROM {} s WHERE EXISTS (SELECT FROM {} t WHERE {} AND NOT ({}))"
    ).format(staged(name), table(facts), same, by_key(facts))


def orphans(name: str, facts: TableFacts, to: Reference, beside: str) -> sql.Composed:
    """Rows that refer to nothing; `beside` is where rows of the other table wait that are not inserted yet:
    those of a table that refers to itself. Locks what they refer to."""
    places = {column: number for number, column in enumerate(facts.written)}
    here = [of("s", new(places[one])) for one in to.here]
    filled = _AND.join(sql.SQL("{} IS NOT NULL").format(one) for one in here)
    same = _AND.join(
        sql.SQL("{} = {}").format(of("r", there), one)
        for there, one in zip(to.there, here, strict=True)
    )
    missing = sql.SQL("NOT EXISTS (SELECT FROM {} r WHERE {})").format(
        sql.Identifier(to.schema, to.table), same
    )
    if beside:
        waits = _AND.join(
            sql.SQL("{} = {}").format(of("w", new(places[there])), one)
            for there, one in zip(to.there, here, strict=True)
        )
        missing = sql.SQL("{} AND NOT EXISTS (SELECT FROM {} w WHERE {})").format(
            missing, staged(beside), waits
        )
    return sql.SQL("SELECT count(*) FROM {} s WHERE {} AND {}").format(
        staged(name), filled, missing
    )


def hold_parents(name: str, facts: TableFacts, to: Reference) -> sql.Composed:
    """Keep what is referred to from going away until the end, as a foreign key's own trigger would."""
    places = {column: number for number, column in enumerate(facts.written)}
    same = _AND.join(
        sql.SQL("{} = {}").format(of("r", there), of("s", new(places[here])))
        for here, there in zip(to.here, to.there, strict=True)
    )
    return sql.SQL(
        "SELECT count(*) FROM (SELECT FROM {} r WHERE EXISTS (SELECT FROM {} s WHERE {})"
        " FOR KEY SHARE OF r) x"
    ).format(sql.Identifier(to.schema, to.table), staged(name), same)


# --- the two that write ------------------------------------------------------------------------


def insert(name: str, facts: TableFacts) -> sql.Composed:
    """All staged rows in one statement, with the numbers that they had."""
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} s").format(
        sql.Identifier(facts.schema_, facts.name),
        names(facts.written),
        _COMMA.join(of("s", new(number)) for number, _ in enumerate(facts.written)),
        staged(name),
    )


def update(name: str, facts: TableFacts) -> sql.Composed:
    """Put back what rows held; their keys, and what the server alone may set, stay."""
    places = {column: number for number, column in enumerate(facts.written)}
    given = _COMMA.join(
        sql.SQL("{} = {}").format(sql.Identifier(one), of("s", new(places[one])))
        for one in facts.updated
    )
    return sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {}").format(
        table(facts), given, staged(name), by_key(facts)
    )


# --- looking afterwards ------------------------------------------------------------------------


def came_out(name: str, facts: TableFacts) -> sql.Composed:
    """How many staged rows are there now, how many of them as they were reviewed, and how many so but for
    what an UPDATE cannot set."""
    fixed = set(facts.written) - set(facts.key) - set(facts.updated)
    return sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {}) FROM {} s JOIN {} t ON {}"
    ).format(_same(facts, "n"), _same(facts, "n", fixed), staged(name), table(facts), by_key(facts))


_MOMENTS = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "date": "date",
}
_MOMENT = """CASE WHEN {0} BETWEEN (transaction_timestamp() - interval '1 s')::{1}
 AND (clock_timestamp() + interval '1 s')::{1} THEN 'the moment of the merge' ELSE {0}::text END"""
"""A second on both sides for types that round."""


def fingerprints(name: str, facts: TableFacts) -> sql.Composed:
    """COPY a hash of every staged row as it is now, in the order of its key. A moment within this
    transaction is one value, whenever it runs: triggers write it into rows that they touch."""
    types = {one.name: re.sub(r"\(\d+\)", "", one.type) for one in facts.columns}
    values = [
        sql.SQL(_MOMENT).format(of("t", one), sql.SQL(_MOMENTS[types[one]]))
        if types[one] in _MOMENTS
        else sql.SQL("{}::text").format(of("t", one))
        for one in facts.written
    ]
    return sql.SQL(
        "COPY (SELECT md5(ROW({})::text) FROM {} t JOIN {} s ON {} ORDER BY {}) TO STDOUT"
    ).format(
        _COMMA.join(values),
        table(facts),
        staged(name),
        by_key(facts),
        _COMMA.join(of("s", new(number)) for number, _ in enumerate(facts.key)),
    )


def written(name: str, facts: TableFacts, *, both: bool) -> sql.Composed:
    """COPY the rows as they are now, behind them what they were before."""
    columns = [of("t", one) for one in facts.written]
    if both:
        columns += [of("s", old(number)) for number, _ in enumerate(facts.written)]
    return sql.SQL("COPY (SELECT {} FROM {} t JOIN {} s ON {}) TO STDOUT").format(
        _COMMA.join(columns), table(facts), staged(name), by_key(facts)
    )


def reached(name: str, facts: TableFacts, drawn: Drawn) -> sql.Composed:
    """The last inserted value of a column that a sequence fills, in the sequence's own direction."""
    number = facts.written.index(drawn.column)
    last = sql.SQL("max" if drawn.increment > 0 else "min")
    return sql.SQL("SELECT {}({})::bigint FROM {} s").format(
        last, of("s", new(number)), staged(name)
    )


def last_drawn(drawn: Drawn) -> sql.Composed:
    return sql.SQL("SELECT CASE WHEN is_called THEN last_value END FROM {}").format(
        sql.Identifier(drawn.schema, drawn.name)
    )


def draw(drawn: Drawn, steps: int) -> sql.Composed:
    """Draw values. `setval` could move a sequence back that somebody else has moved on meanwhile; this
    cannot. The sequence is named by a literal that holds its quoted name."""
    quoted = sql.Identifier(drawn.schema, drawn.name).as_string()
    return sql.SQL("SELECT max(nextval({}::regclass)) FROM generate_series(1, {})").format(
        sql.Literal(quoted), sql.Literal(steps)
    )
