"""What a verification has to say beside the rows: one remark about one thing, and what it counts for."""

from collections.abc import Iterable
from enum import StrEnum

from drbook.core.values import Frozen


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


def worst(verdicts: Iterable[TableVerdict]) -> TableVerdict:
    """The worst of all; of nothing at all, nobody can say that it passed."""
    found = set(verdicts)
    for bad in (TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY):
        if bad in found:
            return bad
    return TableVerdict.PASS if found else TableVerdict.COULD_NOT_VERIFY
