"""Unattended runs that tell somebody: what is sent and recorded, and that it changes nothing of the run."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
from support.receiver import Receiver, receiving

from drbook.app import notifying, unattended
from drbook.app.drilllock import one_rehearsal
from drbook.app.places import home
from drbook.cli.main import main
from drbook.core import resend
from drbook.core.errors import JournalError
from drbook.providers import notify as door

PATH = "/services/T024BE7LD/kR9sVt2mYp8nLq4wZc6xHb3d"
KEY = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
BOOK = """\
drbook: 1
title: "Shop <lost>"
objectives: {{rpo: 24h, rto: 4h}}
inputs: {{why: {{required: {required}}}}}
notify:
  - {{kind: slack, url: env:HOOK, host: "{host}", on: [pass, fail, could-not-verify, no-result, needs-human]}}
  - {{kind: pagerduty, routing_key: env:PDKEY, host: "{host}"}}
  - {{kind: http, url: env:HOOK, host: "{host}", on: [not-exercised, pass], modes: [dry-run]}}
steps:
  - {{id: look, phase: detect, do: note, with: {{text: hello}}}}
  - {step}
"""
FAILS = '{id: check, phase: verify, title: "A <!channel>", do: shell, with: {shell: "exit 3", changes: nothing}}'
GOOD = "{id: check, phase: verify, do: note, with: {text: done}}"
PERSON = "{id: check, phase: contain, do: manual}"


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(resend, "PAUSES", (0.01, 0.01, 0.01))
    with receiving() as made:
        monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HOOK", made.url(PATH))
        monkeypatch.setenv("PDKEY", KEY)
        yield made


@pytest.fixture
def book(tmp_path: Path, receiver: Receiver) -> Path:
    return write(tmp_path / "shop.yaml", receiver, FAILS)


def write(path: Path, receiver: Receiver, step: str, required: str = "false") -> Path:
    path.write_text(BOOK.format(host=receiver.host, step=step, required=required))
    return path


def records(tmp_path: Path) -> list[dict]:  # type: ignore[type-arg]
    (journal,) = (tmp_path / "home" / "incidents").glob("*/journal.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()]


def by_path(receiver: Receiver) -> dict:  # type: ignore[type-arg]
    return {got.path: got.json for got in receiver.got}


def test_a_failed_drill_is_told_and_recorded(
    book: Path, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "r.xml"
    arguments = ["rehearse", str(book), "--headless", "--json", "--junit", str(junit)]
    assert main(arguments) == 1
    shown = capsys.readouterr()
    told, document = by_path(receiver), json.loads(shown.out)
    text = told[PATH]["text"]
    assert text.startswith("[DRILL] fail: Shop &lt;lost&gt;")
    assert "check (A &lt;!channel&gt;), failed" in text
    assert "The command ended with exit code 3." in text
    assert f"drbook timeline {document['incident']} -o timeline.html" in text
    assert told["/v2/enqueue"]["event_action"] == "trigger"
    every = records(tmp_path)
    closed = next(one for one in every if one["event"] == "IncidentClosed")
    after = [one for one in every if one["seq"] > closed["seq"]]
    assert [one["event"] for one in after] == [
        *["NotificationIntended"] * 2,
        *["NotificationEnded"] * 2,
    ]
    assert told["/v2/enqueue"]["payload"]["custom_details"]["journal_head"] == after[0]["prev"]
    assert {one["data"]["delivery"] for one in after[2:]} == {"accepted"}
    assert document["journal"]["records"] == len(every)
    assert main(["journal", "verify", document["journal"]["path"], "--head", after[0]["prev"]]) == 0
    assert main(["drills", str(book)]) == 0
    assert xml.parse(junit).find(".//failure") is not None
    everywhere = shown.out + shown.err + junit.read_text()
    for path in (tmp_path / "home").rglob("*"):
        everywhere += path.read_text(errors="replace") if path.is_file() else ""
    for secret in (PATH, PATH.split("/")[-1], KEY):
        assert secret not in everywhere


def test_a_pass_resolves_and_a_dry_run_is_told_only_where_it_is_asked_for(
    receiver: Receiver, tmp_path: Path
) -> None:
    book = write(tmp_path / "shop.yaml", receiver, GOOD)
    assert main(["run", str(book), "--mode", "drill", "--headless"]) == 0
    event = by_path(receiver)["/v2/enqueue"]
    assert set(event) == {"routing_key", "dedup_key", "event_action"}
    assert event["event_action"] == "resolve"
    receiver.got.clear()
    assert main(["rehearse", str(book), "--dry-run", "--headless"]) == 0
    (got,) = receiver.got
    assert got.json["mode"] == "dry-run"


NOT_TAKEN = [
    (lambda asked: asked.says(500, f"{PATH} {KEY}"), "WAS NOT ACCEPTED (500) after 4 tries"),
    (lambda asked: asked.says(307, "", Location="http://127.0.0.1:1/"), "WAS NOT ACCEPTED (307)"),
    (lambda asked: asked.drops(), "whether it was taken is unknown after 4 tries"),
]


@pytest.mark.parametrize(("turn", "said"), NOT_TAKEN)
@pytest.mark.parametrize(("step", "code"), [(GOOD, 0), (FAILS, 1)])
def test_what_was_not_taken_changes_nothing_of_the_run(
    receiver: Receiver,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    turn,
    said: str,
    step: str,
    code: int,  # type: ignore[no-untyped-def]
) -> None:
    receiver.turns = [turn]
    book = write(tmp_path / "shop.yaml", receiver, step)
    assert main(["rehearse", str(book), "--headless"]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    ended = [one["data"] for one in records(tmp_path) if one["event"] == "NotificationEnded"]
    assert {one["host"] for one in ended} == {receiver.host}
    assert all(one["delivery"] != "accepted" for one in ended)
    assert PATH not in shown.err + json.dumps(ended)
    assert KEY not in shown.err + json.dumps(ended)


def test_a_secret_that_is_not_set_is_said_and_the_others_are_told(
    book: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("HOOK")
    assert main(["notify", str(book)]) == 1
    assert "NOT READY  url: The secret env:HOOK cannot be read" in capsys.readouterr().out
    assert main(["rehearse", str(book), "--headless"]) == 1
    assert set(by_path(receiver)) == {"/v2/enqueue"}
    assert "slack at" in capsys.readouterr().err


def test_a_run_that_never_began_is_told(receiver: Receiver, tmp_path: Path) -> None:
    book = write(tmp_path / "shop.yaml", receiver, GOOD, required="true")
    junit = tmp_path / "r.xml"
    assert main(["run", str(book), "--headless", "--junit", str(junit)]) == 2
    told = by_path(receiver)
    assert told[PATH]["text"].startswith("[LIVE] no-result")
    assert "none was opened" in told[PATH]["text"]
    assert told["/v2/enqueue"]["payload"]["severity"] == "critical"
    assert xml.parse(junit).find(".//error") is not None
    receiver.got.clear()
    with one_rehearsal(home(), "Shop <lost>"):
        assert main(["rehearse", str(book), "--headless", "--set", "why=x"]) == 8
    assert "being rehearsed" in by_path(receiver)[PATH]["text"]


def test_an_open_incident_is_told_and_so_is_its_end(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = write(tmp_path / "shop.yaml", receiver, PERSON)
    assert main(["rehearse", str(book), "--headless"]) == 7
    assert "drbook resume" in by_path(receiver)[PATH]["text"]
    assert records(tmp_path)[-1]["event"] == "NotificationEnded"
    receiver.got.clear()
    junit = tmp_path / "r.xml"
    assert main(["resume", "--headless", "--junit", str(junit)]) == 7
    assert set(by_path(receiver)) == {PATH, "/v2/enqueue"}
    assert xml.parse(junit).find(".//error") is not None
    assert main(["resume", "--junit", str(junit)]) == 2


def test_a_file_that_cannot_be_written_keeps_nobody_from_being_told(
    book: Path, receiver: Receiver, tmp_path: Path
) -> None:
    junit = tmp_path / "gone" / "r.xml"
    assert main(["rehearse", str(book), "--headless", "--junit", str(junit)]) == 2
    assert "no-result" in by_path(receiver)[PATH]["text"]
    assert len(receiver.got) == 2


def test_who_never_answers_is_left_and_said_to_be_unknown(
    book: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receiver.turns = [lambda asked: asked.hangs()]
    monkeypatch.setattr(notifying, "LONGEST", 0.3)
    assert main(["rehearse", str(book), "--headless"]) == 1
    assert "no end of it was seen" in capsys.readouterr().err


def test_a_defect_in_it_changes_nothing_of_the_run(
    book: Path,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"at {PATH}")

    monkeypatch.setattr(unattended, "wanted", broken)
    assert main(["rehearse", str(book), "--headless"]) == 1
    assert "drbook itself failed (RuntimeError)" in capsys.readouterr().err
    (log,) = (tmp_path / "home" / "incidents").glob("*/errors.log")
    assert "RuntimeError: at" in log.read_text()
    monkeypatch.undo()
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(door, "send", broken)
    assert main(["rehearse", str(book), "--headless"]) == 1
    told = capsys.readouterr().err
    assert "is unknown: drbook itself failed: RuntimeError" in told
    assert PATH not in told


def test_what_cannot_be_put_on_record_first_is_not_sent(
    book: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise JournalError("No space left on the disk.")

    monkeypatch.setattr(unattended.Reporting, "_put", full)
    assert main(["rehearse", str(book), "--headless"]) == 1
    assert receiver.got == []
    assert "was not sent, for it is not on record: No space left" in capsys.readouterr().err


def test_a_test_says_that_it_is_one(
    book: Path, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", str(book), "--test", "--json"]) == 0
    ended = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in ended] == ["slack", "pagerduty", "http", "pagerduty"]
    texts = [got.json["text"] for got in receiver.got if "text" in got.json]
    assert texts[0].startswith("[TEST, nothing happened")
    events = [got.json for got in receiver.got if got.path == "/v2/enqueue"]
    assert [one["event_action"] for one in events] == ["trigger", "resolve"]
    assert events[0]["payload"]["severity"] == "info"
    assert events[0]["dedup_key"] == events[1]["dedup_key"]
    assert "-test-" in events[0]["dedup_key"]
    assert not (tmp_path / "home" / "incidents").exists()
    receiver.turns = [lambda asked: asked.says(404)]
    assert main(["notify", str(book), "--test"]) == 1
    receiver.turns = [lambda asked: asked.drops()]
    assert main(["notify", str(book), "--test"]) == 5


def test_a_runbook_without_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(
        "drbook: 1\ntitle: T\nsteps: [{id: a, phase: detect, do: note, with: {text: t}}]\n"
    )
    assert main(["notify", str(tmp_path / "r.yaml")]) == 2
    assert "Add `notify:" in capsys.readouterr().err


def test_lint_and_show_know_it(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(book)]) == 0
    assert "notifies slack 127.0.0.1" in capsys.readouterr().out
    text = book.read_text()
    wrong = (
        text.replace("kind: slack", "kind: slak")
        .replace("routing_key", "key")
        .replace("on: [not-exercised, pass]", "on: [passed]")
    )
    book.write_text(wrong)
    assert main(["lint", str(book)]) == 2
    told = capsys.readouterr().out
    for part in ("notify[0].kind", "did you mean `slack`", "notify[1]", "notify[2].on[0]"):
        assert part in told
