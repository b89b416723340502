"""What `lint` remarks of the times that the clocks run from."""

from textwrap import dedent

import pytest
from support.folded import loaded

from drbook.language.advice import advice

BOOK = """\
drbook: 1
title: T
objectives: {rpo: 24h, rto: 4h}
INPUTS
steps:
  - {id: verify, phase: verify, do: postgres.verify, why: w}
"""

REMARKS = [
    ("inputs: {occurred: {type: time}}", []),
    ("inputs: {occurred: {type: time}, detected: {type: time}, declared: {type: time}}", []),
    ("inputs: {day: {}}", [("inputs", "no input `occurred`")]),
    ("", [("", "no input `occurred`")]),
    ("inputs: {occurred: {}}", [("inputs.occurred", "an input `occurred` of type text")]),
    (
        "inputs: {occurred: {type: time}, detected: {}}",
        [("inputs.detected", "an input `detected` of type text")],
    ),
]


@pytest.mark.parametrize(("inputs", "wanted"), REMARKS)
def test_times(inputs: str, wanted: list[tuple[str, str]]) -> None:
    found = advice(loaded(dedent(BOOK).replace("INPUTS", inputs)))
    assert [(one.path, one.found) for one in found] == wanted


DEADLINES = [
    ("declared", []),
    ("occurred", []),
    ("detected", ["a deadline that counts from `detected`, and no input of that name"]),
]


@pytest.mark.parametrize(("counts_from", "wanted"), DEADLINES)
def test_a_deadline_that_counts_from_what_nobody_is_asked_for(
    counts_from: str, wanted: list[str]
) -> None:
    more = f"inputs: {{occurred: {{type: time}}}}\ndeadlines: [{{name: N, after: 72h, from: {counts_from}}}]"
    found = advice(loaded(BOOK.replace("INPUTS", more)))
    assert [one.found for one in found] == wanted
    assert all(one.path == "deadlines[0]" for one in found)
