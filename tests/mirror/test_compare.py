"""A journal against a mirror, as a table: every tampering, and on which side it happened."""

from dataclasses import replace

import pytest

from drbook.core.errors import ExitCode
from drbook.mirror.compare import CODES, Copy, Line, Verdict, compare


def chain(*names: str, start: int = 1) -> list[Line]:
    """Lines whose digests are given, each naming the one before."""
    lines, previous = [], "0" * 64
    for seq, name in enumerate(names, start):
        lines.append(Line(seq, name, previous))
        previous = name
    return lines


def copy(lines: list[Line], takeovers: dict[int, str] | None = None) -> Copy:
    return Copy("there", tuple(lines), takeovers=takeovers or {})


GOOD = ["a", "b", "c", "d", "e"]
FLIPPED_THERE = [*chain("a", "b", "X"), Line(4, "d", "c"), Line(5, "e", "d")]
LAST_FLIPPED_THERE = [*chain("a", "b", "c", "d"), Line(5, "X", "d")]
GAP_THERE = [line for line in chain(*GOOD) if line.seq != 3]
UNUSABLE = [*chain("a", "b"), Line(3, problem="it is not JSON"), Line(4, "d", "c")]
TABLE: dict[str, tuple[list[str], list[Line], Verdict, int]] = {
    "all agree": (GOOD, chain(*GOOD), Verdict.SAME, 5),
    "the mirror is behind": (GOOD, chain("a", "b", "c"), Verdict.BEHIND, 3),
    "the journal was cut": (GOOD[:3], chain(*GOOD), Verdict.CUT, 3),
    "the journal was emptied": ([], chain(*GOOD), Verdict.CUT, 0),
    "the journal was cut by one": (GOOD[:4], chain(*GOOD), Verdict.CUT, 4),
    "the journal was written anew": (["V", "W", "X"], chain(*GOOD), Verdict.DIFFERENT, 0),
    "re-chained from a line on": (["a", "b", "X", "Y", "Z"], chain(*GOOD), Verdict.DIFFERENT, 2),
    "re-chained, and the mirror is behind": (
        ["a", "b", "X", "Y", "Z"], chain("a", "b", "c"), Verdict.DIFFERENT, 2,
    ),
    "re-chained behind the mirror's end": (["a", "b", "X"], chain("a", "b"), Verdict.BEHIND, 2),
    "cut and written on": (["a", "b", "X"], chain(*GOOD), Verdict.DIFFERENT, 2),
    "only the last line": (["a", "b", "c", "d", "X"], chain(*GOOD), Verdict.DIFFERENT, 4),
    "a line flipped in the mirror": (GOOD, FLIPPED_THERE, Verdict.MIRROR_DAMAGED, 2),
    "the mirror's last line flipped": (GOOD, LAST_FLIPPED_THERE, Verdict.DIFFERENT, 4),
    "a record deleted in the mirror": (GOOD, GAP_THERE, Verdict.MIRROR_DAMAGED, 2),
    "the first deleted": (GOOD, chain(*GOOD)[1:], Verdict.MIRROR_DAMAGED, 0),
    "a record that cannot be used": (GOOD, UNUSABLE, Verdict.MIRROR_DAMAGED, 2),
    "junk behind the end": (GOOD, [*chain(*GOOD), Line(6, problem="junk")], Verdict.MIRROR_DAMAGED, 5),
    "a stranger behind the end": (GOOD, [*chain(*GOOD), Line(6, "X", "Y")], Verdict.MIRROR_DAMAGED, 5),
    "both were changed": (["a", "b", "Q", "Y", "Z"], FLIPPED_THERE, Verdict.DIFFERENT, 2),
    "written anew, and a gap in the mirror to hide it": (
        ["a", "b", "c", "X", "Y"], [line for line in chain(*GOOD) if line.seq != 2],
        Verdict.DIFFERENT, 1,
    ),
    "cut here, changed long after there": (
        ["a", "X"], [*chain("a", "b", "c"), Line(4, "d", "?")], Verdict.DIFFERENT, 1,
    ),
    "nothing there": (GOOD, [], Verdict.EMPTY, 0),
    "nothing anywhere": ([], [], Verdict.EMPTY, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_what_is_found(case: str) -> None:
    journal, lines, verdict, agreed = TABLE[case]
    found = compare(journal, copy(lines))
    assert found.verdict is verdict, found.problem
    assert found.agreed == agreed
    assert found.problem.endswith(".")


def test_a_take_over_is_told_from_tampering() -> None:
    there = chain("a", "b", "c", "T", "e")
    took = replace(copy(there, {4: "bob on spare"}), hosts={4: ("old", "spare")})
    left = compare(["a", "b", "c"], took, "old")
    assert left.verdict is Verdict.TAKEN_OVER
    assert "bob on spare took over" in left.problem
    assert "2 records more" in left.problem
    forked = compare(["a", "b", "c", "x", "y"], copy(there, {4: "bob on spare"}))
    assert forked.verdict is Verdict.FORKED
    assert "went on for 2 records" in forked.problem


@pytest.mark.parametrize(
    ("left", "taker", "host"),
    [("old", "spare", "spare"), ("old", "spare", "renamed"), ("old", "old", "old"), ("", "", "")],
)
def test_only_on_the_machine_that_was_left_is_a_take_over_no_cut(
    left: str, taker: str, host: str
) -> None:
    took = copy(chain("a", "b", "T", "d"), {3: "bob on spare"})
    found = compare(["a", "b"], replace(took, hosts={3: (left, taker)}), host)
    assert found.verdict is Verdict.TAKEN_OVER_HERE
    assert found.code == ExitCode.COULD_NOT_VERIFY


def test_only_what_agreed_to_its_end_passes() -> None:
    passing = {verdict for verdict in Verdict if CODES[verdict] is ExitCode.DONE}
    assert passing == {Verdict.SAME, Verdict.TAKEN_OVER}
    assert set(CODES) == set(Verdict)
    assert {CODES[one] for one in (Verdict.EMPTY, Verdict.UNREADABLE, Verdict.BEHIND)} == {
        ExitCode.COULD_NOT_VERIFY
    }


@pytest.mark.parametrize(
    ("lines", "whole"),
    [(chain(*GOOD), 5), (GAP_THERE, 2), (UNUSABLE, 2), (chain("b", start=2), 0), ([], 0)],
)
def test_how_much_of_a_mirror_is_whole(lines: list[Line], whole: int) -> None:
    assert copy(lines).whole == whole
