"""`drbook approve`: what it finds, refuses, and says."""

import io
import shutil
import sys
from pathlib import Path

import pytest
from support.approving import People, approvers, asked
from support.incident import World, made_in

from drbook.app import approve
from drbook.app import model as cmd
from drbook.app.approve import waiting_in
from drbook.cli.main import main
from drbook.core import events as ev
from drbook.core.approval import about, text_of
from drbook.core.errors import Refused, RunbookInvalid, UsageError
from drbook.core.events import Mode
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.advice import advice

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
STEPS = (
    "  - {id: a, phase: cutover, do: once, title: Send users, approve: {by: 2}}\n"
    "  - {id: b, phase: cutover, do: once, needs: [], approve: {by: paul}}\n"
)


@pytest.fixture
def keys(tmp_path: Path) -> People:
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    return People(folder)


@pytest.fixture
def world(tmp_path: Path, keys: People, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "state"))
    folder = tmp_path / "incident"
    folder.mkdir()
    for made in made_in(folder):
        made.start(STEPS, Mode.LIVE, head=approvers(keys.line("maria"), keys.line("paul")))
        made.ask(cmd.Run("a"))
        yield made


def answers(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_the_only_key_that_the_list_knows_signs(
    world: World, keys: People, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.key("other")
    (keys.folder / "broken.pub").write_text("no key\n")
    there = str(world.folder)
    answers(monkeypatch, "yes\n")
    assert main(["approve", there]) == 2
    assert "Several keys here are in the incident's list" in capsys.readouterr().err
    answers(monkeypatch, "yes\n")
    assert main(["approve", there, "a", "--as", "Maria"]) == 0
    told = capsys.readouterr()
    assert asked(world.journal).text in told.err
    assert "Approved: step a, by maria" in told.out


def test_what_is_asked_twice_has_to_be_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask(cmd.Run("b"))
    assert main(["approve", str(world.folder), "--request"]) == 2
    assert "Several steps wait for an approval" in capsys.readouterr().err
    assert main(["approve", str(world.folder), "b", "--request"]) == 0
    assert capsys.readouterr().out == asked(world.journal, "b").text


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere"], "There is no step nowhere"),
    (["b"], "Step b of"),
    (["a", "--as", "eve"], "as eve's"),
    (["a", "--key", "/nowhere/key"], "is no key that can be read"),
    (["a", "--request", "--print"], "exclude each other"),
    (["--from", "/nowhere/block"], "cannot be read"),
])  # fmt: skip
def test_what_cannot_be(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["approve", str(world.folder), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (world.folder / "inbox").exists()


def test_somebody_who_leads_is_told_before_signing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask(cmd.CancelStep("a"))
    world.ask(cmd.HandOver("maria"))
    world.ask(cmd.Run("a"))
    answers(monkeypatch, "yes\n")
    assert main(["approve", str(world.folder), "a", "--as", "maria"]) == 2
    assert "maria cannot approve this: paul may" in capsys.readouterr().err


def test_where_nobody_leads_the_signature_is_taken_back(
    world: World, keys: People, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(approve, "LONGEST", 0.6)
    block = keys.sign("maria", asked(world.journal).text)
    world.driver.stop()
    answers(monkeypatch, block)
    assert main(["approve", str(world.folder), "--from", "-"]) == 2
    assert "Nobody leads" in capsys.readouterr().err
    assert list((world.folder / "inbox").iterdir()) == []


def copied(world: World, event: ev.Event) -> Path:
    """The incident in another folder, with one more event."""
    folder = world.folder.with_name("copied")
    folder.mkdir()
    shutil.copy(world.journal, folder)
    with Writer(folder / "journal.jsonl", mode=Mode.LIVE, host="here") as writer:
        writer.append("ops", event)
    return folder


def test_a_forged_text_is_not_signed(world: World) -> None:
    found = asked(world.journal)
    world.driver.stop()
    forged = found.model_copy(update={"text": found.text.replace("Send users", "Nothing much")})
    with pytest.raises(Refused) as caught:
        waiting_in(copied(world, forged), "a")
    assert caught.value.code == "approval-text"


def test_what_has_run_out_is_not_signed(world: World) -> None:
    found = asked(world.journal)
    world.driver.stop()
    past = found.model_copy(update={"expires": found.asked_at})
    state = world.driver.state
    known = about(state, "a")
    assert known is not None
    past = past.model_copy(update={"text": text_of(past, known)})
    with pytest.raises(UsageError) as caught:
        waiting_in(copied(world, past), "a")
    assert caught.value.code == "approval-expired"


def test_the_journals_check_tells_of_what_it_holds(
    world: World, keys: People, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask(cmd.HandIn(keys.sign("maria", asked(world.journal).text)))
    world.driver.stop()
    assert main(["journal", "verify", str(world.journal)]) == 0
    assert "approvals: 1 signature checked again" in capsys.readouterr().out
    records = read(world.journal)
    forged = world.folder / "forged"
    forged.mkdir()
    with Writer(forged / "journal.jsonl", mode=Mode.LIVE, host="here") as writer:
        for record in records:
            event = record.event
            if isinstance(event, ev.ApprovalGiven):
                event = event.model_copy(update={"by": "paul"})
            writer.append(record.actor, event)
    assert main(["journal", "verify", str(forged / "journal.jsonl")]) == 1
    assert capsys.readouterr().out.startswith("NOT AS IT SAYS: record")


@pytest.mark.parametrize(("head", "steps", "said"), [
    ("", STEPS, "a number of people, and no `approvers`"),
    ("MARIA", STEPS, "`paul`, who is none of the `approvers`"),
    ("MARIA", STEPS.replace("by: 2", "by: 3"), "2 other people, and fewer `approvers`"),
])  # fmt: skip
def test_lint_says_who_cannot_sign(
    world: World, keys: People, head: str, steps: str, said: str
) -> None:
    runbook = world.load(steps, approvers(keys.line("maria")) if head else "")
    assert any(said in f"{one.found} {one.expected}" for one in advice(runbook))


@pytest.mark.parametrize(("head", "steps", "said"), [
    ("", STEPS.replace("by: 2", "by: 1"), "by"),
    ("", STEPS.replace("by: 2", "by: true"), "by"),
    ("", STEPS.replace("by: 2", "by: 2, expires_after: 1s"), "at least 1m"),
    ("approvers: {}\n", STEPS, "either the file or its lines"),
    ("approvers: {file: relative/path}\n", STEPS, "file"),
    ("approvers: {lines: ['* ssh-ed25519 AAAA']}\n", STEPS, "line 1"),
])  # fmt: skip
def test_a_runbook_that_asks_nobody_does_not_load(
    world: World, head: str, steps: str, said: str
) -> None:
    with pytest.raises(RunbookInvalid) as caught:
        world.load(steps, head)
    assert said in caught.value.explain()


HEAD = "drbook: 1\ntitle: T\n"
BY_HAND = STEPS.replace("once", "manual")


def linted(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main([*arguments])
    found = capsys.readouterr()
    return code, found.out + found.err


def test_lint_names_an_approver_who_can_never_sign(
    tmp_path: Path,
    keys: People,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "state"))
    book, listed = tmp_path / "r.yaml", tmp_path / "signers"
    lines = [
        keys.line("maria"), keys.line("ben", options='valid-before="tomorrow"'),
        keys.line("eve", options='namespaces="file"'), keys.line("tom", options='valid-before="20200101"'),
    ]  # fmt: skip
    book.write_text(f"{HEAD}{approvers(*lines)}steps:\n{BY_HAND}")
    code, said = linted(capsys, "lint", str(book))
    assert code == 2
    for words in ("`ben`, who can sign nothing", "`eve`, who can sign", "`tom`, who can sign"):
        assert words in said
    assert "`maria`" not in said
    book.write_text(f"{HEAD}approvers: {{file: {listed}}}\nsteps:\n{BY_HAND}")
    code, said = linted(capsys, "lint", str(book))
    assert code == 0
    assert "on this machine: " in said
    assert "nobody can approve by: it cannot be read: No such file" in said
    listed.write_text("\n".join(lines))
    for command in ("lint", "doctor"):
        code, said = linted(capsys, command, str(book))
        assert code == 0
        assert "`ben`, who can sign nothing" in said
    listed.write_text(lines[0])
    assert "on this machine" not in linted(capsys, "lint", str(book))[1]
