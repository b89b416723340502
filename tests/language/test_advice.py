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
