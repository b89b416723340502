"""Tables for the comparisons: what passes, what fails, and what nobody can say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.baseline import Aside, Baseline, Identity, TableCount, TableCounts
from drbook.core.comparison import TableVerdict, compare
from drbook.core.remarks import Question
from drbook.core.structure import DbObject, Orphans, SequenceState, Structure

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
AT = datetime(2026, 4, 22, 19, 3, tzinfo=UTC)
LATER = datetime(2026, 4, 23, 19, 3, tzinfo=UTC)
IDENTITY = Identity(system_identifier="7412345678901234567", database="rental", database_oid=16384)


def table(rows: int | None, **more: Any) -> TableCount:
    return TableCount(table="public.t", rows=rows, **more)


def counts(*tables: TableCount) -> TableCounts:
    return TableCounts(identity=IDENTITY, taken_at=AT, tables=tables)


def of(found: TableCount | None) -> TableCounts:
    return counts(*([] if found is None else [found]))


H1, H2, OTHER = "hash_record_extended/2:1", "hash_record_extended/2:2", "hashtextextended/2:1"
_RESTORED: list[tuple[str, Any, Any, Any, TableVerdict, int | None]] = [
    # what, restored, manifest, baseline, verdict, lost
    ("as the manifest says", table(5), of(table(5)), None, GOOD, None),
    ("one row fewer", table(4), of(table(5)), None, BAD, None),
    ("one row more", table(6), of(table(5)), None, BAD, None),
    ("missing", None, of(table(5)), None, BAD, None),
    ("missing though empty", None, of(table(0)), None, BAD, None),
    ("empty as in the backup", table(0), of(table(0)), None, GOOD, None),
    ("empty, was full", table(0), of(table(5)), None, BAD, None),
    ("not in the manifest", table(5), counts(), None, BAD, None),
    ("not counted", table(None, why_unknown="denied"), of(table(5)), None, UNSURE, None),
    ("not counted in the manifest", table(5), of(table(None)), None, UNSURE, None),
    ("neither counted", table(None), of(table(None)), None, UNSURE, None),
    ("same content", table(5, content=H1), of(table(5, content=H1)), None, GOOD, None),
    ("other content", table(5, content=H1), of(table(5, content=H2)), None, BAD, None),
    ("hashed otherwise", table(5, content=H1), of(table(5, content=OTHER)), None, UNSURE, None),
    ("same newest", table(5, newest=AT), of(table(5, newest=AT)), None, GOOD, None),
    ("other newest", table(5, newest=LATER), of(table(5, newest=AT)), None, BAD, None),
    ("newest is gone", table(5), of(table(5, newest=AT)), None, BAD, None),
    ("content beats newest", table(5, content=H2, newest=AT), of(table(5, content=H1, newest=AT)), None, BAD, None),
    ("loss is no failure", table(5), of(table(5)), of(table(8)), GOOD, 3),
    ("more than before", table(9), of(table(9)), of(table(8)), GOOD, -1),
    ("baseline like restored, backup not", table(8), of(table(5)), of(table(8)), BAD, 0),
    ("only in the baseline", None, counts(), of(table(8)), GOOD, 8),
    ("no manifest, as before", table(8), None, of(table(8)), GOOD, 0),
    ("no manifest, fewer", table(5), None, of(table(8)), UNSURE, 3),
    ("no manifest, more", table(9), None, of(table(8)), UNSURE, -1),
    ("no manifest, emptied", table(0), None, of(table(8)), UNSURE, 8),
    ("no manifest, missing", None, None, of(table(8)), UNSURE, 8),
    ("no manifest, was not counted", table(5), None, of(table(None)), UNSURE, None),
    ("no manifest, not in the baseline", table(5), None, counts(), UNSURE, None),
    ("nothing to compare with", table(5), None, None, UNSURE, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "manifest", "baseline", "verdict", "lost"),
    [row[1:] for row in _RESTORED],
    ids=[row[0] for row in _RESTORED],
)
def test_restored(
    found: Any, manifest: Any, baseline: Any, verdict: TableVerdict, lost: int | None
) -> None:
    result = compare(of(found), manifest, baseline)
    (row,) = result.tables
    assert (row.verdict, row.lost) == (verdict, lost)
    assert row.reason
    assert result.verdict is verdict


@pytest.mark.parametrize(
    ("found", "known", "check"),
    [
        (None, table(8), "restored"),
        (table(0), table(8), "fewer"),
        (table(5), table(8), "fewer"),
        (
            table(8, newest=AT, newest_column="at"),
            table(8, newest=LATER, newest_column="at"),
            "dated",
        ),
        (table(8, newest_column="at"), table(8, newest=LATER, newest_column="at"), "dated"),
        (table(9), table(8), "as before"),
    ],
)
def test_without_a_manifest_what_an_older_baseline_has_is_in_doubt(
    found: Any, known: Any, check: str
) -> None:
    """Removed on purpose or missing: neither a pass nor a failure would be true."""
    baseline = of(known)
    result = compare(of(found), None, baseline, baseline.taken_at + timedelta(hours=1))
    (row,) = result.tables
    assert (row.verdict, row.check, result.verdict) == (UNSURE, check, UNSURE)


_ARCHIVE: list[tuple[str, Any, Any, TableVerdict, TableVerdict]] = [
    # what, restored, baseline, verdict with an older baseline, with a younger one
    ("as before", table(5), table(5), GOOD, GOOD),
    ("more than before", table(5), table(4), GOOD, GOOD),
    ("fewer", table(5), table(8), UNSURE, GOOD),
    ("older rows", table(5, newest=AT), table(5, newest=LATER), UNSURE, GOOD),
    ("dated by another column", table(5, newest=AT, newest_column="b"), table(5, newest=LATER), GOOD, GOOD),
    ("not counted before", table(5), table(None), GOOD, GOOD),
    ("not there before", table(5), None, GOOD, GOOD),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "known", "older", "younger"),
    [row[1:] for row in _ARCHIVE],
    ids=[r[0] for r in _ARCHIVE],
)
def test_the_archives_rows_say_what_arrived_and_not_what_should_have(
    found: Any, known: Any, older: TableVerdict, younger: TableVerdict
) -> None:
    baseline = of(known)
    for hours, verdict in ((1, older), (0, older), (-1, younger)):
        taken = baseline.taken_at + timedelta(hours=hours)
        result = compare(of(found), None, baseline, taken, archive=of(table(5)))
        assert result.verdict is verdict
        assert result.reference == "archive"


_CONTENT: list[tuple[str, Any, Any, Any, TableVerdict]] = [
    # what, restored, manifest, baseline, verdict
    ("equal", table(5, content=H1), of(table(5, content=H1)), None, GOOD),
    ("the manifest holds none", table(5, content=H1), of(table(5)), None, UNSURE),
    ("but the baseline does", table(5, content=H1), of(table(5)), of(table(5, content=H1)), GOOD),
    ("and the baseline another", table(5, content=H1), of(table(5)), of(table(5, content=H2)), UNSURE),
    ("nothing is in it", table(0, content=H1), of(table(0)), None, GOOD),
    ("it is computed anew", table(5, content=H1, kind="materialized view"), of(table(5)), None, GOOD),
    ("no manifest, equal to the baseline", table(5, content=H1), None, of(table(5, content=H1)), GOOD),
    ("no manifest, as many", table(5, content=H1), None, of(table(5, content=H2)), UNSURE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "manifest", "baseline", "verdict"),
    [row[1:] for row in _CONTENT],
    ids=[r[0] for r in _CONTENT],
)
def test_content_that_was_asked_for_is_proven_or_in_doubt(
    found: Any, manifest: Any, baseline: Any, verdict: TableVerdict
) -> None:
    result = compare(of(found), manifest, baseline)
    said = [one.words for one in result.remarks if one.check == "content"]
    assert result.verdict is verdict
    assert len(said) == (verdict is UNSURE)
    assert all("unproven" in words for words in said)


def test_content_that_was_not_asked_for_is_said() -> None:
    assert "content: it was not asked for" in compare(of(table(5)), of(table(5)), None).not_compared


def test_a_table_that_the_backup_never_held_is_loss_in_words() -> None:
    (said,) = compare(of(None), counts(), of(table(8))).remarks
    assert (said.question.value, said.subject, said.verdict) == ("loss", "public.t", GOOD)
    assert "8 rows" in said.words


def test_one_bad_table_spoils_the_whole() -> None:
    names = ("a", "b", "c")
    held = counts(*(TableCount(table=name, rows=5) for name in names))
    for broken, verdict in ((4, BAD), (None, UNSURE), (5, GOOD)):
        rows = [TableCount(table=name, rows=5 if name != "b" else broken) for name in names]
        result = compare(counts(*rows), held, None)
        assert result.verdict is verdict
        assert result.count(GOOD) == (3 if broken == 5 else 2)


def test_failing_outranks_not_knowing() -> None:
    held = counts(TableCount(table="a", rows=5), TableCount(table="b", rows=5))
    found = counts(TableCount(table="a", rows=None), TableCount(table="b", rows=4))
    assert compare(found, held, None).verdict is BAD


@pytest.mark.parametrize("manifest", [None, counts()])
def test_no_tables_at_all_is_no_pass(manifest: TableCounts | None) -> None:
    assert compare(counts(), manifest, None).verdict is UNSURE


def test_an_empty_database_is_equal_to_one_where_everything_was_looked_at() -> None:
    looked = counts().model_copy(update={"covers": ("table",), "structure": Structure()})
    for found, held, verdict in (
        (looked, looked, GOOD),
        (looked, None, UNSURE),
        (looked, counts(), UNSURE),
        (counts(), looked, UNSURE),
        (looked.model_copy(update={"structure": None}), looked, UNSURE),
    ):
        assert compare(found, held, None).verdict is verdict


def test_what_was_compared_is_named() -> None:
    some = of(table(5, newest=AT))
    assert compare(some, some, some).reference == "manifest"
    assert compare(some, None, some).reference == "baseline"
    assert compare(some, None, None).reference == "none"
    assert compare(some, some, None).newest == AT


# --- everything beside the rows ----------------------------------------------------------------

VIEW = Structure(objects=(DbObject(kind="view", name="v", words="SELECT 1"),))
OTHER_VIEW = Structure(objects=(DbObject(kind="view", name="v", words="SELECT 2"),))
HELD = "held `SELECT 1`, is `SELECT 2`"
BY_BASELINE = "; compared with the baseline, for no manifest says what the backup held"
NEWER = "; PostgreSQL 18 may only write it otherwise than 17"


def made(structure: Structure | None, version: int = 180003, rows: int = 5) -> TableCounts:
    who = IDENTITY.model_copy(update={"server_version": version})
    return counts(table(rows)).model_copy(update={"structure": structure, "identity": who})


_STRUCTURE: list[tuple[str, Any, Any, Any, int, list[tuple[str, TableVerdict, str]]]] = [
    # what, restored, manifest, baseline, hours from the baseline to the copy, said of the view
    ("as held", made(VIEW), made(VIEW), None, 1, []),
    ("not as held", made(OTHER_VIEW), made(VIEW), None, 1, [("fidelity", BAD, HELD)]),
    ("the manifest counts, not the baseline", made(OTHER_VIEW), made(OTHER_VIEW), made(VIEW), 1, []),
    ("another major", made(OTHER_VIEW), made(VIEW, 170001), None, 1, [("fidelity", UNSURE, HELD + NEWER)]),
    ("by an older baseline", made(OTHER_VIEW), None, made(VIEW), 1,
     [("fidelity", UNSURE, HELD + BY_BASELINE)]),
    ("by a baseline of the same moment", made(OTHER_VIEW), None, made(VIEW), 0,
     [("fidelity", UNSURE, HELD + BY_BASELINE)]),
    ("by a younger baseline", made(OTHER_VIEW), None, made(VIEW), -1, [("loss", GOOD, HELD)]),
    ("by a baseline, of another major", made(OTHER_VIEW), None, made(VIEW, 170001), 1,
     [("fidelity", UNSURE, HELD + NEWER + BY_BASELINE)]),
    ("the manifest holds none", made(OTHER_VIEW), made(None), made(VIEW), 1,
     [("fidelity", UNSURE, HELD + BY_BASELINE)]),
    ("as in the baseline", made(VIEW), None, made(VIEW), 1, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("restored", "manifest", "baseline", "hours", "said"),
    [row[1:] for row in _STRUCTURE],
    ids=[row[0] for row in _STRUCTURE],
)
def test_structure(
    restored: TableCounts,
    manifest: TableCounts | None,
    baseline: TableCounts | None,
    hours: int,
    said: list[tuple[str, TableVerdict, str]],
) -> None:
    found = compare(restored, manifest, baseline, AT + timedelta(hours=hours))
    views = [one for one in found.remarks if one.check == "view"]
    assert [(one.question.value, one.verdict, one.words) for one in views] == said
    left = [words for words in found.not_compared if words.startswith("structure")]
    # A younger baseline says nothing of what the backup held.
    assert bool(left) == (manifest is None and hours < 0)


def test_what_is_only_worth_knowing_stays_so_against_a_baseline() -> None:
    owned = [
        Structure(objects=(DbObject(kind="owner", name="t", words=words),)) for words in ("a", "b")
    ]
    for hours in (1, -1):
        found = compare(made(owned[1]), None, made(owned[0]), AT + timedelta(hours=hours))
        (said,) = [one for one in found.remarks if one.check == "owner"]
        assert (said.question.value, said.verdict) == ("fidelity", GOOD)
        assert BY_BASELINE not in said.words


@pytest.mark.parametrize(
    ("restored", "manifest", "baseline", "words"),
    [
        (made(None), made(VIEW), None, "structure: that of the restored database was not read"),
        (made(VIEW), made(None), None, "structure: the manifest holds none"),
        (made(VIEW), made(None), made(None), "structure: the manifest holds none"),
        (made(VIEW), None, None, "structure: nothing says what it was"),
        (made(VIEW), None, made(None), "structure: nothing says what it was"),
    ],
)
def test_structure_that_could_not_be_compared_is_said(
    restored: TableCounts, manifest: TableCounts | None, baseline: TableCounts | None, words: str
) -> None:
    found = compare(restored, manifest, baseline)
    assert [one for one in found.not_compared if one.startswith("structure")] == [words]
    assert not [one for one in found.remarks if one.check == "view"]


def test_numbers_that_production_had_handed_out_are_looked_for_in_its_baseline() -> None:
    def at(last: str) -> Structure:
        return Structure(sequences=(SequenceState(name="s", last=last, called=True),))

    found = compare(made(at("5")), made(at("5")), made(at("9")))
    assert [one.check for one in found.of(Question.LOSS)] == ["sequence"]
    assert compare(made(at("5")), made(at("5")), made(at("5"))).of(Question.LOSS) == ()
    assert compare(made(at("5")), made(at("5")), made(None)).of(Question.LOSS) == ()


_ORPHANED = Structure(
    objects=(DbObject(kind="constraint", name="k", words="w", flaw="not valid"),),
    orphans=(Orphans(constraint="k", rows=2),),
)
_NEVER_COUNTED = _ORPHANED.model_copy(update={"orphans": (), "left_unread": True})


@pytest.mark.parametrize(
    ("found", "held", "verdict"),
    [
        (table(5, content=H1), table(5, content=H1), GOOD),
        (table(5), table(5), UNSURE),
        (table(5, content=H1), table(5), UNSURE),
        (table(4, content=H1), table(5, content=H1), UNSURE),
    ],
)
def test_orphans_that_nobody_counted_before_are_the_backup_s_where_its_rows_are_proven(
    found: TableCount, held: TableCount, verdict: TableVerdict
) -> None:
    restored = of(found).model_copy(update={"structure": _ORPHANED})
    manifest = of(held).model_copy(update={"structure": _NEVER_COUNTED})
    result = compare(restored, manifest, None)
    assert [one.verdict for one in result.remarks if one.check == "orphans"] == [verdict]


@pytest.mark.parametrize("which", ["manifest", "archive", "nothing"])
def test_what_was_counted_beside_what(which: str) -> None:
    sides = {"manifest": of(table(5)), "archive": of(table(5))}
    manifest = sides["manifest"] if which == "manifest" else None
    archive = sides["archive"] if which != "nothing" else None
    (row,) = compare(of(table(4)), manifest, None, archive=archive).tables
    assert (
        row.reason
        == {
            "manifest": "the backup held 5 rows, 4 were restored",
            "archive": "the archive held 5 rows, 4 were restored",
            "nothing": "no manifest and no baseline to compare with",
        }[which]
    )


def test_a_view_that_an_older_manifest_does_not_speak_of_is_no_failure() -> None:
    found = counts(table(5), TableCount(table="v", rows=3, kind="materialized view"))
    assert compare(found, of(table(5)), None).verdict is GOOD
    covers = {"covers": ("table", "materialized view")}
    assert compare(found, of(table(5)).model_copy(update=covers), None).verdict is BAD


def test_an_unlogged_table_of_which_a_standby_knew_nothing_is_no_table_too_many() -> None:
    why = "It is unlogged, and a standby does not hold its rows."
    aside = Aside(name="u", kind="unlogged table", why=why)
    manifest = of(table(5)).model_copy(update={"aside": (aside,)})
    for rows, verdict in ((0, GOOD), (3, UNSURE)):
        found = counts(table(5), TableCount(table="u", rows=rows, kind="unlogged table"))
        assert compare(found, manifest, None).verdict is verdict


@pytest.mark.parametrize(
    ("found", "subject", "words"),
    [
        (counts(table(5, content=H1)), "public.t", "the content of 1 table is unproven"),
        (
            counts(table(5, content=H1), TableCount(table="u", rows=1)),
            "",
            "the content of 2 tables is unproven",
        ),
    ],
)
def test_content_that_is_unproven_is_said_once(
    found: TableCounts, subject: str, words: str
) -> None:
    for manifest, why in (
        (found, "its manifest holds no hashes of them"),
        (None, "it has no manifest"),
    ):
        held = None
        if manifest is not None:
            bare = [one.model_copy(update={"content": None}) for one in manifest.tables]
            held = counts(*bare)
        baseline = (
            None
            if held
            else counts(*[one.model_copy(update={"content": None}) for one in found.tables])
        )
        (said,) = [one for one in compare(found, held, baseline).remarks if one.check == "content"]
        assert said.subject == subject
        assert said.words == f"{words}: nothing says what the backup's rows were, for {why}"


def test_a_table_that_did_not_pass_is_not_called_unproven_as_well() -> None:
    held = counts(table(5), TableCount(table="u", rows=1))
    found = counts(table(4, content=H1), TableCount(table="u", rows=1, content=H1))
    (said,) = [one for one in compare(found, held, None).remarks if one.check == "content"]
    assert said.subject == "u"


@pytest.mark.parametrize(("rows", "with_"), [(8, " with 8 rows"), (1, " with 1 row"), (None, "")])
def test_a_table_that_only_production_had_is_named_with_its_rows(
    rows: int | None, with_: str
) -> None:
    (said,) = compare(of(None), counts(), of(table(rows))).remarks
    assert (said.check, said.words) == (
        "table",
        f"the baseline has it{with_}, and the backup has not: dropped or renamed in between, or left "
        "out of the backup",
    )
    assert compare(of(table(5)), of(table(5)), of(table(8))).remarks == ()
    assert compare(of(None), None, of(table(8))).of(Question.LOSS) == ()


_OTHERS: list[tuple[str, Any, Any, int | None, bool]] = [
    # what, restored, production's, hours from the baseline to the copy, whether it is said
    ("as many, others", table(5, content=H1), table(5, content=H2), -1, True),
    ("fewer, others", table(5, content=H1), table(4, content=H2), -1, True),
    ("more: the number says it", table(5, content=H1), table(6, content=H2), -1, False),
    ("the same", table(5, content=H1), table(5, content=H1), -1, False),
    ("an older baseline", table(5, content=H1), table(5, content=H2), 1, False),
    ("of the same moment", table(5, content=H1), table(5, content=H2), 0, False),
    ("an undated copy", table(5, content=H1), table(5, content=H2), None, False),
    ("hashed otherwise", table(5, content=H1), table(5, content=OTHER), -1, False),
    ("not hashed here", table(5), table(5, content=H2), -1, False),
    ("not hashed there", table(5, content=H1), table(5), -1, False),
    ("not counted there", table(5, content=H1), table(None), -1, False),
    ("not there", table(5, content=H1), None, -1, False),
    ("computed anew", table(5, content=H1, kind="materialized view"), table(5, content=H2), -1, False),
    ("in generated columns alone", table(5, content=H1, content_given=H1, generated=("x",)),
     table(5, content=H2, content_given=H1, generated=("x",)), -1, False),
    ("not in generated columns alone", table(5, content=H1, content_given=H1, generated=("x",)),
     table(5, content=H2, content_given=H2, generated=("x",)), -1, True),
    ("in whichever columns", table(5, content=H1, content_given=H1, generated=("x",)), table(5, content=H2),
     -1, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "known", "hours", "said"),
    [row[1:] for row in _OTHERS],
    ids=[row[0] for row in _OTHERS],
)
def test_other_rows_in_production_than_restored_are_lost_though_no_number_says_so(
    found: TableCount, known: Any, hours: int | None, said: bool
) -> None:
    taken = None if hours is None else AT + timedelta(hours=hours)
    result = compare(of(found), of(found), of(known), taken)
    assert result.tables[0].rewritten is said
    losses = [(one.check, one.subject, one.verdict) for one in result.of(Question.LOSS)]
    assert losses == ([("content", "public.t", GOOD)] if said else [])
    assert result.verdict is GOOD


@pytest.mark.parametrize(
    ("server", "database", "oid", "said"),
    [
        (IDENTITY.system_identifier, "rental", 16384, False),
        (IDENTITY.system_identifier, "rental", 5, False),
        (IDENTITY.system_identifier, "renamed", 16384, False),
        (IDENTITY.system_identifier, "staging", 5, True),
        ("1", "rental", 16384, True),
        ("1", "rental", 5, True),
    ],
)
def test_a_backup_of_another_database_than_the_baseline_s_could_not_be_verified(
    server: str, database: str, oid: int, said: bool
) -> None:
    who = Identity(system_identifier=server, database=database, database_oid=oid)
    manifest = of(table(5)).model_copy(update={"identity": who})
    result = compare(of(table(5)), manifest, of(table(5)))
    words = [one.words for one in result.remarks if one.check == "identity"]
    assert result.verdict is (UNSURE if said else GOOD)
    assert words == (
        [
            f"its manifest was made of database {database} on server {server}, the baseline of rental on "
            "7412345678901234567: whether the backup is production's nobody can say; capture a baseline "
            "of the database that is backed up"
        ]
        if said
        else []
    )
    assert compare(of(table(5)), manifest, None).verdict is GOOD


def test_a_schema_that_one_side_ignores_is_not_compared_and_said() -> None:
    structure = Structure(
        objects=tuple(
            DbObject(kind=kind, name=name, words="w")
            for kind, name in (
                ("schema", "audit"), ("table", "audit.log"), ("column", "audit.log.id"),
                ("grant", "schema audit to zoe"), ("grant", "audit.log to zoe"),
                ("owner", "function audit.f(integer)"), ("table", "auditing.log"), ("table", "public.t"),
                ("table", 'public."audit.log"'), ("extension", "audit"), ("role", "audit"),
                ("owner", "schema audit"),
            )
        ),
        sequences=(SequenceState(name="audit.s", last="1"), SequenceState(name="public.s", last="1")),
        orphans=(Orphans(constraint="audit.log.fk", rows=1), Orphans(constraint="public.t.fk", rows=0)),
    )  # fmt: skip
    whole = counts(table(5), TableCount(table="audit.log", rows=1)).model_copy(
        update={"structure": structure}
    )
    kept = [one.name for one in structure.without(["audit"]).objects]
    assert kept == ["auditing.log", "public.t", 'public."audit.log"', "audit", "audit"]
    part = whole.without(["audit"], structure=["audit"]).model_copy(update={"ignored": ("audit",)})
    assert [one.table for one in part.tables] == ["public.t"]
    assert part.structure is not None
    assert [one.name for one in part.structure.sequences] == ["public.s"]
    assert [one.constraint for one in part.structure.orphans] == ["public.t.fk"]
    words = "schema audit: it is ignored on one side, now or when it was captured"
    for restored, manifest, baseline, tables, verdict in (
        (part, whole, None, ["public.t"], GOOD),
        (part, part, whole, ["public.t"], GOOD),
        (whole, whole, part, ["audit.log", "public.t"], GOOD),
        (whole, part, None, ["audit.log", "public.t"], UNSURE),
        (whole, part, whole, ["audit.log", "public.t"], UNSURE),
    ):
        result = compare(restored, manifest, baseline)
        assert (result.verdict, [row.table for row in result.tables]) == (verdict, tables)
        assert words in result.not_compared
        assert [one for one in result.remarks if one.check != "orphans"] == []
    said = compare(whole, part, None).tables[0]
    assert said.reason == "the manifest left it aside: its schema was ignored when it was captured"
    assert words not in compare(part, part, None).not_compared
    covers = {"covers": ("table",)}
    all_ignored = part.model_copy(update={"ignored": ("audit", "public")} | covers)
    assert compare(all_ignored, whole.model_copy(update=covers), None).verdict is UNSURE
    assert compare(whole, part.model_copy(update={"ignored": ()}), None).verdict is BAD


def test_a_schema_with_an_odd_name_is_told_as_postgresql_spells_it() -> None:
    names = ('"Log x"', '"Log x".t', 'schema "Log x" to zoe', "public.t")
    structure = Structure(
        objects=tuple(
            DbObject(kind="table" if "." in name else "schema", name=name, words="w")
            for name in names
        )
    )
    assert [one.name for one in structure.without(["Log x"]).objects] == ["public.t"]


def test_the_newest_row_of_any_table_dates_the_restore() -> None:
    some = counts(
        TableCount(table="a", rows=1, newest=AT),
        TableCount(table="b", rows=1, newest=LATER),
        TableCount(table="c", rows=1),
    )
    assert compare(some, some, None).newest == LATER
    assert compare(of(table(1)), of(table(1)), None).newest is None


def test_an_undated_copy_is_not_held_to_a_baseline_as_if_it_were_younger() -> None:
    for taken, check in (
        (None, "as before"),
        (AT, "fewer"),
        (AT - timedelta(hours=1), "as before"),
    ):
        (row,) = compare(of(table(5)), None, of(table(8)), taken).tables
        assert row.check == check
    found = compare(made(OTHER_VIEW), None, made(VIEW), None)
    assert [one.verdict for one in found.remarks if one.check == "view"] == [UNSURE]


# --- the seal ----------------------------------------------------------------------------------


def test_a_sealed_baseline_comes_back() -> None:
    original = Baseline(captured_at=AT, counts=of(table(5, content=H1, newest=AT)))
    assert Baseline.unseal(original.sealed()) == original


def test_every_single_changed_byte_breaks_the_seal() -> None:
    document = Baseline(captured_at=AT, counts=of(table(5))).sealed()
    for position in range(len(document)):
        changed = bytearray(document)
        changed[position] ^= 0x01
        try:
            found = Baseline.unseal(bytes(changed))
        except ValueError:
            continue
        # White space in the second line means nothing; what was sealed is untouched.
        assert found.sealed() == document, position


@pytest.mark.parametrize(
    "document", [b"", b"\n\n", b"{}\n{}\n", b"{}", b"\xff\n\xff\n", b"[]\n[]\n"]
)
def test_other_documents_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Baseline.unseal(document)
