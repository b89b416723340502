"""What of an archive's data is counted while it passes: the rows of each table, and large objects."""

from dataclasses import dataclass, field

from drbook.core.values import counted


@dataclass(slots=True)
class _Sums:
    """Which large objects, in constant memory: two of these are equal where the same ones were added."""

    number: int = 0
    plain: int = 0
    square: int = 0

    def add(self, oid: int) -> None:
        self.number += 1
        self.plain += oid
        self.square += oid * oid


@dataclass(slots=True)
class Objects:
    """Large objects, which have no rows: each is made in one place, and has its bytes in another."""

    made: _Sums = field(default_factory=_Sums)
    held: _Sums = field(default_factory=_Sums)
    """Those whose bytes were there, if none at all."""

    def add(self, what: bytes, oid: int) -> None:
        """`create` for one that is made, `open` for one whose bytes begin."""
        (self.made if what == b"create" else self.held).add(oid)

    @property
    def any_held(self) -> bool:
        return self.held.number > 0

    @property
    def lost(self) -> str:
        """Why they are not whole, in words that follow on `it `; empty where they are."""
        if self.made == self.held:
            return ""
        others = "" if self.made.number != self.held.number else ", not all of them the same"
        made = counted(self.made.number, "large object")
        return f"makes {made} and holds the bytes of {self.held.number}{others}"

    @property
    def total(self) -> int | None:
        """How many a restore makes; None where not all of them are whole."""
        return None if self.lost else self.made.number


class Rows:
    """Rows by table, and which table is whose partition."""

    def __init__(self) -> None:
        self._own: dict[str, int] = {}
        self._uncounted: dict[str, str] = {}
        self._split: set[str] = set()
        self._parent: dict[str, str] = {}
        self.added = 0
        """All rows so far."""
        self.lies_in: dict[str, str] = {}
        """Of tables whose names have a further dot: the schema of each."""
        self.held = 0
        """Bytes of names, about."""

    @property
    def any(self) -> bool:
        """Whether there is data of a table, if of no row."""
        return bool(self._own or self._uncounted)

    def add(self, table: str, rows: int) -> None:
        if table not in self._own:
            self.held += len(table)
        self._own[table] = self._own.get(table, 0) + rows
        self.added += rows

    @property
    def tables(self) -> int:
        """How many have had data so far."""
        return len(self._own)

    def give_up(self, table: str, why: str) -> None:
        if table not in self._uncounted:
            self.held += len(table)
        self._uncounted[table] = why

    def created(self, table: str, parent: str, split: bool) -> None:
        self.held += len(table) + len(parent)
        if split:
            self._split.add(table)
        if parent:
            self._parent[table] = parent

    def attached(self, table: str, parent: str) -> None:
        self.held += len(table) + len(parent)
        self._parent[table] = parent

    def _root(self, table: str) -> str:
        seen = {table}
        while (above := self._parent.get(table, "")) and above not in seen:
            seen.add(above)
            table = above
        return table

    def totals(self) -> tuple[dict[str, int], dict[str, str]]:
        """Rows of each table that a count of the restored database shows, and what stays uncounted.

        A partition without data, below a table that has none of its own either (as it has in a dump
        with `--load-via-partition-root`), leaves the whole uncounted.
        """
        uncounted = {self._root(table): why for table, why in self._uncounted.items()}
        rows = {table: 0 for table in self._split if table not in self._parent}
        for table, own in self._own.items():
            root = self._root(table)
            rows[root] = rows.get(root, 0) + own
        for table in self._parent:
            root = self._root(table)
            if not {table, root} & self._own.keys() and table not in self._split:
                uncounted.setdefault(root, f"the archive holds no data of its partition {table}")
        # Data of a table that the archive does not create goes into an extension's own table.
        known = {table: own for table, own in rows.items() if table not in uncounted}
        return known, uncounted

    def partitions(self) -> dict[str, int]:
        """Rows of each partition that has data of its own."""
        return {table: own for table, own in self._own.items() if table in self._parent}
