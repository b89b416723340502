"""What is wrong with a restored database itself, and what production had already."""

from typing import Any

import pytest

from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.soundness import flaws, reissued
from drbook.core.structure import LACKS, DbObject, Orphans, SequenceState, Structure

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


def flawed(kind: str, flaw: str = "not valid") -> Structure:
    return Structure(objects=(DbObject(kind=kind, name="k", words="w", flaw=flaw),))


NOTHING = Structure()
_FLAWS: list[tuple[str, Structure, Any, Any, TableVerdict]] = [
    # what, restored, what the backup held, what the baseline has, verdict
    ("the backup had it", flawed("constraint"), flawed("constraint"), None, GOOD),
    ("the backup had another", flawed("constraint"), flawed("constraint", "off"), None, BAD),
    ("the backup had none", flawed("constraint"), NOTHING, flawed("constraint"), BAD),
    ("the baseline had it", flawed("constraint"), None, flawed("constraint"), GOOD),
    ("the baseline had none", flawed("constraint"), None, NOTHING, BAD),
    ("nothing says", flawed("constraint"), None, None, UNSURE),
    ("an index, and nothing says", flawed("index"), None, None, BAD),
    (
        "an index that a partition lacks, and nothing says",
        flawed("index", LACKS),
        None,
        None,
        UNSURE,
    ),
    ("an index that a partition lacks now", flawed("index", LACKS), NOTHING, None, BAD),
    ("a trigger, and nothing says", flawed("trigger"), None, None, UNSURE),
    ("a rule, and nothing says", flawed("rule"), None, None, UNSURE),
    ("an event trigger, and nothing says", flawed("event trigger"), None, None, UNSURE),
    ("a view without rows, and nothing says", flawed("materialized view"), None, None, UNSURE),
    ("a trigger that was not off", flawed("trigger"), NOTHING, None, BAD),
    ("another order of text", flawed("collation version"), NOTHING, None, UNSURE),
]


@pytest.mark.parametrize(
    ("found", "held", "before", "verdict"), [row[1:] for row in _FLAWS], ids=[r[0] for r in _FLAWS]
)
def test_flaws(found: Structure, held: Any, before: Any, verdict: TableVerdict) -> None:
    (said,) = flaws(found, held, before)
    assert (said.verdict, said.subject) == (verdict, "k")


def orphans(rows: int | None, *, unchecked: bool = True, counted: bool = True) -> Structure:
    return Structure(
        objects=flawed("constraint").objects if unchecked else (),
        orphans=(Orphans(constraint="k", rows=rows),) if counted else (),
        left_unread=not counted,
    )


UNCOUNTED = orphans(None, counted=False)
"""As a capture reads it: the constraint is there, and nobody counted."""
_ORPHANS: list[tuple[str, int | None, Any, bool, list[TableVerdict]]] = [
    # what, rows that refer to nothing, origin, whether all content is proven, verdicts
    ("none", 0, NOTHING, False, []),
    ("not counted", None, UNCOUNTED, False, [UNSURE]),
    ("the backup had none", 3, orphans(0), False, [BAD]),
    ("the backup had as many", 3, orphans(3), False, [GOOD]),
    ("the backup had other rows", 3, orphans(2), False, [BAD]),
    ("the key was held there", 3, NOTHING, True, [BAD]),
    ("nobody held it there, nor counted", 3, UNCOUNTED, False, [UNSURE]),
    ("but the rows are the same", 3, UNCOUNTED, True, [GOOD]),
    ("the key was held there, nobody counted", 3, Structure(left_unread=True), False, [BAD]),
    ("nothing says", 3, None, False, [UNSURE]),
]


@pytest.mark.parametrize(
    ("rows", "origin", "same", "verdicts"),
    [row[1:] for row in _ORPHANS],
    ids=[r[0] for r in _ORPHANS],
)
def test_orphans(rows: int | None, origin: Any, same: bool, verdicts: list[TableVerdict]) -> None:
    found = flaws(orphans(rows, unchecked=False), origin, same_rows=same)
    assert [one.verdict for one in found if one.check == "orphans"] == verdicts


def test_content_is_not_proven_unless_somebody_says_so() -> None:
    found = flaws(orphans(3, unchecked=False), UNCOUNTED)
    assert [one.verdict for one in found] == [UNSURE]


_ORPHANS_SAID: list[tuple[str, Orphans, Any, str]] = [
    # what, rows that refer to nothing, origin, words
    ("as before", Orphans(constraint="k", rows=1), orphans(1), "1 row refers to nothing, as in the backup"),
    ("new", Orphans(constraint="k", rows=1200), NOTHING, "1,200 rows refer to nothing"),
    ("nobody counted there", Orphans(constraint="k", rows=3), None,
     "3 rows refer to nothing; whether production's did too, nobody counted"),
    ("not counted", Orphans(constraint="k", rows=None), NOTHING, "not counted"),
    ("not counted, and why", Orphans(constraint="k", rows=None, why_unknown="denied\x1b[2J"), NOTHING,
     "denied\\x1b[2J"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "origin", "words"),
    [row[1:] for row in _ORPHANS_SAID],
    ids=[row[0] for row in _ORPHANS_SAID],
)
def test_orphans_in_words(now: Orphans, origin: Any, words: str) -> None:
    (said,) = flaws(Structure(orphans=(now,)), origin)
    assert (said.check, said.subject, said.words) == ("orphans", "k", words)


def test_tables_that_nobody_analysed_are_worth_knowing() -> None:
    (said,) = flaws(Structure(without_statistics=1), NOTHING)
    assert said == Remark(
        question=Question.SOUNDNESS,
        check="analysis",
        subject="",
        verdict=GOOD,
        words="1 table without planner statistics: run ANALYZE before users come",
    )


def at(last: int | None, step: int = 1, *, called: bool = True, **more: Any) -> SequenceState:
    where = None if last is None else str(last)
    return SequenceState(name="s", last=where, increment=str(step), called=called, **more)


def filling(top: int, last: int, step: int = 1, *, called: bool = True) -> SequenceState:
    return at(last, step, called=called, column="public.t.id", top=str(top))


SOUND, FIDELITY = Question.SOUNDNESS, Question.FIDELITY
_SEQUENCES: list[tuple[str, SequenceState, Any, list[tuple[Question, TableVerdict, str]]]] = [
    # what, restored, what the backup held, what is said
    ("as it was", at(5), at(5), []),
    ("a moment later", at(6), at(5), []),
    ("nothing says", at(5), None, []),
    ("the backup did not see it", at(5), at(None), []),
    ("behind the backup", at(4), at(5), [(FIDELITY, BAD, "the backup held 5, it stands at 4")]),
    ("never called, and called there", at(1, called=False), at(1),
     [(FIDELITY, BAD, "the backup held 1, it stands at 1")]),
    ("called, and never called there", at(1), at(1, called=False), []),
    ("set on the next value by hand", at(6, called=False), at(5), []),
    ("by tens, set on the next value", at(60, 10, called=False), at(50, 10), []),
    ("by tens, one before it", at(59, 10, called=False), at(50, 10),
     [(FIDELITY, BAD, "the backup held 50, it stands at 59")]),
    ("down, as it was", at(-5, -1), at(-5, -1), []),
    ("down, a moment later", at(-6, -1), at(-5, -1), []),
    ("down, behind the backup", at(-4, -1), at(-5, -1),
     [(FIDELITY, BAD, "the backup held -5, it stands at -4")]),
    ("beyond its column", filling(5, 5), None, []),
    ("on a value that is there", filling(5, 5, called=False), None,
     [(SOUND, BAD, "stands at 5, and public.t.id holds 5 already: the next rows collide")]),
    ("next to a value that is there", filling(5, 4), None,
     [(SOUND, BAD, "stands at 4, and public.t.id holds 5 already: the next rows collide")]),
    ("down, beyond its column", filling(-5, -5, -1), None, []),
    ("down, next to a value that is there", filling(-5, -4, -1), None,
     [(SOUND, BAD, "stands at -4, and public.t.id holds -5 already: the next rows collide")]),
    ("down, far from it", filling(-5, -1, -1), None,
     [(SOUND, BAD, "stands at -1, and public.t.id holds -5 already: the next rows collide")]),
    ("behind the backup, and its column", filling(5, 3), at(5),
     [(FIDELITY, BAD, "the backup held 5, it stands at 3"),
      (SOUND, BAD, "stands at 3, and public.t.id holds 5 already: the next rows collide")]),
    ("behind its column, where the backup held it", filling(5, 3), at(3),
     [(SOUND, UNSURE, "stands at 3, and public.t.id holds 5 already; it stands where the backup held it, "
       "and whether its rows are the same is unproven")]),
    ("behind its column, and nobody saw it there", filling(5, 3), at(None),
     [(SOUND, BAD, "stands at 3, and public.t.id holds 5 already: the next rows collide")]),
    ("nobody may look", at(None), at(5),
     [(SOUND, UNSURE, "where it stands is unknown: nobody may look")]),
    ("nobody may look, and why", at(None, why_unknown="denied\x1b[2J"), at(5),
     [(SOUND, UNSURE, "where it stands is unknown: denied\\x1b[2J")]),
    ("its column cannot be read", at(5, why_unknown="no right to read\x1b[2J"), at(5),
     [(SOUND, UNSURE, "no right to read\\x1b[2J")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "held", "said"), [row[1:] for row in _SEQUENCES], ids=[row[0] for row in _SEQUENCES]
)
def test_where_a_sequence_stands(
    now: SequenceState, held: Any, said: list[tuple[Question, TableVerdict, str]]
) -> None:
    origin = None if held is None else Structure(sequences=(held,))
    assert list(flaws(Structure(sequences=(now,)), origin)) == [
        Remark(question=question, check="sequence", subject="s", verdict=verdict, words=words)
        for question, verdict, words in said
    ]


@pytest.mark.parametrize("held", [3, 2])
def test_a_column_ahead_of_its_sequence_is_production_s_where_all_is_the_backup_s(
    held: int,
) -> None:
    """An id that somebody chose, or a sequence that goes round."""
    restored, origin = Structure(sequences=(filling(5, 3),)), Structure(sequences=(at(held),))
    (said,) = flaws(restored, origin, same_rows=True)
    assert (said.question, said.verdict) == (SOUND, GOOD)
    assert said.words == "stands at 3, and public.t.id holds 5 already, as in the backup"
    (said,) = flaws(restored, None, origin, same_rows=True)
    assert said.verdict is BAD


def test_a_sequence_that_the_backup_did_not_have_is_behind_nothing() -> None:
    origin = Structure(sequences=(at(9).model_copy(update={"name": "other"}),))
    assert list(flaws(Structure(sequences=(at(1),)), origin)) == []


_REISSUED: list[tuple[str, SequenceState, SequenceState, bool]] = [
    # what, restored, production, whether numbers are handed out again
    ("as far", at(5), at(5), False),
    ("further", at(6), at(5), False),
    ("set beyond it", at(6, called=False), at(5), False),
    ("set on it", at(5, called=False), at(5), True),
    ("one before it", at(4), at(5), True),
    ("production had handed out none", at(1, called=False), at(1, called=False), False),
    ("nobody knows where production's stood", at(5), at(None), False),
    ("nobody knows where it stands", at(None), at(5), False),
    ("down, as far", at(-5, -1), at(-5, -1), False),
    ("down, set on it", at(-5, -1, called=False), at(-5, -1), True),
    ("down, before it", at(-3, -1), at(-5, -1), True),
]


@pytest.mark.parametrize(
    ("now", "was", "again"), [row[1:] for row in _REISSUED], ids=[row[0] for row in _REISSUED]
)
def test_numbers_that_are_handed_out_again(
    now: SequenceState, was: SequenceState, again: bool
) -> None:
    new = now.model_copy(update={"name": "new"})
    words = (
        f"stands at {now.last}, and production had handed out {was.last}: set it beyond that before "
        "users come, or numbers that they know are given to other rows"
    )
    said = Remark(question=Question.LOSS, check="sequence", subject="s", verdict=GOOD, words=words)
    found = reissued(Structure(sequences=(new, now)), Structure(sequences=(was,)))
    assert list(found) == ([said] if again else [])


def stands(last: str, limit: str, increment: str = "1", *, called: bool = True) -> Structure:
    state = SequenceState(name="k", last=last, called=called, increment=increment, limit=limit)
    return Structure(sequences=(state,))


USED_UP = stands("9", "9")
_ENDS: list[tuple[str, Structure, Any, Any, list[TableVerdict]]] = [
    # what, restored, what the backup held, what the baseline has, verdicts
    ("one value is left", stands("8", "9"), None, None, []),
    ("the last one was not handed out", stands("9", "9", called=False), None, None, []),
    ("it begins again", stands("9", ""), NOTHING, None, []),
    ("it counts down to its end", stands("1", "1", "-1"), NOTHING, None, [BAD]),
    ("it steps over its end", stands("8", "9", "5"), NOTHING, None, [BAD]),
    ("the backup had values left", USED_UP, stands("8", "9"), None, [BAD]),
    ("the backup had none either", USED_UP, USED_UP, None, [GOOD]),
    ("nobody asked for the backup's end", USED_UP, stands("9", ""), None, [GOOD]),
    ("the baseline had values left", USED_UP, None, stands("8", "9"), [UNSURE]),
    ("the baseline had none either", USED_UP, None, USED_UP, [GOOD]),
    ("nothing says whether any was left", USED_UP, None, None, [UNSURE]),
]


@pytest.mark.parametrize(
    ("found", "held", "before", "verdicts"), [row[1:] for row in _ENDS], ids=[r[0] for r in _ENDS]
)
def test_a_sequence_at_its_end(
    found: Structure, held: Any, before: Any, verdicts: list[TableVerdict]
) -> None:
    said = list(flaws(found, held, before))
    assert [one.verdict for one in said] == verdicts
    assert all((one.check, one.subject) == ("sequence", "k") for one in said)
