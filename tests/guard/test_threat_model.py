"""The threat model in the README is held to the tests: each row names one, and no possibility is left out."""

import ast
import re
from pathlib import Path

import pytest

GUARD = Path(__file__).parent
ELSEWHERE = (
    "test_disguises.py",
    "test_merging.py",
    "test_notify.py",
    "test_pages.py",
    "test_pg_ask.py",
)
SHOWN_IN = (
    *sorted(GUARD.glob("test_*.py")),
    *(GUARD.parent / "providers" / name for name in ELSEWHERE),
)
README = GUARD.parent.parent / "README.md"
_NAMED = re.compile(r"`(test_[a-z0-9_]+\.py)::(test_[a-z0-9_]+)`")


def rows(text: str) -> list[str]:
    """The rows of the table, without its head. Raises ValueError where there is no table."""
    begin = text.index("<!-- threat table -->")
    table = text[begin : text.index("<!-- end of the threat table -->")].splitlines()
    return [line for line in table if line.startswith("|")][2:]


def all_tests_here() -> set[tuple[str, str]]:
    return {
        (path.name, node.name)
        for path in SHOWN_IN
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def wrong_in(table: list[str], tests: set[tuple[str, str]]) -> list[str]:
    """Rows without a test, tests that do not exist, and possibilities that no row names."""
    named = {found for row in table for found in _NAMED.findall(row)}
    found = [f"no test: {row}" for row in table if not _NAMED.search(row)]
    found += [f"there is no {file}::{name}" for file, name in sorted(named - tests)]
    found += [
        f"not said: {file}::{name}"
        for file, name in sorted(tests - named)
        if name.startswith("test_what_stays_possible")
    ]
    return found + [f"not four columns: {row}" for row in table if row.count("|") != 5]


def test_the_threat_model_is_what_the_tests_show() -> None:
    table = rows(README.read_text(encoding="utf-8"))
    assert len(table) > 20
    assert wrong_in(table, all_tests_here()) == []


GOOD = "| a | b | c | `test_a.py::test_x` |"
TESTS = {("test_a.py", "test_x"), ("test_a.py", "test_y")}


@pytest.mark.parametrize(
    ("table", "tests"),
    [
        (["| a | b | c | |"], TESTS),
        (["| a | b | c | `test_a.py::test_z` |"], TESTS),
        ([GOOD.replace("test_a.py", "test_b.py")], TESTS),
        ([GOOD.replace("| b ", "")], TESTS),
        ([GOOD], TESTS | {("test_a.py", "test_what_stays_possible_is_more")}),
    ],
)
def test_a_wrong_table_is_found(table: list[str], tests: set[tuple[str, str]]) -> None:
    assert wrong_in([GOOD], TESTS) == []
    assert len(wrong_in(table, tests)) >= 1


def test_a_readme_without_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="not found"):
        rows("# drbook")
