"""One table: is it what the backup held? A row of checks, and the first that has an answer decides.

Each check can be taken away by itself, which is how the tests show that none of them is idle.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drbook.core.baseline import TableCount
from drbook.core.hashes import comparable, read
from drbook.core.remarks import TableVerdict

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY

Judged = tuple[TableVerdict, str]


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one table."""

    name: str
    found: TableCount | None
    """As restored."""
    held: TableCount | None
    """As the backup's manifest says."""
    known: TableCount | None
    """As the baseline says."""
    has_manifest: bool
    older: bool
    """True where the baseline was captured before the backup was taken."""
    versions: tuple[int, int] = (0, 0)
    """`server_version_num` of the server that the manifest was made on, and of this one."""
    covers: bool = True
    """False for a manifest that is older than the counting of views and large objects."""

    @property
    def derived(self) -> bool:
        """A materialized view: a dump holds its query, and the restore computes it anew."""
        return self.found is not None and self.found.kind == "materialized view"


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
    if case.has_manifest and case.held is None:
        return UNSURE, "in the baseline, but neither in the backup nor restored"
    if not case.has_manifest and not case.older:
        return UNSURE, "in the baseline, not restored; nothing says whether the backup held it"
    return FAIL, "missing in the restored database"


def _counted(case: Case) -> Judged | None:
    if case.found is not None and case.found.rows is None:
        return UNSURE, case.found.why_unknown or "not counted"
    return None


# --- against a manifest ----------------------------------------------------------------------


def _in_the_backup(case: Case) -> Judged | None:
    if not case.has_manifest or case.held is not None or case.found is None:
        return None
    if not case.covers and case.derived:
        return GOOD, "computed by the restore; the manifest does not speak of it"
    if not case.covers and case.found.kind == "large objects":
        return UNSURE, "the manifest does not speak of large objects"
    return FAIL, "not in the backup's manifest"


def _counted_in_the_backup(case: Case) -> Judged | None:
    if case.held is not None and case.held.rows is None:
        return UNSURE, case.held.why_unknown or "not counted in the manifest"
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
    return FAIL, f"the backup held {held.rows} rows, {found.rows} were restored"


def _content(case: Case) -> Judged | None:
    held, found = case.held, case.found
    if held is None or found is None or held.content is None or found.content is None:
        return None
    if held.content == found.content:
        return GOOD, "content"
    of_held, of_found = (
        read(content, version)
        for content, version in zip((held.content, found.content), case.versions, strict=True)
    )
    if why := comparable(of_held, of_found):
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
    return FAIL, "the newest row differs from what the backup held"


def _as_held(case: Case) -> Judged | None:
    if case.held is None or case.found is None:
        return None
    return GOOD, "empty, as in the backup" if case.found.rows == 0 else "count"


# --- against a baseline alone ----------------------------------------------------------------


def _counted_before(case: Case) -> Judged | None:
    if case.known is not None and case.known.rows is None:
        return UNSURE, case.known.why_unknown or "not counted in the baseline"
    return None


def _emptied(case: Case) -> Judged | None:
    known, found = case.known, case.found
    if known is None or found is None or not known.rows or found.rows or not case.older:
        return None
    return FAIL, f"empty, where the baseline has {known.rows} rows"


def _as_before(case: Case) -> Judged | None:
    if case.known is None or case.found is None:
        return None
    if case.found.rows == case.known.rows:
        return GOOD, "as in the baseline"
    return UNSURE, "differs from the baseline, and no manifest says what the backup held"


CHECKS: dict[str, Callable[[Case], Judged | None]] = {
    "restored": _restored,
    "counted": _counted,
    "in the backup": _in_the_backup,
    "counted in the backup": _counted_in_the_backup,
    "rows": _rows,
    "content": _content,
    "newest": _newest,
    "as held": _as_held,
    "counted before": _counted_before,
    "emptied": _emptied,
    "as before": _as_before,
}
"""In the order in which they are asked."""
