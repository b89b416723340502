"""What a verification has to say beside the rows: one remark about one thing, and what it counts for."""

from collections.abc import Iterable
from enum import StrEnum

from drbook.core.values import Frozen, counted


class TableVerdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    COULD_NOT_VERIFY = "could-not-verify"


class Question(StrEnum):
    """Which question a remark answers. They are never mixed: what the backup did not hold is lost, and
    no fault of the restore."""

    FIDELITY = "fidelity"
    """Is it what the backup held?"""
    SOUNDNESS = "soundness"
    """Is it sound in itself, whatever the backup held?"""
    ASSERTION = "assertion"
    """Is it what the runbook asks for?"""
    LOSS = "loss"
    """What had production that is not here?"""


class Remark(Frozen):
    """One difference or one flaw. With the verdict `pass` it is worth knowing and speaks against nothing."""

    question: Question
    check: str
    """What was compared, like `index` or `sequence`."""
    subject: str
    """What it is about, as PostgreSQL spells it."""
    verdict: TableVerdict
    words: str


def before_users(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """What is no fault of the restore and has to be set right before anybody writes: sequences that would
    hand out again what production had handed out already."""
    return tuple(
        one for one in remarks if one.question is Question.LOSS and one.check == "sequence"
    )


def worst(verdicts: Iterable[TableVerdict]) -> TableVerdict:
    """The worst of all; of nothing at all, nobody can say that it passed."""
    found = set(verdicts)
    for bad in (TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY):
        if bad in found:
            return bad
    return TableVerdict.PASS if found else TableVerdict.COULD_NOT_VERIFY


MOST = 200
"""Remarks of one kind and verdict that are kept one by one; the record holds them all."""


def gathered(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """The worst first. What is only worth knowing is said once for all that it is said of, and of what
    speaks against the restore at most `MOST` of a kind are named; the others are counted."""
    kinds: dict[tuple[int, Question, str, str], list[Remark]] = {}
    rank = {TableVerdict.FAIL: 0, TableVerdict.COULD_NOT_VERIFY: 1, TableVerdict.PASS: 2}
    for one in sorted(remarks, key=lambda each: each.subject):
        known = one.verdict is TableVerdict.PASS
        key = (rank[one.verdict], one.question, one.check, one.words if known else "")
        kinds.setdefault(key, []).append(one)
    found: list[Remark] = []
    for key in sorted(kinds):
        found += _together(kinds[key]) if key[0] == 2 else _first_of(kinds[key])
    return tuple(found)


def _together(alike: list[Remark]) -> list[Remark]:
    if len(alike) <= 3:
        return alike
    named = ", ".join(one.subject for one in alike[:2])
    subject = f"{named} and {len(alike) - 2} more"
    return [alike[0].model_copy(update={"subject": subject})]


def _first_of(alike: list[Remark]) -> list[Remark]:
    rest = len(alike) - MOST
    if rest <= 0:
        return alike
    more = alike[0].model_copy(
        update={"subject": "", "words": f"{counted(rest, 'more of its kind', 'more of its kind')}"}
    )
    return [*alike[:MOST], more]
