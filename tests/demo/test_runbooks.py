"""The shipped runbooks as somebody finds them at night: without a problem, and with a page that fits a screen."""

import json

import pytest
from click.testing import CliRunner

from drbook.app.shipped import names, open_runbook
from drbook.cli.main import cli
from drbook.core.errors import UsageError
from drbook.core.runbook import Phase
from drbook.demo.worlds import MODULES, story

HEADINGS = ("WHAT THIS IS FOR", "THE FIRST FIVE MINUTES", "WHO TO CALL", "WHAT NOT TO DO")


def test_each_is_a_scenario_and_each_scenario_has_one() -> None:
    assert sorted(story(name).world.file for name in MODULES) == [f"{one}.yaml" for one in names()]


@pytest.mark.parametrize("name", names())
def test_a_page_that_a_human_can_read_at_night(name: str) -> None:
    page = CliRunner().invoke(cli, ["show", "--page", name], catch_exceptions=False)
    lines = page.stdout.splitlines()
    assert len(lines) <= 23, "it fits a terminal of 24 lines, with the prompt"
    assert all(len(line) <= 80 for line in lines)
    assert [line.strip() for line in lines if line.strip() in HEADINGS] == list(HEADINGS)


@pytest.mark.parametrize("given", ["volume-deleted", "table-droped", "\x1b[2Jx"])
def test_a_name_that_is_none_is_answered_with_those_that_there_are(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_runbook(given)
    said = caught.value.explain()
    assert all(name in said for name in names())
    assert "drbook demo --list" in said
    assert "\x1b" not in said
    assert ("did you mean `table-dropped`?" in said) is (given == "table-droped")


def test_the_list_of_scenarios_names_their_runbooks() -> None:
    listed = CliRunner().invoke(cli, ["demo", "--list"], catch_exceptions=False).stdout
    lines = [line.strip() for line in listed.splitlines()]
    assert {f"runbook: {name}" for name in names()} <= set(lines)
    assert "runbook: rental-business" in listed.partition("volume-deleted")[2].partition("→")[0]


@pytest.mark.parametrize("name", names())
def test_lint_has_nothing_to_say(name: str) -> None:
    checked = CliRunner().invoke(cli, ["lint", "--json", name], catch_exceptions=False)
    found = json.loads(checked.stdout)
    assert (found["problems"], found["advice"]) == ([], [])


@pytest.mark.parametrize("name", [one for one in names() if one != "rental-business"])
def test_what_is_left_is_preserved_first(name: str) -> None:
    runbook = open_runbook(name)
    assert runbook.steps[0].step.phase is Phase.PRESERVE
    (locate,) = [step for step in runbook.steps if step.step.do == "backups.locate"]
    preserving = {step.id for step in runbook.steps if step.step.phase is Phase.PRESERVE}
    assert locate.needs & preserving, "nothing is located, mounted or read before that"
    assert runbook.document.contacts
