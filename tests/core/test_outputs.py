"""What commands, queries and requests handed back, read from what is on record."""

import pytest

from drbook.core.outputs import LONGEST, Printed, Rows, cell, parts_of
from drbook.core.values import Json


def ran(out: str = "", err: str = "", code: int = 0) -> Json:
    return {"argv": ["sh"], "exit_code": code, "seconds": 1, "stdout": out, "stderr": err}


def test_both_streams_are_told_apart_and_an_empty_one_is_left_out() -> None:
    assert parts_of("shell", ran("a\nb", "c")) == (
        Printed("standard output", "a\nb"),
        Printed("standard error", "c"),
    )
    assert parts_of("shell", ran(err="c")) == (Printed("standard error", "c"),)
    assert parts_of("shell", ran()) == (Printed("it printed nothing", ""),)


def test_why_it_failed_comes_first() -> None:
    labels = [part.label for part in parts_of("shell", ran("a", "b", 1), failed=True)]
    assert labels == ["standard error", "standard output"]


def test_a_command_that_was_stopped_has_no_exit_code_and_its_output() -> None:
    result = {"argv": ["sh"], "exit_code": None, "seconds": 1, "stdout": "half", "stderr": ""}
    assert parts_of("shell", result, failed=True) == (Printed("standard output", "half"),)


def test_an_answer_says_its_status() -> None:
    found = parts_of("http", {"status": 404, "seconds": 0, "body": "not here"})
    assert found == (Printed("answer: status 404", "not here"),)
    (empty,) = parts_of("http", {"status": 204, "seconds": 0, "body": ""})
    assert empty.label == "answer: status 204, without a body"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        ("", "''"),
        ("NULL", "'NULL'"),
        ("'NULL'", "''NULL''"),
        ("x", "x"),
        ("a\0b", r"a\x00b"),
    ],
)
def test_null_is_no_text(value: str | None, shown: str) -> None:
    assert cell(value) == shown


def answered(rows: list[list[str | None]], *, truncated: bool = False) -> Json:
    return {
        "columns": ["id", "name"], "rows": rows, "value": None, "count": len(rows),
        "truncated": truncated,
    }  # fmt: skip


def test_more_rows_than_exports_show_are_counted() -> None:
    (found,) = parts_of("sql", answered([["1", "x" * 200]] * 1000, truncated=True))
    assert isinstance(found, Rows)
    assert found.label == "1,000 rows, and there are more"
    shown, left = found.shown()
    assert len(shown) == LONGEST // 201
    assert left == 1000 - len(shown)


@pytest.mark.parametrize("result", [None, "x", {"exit_code": 1}, [1], {"status": "no"}])
@pytest.mark.parametrize("action", ["shell", "sql", "http", "postgres.verify", "manual"])
def test_what_cannot_be_read_is_nothing(action: str, result: Json) -> None:
    assert parts_of(action, result) == ()
