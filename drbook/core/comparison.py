"""The comparison of three sets of row counts: what the backup held, what came back, what production had.

Everything here is a function of data. A count that could not be taken is `None` with a reason and
never compares as equal to anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.archivelist import LISTED, missing
from drbook.core.baseline import LARGE_OBJECTS, Identity, TableCount, TableCounts
from drbook.core.fidelity import Case, content_proven, judge, only_generated
from drbook.core.hashes import comparable, read
from drbook.core.likeness import EXTRA, differences
from drbook.core.remarks import Question, Remark, TableVerdict, gathered, worst
from drbook.core.soundness import flaws, reissued
from drbook.core.values import Frozen, UtcTime, counted, plain

__all__ = [
    "Comparison",
    "TableComparison",
    "TableVerdict",
    "compare",
    "two_databases",
    "unsure_whose",
]


class TableComparison(Frozen):
    """One table: what the backup held, what was restored, and what production had before the loss."""

    table: str
    expected: int | None
    """Rows the backup's manifest states, or that were counted in the archive; None without both."""
    restored: int | None
    before: int | None
    """Rows in production's baseline before the incident."""
    lost: int | None
    """`before - restored`: rows that users have lost. Negative where the restore holds more."""
    verdict: TableVerdict
    reason: str = ""
    check: str = ""
    """Which comparison decided, a key of `core.fidelity.CHECKS`; empty where there was nothing to compare
    with, and in records of before that was noted."""
    newest: UtcTime | None = None
    """Newest row restored."""
    where: tuple[str, ...] = ()
    """Of a table that is not what the backup held: which keys or days differ, in words."""
    lost_where: tuple[str, ...] = ()
    """Of which keys or days are the rows that production had and this has not."""
    rewritten: bool = False
    """True where production, counted after the copy was taken, had no more rows than this, and others:
    what was changed, or replaced, since then is lost though no number says so."""


class Comparison(Frozen):
    """The result of a verification: per table, and as a whole."""

    tables: tuple[TableComparison, ...]
    verdict: TableVerdict
    reference: str
    """What `expected` comes from: `manifest`, `archive`, `baseline` or `none`."""
    expected_at: UtcTime | None = None
    baseline_at: UtcTime | None = None
    counted_at: UtcTime | None = None
    newest: UtcTime | None = None
    """Newest row restored in any table."""
    remarks: tuple[Remark, ...] = ()
    """What is to be said beside the rows: of structure, soundness and loss; the worst first."""
    not_compared: tuple[str, ...] = ()
    """What nothing was known of on one side, in words: it is in no verdict."""

    @property
    def content_compared(self) -> bool:
        """Whether more than the numbers of rows was compared with what the backup held."""
        return not any(one.startswith(CONTENT) for one in self.not_compared)

    def of(self, question: Question) -> tuple[Remark, ...]:
        return tuple(one for one in self.remarks if one.question is question)

    def count(self, verdict: TableVerdict) -> int:
        return sum(1 for table in self.tables if table.verdict is verdict)


CONTENT = "content"
"""How the line begins that says that it was not compared."""
A_DAY = timedelta(days=1)
"""How much earlier than it is dated a copy may have been taken: its store says when it was there to its
end, and dates without a zone are some hours off."""
_IGNORED = "its schema was ignored when it was captured"
ARCHIVE = "archive"
"""The `reference` where the rows that were counted in the archive say what must have arrived."""


def compare(
    restored: TableCounts,
    manifest: TableCounts | None,
    baseline: TableCounts | None,
    copy_taken_at: datetime | None = None,
    more: Sequence[Remark] = (),
    archive: TableCounts | None = None,
    facts: ArchiveFacts | None = None,
    left_out: Sequence[str] | None = None,
) -> Comparison:
    """Restored counts against the manifest (fidelity) and against the baseline (loss).

    Fidelity and soundness decide the verdict; what is lost is no fault of the restore. Without a
    manifest, `archive` may say what was counted in the archive, which must have arrived; but nothing
    states what the copy should hold. What an older baseline has and the copy has not could then not be
    verified, since rows, tables and indexes that were removed on purpose look the same as damage. Where
    the restored rows were hashed, content is asked for: what does not prove it could not be verified.
    A younger one tells what the copy must have had by its rows' dates. `more` are remarks from elsewhere,
    like those of the runbook's own assertions. `facts` is what reading the archive showed, and `left_out`
    what its load left out, None where that is not known.
    """
    sides = [one for one in (restored, manifest, baseline) if one is not None]
    ignored = sorted({schema for one in sides for schema in one.ignored})
    restored, *others = (one.without(restored.ignored, structure=ignored) for one in sides)
    then = manifest.ignored if manifest else ()
    manifest = others.pop(0) if manifest is not None else None
    baseline = others.pop(0) if baseline is not None else None
    left = tuple(
        f"schema {plain(schema, 63)}: it is ignored on one side, now or when it was captured"
        for schema in ignored
        if any(schema not in one.ignored for one in sides)
    )
    dated = baseline is not None and copy_taken_at is not None
    older = dated and baseline.taken_at <= copy_taken_at  # type: ignore[union-attr, operator]
    says = manifest or archive
    held = dict(says.by_name()) if says else {}
    known = dict(baseline.by_name()) if baseline else {}
    found = restored.by_name()
    aside = {one.name: one.why for one in manifest.aside} if manifest else {}
    here = {one.name: one.why for one in restored.aside}
    before = None
    if copy_taken_at is not None and dated and not older:
        before = copy_taken_at - A_DAY
    cases = [
        Case(
            name,
            found.get(name),
            held.get(name),
            known.get(name),
            has_manifest=manifest is not None,
            counted=manifest is None and archive is not None,
            older=older,
            before=before,
            versions=(_version(manifest), _version(restored)),
            left_aside=_IGNORED
            if _schema(restored, found.get(name)) in then
            else aside.get(name, ""),
            not_here=here.get(name, ""),
            covers=manifest is None or bool(manifest.covers),
        )
        for name in sorted({*held, *known, *found})
    ]
    younger = dated and not older
    rows = tuple(_compare_table(case, baseline if younger else None) for case in cases)
    unproven, not_asked = _content(cases, rows, manifest)
    same_rows = (
        manifest is not None
        and all(row.verdict is TableVerdict.PASS for row in rows)
        and all(content_proven(case) for case in cases)
    )
    structural, not_compared = beside_rows(
        restored,
        manifest,
        baseline,
        younger=younger,
        same_rows=same_rows,
        facts=facts,
        left_out=left_out,
    )
    losses = (*_gone(rows, found), *_rewritten(rows))
    remarks = gathered([*more, *_whose(manifest, baseline, facts), *structural, *unproven, *losses])
    counting = [one.verdict for one in remarks if one.question is not Question.LOSS]
    nothing = TableVerdict.COULD_NOT_VERIFY if left else _of_nothing(restored, manifest)
    whole = worst(row.verdict for row in rows) if rows else nothing
    reference = "baseline" if baseline else "none"
    return Comparison(
        tables=rows,
        verdict=worst([whole, *counting]),
        reference="manifest" if manifest else ARCHIVE if archive else reference,
        expected_at=manifest.taken_at if manifest else None,
        baseline_at=baseline.taken_at if baseline else None,
        counted_at=restored.taken_at,
        newest=max((row.newest for row in rows if row.newest), default=None),
        remarks=remarks,
        not_compared=not_compared + not_asked + left,
    )


def _of_nothing(restored: TableCounts, manifest: TableCounts | None) -> TableVerdict:
    """An empty database is what the backup held, where both sides looked at every kind and at the
    structure; without that, nothing was found because nothing was looked at."""
    sides = (restored, manifest)
    looked = all(one is not None and one.covers and one.structure is not None for one in sides)
    return TableVerdict.PASS if looked else TableVerdict.COULD_NOT_VERIFY


def _content(
    cases: Sequence[Case], rows: Sequence[TableComparison], manifest: TableCounts | None
) -> tuple[list[Remark], tuple[str, ...]]:
    """Tables that passed without their content being proven, where it was asked for."""
    hashed = any(case.found is not None and case.found.content is not None for case in cases)
    if not hashed:
        return [], (f"{CONTENT}: it was not asked for",) if manifest else ()
    unproven = [
        row.table
        for case, row in zip(cases, rows, strict=True)
        if row.verdict is TableVerdict.PASS and not content_proven(case)
    ]
    if not unproven:
        return [], ()
    why = "its manifest holds no hashes of them" if manifest else "it has no manifest"
    remark = Remark(
        question=Question.FIDELITY,
        check="content",
        subject=unproven[0] if len(unproven) == 1 else "",
        verdict=TableVerdict.COULD_NOT_VERIFY,
        words=f"the content of {counted(len(unproven), 'table')} is unproven: nothing says what the "
        f"backup's rows were, for {why}",
    )
    return [remark], ()


def _gone(rows: Sequence[TableComparison], found: Mapping[str, TableCount]) -> Iterable[Remark]:
    """Whole tables that production had and the backup, as its manifest says, had not."""
    for row in rows:
        if row.table not in found and row.verdict is TableVerdict.PASS:
            yield Remark(
                question=Question.LOSS,
                check="table",
                subject=row.table,
                verdict=TableVerdict.PASS,
                words=f"the baseline has it{_with(row.before)}, and the backup has not: dropped or "
                "renamed in between, or left out of the backup",
            )


def _rewritten(rows: Sequence[TableComparison]) -> Iterable[Remark]:
    """What no number of rows shows: production had other rows than the restore, and not more of them."""
    for row in rows:
        if row.rewritten:
            yield Remark(
                question=Question.LOSS,
                check="content",
                subject=row.table,
                verdict=TableVerdict.PASS,
                words="production had other rows, though not more of them: what was changed, replaced "
                "or deleted since the backup is not here",
            )


def _whose(
    manifest: TableCounts | None, baseline: TableCounts | None, facts: ArchiveFacts | None
) -> Iterable[Remark]:
    """A backup of another database than the baseline's: a copy of production, or somebody else's."""
    if baseline is None:
        return
    if manifest is None:
        dumped, known = facts.database if facts is not None else "", baseline.identity.database
        if dumped and dumped != known:
            yield unsure_whose(
                f"the archive was made of a database {plain(dumped, 63)}, and the baseline of "
                f"{plain(known, 63)}: whether the backup is production's nothing says"
            )
    elif words := two_databases(manifest.identity, baseline.identity):
        yield unsure_whose(
            f"its manifest was made of {words}: whether the backup is production's nobody can say; "
            "capture a baseline of the database that is backed up"
        )


def two_databases(one: Identity, other: Identity) -> str:
    """Two databases in words; empty where they are one, which may have been renamed or made again."""
    if one.system_identifier == other.system_identifier and (
        one.database == other.database or one.database_oid == other.database_oid
    ):
        return ""
    of = f"database {plain(one.database, 63)} on server {one.system_identifier}"
    return f"{of}, the baseline of {plain(other.database, 63)} on {other.system_identifier}"


def unsure_whose(words: str) -> Remark:
    """Figures that may be of another database: what they say of this one could not be verified."""
    return Remark(
        question=Question.FIDELITY,
        check="identity",
        subject="",
        verdict=TableVerdict.COULD_NOT_VERIFY,
        words=words,
    )


def _with(rows: int | None) -> str:
    return f" with {counted(rows, 'row')}" if rows is not None else ""


def _compare_table(case: Case, younger: TableCounts | None) -> TableComparison:
    """`younger` is a baseline that was captured after the copy was taken."""
    restored = case.found.rows if case.found else None
    before = case.known.rows if case.known else None
    lost = before - restored if before is not None and restored is not None else None
    check, verdict, reason = judge(case)
    return TableComparison(
        table=case.name,
        expected=case.held.rows if case.held else None,
        restored=restored,
        before=before,
        lost=before if case.found is None and before is not None else lost,
        verdict=verdict,
        reason=reason,
        check=check,
        newest=case.found.newest if case.found else None,
        rewritten=lost is not None and lost <= 0 and _has_other_rows(case, younger),
    )


def _has_other_rows(case: Case, younger: TableCounts | None) -> bool:
    """Whether production had other rows, by two hashes that may be compared."""
    known, found = case.known, case.found
    if younger is None or known is None or found is None:
        return False
    if known.content is None or found.content is None or known.content == found.content:
        return False
    versions = (_version(younger), case.versions[1])
    if case.derived or only_generated(known, found):
        return False
    return not comparable(read(known.content, versions[0]), read(found.content, versions[1]))


def beside_rows(
    restored: TableCounts,
    manifest: TableCounts | None,
    baseline: TableCounts | None,
    *,
    younger: bool,
    same_rows: bool,
    facts: ArchiveFacts | None,
    left_out: Sequence[str] | None,
) -> tuple[list[Remark], tuple[str, ...]]:
    """What is to be said of everything but the rows, and what could not be compared at all."""
    mine = restored.structure
    if mine is None:
        return [], ("structure: that of the restored database was not read",)
    held = manifest.structure if manifest else None
    before = baseline.structure if baseline else None
    found = list(flaws(mine, held, before, same_rows=same_rows))
    left = []
    if manifest is not None and held is not None:
        majors = (_major(manifest), _major(restored))
        found += differences(held, mine, majors=majors, left_out=left_out)
    else:
        listed = facts is not None and facts.objects is not None
        if facts is not None and listed:
            found += missing(facts, mine, restored.ignored, left_out)
        nothing = "the manifest holds none" if manifest else "nothing says what it was"
        if before is not None and baseline is not None:
            majors = (_major(baseline), _major(restored))
            held_against = differences(before, mine, majors=majors, left_out=left_out)
            found += _less_sure(held_against, younger)
            nothing = "the baseline is younger than the backup, which may have been another"
        if before is None or younger:
            left.append(LISTED if listed else f"structure: {nothing}")
    if before is not None:
        found += reissued(mine, before)
    return found, tuple(left)


def _less_sure(remarks: Iterable[Remark], younger: bool) -> Iterable[Remark]:
    """Against a baseline alone: a change of the schema since then looks the same as damage. What a
    younger baseline has, production may have got after the backup: that is loss, and no doubt."""
    for one in remarks:
        if one.verdict is TableVerdict.PASS:
            yield one
        elif younger:
            words = one.words.replace(EXTRA, "not in the baseline, which is younger")
            loss = {"question": Question.LOSS, "verdict": TableVerdict.PASS, "words": words}
            yield one.model_copy(update=loss)
        else:
            words = f"{one.words}; compared with the baseline, for no manifest says what the backup held"
            yield one.model_copy(update={"verdict": TableVerdict.COULD_NOT_VERIFY, "words": words})


def _schema(counts: TableCounts, one: TableCount | None) -> str | None:
    return None if one is None or one.kind == LARGE_OBJECTS else counts.lies_in(one)


def _version(counts: TableCounts | None) -> int:
    return counts.identity.server_version if counts is not None else 0


def _major(counts: TableCounts) -> int:
    return _version(counts) // 10000
