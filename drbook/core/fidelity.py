"""One table: is it what the backup held? A row of checks, and the first that has an answer decides.

Each check can be taken away by itself, which is how the tests show that none of them is idle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from drbook.core.baseline import LARGE_OBJECTS, OF_AN_EXTENSION, TableCount
from drbook.core.hashes import comparable, read
from drbook.core.remarks import TableVerdict
from drbook.core.values import counted, plain

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY

Judged = tuple[TableVerdict, str]


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one table."""

    name: str
    found: TableCount | None
    """As restored."""
    held: TableCount | None
    """As the backup's manifest says, or without one as it was counted in the archive."""
    known: TableCount | None
    """As the baseline says."""
    has_manifest: bool
    counted: bool = False
    """True where `held` was counted in the archive: it says what must have arrived, not what the backup
    should hold."""
    older: bool = False
    """True where the baseline was captured before the backup was taken."""
    before: datetime | None = None
    """Rows of a younger baseline that are dated before this were production's when the backup was taken;
    None for an older baseline."""
    not_here: str = ""
    """Why the restored one was not counted on purpose; empty where it was."""
    versions: tuple[int, int] = (0, 0)
    """`server_version_num` of the server that the manifest was made on, and of this one."""
    left_aside: str = ""
    """Why the manifest has no figures of it though the backup may hold it; empty where it does not say."""
    covers: bool = True
    """False for a manifest that is older than the counting of views and large objects."""

    @property
    def derived(self) -> bool:
        """A materialized view: a dump holds its query, and the restore computes it anew."""
        return self.found is not None and self.found.kind == "materialized view"

    @property
    def holder(self) -> str:
        return "archive" if self.counted else "backup"


def judge(case: Case) -> tuple[str, TableVerdict, str]:
    """The check that decided (a key of `CHECKS`), its verdict on the table, and the reason."""
    for name, check in CHECKS.items():
        answer = check(case)
        if answer is not None:
            return name, *answer
    return "", UNSURE, "no manifest and no baseline to compare with"


def _restored(case: Case) -> Judged | None:
    if case.found is not None:
        return None
    if case.held is not None and case.not_here.startswith(OF_AN_EXTENSION):
        return UNSURE, f"not counted here: {case.not_here}"
    if case.held is not None:
        return FAIL, "missing in the restored database"
    if case.has_manifest:
        return GOOD, "in the baseline, and not in the backup, as its manifest says"
    return UNSURE, "in the baseline, not restored; nothing says whether the backup held it"


def _counted(case: Case) -> Judged | None:
    if case.found is not None and case.found.rows is None:
        return UNSURE, case.found.why_unknown or "not counted"
    return None


# --- against what the backup held ------------------------------------------------------------


def _in_the_backup(case: Case) -> Judged | None:
    if case.held is not None or case.found is None or not (case.has_manifest or case.counted):
        return None
    if case.counted:
        if case.derived:
            return GOOD, "computed by the restore; an archive holds no rows of it"
        return UNSURE, f"{case.found.kind} are not counted in an archive"
    if case.left_aside and case.found.rows == 0:
        return GOOD, "empty; the manifest left it aside"
    if case.left_aside:
        return UNSURE, f"the manifest left it aside: {case.left_aside}"
    if not case.covers and case.derived:
        return GOOD, "computed by the restore; the manifest does not speak of it"
    if not case.covers and case.found.kind == LARGE_OBJECTS:
        return UNSURE, "the manifest does not speak of large objects"
    return FAIL, "not in the backup's manifest"


def _counted_in_the_backup(case: Case) -> Judged | None:
    if case.held is not None and case.held.rows is None:
        return UNSURE, case.held.why_unknown or f"not counted in the {case.holder}"
    return None


def _rows(case: Case) -> Judged | None:
    held, found = case.held, case.found
    if held is None or found is None or found.rows == held.rows:
        return None
    if case.derived:
        return (
            UNSURE,
            f"held {held.rows} rows; the restore computed it anew, and found {found.rows}",
        )
    what = "" if found.kind == LARGE_OBJECTS else " rows"
    return FAIL, f"the {case.holder} held {held.rows}{what}, {found.rows} were restored"


def only_generated(one: TableCount, other: TableCount) -> bool | None:
    """Of two tables with other contents: whether all but their generated columns is the same; None where
    that was not recorded."""
    if not one.generated and not other.generated:
        return False
    if one.generated is None or other.generated is None:
        return None
    same = sorted(one.generated) == sorted(other.generated)
    return same and one.content_given == other.content_given


def _generated(case: Case) -> Judged | None:
    """Their functions are immutable by declaration alone: where one was replaced, a dump's rows come back
    with other values."""
    held, found = case.held, case.found
    if held is None or found is None or held.content is None or found.content is None:
        return None
    if held.content == found.content or case.derived or _not_comparable(held, found, case.versions):
        return None
    only = only_generated(held, found)
    if only is False:
        return None
    names = ", ".join(plain(name, 63) for name in (found.generated or held.generated or ())[:5])
    if only:
        return (
            UNSURE,
            f"all but generated columns ({names}) is as the backup held it; these a restore computes "
            "anew, and nothing says what their functions gave when the rows were written",
        )
    return (
        UNSURE,
        f"the rows' content differs, and whether in more than generated columns ({names}), which a restore "
        "computes anew, a manifest of an older drbook does not say",
    )


def _not_comparable(held: TableCount, found: TableCount, versions: tuple[int, int]) -> str:
    """Why two different hashes say nothing; empty where they do."""
    one, other = (
        read(content or "", version)
        for content, version in zip((held.content, found.content), versions, strict=True)
    )
    return comparable(one, other)


def _content(case: Case) -> Judged | None:
    held, found = case.held, case.found
    if held is None or found is None or held.content is None or found.content is None:
        return None
    if held.content == found.content:
        return GOOD, "content"
    if why := _not_comparable(held, found, case.versions):
        return UNSURE, why
    if case.derived:
        return UNSURE, "the restore computed it anew, with another content"
    return FAIL, "the rows' content differs from what the backup held"


def _newest(case: Case) -> Judged | None:
    held, found = case.held, case.found
    if held is None or found is None or held.newest is None or found.newest == held.newest:
        return None
    if case.derived:
        return UNSURE, "the restore computed it anew, with another newest row"
    if {held.newest_column, found.newest_column} & {*(found.generated or ())}:
        return (
            UNSURE,
            "the newest row differs, by a generated column, which a restore computes anew",
        )
    return FAIL, "the newest row differs from what the backup held"


def _as_held(case: Case) -> Judged | None:
    if case.held is None or case.found is None:
        return None
    if case.found.rows == 0:
        return GOOD, f"empty, as in the {case.holder}"
    return GOOD, "as many as in the archive" if case.counted else "count"


# --- against a baseline, where no manifest says what the backup should hold -------------------


def _fewer(case: Case) -> Judged | None:
    """Rows are deleted in a living database; without a manifest that looks like damage."""
    known, found = case.known, case.found
    if case.has_manifest or not case.older or known is None or found is None:
        return None
    if known.rows is None or found.rows is None or found.rows >= known.rows:
        return None
    what = "empty" if found.rows == 0 else f"{found.rows} rows"
    return (
        UNSURE,
        f"{what}, where the baseline, which is older than the backup, has {known.rows}; whether the "
        "others were deleted or are missing, no manifest says",
    )


def _dated(case: Case) -> Judged | None:
    """A copy that is younger than the baseline holds its newest row, unless that was deleted."""
    known, found = case.known, case.found
    if case.has_manifest or not case.older or known is None or found is None:
        return None
    if known.newest is None or known.newest_column != found.newest_column:
        return None
    if found.newest is not None and found.newest >= known.newest:
        return None
    return (
        UNSURE,
        "its newest row is older than that of the baseline, which was captured before the backup: the "
        "backup may be older than it claims",
    )


HARDLY = 10
"""A table that has less than one in so many rows of what production had soon after is in doubt."""
MANY = 100
"""Fewer rows than this may well have come in between."""


def _had_then(case: Case) -> Judged | None:
    """Rows that a younger baseline dates before the backup had to be in it, unless they were dated back."""
    known, found = case.known, case.found
    if case.has_manifest or case.before is None or known is None or found is None:
        return None
    rows = _rows_before(known, case.before)
    if rows is None or found.rows is None or found.rows >= rows:
        return None
    return (
        UNSURE,
        f"{counted(found.rows, 'row')}, where the baseline has {rows} that are dated before the backup: it "
        "may be older than it claims, or another database's",
    )


def _newest_then(case: Case) -> Judged | None:
    """The same by the newest of them."""
    known, found = case.known, case.found
    if case.has_manifest or case.before is None or known is None or found is None:
        return None
    newest = _newest_before(known, case.before)
    if newest is None or known.newest_column != (found.newest_column or known.newest_column):
        return None
    if found.newest is not None and found.newest >= newest:
        return None
    return (
        UNSURE,
        f"its newest row is older than others of the baseline that are dated before the backup "
        f"({newest:%Y-%m-%d}): it may be older than it claims, or another database's",
    )


def _hardly_any(case: Case) -> Judged | None:
    """Without dates: a table with next to nothing of what production had soon after."""
    known, found = case.known, case.found
    if case.has_manifest or case.before is None or known is None or found is None:
        return None
    if known.rows is None or found.rows is None or case.derived:
        return None
    if known.rows < MANY or found.rows * HARDLY >= known.rows or _dates(known):
        return None
    return (
        UNSURE,
        f"{counted(found.rows, 'row')}, where the baseline, captured after the backup, has {known.rows}; "
        "whether the others came in between, nothing says",
    )


def _dates(known: TableCount) -> bool:
    return known.ranges is not None and any(part.last for part in known.ranges.parts)


def _rows_before(known: TableCount, at: datetime) -> int | None:
    """How many rows it surely had before; None where nothing tells of dates."""
    if known.newest is not None and known.newest <= at:
        return known.rows
    if known.ranges is None or not _dates(known):
        return None
    return sum(part.rows for part in known.ranges.parts if part.last and part.last <= at)


def _newest_before(known: TableCount, at: datetime) -> datetime | None:
    """The newest time before that one of its rows is known to have."""
    times = [known.newest]
    for part in known.ranges.parts if known.ranges is not None else ():
        times += [part.first, part.last]
    return max((one for one in times if one is not None and one <= at), default=None)


def _counted_before(case: Case) -> Judged | None:
    if case.held is None and case.known is not None and case.known.rows is None:
        return UNSURE, case.known.why_unknown or "not counted in the baseline"
    return None


def _as_before(case: Case) -> Judged | None:
    if case.known is None or case.found is None:
        return None
    if case.found.rows != case.known.rows:
        return UNSURE, "differs from the baseline, and no manifest says what the backup held"
    return GOOD, "as in the baseline"


CHECKS: dict[str, Callable[[Case], Judged | None]] = {
    "restored": _restored,
    "counted": _counted,
    "in the backup": _in_the_backup,
    "counted in the backup": _counted_in_the_backup,
    "rows": _rows,
    "generated": _generated,
    "content": _content,
    "newest": _newest,
    "fewer": _fewer,
    "dated": _dated,
    "had then": _had_then,
    "newest then": _newest_then,
    "hardly any": _hardly_any,
    "as held": _as_held,
    "counted before": _counted_before,
    "as before": _as_before,
}
"""In the order in which they are asked."""


def content_proven(case: Case) -> bool:
    """Whether the rows' content is known to be what it was: nothing is in an empty table, and a restore
    computes a materialized view anew. Only asked of a table that passed."""
    found = case.found
    if found is None or not found.rows or case.derived:
        return True
    others = (one.content for one in (case.held, case.known) if one is not None)
    return found.content is not None and found.content in others
