"""Two databases that are both alive, row by row where they differ and nowhere else.

Both are read in guarded sessions, each in one snapshot. A table with a whole number as its primary key
is cut into stretches of it, and those that differ into smaller ones, through the key's index. Other
tables are cut by the hash of their key, or of the whole row where there is none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from drbook.core.baseline import LARGE_OBJECTS
from drbook.core.difference import (
    LEAF,
    RowChange,
    RowDifference,
    TableDifference,
    Wish,
    narrower,
    sorted_out,
    whole,
)
from drbook.core.hashes import RECORD, TEXT, Hashed, comparable
from drbook.core.ranges import MOST_PARTS, Ranges, apart, differing, in_words
from drbook.core.values import plain
from drbook.providers.hiding import MARGIN, scrub
from drbook.providers.pgcatalog import Key, Table
from drbook.providers.pgcount import TooManyObjects, read_objects
from drbook.providers.pgranges import ALL, BACK, grouped, read_ranges, row_hash
from drbook.providers.pgsession import Connection, said

BUCKETS = 4096
"""Groups of a table that is cut by hashes."""
MOST_ROWS = 200_000
"""Rows of one table, of both sides together, behind which no more are read one by one."""
SHOWN = 200
"""Characters of one value."""


@dataclass(frozen=True, slots=True)
class Side:
    connection: Connection
    table: Table
    key: tuple[str, ...]
    """The columns of the primary key."""
    major: int
    types: Mapping[str, str] = field(default_factory=dict)
    """Of its columns, as `format_type` writes them."""

    def of_key(self, column: str) -> sql.Composable:
        """A column of the key, so that two keys that are one to the server are one text: `1.0` and `1.00`,
        `0` and `-0`."""
        name, type_ = sql.SQL("t.{}").format(sql.Identifier(column)), self.types.get(column, "")
        if type_ == "numeric" or (type_.startswith("numeric(") and type_.endswith(")")):
            return sql.SQL("trim_scale({})").format(name) if self.major >= 13 else name
        return sql.SQL("({} + 0)").format(name) if type_ in _FLOATS else name


_FLOATS = ("real", "double precision")
_Row = tuple[tuple[str, ...], str, Sequence[str | None]]


@dataclass(slots=True)
class _Found:
    """What is known of one table while it is looked at."""

    counts: Counter[RowChange] = field(default_factory=Counter)
    sample: list[RowDifference] = field(default_factory=list)
    rows_read: int = 0
    at_least: bool = False


def differ(left: Side, right: Side, wish: Wish) -> TableDifference:
    """One table of both. What cannot be compared comes back with its reason; nothing is raised but a
    lost connection (psycopg.Error)."""
    left, right = _same_method(left, right)
    why = comparable(*(_hashed(side) for side in (left, right)))
    if why:
        return _unknown(left, why)
    if left.key != right.key:
        return _unknown(left, f"its primary keys are ({_named(left)}) and ({_named(right)})")
    show = wish.show.get(left.table.shown, ())
    try:
        return _Differ(left, right, wish.sample, show).run()
    except psycopg.Error as error:
        for side in (left, right):
            if side.connection.closed:
                raise
            side.connection.execute(BACK)
        return _unknown(left, said(error))


def _named(side: Side) -> str:
    return ", ".join(plain(column, 63) for column in side.key)


def _unknown(left: Side, why: str) -> TableDifference:
    return TableDifference(table=left.table.shown, left=None, right=None, why_unknown=why)


def _same_method(left: Side, right: Side) -> tuple[Side, Side]:
    """Both by the types' own functions, or both by text; all columns, and none of them apart."""
    method = RECORD if left.table.method == right.table.method == RECORD else TEXT
    return (
        replace(left, table=replace(left.table, method=method, generated=())),
        replace(right, table=replace(right.table, method=method, generated=())),
    )


def _hashed(side: Side) -> Hashed:
    return Hashed(side.table.method, side.table.traits, "", side.major)


def differ_objects(
    left: Connection, right: Connection, majors: tuple[int, int], wish: Wish
) -> TableDifference | None:
    """The large objects of both, one by one; None where neither has any. Raises as `differ` does."""
    sides: list[Mapping[tuple[str, ...], str]] = []
    for connection in (left, right):
        try:
            sides.append(read_objects(connection, RECORD if min(majors) >= 14 else TEXT, MOST_ROWS))
        except psycopg.Error as error:
            if connection.closed:
                raise
            connection.execute(BACK)
            return _unknown_objects(said(error))
        except TooManyObjects:
            return _unknown_objects(
                f"there are more than {MOST_ROWS}, which are not read one by one"
            )
    if not any(sides):
        return None
    counts: Counter[RowChange] = Counter()
    sample: list[RowDifference] = []
    for key, change in sorted_out(sides[0], sides[1]):
        counts[change] += 1
        if len(sample) < wish.sample:
            sample.append(RowDifference(key={"oid": key[0]}, change=change))
    return TableDifference(
        table=LARGE_OBJECTS,
        left=len(sides[0]),
        right=len(sides[1]),
        missing=counts["missing"],
        extra=counts["extra"],
        changed=counts["changed"],
        sample=tuple(sample),
        rows_read=len(sides[0]) + len(sides[1]),
    )


def _unknown_objects(why: str) -> TableDifference:
    return TableDifference(table=LARGE_OBJECTS, left=None, right=None, why_unknown=why)


class _Differ:
    """One table at work."""

    def __init__(self, left: Side, right: Side, sample: int, show: Sequence[str]) -> None:
        self.sides = (left, right)
        self.wanted = sample
        self.show = show
        self.found = _Found()
        key = left.table.key
        alone = key is not None and key.kind == "integer" and left.key == (key.column,)
        self.key = key if alone and key == right.table.key else None

    def run(self) -> TableDifference:
        left, right = self._at_first()
        stretches = differing(left, right)
        where: tuple[str, ...] = ()
        if self.key is None:
            those = _among(self._bucket(), [one.at or 0 for one in stretches])
            self._rows_of(
                those, sum(one.held for one in stretches), sum(one.found for one in stretches)
            )
        else:
            where = in_words(left, apart(left, right))
            width = left.width if left.parts else right.width
            for one in stretches:
                at = one.at or 0
                self._closer((at * width, at * width + width - 1), one.held, one.found)
        rows = [sum(part.rows for part in side.parts) for side in (left, right)]
        for side in self.sides:
            side.connection.execute(BACK)
        return TableDifference(
            table=self.sides[0].table.shown,
            left=rows[0],
            right=rows[1],
            missing=self.found.counts["missing"],
            extra=self.found.counts["extra"],
            changed=self.found.counts["changed"],
            at_least=self.found.at_least,
            where=where,
            sample=tuple(self.found.sample[: self.wanted]),
            rows_read=self.found.rows_read,
        )

    def _at_first(self) -> tuple[Ranges, Ranges]:
        """Each whole table once."""
        left, right = self.sides
        if self.key is None:
            return self._both(Key("", "integer"), self._bucket(), 1, ALL)
        first = read_ranges(left.connection, left.table, self.key).ranges
        width = first.width if first.parts else None
        return first, read_ranges(right.connection, right.table, self.key, width).ranges

    def _both(
        self, key: Key, by: sql.Composable, width: int, where: sql.Composable
    ) -> tuple[Ranges, Ranges]:
        left, right = (
            grouped(side.connection, side.table, key, by, width, where).ranges
            for side in self.sides
        )
        return left, right

    def _bucket(self) -> sql.Composable:
        """A hash of the key, or of the row, cut to so many groups."""
        left = self.sides[0]
        of: sql.Composable = row_hash(left.table)
        if left.key:
            key = sql.SQL(", ").join(left.of_key(column) for column in left.key)
            of = sql.SQL('hashtextextended(ROW({})::text COLLATE "C", 0)').format(key)
        return sql.SQL("({} & {})").format(of, sql.Literal(BUCKETS - 1))

    def _closer(self, within: tuple[int, int], left: int, right: int) -> None:
        """Cut a stretch that differs until its rows can be read, or one side has none in it."""
        assert self.key is not None
        column = sql.SQL("t.{}").format(sql.Identifier(self.key.column))
        low, high = (sql.Literal(end) for end in within)
        where = sql.SQL("{} BETWEEN {} AND {}").format(column, low, high)
        if not left or not right or max(left, right) <= LEAF or self._enough:
            self._rows_of(where, left, right)
        else:
            width = narrower(within[1] - within[0] + 1, MOST_PARTS)
            parts = self._both(self.key, column, width, where)
            for one in differing(*parts):
                start = (one.at or 0) * width
                inside = (max(within[0], start), min(within[1], start + width - 1))
                self._closer(inside, one.held, one.found)

    @property
    def _enough(self) -> bool:
        return self.found.rows_read >= MOST_ROWS

    def _rows_of(self, where: sql.Composable, left: int, right: int) -> None:
        """Rows that nothing divides any further: counted where one side has none, else read."""
        if not left or not right:
            if left or right:
                self._one_sided(where, left - right)
        elif self._enough or max(left, right) > MOST_ROWS:
            self._left_unread(left, right)
        else:
            self._leaf(where)

    def _left_unread(self, left: int, right: int) -> None:
        """What its numbers say alone."""
        self.found.at_least = True
        if left == right:
            self.found.counts["changed"] += 1
        else:
            self.found.counts[whole(left - right)] += abs(left - right)

    def _one_sided(self, where: sql.Composable, more: int) -> None:
        change = whole(more)
        self.found.counts[change] += abs(more)
        side = self.sides[0] if more > 0 else self.sides[1]
        left_to_show = self.wanted - len(self.found.sample)
        if left_to_show > 0 and side.key:
            for key, _, values in self._rows(side, where, left_to_show):
                self._keep(key, change, values if more > 0 else None, None if more > 0 else values)

    def _leaf(self, where: sql.Composable) -> None:
        """Read the rows of both sides one by one."""
        rows = [list(self._rows(side, where, MOST_ROWS)) for side in self.sides]
        self.found.rows_read += sum(len(each) for each in rows)
        if not self.sides[0].key:
            left, right = (Counter(hashed for _, hashed, _ in each) for each in rows)
            self.found.counts["missing"] += (left - right).total()
            self.found.counts["extra"] += (right - left).total()
            return
        hashes = [{key: hashed for key, hashed, _ in each} for each in rows]
        values = [{key: shown for key, _, shown in each} for each in rows]
        for key, change in sorted_out(*hashes):
            self.found.counts[change] += 1
            self._keep(key, change, values[0].get(key), values[1].get(key))

    def _rows(self, side: Side, where: sql.Composable, limit: int) -> Iterator[_Row]:
        """Key, hash and shown values. Without a key only the hash."""
        query = sql.SQL(
            "SELECT ARRAY[{key}]::text[], ({hash})::text, ARRAY[{show}]::text[] FROM {table} t"
            " WHERE {where} LIMIT {limit}"
        ).format(
            key=sql.SQL(", ").join(
                sql.SQL("{}::text").format(side.of_key(each)) for each in side.key
            ),
            hash=row_hash(side.table),
            show=_starts(self.show),
            table=sql.Composed(side.table.source()),
            where=where,
            limit=sql.Literal(limit),
        )
        for key, hashed, values in side.connection.execute(query):
            yield tuple(key), hashed, values

    def _keep(
        self,
        key: tuple[str, ...],
        change: RowChange,
        left: Sequence[str | None] | None,
        right: Sequence[str | None] | None,
    ) -> None:
        if len(self.found.sample) < self.wanted:
            names = [plain(column, 63) for column in self.sides[0].key]
            self.found.sample.append(
                RowDifference(
                    key=dict(zip(names, (plain(scrub(part), SHOWN) for part in key), strict=True)),
                    change=change,
                    left=self._shown(left),
                    right=self._shown(right),
                )
            )

    def _shown(self, values: Sequence[str | None] | None) -> dict[str, str | None]:
        if values is None:
            return {}
        return {
            plain(column, 63): None if value is None else plain(scrub(value), SHOWN)
            for column, value in zip(self.show, values, strict=True)
        }


_name = sql.Identifier


def _starts(names: Sequence[str]) -> sql.Composed:
    """Each as text, and no longer than what is looked through for secrets."""
    each, most = sql.SQL("left(t.{}::text, {})").format, sql.Literal(SHOWN + MARGIN)
    return sql.SQL(", ").join(each(_name(name), most) for name in names)


def _among(bucket: sql.Composable, numbers: Sequence[int]) -> sql.Composed:
    return sql.SQL("{} = ANY ({}::bigint[])").format(bucket, sql.Literal(list(numbers)))
