"""Inputs are held against the runbook's secrets before anything is recorded, made or said."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from drbook.app.places import Home
from drbook.app.session import open_incident
from drbook.app.vocabulary import vocabulary
from drbook.cli.main import main
from drbook.cli.settings import ask_missing, read_settings
from drbook.core.errors import UsageError
from drbook.core.events import Mode
from drbook.core.runbook import Runbook
from drbook.language.load import load

VALUE = "Zq81-Typed-9w2e"
RUNBOOK = """
drbook: 1
title: TITLE
inputs:
  word: {type: text, default: DEFAULT}
  rows: {type: number, default: 1}
steps:
  - {id: a, phase: detect, do: shell, with: {shell: "true", secrets: {PW: "env:MYPW"}}}
"""
CALLS = ("run R --mode dry-run --headless", "backups R", "baseline compare R")


def runbook(title: str = "T", default: str = "none") -> str:
    return RUNBOOK.replace("TITLE", title).replace("DEFAULT", default)


def loaded(text: str) -> Runbook:
    return load(text.encode(), "r.yaml", vocabulary())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYPW", VALUE)
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    # In this process, whose limit could not be raised again for the tests behind this one.
    (tmp_path / "R").write_text(runbook())
    return tmp_path


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "setting", [f"word=pw is {VALUE}", f"rows={VALUE}", f"{VALUE}=1", f"{VALUE}", f"no={VALUE}"]
)
def test_an_input_that_holds_a_secret_is_refused_and_not_repeated(
    place: Path, capfd: pytest.CaptureFixture[str], call: str, setting: str
) -> None:
    assert main([*call.split(), "--set", setting]) == 2
    said = "".join(capfd.readouterr())
    assert "holds the value of a secret that this incident uses" in said
    assert "Write it again without the value" in said
    assert VALUE not in said
    assert not list(place.rglob("journal.jsonl"))


@pytest.mark.parametrize(
    ("text", "given", "named"),
    [
        (runbook(), {"word": f"is {VALUE}"}, "The value of word"),
        (runbook(), {f"is {VALUE}": "1"}, "The name of an input"),
        (runbook(default=f"is {VALUE}"), {}, "The value of word"),
        (runbook(title=f"is {VALUE}"), {}, "The runbook's title"),
    ],
)
def test_no_incident_is_opened_with_a_secret_in_its_first_record(
    place: Path, text: str, given: dict[str, str], named: str
) -> None:
    with pytest.raises(UsageError, match=f"{named} holds the value of a secret") as caught:
        open_incident(
            loaded(text), Mode.DRY_RUN, Home(place / "home"), given, environment={"MYPW": VALUE}
        )
    assert caught.value.code == "secret-typed"
    assert VALUE not in caught.value.explain()
    assert not (place / "home").exists()


def test_a_question_for_an_input_is_asked_again() -> None:
    asking = loaded(runbook().replace(", default: 1", "").replace(", default: none", ""))

    def ask() -> None:
        click.echo(ask_missing(asking, read_settings(asking, ())))

    typed = f"pw is {VALUE}\na word\nmany\n7\n"
    said = CliRunner().invoke(click.Command("ask", callback=ask), input=typed).output
    assert "{'word': 'a word', 'rows': '7'}" in said
    assert "The value of word holds the value of a secret" in said
    assert "'many' is not a whole number" in said


def test_what_is_no_pair_is_named() -> None:
    with pytest.raises(UsageError, match="'word' is not NAME=VALUE"):
        read_settings(loaded(runbook()), ("word",))
