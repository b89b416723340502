"""The rows that were counted in the archive as what its restore is held to, where no manifest says more.

That proves that everything in the archive arrived, not that the archive holds what it should.
"""

from collections.abc import Sequence

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.baseline import LARGE_OBJECTS, TableCount, TableCounts
from drbook.core.values import counted, plain

_NOT_TABLES = ("materialized view", LARGE_OBJECTS)
"""What an archive has no rows of: the restore computes the first anew, the others have an entry of their
own."""
_NO_DATA = "the archive holds no data for it"
_NOT_WHOLE = "it is not known that the archive holds all of them with their bytes"


def shown_rows(held: ArchiveFacts) -> str:
    """How many rows an archive holds, in a sentence without an end."""
    if held.rows is None:
        return f"its rows could not be counted: {plain(held.why_no_rows, 200)}"
    text = f"{counted(sum(held.rows.values()), 'row')} in {counted(len(held.rows), 'table')}"
    if held.large_objects:
        text += f", {counted(held.large_objects, 'large object')}"
    if held.uncounted:
        return f"{text}; {counted(len(held.uncounted), 'table')} could not be counted"
    return text


def expected_of(
    held: ArchiveFacts, restored: TableCounts, ignored: Sequence[str] = ()
) -> TableCounts | None:
    """What the archive says that the tables hold, in a manifest's shape; None where nothing was counted.

    Tables in schemas that the runbook ignores are not expected, since they are not counted. A table
    that is there without the archive having data for it has an unknown count.
    """
    if held.rows is None:
        return None
    found = restored.by_name()

    def asked(table: str) -> bool:
        return table in found or held.schema_of(table) not in ignored

    tables = [
        TableCount(table=table, rows=rows, lies_in=held.lies_in.get(table, ""))
        for table, rows in held.rows.items()
        if asked(table)
    ]
    tables += [
        TableCount(table=table, rows=None, why_unknown=held.uncounted.get(table, _NO_DATA))
        for table in sorted({*found, *held.uncounted} - held.rows.keys())
        if asked(table)
        if table not in found or found[table].kind not in _NOT_TABLES
    ]
    if LARGE_OBJECTS in found or held.large_objects:
        tables.append(_objects(held.large_objects))
    return TableCounts(identity=restored.identity, taken_at=restored.taken_at, tables=tuple(tables))


def _objects(total: int | None) -> TableCount:
    why = _NOT_WHOLE if total is None else ""
    return TableCount(table=LARGE_OBJECTS, rows=total, why_unknown=why, kind=LARGE_OBJECTS)
