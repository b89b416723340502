"""JUnit XML: valid whatever a step says, and nothing passes that did not succeed."""

from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
from support.folded import loaded, records_of

from drbook.app.junit import reported
from drbook.core.errors import UsageError
from drbook.core.fold import fold
from drbook.core.state import StepState
from drbook.timeline.build import build
from drbook.timeline.junit import Ending, junit, no_result
from drbook.timeline.model import JournalFacts

BOOK = """
drbook: 1
title: "Shop <lost> & ]]> gone"
steps:
  - {id: a, phase: detect, do: once}
  - {id: b, phase: restore, do: again}
"""
S = StepState
SHOWN = [
    (S.SUCCEEDED, None),
    (S.FAILED, "failure"),
    (S.COULD_NOT_VERIFY, "error"),
    (S.REFUSED, "error"),
    (S.CANCELLED, "error"),
    (S.IN_DOUBT, "error"),
    (S.SKIPPED, "skipped"),
    (S.NOT_EXERCISED, "skipped"),
]


@pytest.mark.parametrize(("state", "tag"), SHOWN)
def test_how_a_step_is_shown(state: StepState, tag: str | None) -> None:
    runbook = loaded(BOOK)
    records = records_of(runbook, ends={"a": state})
    timeline = build(records, journal=JournalFacts("j", "0", intact=True))
    ending = Ending("w\x1b\ufffe\ud800<", 5, "r\x00\x1b[2J\n]]>&")
    found = xml.fromstring(junit(timeline, fold(records), runbook, ending))
    first, second, *more = found.iter("testcase")
    assert [child.tag for child in first] == ([tag] if tag else [])
    assert [child.tag for child in second] == ["skipped"]  # not reached
    bad = tag in ("failure", "error")
    assert len(more) == (0 if bad else 1)  # the run did not end well, and some case says so
    suite = found.find("testsuite")
    assert suite is not None
    assert int(suite.get("failures", "")) + int(suite.get("errors", "")) == 1
    values = {one.get("name"): one.get("value") for one in found.iter("property")}
    assert values["rto_objective_seconds"] == "14400"
    assert values["rto_met"] == "unknown"


def test_an_older_result_does_not_outlive_the_start_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "r.xml"
    path.write_text("<old/>")
    with pytest.raises(UsageError), reported(path, "T"):
        _refuse(path)
    assert "it could not be opened" in path.read_text()
    assert xml.fromstring(no_result("\x00", "\x1b", "\ud800")).find(".//error") is not None
    with pytest.raises(UsageError), reported(tmp_path / "none" / "r.xml", "T"):
        raise AssertionError


def _refuse(path: Path) -> None:
    assert b"not-ended" in path.read_bytes()
    raise UsageError("it could not be opened")
