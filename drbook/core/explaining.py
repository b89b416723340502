"""Where a table differs: which tables are looked at more closely, and what the answer adds.

The reference holds its rows in stretches of a key or of days (`core.ranges`); the restored table is
counted in the same ones, and only where it differs.
"""

from collections.abc import Mapping
from typing import Literal

from drbook.core.baseline import TableCounts
from drbook.core.comparison import Comparison, TableComparison
from drbook.core.hashes import comparable, read
from drbook.core.ranges import Ranges, apart, in_words
from drbook.core.remarks import TableVerdict

MOST_TABLES = 20
"""Tables that are looked at more closely for one question: each is read once more for it."""

Side = Literal["held", "before"]
"""What the backup held, or what production had."""


def wanted(comparison: Comparison, side: Side, reference: TableCounts) -> Mapping[str, Ranges]:
    """The stretches that the restored tables should be counted in, the worst tables first."""
    known = reference.by_name()
    rows = sorted(
        (row for row in comparison.tables if _differs(row, side)),
        key=lambda row: (-_by_how_much(row, side), row.table),
    )
    found: dict[str, Ranges] = {}
    for row in rows:
        count = known.get(row.table)
        if count is not None and count.ranges is not None and len(found) < MOST_TABLES:
            found[row.table] = count.ranges
    return found


def explained(
    comparison: Comparison,
    side: Side,
    reference: TableCounts,
    restored: TableCounts,
    found: Mapping[str, Ranges],
) -> Comparison:
    """The same, and for each of these tables the stretches that differ. Verdicts stay what they are."""
    known, counts = reference.by_name(), restored.by_name()
    versions = (reference.identity.server_version, restored.identity.server_version)
    rows = []
    for row in comparison.tables:
        ranges = found.get(row.table)
        held = known[row.table] if ranges is not None else None
        if ranges is None or held is None or held.ranges is None:
            rows.append(row)
            continue
        contents = (held.content, counts[row.table].content)
        words = _words(side, held.ranges, ranges, contents, versions, row.rewritten)
        rows.append(row.model_copy(update={"where" if side == "held" else "lost_where": words}))
    return comparison.model_copy(update={"tables": tuple(rows)})


def _differs(row: TableComparison, side: Side) -> bool:
    if row.restored is None:
        return False
    if side == "before":
        return row.rewritten or (row.lost is not None and row.lost > 0)
    return row.verdict is TableVerdict.FAIL and row.check in ("rows", "content", "newest")


def _by_how_much(row: TableComparison, side: Side) -> int:
    other = row.before if side == "before" else row.expected
    return abs((other or 0) - (row.restored or 0))


def _words(
    side: Side,
    held: Ranges,
    found: Ranges,
    contents: tuple[str | None, str | None],
    versions: tuple[int, int],
    rewritten: bool,
) -> tuple[str, ...]:
    """Of production's rows what is fewer, and where no number tells of them, what is changed: others were
    written in a living database."""
    one, other = contents
    content = (
        (side == "held" or rewritten)
        and one is not None
        and other is not None
        and not comparable(read(one, versions[0]), read(other, versions[1]))
    )
    stretches = apart(held, found, content=content)
    if side == "before":
        stretches = tuple(each for each in stretches if each.change != "more")
    return in_words(held, stretches)
