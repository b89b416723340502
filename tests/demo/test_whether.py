"""What a single scenario's end means for the exit code of `drbook demo`."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from drbook.cli import scenarios
from drbook.cli.scenarios import Whether
from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.demo.story import Story


@pytest.mark.parametrize(
    ("unmet", "word", "incident", "code"),
    [
        ([], "pass", 0, 0),
        ([], "fail", 1, 1),
        ([], "could-not-verify", 5, 5),
        (["rows: none"], "pass", 0, 1),
        (["rows: none"], "could-not-verify", 5, 1),
        (["outcome: aborted"], "aborted", 3, 3),
        (["outcome: open"], "open", 6, 6),
    ],
)
def test_a_scenario_that_did_not_come_out_as_it_must_is_no_success(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    unmet: list[str],
    word: str,
    incident: int,
    code: int,
) -> None:
    monkeypatch.setattr(scenarios, "report", lambda final, ended: {})
    expected = SimpleNamespace(unmet=lambda told: unmet)
    whether = Whether(cast(Story, SimpleNamespace(expected=expected, end="all is well")))
    assert whether.code(incident) == incident, "led at the screen"
    final: Any = None
    whether(final, Outcome(word, ExitCode(incident), ""))
    assert whether.code(incident) == code
    assert ("did not come out as it must" in capsys.readouterr().err) is bool(unmet)
