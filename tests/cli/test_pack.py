"""`drbook pack`: all of it in, no secret in it, and every change to it found."""

import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.gobag import Office, baseline_of, office, wheel

from drbook import __version__
from drbook.app.pack import Order, pack
from drbook.app.places import Home
from drbook.app.shipped import open_runbook
from drbook.cli.main import cli
from drbook.core.errors import DrbookError, Refused, UsageError
from drbook.core.gobag import MANIFEST, Manifest
from drbook.providers import gobag, wheels
from drbook.providers.baselines import DirectoryBaselines
from drbook.providers.secrets import reader

AT = datetime(2026, 11, 28, 3, 0, 0, tzinfo=UTC)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = office(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def drbook(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], standalone_mode=False)


def packed(here: Office, *more: str) -> Result:
    return drbook("pack", here.runbook, "-o", here.bag, "--no-wheels", *more)


def texts(bag: Path) -> dict[str, str]:
    with zipfile.ZipFile(bag) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_what_is_in_it(here: Office) -> None:
    ran = packed(here)
    assert ran.return_value == 0, ran.output
    found = texts(here.bag)
    assert set(found) == {
        "MANIFEST.json", "README.txt", "baseline.json", "contacts.txt", "globals.sql", "keys.txt",
        "runbook.html", "runbook.yaml", "tools.txt",
    }  # fmt: skip
    assert found["runbook.yaml"] == here.runbook.read_text()
    assert "Ada Night" in found["contacts.txt"]
    assert "+49 30 1234567" in found["contacts.txt"]
    assert "bell at Dock 4" in found["contacts.txt"]
    assert "cutover is approved by the head of operations." in found["contacts.txt"]
    assert here.baseline in found["README.txt"]
    assert re.search(r"restic +.*NEEDED by vault", found["tools.txt"])
    assert re.search(r"age +.*NEEDED by offsite", found["tools.txt"])
    manifest = Manifest.model_validate_json(found[MANIFEST])
    assert manifest.baseline == here.baseline
    assert manifest.lacks == ()
    assert stat.S_IMODE(here.bag.stat().st_mode) == 0o600
    assert max(map(len, found["README.txt"].splitlines())) <= 100


def test_where_each_key_is_and_no_value(here: Office) -> None:
    packed(here)
    said = texts(here.bag)["keys.txt"]
    root = here.planted.root
    for place in (
        f"file:{root}/db-password", "env:RESTIC_WORD", "env:VAULT_SECRET",
        f"cmd:cat {root}/age-key", "env:API_TOKEN",
        "backup-writer: safe in the office, second shelf", "restic-password: NOT STATED",
    ):  # fmt: skip
        assert place in said


def test_roles_come_without_what_opens_anything(here: Office) -> None:
    packed(here)
    said = texts(here.bag)["globals.sql"]
    assert "ALTER ROLE app WITH NOSUPERUSER LOGIN;" in said
    assert "ALTER ROLE app SET search_path TO 'shop';" in said
    assert "PASSWORD" not in said
    assert "app.token" not in said


def test_no_secret_is_in_it_in_any_form(here: Office) -> None:
    ran = packed(here)
    folder = drbook("pack", here.runbook, "-o", here.bag.parent / "folder", "--no-wheels")
    record = Path(here.environment["DRBOOK_HOME"], "packs.jsonl").read_text()
    checked = drbook("pack", "--check", here.bag, here.runbook)
    said = "\n".join([*texts(here.bag).values(), ran.output, folder.output, record, checked.output])
    said += "".join(
        path.read_text() for path in (here.bag.parent / "folder").rglob("*") if path.is_file()
    )
    assert len(here.planted.values) == 7
    for name, form in here.planted.forms():
        assert form not in said, name


def test_a_value_that_was_packed_would_be_found(here: Office) -> None:
    token = here.environment["API_TOKEN"]
    here.runbook.write_text(here.runbook.read_text().replace("Read me first.", f"Use {token}."))
    ran = packed(here)
    assert isinstance(ran.exception, Refused)
    assert token not in str(ran.exception.explain())
    assert not here.bag.exists()


def test_a_file_as_it_is_that_holds_a_value_stays_out(here: Office) -> None:
    globals_ = here.planted.root / "globals.sql"
    word = here.environment["RESTIC_WORD"]
    globals_.write_text(globals_.read_text() + f"COMMENT ON ROLE app IS '{word}';\n")
    ran = packed(here, "--json")
    told = json.loads(ran.stdout)
    assert ran.return_value == told["exit_code"] == 1
    assert "globals.sql: it holds the value of a secret" in str(told["manifest"]["lacks"])
    assert "globals.sql" not in texts(here.bag)


def test_the_page_can_be_followed_without_drbook(here: Office) -> None:
    packed(here)
    page = texts(here.bag)["runbook.html"]
    for said in (
        "Shop database &lt;b&gt;lost&lt;/b&gt;", "An outage is no loss.", "https://api.example/revoke",
        "initdb", "COPY", "${{ steps.locate.point }}", "Point the application there.",
        "Users write there from now on.", "<code>shop</code>", "the head of operations",
        "When did it happen (UTC)?", "Ada Night", "GDPR notification", "safe in the office",
    ):  # fmt: skip
        assert said in page, said
    assert "<script" not in page
    assert "src=" not in page
    assert "@media print" in page


def test_hostile_words_are_harmless(here: Office) -> None:
    text = here.runbook.read_text()
    text = text.replace("Is it gone?", '"<img src=x onerror=alert(1)>\\u202e\\e[31m"')
    here.runbook.write_text(text.replace("Ada Night", '"<script>\\u0007"'))
    assert packed(here).return_value == 0
    found = texts(here.bag)
    assert "<script" not in found["runbook.html"]
    assert "<img" not in found["runbook.html"]
    for name in ("runbook.html", "contacts.txt", "README.txt"):
        assert not set(found[name]) & set("\x07\x1b\u202e")


# --- the same bytes ----------------------------------------------------------------------------


def order(here: Office, path: Path, at: datetime = AT) -> Order:
    return Order(open_runbook(str(here.runbook)), path, os.environ, at, no_wheels=True)


def test_the_same_pack_is_the_same_bytes(here: Office, tmp_path: Path) -> None:
    home = Home(tmp_path / "state")
    one, two, later = (here.bag.with_name(f"{name}.zip") for name in ("one", "two", "later"))
    pack(order(here, one), home, replace=False)
    pack(order(here, two), home, replace=False)
    pack(order(here, later, AT + timedelta(hours=1)), home, replace=False)
    assert one.read_bytes() == two.read_bytes()
    first, last = texts(one), texts(later)
    differ = {name for name in first if first[name] != last[name]}
    assert differ == {MANIFEST, "README.txt", "runbook.html"}, "what tells when it was packed"


def test_nothing_else_is_replaced(here: Office) -> None:
    here.bag.write_text("mine")
    for more in ((), ("--replace",)):
        ran = packed(here, *more)
        assert isinstance(ran.exception, UsageError)
        assert here.bag.read_text() == "mine"
    here.bag.unlink()
    assert packed(here).return_value == 0
    assert isinstance(packed(here).exception, UsageError)
    assert packed(here, "--replace").return_value == 0
    assert [path.name for path in here.bag.parent.iterdir()] == ["bag.zip"]


# --- checking ----------------------------------------------------------------------------------


def test_one_that_is_whole(here: Office) -> None:
    packed(here)
    ran = drbook("pack", "--check", here.bag, here.runbook, "--json")
    told = json.loads(ran.stdout)
    assert ran.return_value == 0
    assert told["whole"] is True
    assert told["changed"] == []


def _members(bag: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bag) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _again(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _without(bag: Path) -> bytes:
    return _again({name: data for name, data in _members(bag).items() if name != "keys.txt"})


def _changed(bag: Path) -> bytes:
    members = _members(bag)
    members["keys.txt"] = members["keys.txt"].replace(b"second", b"third!")
    return _again(members)


def _shorter(bag: Path) -> bytes:
    members = _members(bag)
    members["keys.txt"] = members["keys.txt"][:-5]
    return _again(members)


def _more(bag: Path) -> bytes:
    return _again(_members(bag) | {"../evil.sh": b"#!/bin/sh"})


def _no_manifest(bag: Path) -> bytes:
    return _again({name: data for name, data in _members(bag).items() if name != MANIFEST})


def _cut(bag: Path) -> bytes:
    return bag.read_bytes()[:-200]


def _flipped(bag: Path) -> bytes:
    data = bytearray(bag.read_bytes())
    data[200] ^= 0x10
    return bytes(data)


def _exchanged(bag: Path) -> bytes:
    """All new, with a manifest that fits: only the record of this machine knows."""
    members = _members(bag)
    members["keys.txt"] += b"call me instead\n"
    manifest = json.loads(members[MANIFEST])
    manifest["files"]["keys.txt"] = gobag.packed(members["keys.txt"]).model_dump()
    members[MANIFEST] = json.dumps(manifest).encode()
    return _again(members)


TAMPERED = [
    (_without, "keys.txt is missing"),
    (_changed, "another SHA-256"),
    (_shorter, "cut short"),
    (_more, "not in its manifest"),
    (_no_manifest, "no MANIFEST.json"),
    (_cut, "no whole zip"),
    (_flipped, ""),
    (_exchanged, "not the file that was written there from this machine"),
    (lambda bag: b"", "no whole zip"),
    (lambda bag: b"PK\x05\x06" + bytes(18), "no MANIFEST.json"),
]


@pytest.mark.parametrize(("change", "said"), TAMPERED)
def test_a_change_is_found(here: Office, change: Callable[[Path], bytes], said: str) -> None:
    packed(here)
    here.bag.write_bytes(change(here.bag))
    ran = drbook("pack", "--check", here.bag, "--json")
    told = json.loads(ran.stdout)
    assert ran.return_value == told["exit_code"] == 1
    assert told["whole"] is False
    assert said in " ".join(told["problems"])


def test_every_flipped_byte_is_found(here: Office) -> None:
    """Also where no digest covers it: headers, names, the directory at the end."""
    packed(here)
    whole = here.bag.read_bytes()
    digest = gobag.whole_digest(here.bag)
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        data = bytearray(whole)
        data[at] ^= 0x41
        here.bag.write_bytes(bytes(data))
        assert gobag.look(here.bag).problems or gobag.whole_digest(here.bag) != digest


def test_a_folder_is_held_to_its_manifest_too(here: Office, tmp_path: Path) -> None:
    folder = here.bag.parent / "folder"
    assert drbook("pack", here.runbook, "-o", folder, "--no-wheels").return_value == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert drbook("pack", "--check", folder).return_value == 0
    (folder / "keys.txt").unlink()
    (folder / "keys.txt").symlink_to(here.planted.root / "db-password")
    assert drbook("pack", "--check", folder).return_value == 1


def test_what_cannot_be_looked_at_is_neither(here: Office, tmp_path: Path) -> None:
    ran = drbook("pack", "--check", tmp_path / "not-mounted" / "bag.zip", "--json")
    assert ran.return_value == 5
    assert json.loads(ran.stdout)["whole"] is None
    assert drbook("pack", "--check", here.bag).return_value == 1, (
        "its folder is there, and it is not"
    )
    os.mkfifo(here.bag)
    assert drbook("pack", "--check", here.bag).return_value == 5


def test_what_has_changed_since_is_said(here: Office) -> None:
    packed(here)
    here.runbook.write_text(here.runbook.read_text() + "# changed\n")
    store = DirectoryBaselines(path=str(here.planted.root / "baselines")).open(reader({}))
    newer = store.save(baseline_of(datetime(2026, 11, 27, tzinfo=UTC)))
    ran = drbook("pack", "--check", here.bag, here.runbook)
    assert ran.return_value == 0, "it is whole all the same"
    assert "changed: the runbook is another one now" in ran.output
    assert f"changed: the newest baseline is {newer}" in ran.output


# --- what is missing, and where it lies --------------------------------------------------------


def test_what_cannot_be_had_does_not_lose_the_rest(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.planted.root / "globals.sql").unlink()
    (here.planted.root / "baselines").rename(here.planted.root / "gone")
    (here.planted.root / "wheels").mkdir()
    ran = drbook("pack", here.runbook, "-o", here.bag, "--wheels", here.planted.root / "wheels")
    assert ran.return_value == 1
    for said in ("newest baseline", "globals", "wheels: The wheels are not to be had"):
        assert f"LACKING: {said}" in ran.output or f"LACKING: the {said}" in ran.output
    found = texts(here.bag)
    assert "keys.txt" in found
    assert "wheels: The wheels are not to be had" in " ".join(found["README.txt"].split())


def test_prepared_wheels_go_in_as_they_are(here: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here.planted.root / "prepared"
    folder.mkdir()
    made = wheel(folder, f"drbook-{__version__}")
    monkeypatch.setattr(wheels, "plug_ins", lambda: ["drbook-more"])
    ran = drbook("pack", here.runbook, "-o", here.bag, "--wheels", folder, "--json")
    manifest = json.loads(ran.stdout)["manifest"]
    assert ran.return_value == 0
    assert manifest["wheels"] == wheels.platform()
    assert "plug-ins drbook-more" in str(manifest["remarks"])
    with zipfile.ZipFile(here.bag) as archive:
        assert archive.read(f"wheels/{made.name}") == made.read_bytes()
        assert f"--find-links wheels drbook=={__version__}" in archive.read("README.txt").decode()


def test_a_place_that_is_none(here: Office, tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    for folder, said in (
        ("repo", "git work tree"), ("volume", "production's own volume"), ("shared", "deploy-token"),
    ):  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tmp_path / folder)
        ran = drbook("pack", here.runbook, "-o", tmp_path / "link" / "b.zip", "--no-wheels")
        assert ran.return_value == 0
        assert "WARNING" in ran.output
        assert said in ran.output
    assert "WARNING" not in packed(here).output


@pytest.mark.parametrize(
    "arguments",
    [
        ["pack"],
        ["pack", "rental-business"],
        ["pack", "rental-business", "-o", "/nowhere/at/all.zip"],
        ["pack", "rental-business", "-o", "x.zip", "--check", "y.zip"],
        ["pack", "rental-business", "-o", "x.zip", "--wheels", ".", "--no-wheels"],
    ],
)
def test_usage(here: Office, arguments: list[str]) -> None:
    ran = drbook(*arguments)
    assert isinstance(ran.exception, DrbookError)
    assert ran.exception.exit_code == 2


# --- the audit ---------------------------------------------------------------------------------


def go_bag(here: Office) -> tuple[str, str]:
    told = json.loads(drbook("audit", here.runbook, "--quick", "--json").stdout)
    (line,) = (line for line in told["copies"] if line["name"] == "go-bag")
    return line["answer"], line["reason"]


def test_what_an_audit_says_of_it(here: Office) -> None:
    assert go_bag(here)[0] == "fail", "its folder is there, and it is not"
    packed(here)
    assert go_bag(here)[0] == "pass"
    here.bag.write_bytes(here.bag.read_bytes()[:-1])
    assert go_bag(here)[0] == "fail"
    here.bag.parent.rename(here.bag.parent.with_name("unplugged"))
    answer, reason = go_bag(here)
    assert answer == "unknown"
    assert "one was written" in reason
    Path(here.environment["DRBOOK_HOME"], "packs.jsonl").write_text("{torn")
    answer, reason = go_bag(here)
    assert answer == "unknown"
    assert "1 lines of the record" in reason


def test_an_old_one_fails(here: Office, tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    pack(order(here, here.bag, old), Home(tmp_path / "state"), replace=False)
    answer, reason = go_bag(here)
    assert (answer, "8 days old" in reason, "7 days at most" in reason) == ("fail", True, True)
    here.bag.parent.rename(here.bag.parent.with_name("unplugged"))
    assert go_bag(here)[0] == "fail", "wherever it lies, it is old"


def test_without_a_place_the_record_is_asked(here: Office) -> None:
    text = here.runbook.read_text()
    here.runbook.write_text(re.sub(r"^pack: .*\n", "", text, flags=re.MULTILINE))
    answer, reason = go_bag(here)
    assert (answer, "none is known of" in reason) == ("fail", True)
    packed(here)
    assert go_bag(here)[0] == "pass", "it was looked at where it was written to"
    here.runbook.write_text(here.runbook.read_text() + "# changed\n")
    answer, reason = go_bag(here)
    assert (answer, "another runbook" in reason) == ("fail", True)
