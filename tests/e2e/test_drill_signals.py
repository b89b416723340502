"""Signals at the end of a drill: nothing that it made is left behind unsaid, and what is on record counts."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
from campaigns.leftovers import Place, world
from support.program import Drbook
from support.receiver import Receiver, receiving
from support.signalled import signalled

from drbook.core import events as ev
from drbook.journal.reader import read, verify

pytestmark = pytest.mark.xdist_group("leftovers")

NOTIFY = 'notify: [{{kind: slack, url: env:HOOK, host: "{host}", on: [pass, aborted], modes: [drill]}}]\n'
BOOK = """\
drbook: 1
title: T
{notify}steps: [{{id: a, phase: close, do: note, with: {{text: t}}}}]
"""


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    with world() as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def events(folder: Path) -> list[ev.Event]:
    return [one.event for one in read(folder / "journal.jsonl")]


def test_a_signal_while_somebody_is_told_and_one_while_it_is_removed(
    base: Path, receiver: Receiver
) -> None:
    (base / "told").mkdir(mode=0o711)
    here = Place(base / "told", base / "told.yaml")
    told = NOTIFY.format(host=receiver.host)
    here.runbook.write_text(
        (base / "r.yaml").read_text().replace("production:", told + "production:", 1)
    )
    receiver.turns = [lambda asked: asked.hangs()]
    here.drbook.environment["HOOK"] = receiver.url("/services/T0/x1y2z3a4b5c6d7e8f9")
    program = signalled(here.drbook, NotificationIntended="TERM", ReleaseIntended="INT")
    ran = program("rehearse", str(here.runbook), "--headless", "--json")
    assert ran.code == 0, ran.err
    assert "no longer waited for" in ran.err
    assert "once more leaves it behind" in ran.err
    assert here.left() == []
    found = events(here.folder)
    (ended,) = (one for one in found if isinstance(one, ev.NotificationEnded))
    assert ended.delivery == "unknown"
    assert isinstance(found[-1], ev.ResourceReleased)
    assert not verify(here.folder / "journal.jsonl").problem


def test_two_signals_end_the_removal_on_record_and_the_command_is_said(base: Path) -> None:
    (base / "cut").mkdir(mode=0o711)
    here = Place(base / "cut", base / "r.yaml")
    program = signalled(here.drbook, ReleaseIntended="TERM,INT")
    ran = program("rehearse", str(here.runbook), "--headless", "--json")
    assert ran.code == 0, ran.err
    assert f"1 target of this drill still there: drbook drill clean {here.folder.name}" in ran.err
    last = events(here.folder)[-1]
    assert isinstance(last, ev.ResourceLeft)
    assert "ended by a signal" in last.reason
    assert here.cleaned().code == 0
    assert here.left() == []


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_signal_right_behind_the_close_changes_nothing_of_how_it_ended(
    name: str, tmp_path: Path, receiver: Receiver
) -> None:
    book, junit = tmp_path / "r.yaml", tmp_path / "r.xml"
    book.write_text(BOOK.format(notify=NOTIFY.format(host=receiver.host)))
    drbook = Drbook(tmp_path / "home")
    drbook.environment["HOOK"] = receiver.url("/services/T0/x1y2z3a4b5c6d7e8f9")
    program = signalled(drbook, IncidentClosed=name)
    ran = program("rehearse", str(book), "--headless", "--json", "--junit", str(junit))
    assert ran.code == 0, ran.err
    assert ran.json()["outcome"] == "pass"
    assert xml.parse(junit).find(".//error") is None
    (got,) = receiver.got
    assert got.json["text"].startswith("[DRILL] pass")
