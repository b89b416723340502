"""The runbook's own assertions: what holds, what does not, and what nobody answered."""

import pytest
from pydantic import ValidationError

from drbook.core.assertions import Assertion, judge, unanswered
from drbook.core.remarks import Question, TableVerdict
from drbook.core.targets import QueryResult

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


def asked(*rows: tuple[str | None, ...], **held: object) -> tuple[TableVerdict, str]:
    assertion = Assertion.model_validate({"name": "it holds", "sql": "SELECT 1"} | held)
    found = judge(assertion, QueryResult(columns=("a",), rows=rows))
    assert (found.question, found.check) == (Question.ASSERTION, "assertion")
    assert found.subject == "it holds"
    return found.verdict, found.words


TABLE: list[tuple[tuple[tuple[str | None, ...], ...], dict[str, object], TableVerdict, str]] = [
    ((("5",),), {"equals": 5}, GOOD, "5"),
    ((("5.0",),), {"equals": 5}, GOOD, "5.0"),
    ((("5",),), {"equals": 6}, FAIL, "5, not 6"),
    ((("5.0",),), {"equals": "5"}, FAIL, "5.0, not 5"),
    ((("9223372036854775807",),), {"equals": "9223372036854775807"}, GOOD, "9223372036854775807"),
    ((("t",),), {"equals": True}, GOOD, "t"),
    ((("f",),), {"equals": True}, FAIL, "f, not t"),
    ((("t",),), {"equals": False}, FAIL, "t, not f"),
    ((("f",),), {"equals": False}, GOOD, "f"),
    ((("EUR",),), {"equals": "EUR"}, GOOD, "EUR"),
    ((("EUR",),), {"equals": float("inf")}, FAIL, "EUR, not inf"),
    (((" 5 ",),), {"equals": 5}, GOOD, " 5 "),
    ((("5",),), {"min": 5, "max": 5}, GOOD, "5"),
    ((("4",),), {"min": 5}, FAIL, "4, less than 5"),
    ((("6",),), {"max": 5}, FAIL, "6, more than 5"),
    ((("many",),), {"min": 5}, FAIL, "many is no number"),
    ((("NaN",),), {"min": 5}, FAIL, "NaN is no number"),
    ((), {"min": 5}, FAIL, "the answer is empty (no row)"),
    (((None,),), {"equals": 0}, FAIL, "the answer is empty (NULL)"),
    ((), {"equals": 0, "empty": "pass"}, GOOD, "the answer is empty (no row)"),
    (((),), {"min": 5}, FAIL, "the answer is empty (no column)"),
    (((None,),), {"min": 5, "empty": "pass"}, GOOD, "the answer is empty (NULL)"),
    (((None,),), {"max": 5, "empty": "pass"}, GOOD, "the answer is empty (NULL)"),
    ((("a\x1bb",),), {"equals": "c\x1bd"}, FAIL, "a\\x1bb, not c\\x1bd"),
    ((("anything",),), {}, GOOD, "anything"),
    ((("t",),), {}, GOOD, "t"),
    ((("7",),), {}, GOOD, "7"),
    ((("-7",),), {}, GOOD, "-7"),
    ((("f",),), {}, FAIL, "f, and nothing says that it may be"),
    ((("0.0",),), {}, FAIL, "0.0, and nothing says that it may be"),
    ((("0",),), {"min": 0}, GOOD, "0"),
    ((("0",),), {"max": 0}, GOOD, "0"),
    ((), {}, FAIL, "the answer is empty (no row)"),
]


@pytest.mark.parametrize(("rows", "held", "verdict", "words"), TABLE)
def test_an_answer_is_held_to_what_is_wanted(
    rows: tuple[tuple[str | None, ...], ...],
    held: dict[str, object],
    verdict: TableVerdict,
    words: str,
) -> None:
    assert asked(*rows, **held) == (verdict, words)


def test_a_query_that_did_not_end_proves_nothing() -> None:
    found = unanswered(Assertion(name="it holds", sql="SELECT 1"), "statement timeout\x1b[31m")
    assert found.verdict is UNSURE
    assert found.words == "not answered: statement timeout\\x1b[31m"


@pytest.mark.parametrize(
    "held",
    [
        {"equals": 1, "min": 0},
        {"equals": 1, "max": 2},
        {"min": "many"},
        {"max": "many"},
        {"empty": "pass"},
        {"sql": ""},
    ],
)
def test_one_that_says_two_things_or_could_not_fail_is_an_error(held: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        asked(("1",), **held)


def named(name: str) -> str:
    assertion = Assertion(name=name, sql="SELECT 1")
    return judge(assertion, QueryResult(columns=("a",), rows=(("1",),))).subject


def test_a_verdict_is_about_the_name_of_what_was_asserted() -> None:
    assert named("paid\x1b[2J") == "paid\\x1b[2J"


def test_a_name_has_one_character_to_two_hundred() -> None:
    for name in ("n", "n" * 200):
        assert named(name) == name
    for name in ("", "n" * 201):
        with pytest.raises(ValidationError):
            named(name)
