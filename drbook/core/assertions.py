"""The runbook's own assertions on a restored database: one query, and what its first value must be."""

from decimal import Decimal, InvalidOperation
from typing import Literal, Self

from pydantic import Field, model_validator

from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.targets import QueryResult
from drbook.core.values import Frozen, plain

GOOD, FAIL = TableVerdict.PASS, TableVerdict.FAIL

Number = int | float | str
"""Numbers may be written as text, where they exceed what YAML and JSON hold exactly."""


class Assertion(Frozen):
    """What must hold. An empty answer (no row, or NULL) fails unless `empty: pass` says otherwise.
    Without a value or a range, so does a false one and 0: `SELECT count(*) > 0` is meant to hold."""

    name: str = Field(min_length=1, max_length=200)
    """What it says, for people: `no booking before 2019`."""
    sql: str = Field(min_length=1)
    """One query; the first value of its first row is held against what follows."""
    equals: Number | bool | None = None
    min: Number | None = None
    max: Number | None = None
    empty: Literal["fail", "pass"] = "fail"

    @model_validator(mode="after")
    def _something_to_hold(self) -> Self:
        if self.equals is not None and (self.min is not None or self.max is not None):
            raise ValueError("give `equals`, or a range by `min` and `max`, not both")
        for bound in (self.min, self.max):
            if bound is not None and _number(bound) is None:
                raise ValueError("`min` and `max` are numbers")
        if self.equals is None and self.min is None and self.max is None and self.empty == "pass":
            raise ValueError("it could not fail: give `equals`, `min` or `max`")
        return self


def judge(assertion: Assertion, found: QueryResult) -> Remark:
    """The verdict on an answer that arrived whole."""
    row = found.rows[0] if found.rows else None
    value = row[0] if row else None
    if value is None:
        what = "NULL" if row else "no row" if row is None else "no column"
        verdict = GOOD if assertion.empty == "pass" else FAIL
        return remark(assertion, verdict, f"the answer is empty ({what})")
    shown = plain(value, 100)
    wanted = assertion.equals
    if wanted is not None:
        good = _same(value, wanted)
        return remark(
            assertion,
            GOOD if good else FAIL,
            f"{shown}" if good else f"{shown}, not {_said(wanted)}",
        )
    number = _number(value)
    if assertion.min is None and assertion.max is None and (value == "f" or number == 0):
        return remark(assertion, FAIL, f"{shown}, and nothing says that it may be")
    for bound, sign in ((assertion.min, "less than"), (assertion.max, "more than")):
        if bound is None:
            continue
        limit = _number(bound)
        if number is None or limit is None:
            return remark(assertion, FAIL, f"{shown} is no number")
        if (number < limit) if sign == "less than" else (number > limit):
            return remark(assertion, FAIL, f"{shown}, {sign} {plain(str(bound), 100)}")
    return remark(assertion, GOOD, shown)


def unanswered(assertion: Assertion, why: str) -> Remark:
    """A query that did not run to its end proves nothing."""
    return remark(assertion, TableVerdict.COULD_NOT_VERIFY, f"not answered: {plain(why, 300)}")


def remark(assertion: Assertion, verdict: TableVerdict, words: str) -> Remark:
    return Remark(
        question=Question.ASSERTION,
        check="assertion",
        subject=plain(assertion.name, 200),
        verdict=verdict,
        words=words,
    )


def _same(value: str, wanted: Number | bool) -> bool:
    if isinstance(wanted, bool):
        return value == ("t" if wanted else "f")
    if value == str(wanted):
        return True
    left, right = _number(value), _number(wanted)
    return left is not None and left == right and not isinstance(wanted, str)


def _said(wanted: Number | bool) -> str:
    return ("t" if wanted else "f") if isinstance(wanted, bool) else plain(str(wanted), 100)


def _number(value: Number) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
