"""What is wrong with a restored database itself, and what production had already."""

from typing import Any

import pytest

from drbook.core.remarks import TableVerdict
from drbook.core.soundness import flaws
from drbook.core.structure import DbObject, Orphans, SequenceState, Structure

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
    ("a trigger, and nothing says", flawed("trigger"), None, None, UNSURE),
    ("a trigger, and the backup had none", flawed("trigger"), NOTHING, None, BAD),
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
