"""How far a load is: rows of how many, tables done of those with data, and which table now.

Rows count, since one table may be larger than all others; the archive's own are known where it was read
to its end. Figures never go back, and are never more than there is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.signals import Output, Progress, Signal
from drbook.core.values import counted, plain, show_size
from drbook.providers.archive import Meter
from drbook.providers.archive_read import ArchiveReader
from drbook.providers.targets.copying import Look

_DATA = re.compile(r'processing data for table "(.*)"')
_OTHER = ("creating ", "executing ", "processing ")
TABLE_DATA = " TABLE DATA "


def rows_of(held: ArchiveFacts | None) -> int | None:
    """All rows that the archive holds; None where some were not counted."""
    return held.total_rows if held is not None and not held.uncounted else None


def _now(table: str, done: int, tables: int | None, size: str) -> str:
    if tables is None:
        said = f"{counted(done, 'table')} done"
    else:
        said = f"{done:,} of {counted(tables, 'table')} done"
    return " · ".join(part for part in (plain(table, 100), said, size) if part)


class Restoring:
    """Follows pg_restore's verbose lines where it loads by itself: first it creates, then it loads, then it
    builds indexes and what else comes last."""

    def __init__(
        self,
        entries: Sequence[str],
        held: ArchiveFacts | None,
        look: Look = lambda: None,
        meter: Meter | None = None,
    ) -> None:
        """`entries` are the lines of the archive's list that are restored, in their order; `meter` counts
        the archive's bytes, where it is fed."""
        data = [at for at, line in enumerate(entries) if TABLE_DATA in line]
        self._tables = len(data)
        self._before = data[0] if data else len(entries)
        self._rows = rows_of(held)
        self._own = {**(held.rows or {}), **held.partitions} if held is not None else {}
        self._look, self._meter = look, meter
        self._table = ""
        self._begun = self._done = self._others = self._built = 0
        self._ended_rows = self._table_rows = self._most = 0
        self._at = ""

    def __call__(self, line: str) -> Signal | None:
        text = line.removeprefix("pg_restore: ")
        if match := _DATA.match(text):
            self._end_table()
            self._table = match[1]
            self._begun += 1
            return Output(plain(text, 100))
        if not text.startswith(_OTHER):
            return None
        self._end_table()
        self._at = plain(text, 100)
        if self._begun and self._done == self._tables:
            self._built += 1
            return self._loaded() if self._built == 1 else None
        self._others += not self._begun
        return None

    def _end_table(self) -> None:
        """The table before has all of its rows."""
        if self._table:
            self._ended_rows += self._own.get(self._table, self._table_rows)
            self._done += 1
        self._table, self._table_rows = "", 0

    def tick(self) -> Signal:
        if not self._begun:
            done = min(self._others, self._before)
            return Progress("create", done, self._before, "objects", self._at)
        if self._built:
            return Progress("build", self._built, None, "objects", self._at)
        return self._loaded()

    def ended(self) -> Signal | None:
        """When the program has ended well; None where that was said, or there was no data."""
        self._end_table()
        return self._loaded() if self._begun and not self._built else None

    def _loaded(self) -> Progress:
        written = ""
        if (seen := self._look()) is not None:
            written = f"{show_size(seen.written)} written"
            if seen.table and seen.table == self._table:
                most = self._own.get(self._table, seen.rows)
                self._table_rows = max(self._table_rows, min(seen.rows, most))
        if (meter := self._meter) is not None:
            written = written or f"{show_size(meter.done)} read"
        now = _now(self._table, self._done, self._tables, written)
        if self._rows is not None:
            rows = self._ended_rows + self._table_rows
            rows = self._rows if self._done == self._tables else rows
            self._most = max(self._most, min(rows, self._rows))
            return Progress("load", self._most, self._rows, "rows", now)
        if meter is not None:
            return Progress("load", min(meter.done, meter.total), meter.total, "bytes", now)
        return Progress("load", self._done, self._tables, "tables", now)


class Passing:
    """Follows SQL on its way to psql, which takes it as fast as the server does."""

    def __init__(
        self, held: ArchiveFacts | None, meter: Meter, *, metered: bool, tables: int | None = None
    ) -> None:
        """`metered` where the archive's bytes are counted as they are read; `tables` is how many have
        data, where that is known."""
        self._rows = rows_of(held)
        self._meter, self._metered = meter, metered
        self._tables = tables
        self._reader = ArchiveReader()
        self._passed = self._reader.passed
        self._most = 0

    def pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces; in the feeding thread."""
        for piece in pieces:
            self._reader.feed(piece)
            self._passed = self._reader.passed  # whole, for the thread that asks
            yield piece

    def tick(self) -> Signal:
        passed = self._passed
        now = _now(passed.table, passed.tables, self._tables, f"{show_size(passed.bytes)} sent")
        if self._rows is not None:
            self._most = max(self._most, min(passed.rows, self._rows))
            return Progress("load", self._most, self._rows, "rows", now)
        if self._metered:
            done = min(self._meter.done, self._meter.total)
            return Progress("load", done, self._meter.total, "bytes", now)
        done = passed.tables if self._tables is None else min(passed.tables, self._tables)
        return Progress("load", done, self._tables, "tables", now)
