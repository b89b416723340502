"""A step that waits for somebody else: a run in one terminal, `drbook approve` in another, and beside them."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from support.approving import People, approvers, asked, ssh_keygen
from support.terminal import ENTER, ESCAPE, Terminal

from drbook.app.places import Home, listed
from drbook.core import events as ev
from drbook.journal.reader import read

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
STEP = "steps:\n  - {id: cutover, phase: cutover, title: Send users, do: note, with: {text: sent}, approve: {by: 2}}\n"


@pytest.fixture
def keys(tmp_path: Path) -> People:
    folder = tmp_path / "keys"
    folder.mkdir()
    return People(folder)


def approves(drbook, given: str, *arguments: str) -> "subprocess.CompletedProcess[str]":  # type: ignore[no-untyped-def]
    """`drbook approve` as maria, with what she types or hands in."""
    return subprocess.run(
        [*drbook.program, "approve", *arguments],
        env=drbook.environment | {"DRBOOK_OPERATOR": "maria"},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


def waits(terminal, keys: People, tmp_path: Path) -> Terminal:  # type: ignore[no-untyped-def]
    """A live incident that waits in its dialog."""
    book = tmp_path / "book.yaml"
    lines = approvers(keys.line("maria"), keys.line("alice"))
    book.write_text("drbook: 1\ntitle: T\n" + lines + STEP)
    seat: Terminal = terminal("run", str(book))
    seat.sees("Send users", "Enter")
    seat.press(ENTER)
    seat.sees("May sign", "maria", "paste the signature")
    return seat


def test_two_terminals(drbook, terminal, keys: People, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seat = waits(terminal, keys, tmp_path)
    folder = listed(Home(drbook.home))[0]
    own = approves(drbook, "yes\n", folder.name, "--key", str(keys.key("alice")))
    assert (own.returncode, "alice cannot approve this" in own.stderr) == (2, True), own.stderr
    other = terminal(
        "approve", folder.name, "cutover", "--key", str(keys.key("maria")), "--as", "maria",
        environment={"DRBOOK_OPERATOR": "maria"},
    )  # fmt: skip
    other.sees("operator: alice (one of the approvers)", "Type yes to sign it:")
    other.press("yes" + ENTER)
    other.sees("Approved: step cutover, by maria")
    assert other.ends() == 0
    seat.sees("signed with ssh-ed25519")
    given = [r for r in read(folder / "journal.jsonl") if isinstance(r.event, ev.ApprovalGiven)]
    assert [(one.actor, one.event.by) for one in given] == [("maria", "maria")]  # type: ignore[attr-defined]
    again = approves(drbook, "yes\n", folder.name, "--key", str(keys.key("maria")))
    assert (again.returncode, "waits for no signature" in again.stderr) == (2, True)
    block = given[0].event.proof.signature  # type: ignore[attr-defined]
    replayed = approves(drbook, block, folder.name, "--from", "-")
    assert (replayed.returncode, "used already" in replayed.stderr) == (4, True), replayed.stderr
    seat.press("q")
    checked = drbook("journal", "verify", folder.name, "--json")
    assert checked.code == 0, checked.err
    assert checked.json()["approvals"]["signed"] == 1
    exported = drbook("timeline", folder.name, "--format", "md").out
    assert "approved by maria, signed with ssh-ed25519" in exported
    zipped = tmp_path / "evidence.zip"
    assert drbook("bundle", folder.name, "-o", str(zipped)).code == 0
    assert "approvals: 1 signature checked again" in drbook("journal", "verify", str(zipped)).out
    controls = json.loads(zipfile.ZipFile(zipped).read("controls.json"))
    decided = [
        one for line in controls["clauses"] for one in line["records"] if one["kind"] == "decided"
    ]
    assert {one["state"] for one in decided} == {"approved, by a signature that is in the record"}


def test_signed_elsewhere_and_pasted(drbook, terminal, keys: People, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seat = waits(terminal, keys, tmp_path)
    folder = listed(Home(drbook.home))[0]
    requested = drbook("approve", folder.name, "cutover", "--request")
    assert requested.out == asked(folder / "journal.jsonl", "cutover").text
    no = approves(drbook, "no\n", folder.name, "--key", str(keys.key("maria")))
    assert (no.returncode, "Nothing was signed" in no.stderr) == (3, True)
    printed = approves(drbook, "yes\n", folder.name, "--key", str(keys.key("maria")), "--print")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith("-----BEGIN SSH SIGNATURE-----\n")
    ssh_keygen("-Y", "check-novalidate", "-n", "drbook-approval", "-s", _file(tmp_path, printed.stdout),
               given=requested.out)  # fmt: skip
    for words in (("--print", "--request"), ("--from", "-", "--key", "x")):
        assert approves(drbook, "", folder.name, *words).returncode == 2
    garbage = approves(drbook, "ok", folder.name, "--from", "-")
    assert (garbage.returncode, "it is no signature" in garbage.stderr) == (2, True)
    strange = approves(drbook, "yes\n", folder.name, "--key", str(keys.key("eve")))
    assert (strange.returncode, "No key here is in" in strange.stderr) == (2, True)
    seat.press("\x1b[200~" + printed.stdout.replace("\n", "\r") + "\x1b[201~")
    seat.press(ENTER)
    seat.sees("approved by maria")
    seat.press(ESCAPE)


def _file(folder: Path, text: str) -> Path:
    path = folder / "block"
    path.write_text(text)
    return path
