"""`drbook bundle`: what is in it, that the same is always the same, and that every change to it is found."""

import csv
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.bundles import (
    BOOK,
    EVIL,
    ID,
    SECRET_ROW,
    files_of,
    incident,
    key,
    remade,
    signers,
    small,
)

from drbook.app.bundle import gathered, write_bundle
from drbook.app.bundlecheck import holds_together, look_in
from drbook.cli.main import cli
from drbook.core.bundle import MANIFEST, NAMESPACE, Chain, Manifest
from drbook.core.errors import CouldNotVerify, JournalError, StepFailed, UsageError
from drbook.core.events import Mode
from drbook.journal.codec import FIRST, digest
from drbook.providers import plainzip, sshsign

ROOT = Path(__file__).parents[2]
WHO = "ops@example.com"
pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")


@dataclass(frozen=True)
class Signed:
    """A signed bundle, and who may sign."""

    folder: Path
    path: Path
    key: Path
    signers: Path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    home = tmp_path_factory.mktemp("bundle")
    own = key(home, "ops")
    path = home / "shop.zip"
    folder = incident(home)
    write_bundle(folder, path, key=own, rows=False)
    return Signed(folder, path, own, signers(home / "allowed_signers", (WHO, "", own)))


@pytest.fixture
def signed(made: Signed, tmp_path: Path) -> Signed:
    """A copy that a test may change."""
    for one in (made.path, made.path.with_name("shop.zip.sig")):
        shutil.copy(one, tmp_path)
    return Signed(made.folder, tmp_path / "shop.zip", made.key, made.signers)


def drbook(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], standalone_mode=False)


def verified(signed: Signed, *more: str | Path) -> Result:
    return drbook("journal", "verify", signed.path, "--signers", signed.signers, *more)


def problems(data: bytes) -> tuple[str, ...]:
    return look_in(io.BytesIO(data)).problems


# --- what is in it -----------------------------------------------------------------------------


def test_what_is_in_it(made: Signed) -> None:
    found = files_of(made.data)
    artifact = next(name for name in found if name.startswith("artifacts/"))
    assert list(found) == [
        "MANIFEST.json", "README.txt", artifact, "controls.json", "controls.md", "journal.jsonl",
        "runbook.yaml", "timeline.csv", "timeline.html", "timeline.json", "timeline.md", "versions.json",
    ]  # fmt: skip
    assert found["runbook.yaml"] == BOOK
    versions = json.loads(found["versions.json"])
    assert (versions["drbook"], versions["environment"]["pg_restore"]) == ("1", "18.6")
    manifest = Manifest.model_validate_json(found[MANIFEST])
    assert (manifest.outcome, manifest.mode.value, manifest.lacks) == ("aborted", "drill", ())
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert str(made.folder).encode() not in made.data
    with zipfile.ZipFile(made.path) as opened:
        assert opened.testzip() is None


def test_the_control_map_names_records_and_what_is_not_covered(made: Signed) -> None:
    found = json.loads(files_of(made.data)["controls.json"])
    by_clause = {line["clause"]: line for line in found["clauses"]}
    assert len(by_clause) == 9
    yearly = by_clause["DORA 11(6)"]
    assert [(one["seq"], one["kind"]) for one in yearly["records"]] == [
        (1, "rehearsed"),
        (6, "closed"),
    ]
    assert any("a copy was restored" in said for said in yearly["not_covered"])
    assert by_clause["CIS 11.4"]["records"] == []
    text = files_of(made.data)["controls.md"].decode()
    assert "## CIS 11.4" in text
    assert "No record speaks to it." in text


@pytest.mark.parametrize(
    ("ends", "outcome"), [(None, "open"), ("fail", "fail"), ("aborted", "aborted")]
)
def test_of_every_end(tmp_path: Path, ends: str | None, outcome: str) -> None:
    folder = incident(tmp_path, ends=ends)
    ran = drbook("bundle", folder, "-o", tmp_path / "a.zip", "--json")
    assert ran.return_value == 0, ran.output
    assert json.loads(ran.stdout)["manifest"]["outcome"] == outcome
    said = drbook("journal", "verify", tmp_path / "a.zip")
    assert said.return_value == 0
    assert "not signed: a whole rewritten bundle cannot be told" in said.output


def test_rows_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    folder = incident(tmp_path)
    for name, rows in (("without.zip", False), ("with.zip", True)):
        done = write_bundle(folder, tmp_path / name, key=None, rows=rows)
        data = (tmp_path / name).read_bytes()
        assert (SECRET_ROW.encode() in data) is rows
        assert done.manifest.journal.withheld == ("" if rows else "4")
        assert (
            any("rows of databases: answers" in one.what for one in done.manifest.personal) is rows
        )
        assert problems(data) == ()
    whole = (folder / "journal.jsonl").read_bytes()
    assert files_of((tmp_path / "with.zip").read_bytes())["journal.jsonl"] == whole
    line = json.loads(
        files_of((tmp_path / "without.zip").read_bytes())["journal.jsonl"].splitlines()[3]
    )
    assert line["withheld"] == digest(whole.splitlines()[3])
    assert line["data"]["result"]["count"] == 2


def test_personal_data_is_listed(made: Signed) -> None:
    manifest = Manifest.model_validate_json(files_of(made.data)[MANIFEST])
    listed = {one.what.split(":")[0]: one.records for one in manifest.personal}
    assert listed["names of operators, and of the hosts they worked on"] == "1-6"
    assert listed["notes, answers and comments that somebody typed"] == "5"
    assert listed["names and telephone numbers"] == "runbook.yaml"


def test_the_same_incident_is_the_same_bytes(
    made: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, in another zone and umask; and in another process."""
    elsewhere = tmp_path / "elsewhere" / ID
    shutil.copytree(made.folder, elsewhere)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    before = os.umask(0o777)
    try:
        write_bundle(elsewhere, tmp_path / "a.zip", key=None, rows=False)
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert (tmp_path / "a.zip").read_bytes() == made.data
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600
    other = {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "drbook", "bundle", elsewhere, "-o", tmp_path / "b.zip"]
    subprocess.run(command, env={**os.environ, **other}, check=True, capture_output=True)
    assert (tmp_path / "b.zip").read_bytes() == made.data


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    folder = incident(tmp_path, hostile=EVIL)
    ran = drbook("bundle", folder, "-o", tmp_path / "a.zip")
    said = drbook("journal", "verify", tmp_path / "a.zip")
    assert (ran.return_value, said.return_value) == (0, 0)
    found = files_of((tmp_path / "a.zip").read_bytes())
    shown = [
        ran.output,
        said.output,
        *(found[name].decode() for name in found if name != "runbook.yaml"),
    ]
    for text in shown:
        assert "\x1b" not in text
    assert b"<script>alert" not in found["timeline.html"]
    assert b"\xe2\x80\xae" not in found["controls.md"] + found["README.txt"] + found[MANIFEST]
    cells = [
        cell for row in csv.reader(io.StringIO(found["timeline.csv"].decode())) for cell in row
    ]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_what_is_lacking_is_said(tmp_path: Path) -> None:
    folder = incident(tmp_path)
    (folder / "runbook.yaml").write_bytes(BOOK + b"# changed\n")
    next((folder / "artifacts").iterdir()).write_bytes(b"changed")
    ran = drbook("bundle", folder, "-o", tmp_path / "a.zip")
    assert ran.return_value == 1
    assert "LACKING: runbook.yaml" in ran.output
    said = drbook("journal", "verify", tmp_path / "a.zip")
    assert said.return_value == 0
    assert "it is not what its name says" in said.output


def test_a_torn_line_is_left_out_and_a_damaged_record_makes_no_bundle(tmp_path: Path) -> None:
    folder = incident(tmp_path, ends=None)
    journal = folder / "journal.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data + b'{"seq":6')
    assert (
        write_bundle(folder, tmp_path / "a.zip", key=None, rows=True).manifest.journal.torn_bytes
        == 8
    )
    journal.write_bytes(data.replace(b"shop.yaml", b"ship.yaml"))
    with pytest.raises(JournalError, match="not intact"):
        write_bundle(folder, tmp_path / "b.zip", key=None, rows=True)
    assert not (tmp_path / "b.zip").exists()


def test_where_it_is_not_written(made: Signed, tmp_path: Path) -> None:
    (tmp_path / "taken.zip.sig").write_text("evidence")
    for path in (made.path, tmp_path / "taken.zip", tmp_path / "a.tar", tmp_path / "no" / "a.zip"):
        with pytest.raises(UsageError, match="cannot be written"):
            write_bundle(made.folder, path, key=None, rows=False)
    with pytest.raises(UsageError, match="no key"):
        write_bundle(made.folder, tmp_path / "a.zip", key=tmp_path / "absent", rows=False)
    (tmp_path / "bad").write_text("no key")
    (tmp_path / "bad").chmod(0o600)
    with pytest.raises(StepFailed, match="could not be signed"):
        write_bundle(made.folder, tmp_path / "a.zip", key=tmp_path / "bad", rows=False)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad", "taken.zip.sig"]


# --- that every change is found ----------------------------------------------------------------


def test_every_byte_of_a_small_one(made: Signed, tmp_path: Path) -> None:
    data = bytearray(small(tmp_path / "small.zip", made.folder).read_bytes())
    assert holds_together(io.BytesIO(data)) == ()
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        assert holds_together(io.BytesIO(data)), at
        data[at] ^= 1 << at % 8


def test_bytes_of_a_whole_one_sampled(made: Signed) -> None:
    data = bytearray(made.data)
    for at in [*range(0, len(data), 211), *range(len(data) - 1000, len(data), 7)]:
        data[at] ^= 0x20
        assert problems(bytes(data)), at
        data[at] ^= 0x20
    assert problems(bytes(data)) == ()


def test_a_flipped_byte_is_no_signed_byte_either(signed: Signed) -> None:
    for at in (0, len(signed.data) // 2, len(signed.data) - 1):
        whole = bytearray(signed.data)
        whole[at] ^= 1
        with io.BytesIO(whole) as stream:
            given = signed.path.with_name("shop.zip.sig").read_bytes()
            found = sshsign.check(stream, given, NAMESPACE, sshsign.Asked())
        assert found.code == 1


def _zip(files: dict[str, bytes], order: Callable[[str], object] = str) -> bytes:
    """Any zip with any names in any order, with what drbook writes around them."""
    body, directory = b"", b""
    for name in sorted(files, key=order):  # type: ignore[arg-type]
        data, coded = files[name], name.rstrip("\0").encode()
        crc = plainzip.zlib.crc32(data)
        directory += plainzip._central(coded, crc, len(data), len(body))
        body += plainzip._local(coded, crc, len(data)) + data
    return body + directory + plainzip._end(len(files), len(directory), len(body))


def _without(name: str) -> Callable[[bytes], bytes]:
    return lambda data: _zip({each: text for each, text in files_of(data).items() if each != name})


def _with(**more: bytes) -> Callable[[bytes], bytes]:
    return lambda data: _zip(files_of(data) | more)


def _named(name: str) -> Callable[[bytes], bytes]:
    return lambda data: _zip(files_of(data) | {name: b"x"})


def _renamed(data: bytes) -> bytes:
    files = files_of(data)
    files["timeline.txt"] = files.pop("timeline.md")
    return _zip(files)


def _squeezed(data: bytes) -> bytes:
    """The same members by another program."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files_of(data).items():
            archive.writestr(name, text)
    return stream.getvalue()


def _between(data: bytes) -> bytes:
    at = data.index(b"PK\1\2")
    end = plainzip.struct.unpack(plainzip._END, data[-22:])
    return data[:at] + b"x" + data[at:-22] + plainzip._end(end[3], end[5], end[6] + 1)


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no manifest": (_without(MANIFEST), "no MANIFEST.json"),
    "a member removed": (_without("timeline.csv"), "timeline.csv is missing"),
    "the journal removed": (_without("journal.jsonl"), "journal.jsonl is missing"),
    "a member added": (_with(more=b"x"), "more is in it and not in its manifest"),
    "a member renamed": (_renamed, "timeline.md is missing"),
    "members in another order": (lambda data: _zip(files_of(data), lambda name: name[::-1]), "out of order"),
    "a name twice": (_named("README.txt\0"), "out of order, or twice"),
    "a path that leads out": (_named("../x"), "a name that none can have"),
    "an absolute path": (_named("/etc/x"), "a name that none can have"),
    "a folder": (_named("folder/"), "a name that none can have"),
    "a hidden file": (_named(".x"), "a name that none can have"),
    "a backslash": (_named("a\\b"), "a name that none can have"),
    "a name with a control character": (_named("a\x1b[2J"), "a name that none can have"),
    "bytes behind it": (lambda data: data + b"x", "last 22 bytes"),
    "bytes before it": (lambda data: b"x" + data, "last 22 bytes"),
    "bytes between": (_between, "bytes between its members"),
    "another packer": (_squeezed, "not the one that belongs there"),
    "cut off": (lambda data: data[:-1], "last 22 bytes"),
    "half of it": (lambda data: data[: len(data) // 2], "last 22 bytes"),
    "nothing": (lambda data: b"", "shorter than the end of a zip"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_to_a_bundle(made: Signed, change: str) -> None:
    change_it, said = CHANGES[change]
    assert said in "; ".join(problems(change_it(made.data)))


def _manifest(**changed: object) -> Callable[[Path, bytes], object]:
    return lambda path, data: remade(path, files_of(data), **changed)


def _text(name: str, before: bytes, after: bytes) -> Callable[[Path, bytes], object]:
    def change(path: Path, data: bytes) -> None:
        files = files_of(data)
        assert before in files[name]
        remade(path, files | {name: files[name].replace(before, after)})

    return change


REMADE: dict[str, tuple[Callable[[Path, bytes], object], str]] = {
    "another outcome": (_manifest(outcome="pass"), "the outcome in its manifest"),
    "another mode": (_manifest(mode=Mode.LIVE), "the mode in its manifest"),
    "rows said to be in it": (_manifest(rows=True), "and they are left out"),
    "the chain": (_text("journal.jsonl", b"a note", b"a lie!"), "does not follow"),
    "another export": (_text("timeline.json", b"a note", b"a lie!"), "record 5: not as in the journal"),
    "a page that says more": (
        _text("timeline.html", b"</h1>", b"</h1><p>Verified. No data was lost.</p>"), "timeline.html is not what"),
    "a cell": (_text("timeline.csv", b"a note", b"a lie!"), "record 5: "),
    "a row of Markdown": (_text("timeline.md", b"a note", b"a lie!"), "record 5: "),
    "words beside the rows": (_text("timeline.md", b"Shop lost", b"Shop well"), "timeline.md is not what"),
    "the control map": (_text("controls.md", b"Not covered", b"Covered"), "controls.md is not what"),
    "the control map's data": (_text("controls.json", b"not_covered", b"covered"), "controls.json is not what"),
    "the page about it": (_text("README.txt", b"proves nothing", b"proves everything"), "README.txt is not what"),
    "versions": (_text("versions.json", b"18.6", b"18.7"), "versions.json is not what"),
    "no personal data": (_manifest(personal=()), "the personal data in its manifest"),
    "something said to lack": (_manifest(lacks=("runbook.yaml: it burned",)), "which is in it"),
    "a lean line that never had rows": (
        _text("journal.jsonl", b'"(left out)"', b'"x"'), "none to leave out"),
    "the runbook": (_text("runbook.yaml", b"Shop lost", b"Shop last"), "not the one that the record"),
}  # fmt: skip


@pytest.mark.parametrize("change", REMADE)
def test_what_a_manifest_made_anew_does_not_hide(signed: Signed, change: str) -> None:
    change_it, said = REMADE[change]
    change_it(signed.path, signed.data)
    assert said in "; ".join(problems(signed.data))
    assert verified(signed).return_value == 1


OF_ANOTHER: dict[str, tuple[tuple[str, bytes, bytes], int]] = {
    "the same bytes": (("timeline.md", b"a note", b"a note"), 0),
    "a page": (("timeline.html", b"</h1>", b"</h1><p>Verified. No data was lost.</p>"), 5),
    "the control map": (("controls.md", b"Not covered", b"Covered"), 5),
    "words beside the rows": (("timeline.md", b"REHEARSAL", b"LIVE"), 5),
    "a row": (("timeline.md", b"a note", b"a lie!"), 1),
    "a cell": (("timeline.csv", b"a note", b"a lie!"), 1),
    "an event": (("timeline.json", b"a note", b"a lie!"), 1),
}


@pytest.mark.parametrize("change", OF_ANOTHER)
def test_what_another_version_made_is_whole_only_where_it_is_the_same(
    signed: Signed, change: str
) -> None:
    """What it wrote is held against the records where it can be read back; the rest is not known."""
    (name, before, after), code = OF_ANOTHER[change]
    files = files_of(signed.data)
    assert before in files[name]
    remade(signed.path, files | {name: files[name].replace(before, after)}, drbook="0.0.1")
    _sign_anew(signed)
    ran = verified(signed)
    assert ran.return_value == code, ran.output
    verdict = {0: "whole: ", 1: "NOT WHOLE: ", 5: f"COULD NOT VERIFY: {name}"}[code]
    assert ran.stdout.startswith(verdict)
    assert ("whole: " in ran.stdout) is (code == 0)
    told = json.loads(verified(signed, "--json").stdout)
    assert (told["whole"], told["exit_code"]) == ({0: True, 1: False, 5: None}[code], code)
    assert told["on_word"] == ["that drbook 0.0.1 made it"]
    assert "that drbook 0.0.1 made it" in ran.output or code == 1


def test_no_personal_data_by_another_version_is_not_known(signed: Signed) -> None:
    remade(signed.path, files_of(signed.data), drbook="0.0.1", personal=())
    _sign_anew(signed)
    ran = verified(signed)
    assert ran.return_value == 5
    assert "COULD NOT VERIFY: the personal data in its manifest" in ran.stdout


def test_rows_that_are_said_not_to_be_in_it(made: Signed, tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    write_bundle(made.folder, path, key=None, rows=True)
    remade(path, files_of(path.read_bytes()), rows=False)
    assert "that no rows are in it, and they are: records 4" in "; ".join(
        problems(path.read_bytes())
    )


def test_the_verdict_comes_first(signed: Signed) -> None:
    """A bundle made anew, with the signature over the bytes before beside it."""
    assert verified(signed).stdout.startswith("whole: ")
    write_bundle(signed.folder, signed.path.with_name("rows.zip"), key=None, rows=True)
    signed.path.with_name("rows.zip").replace(signed.path)
    ran = verified(signed)
    assert ran.return_value == 1
    assert ran.stdout.startswith("REFUSED: ")
    assert "whole:" not in ran.stdout


def _of_another_record(data: bytes, name: str, tmp_path: Path) -> tuple[str, ...]:
    other = files_of(write_other(tmp_path))
    path = remade(tmp_path / "mixed.zip", files_of(data) | {name: other[name]})
    return problems(path.read_bytes())


def write_other(tmp_path: Path) -> bytes:
    path = tmp_path / "other.zip"
    if not path.exists():
        write_bundle(incident(tmp_path, hostile="other"), path, key=None, rows=False)
    return path.read_bytes()


def test_exports_of_another_record(made: Signed, tmp_path: Path) -> None:
    for name in ("timeline.html", "timeline.md", "timeline.json", "timeline.csv", "controls.json",
                 "controls.md", "versions.json", "README.txt"):  # fmt: skip
        assert f"{name} does not say this journal's head" in "; ".join(
            _of_another_record(made.data, name, tmp_path)
        )


def test_a_cut_journal_chained_anew_is_found_by_the_signature_alone(signed: Signed) -> None:
    """Everything is made anew by drbook itself from a forged folder; only the key is not the tamperer's."""
    forged = signed.path.parent / ID
    shutil.copytree(signed.folder, forged)
    lines = (forged / "journal.jsonl").read_bytes().splitlines()
    kept, head = [], FIRST
    for line in [*lines[:3], lines[4].replace(b'"seq":5', b'"seq":4')]:
        again = re.sub(rb'"prev":"[0-9a-f]{64}"', b'"prev":"' + head.encode() + b'"', line)
        kept.append(again + b"\n")
        head = digest(again)
    (forged / "journal.jsonl").write_bytes(b"".join(kept))
    given = signed.path.with_name("shop.zip.sig").read_bytes()
    for one in (signed.path, signed.path.with_name("shop.zip.sig")):
        one.unlink()
    write_bundle(forged, signed.path, key=None, rows=False)
    assert problems(signed.data) == ()
    unsigned = drbook("journal", "verify", signed.path)
    assert unsigned.return_value == 0
    assert "not signed: a whole rewritten bundle cannot be told" in unsigned.output
    assert verified(signed).return_value == 4
    signed.path.with_name("shop.zip.sig").write_bytes(given)
    assert verified(signed).return_value == 1
    assert "not one over these bytes" in verified(signed).output


def test_a_head_that_was_noted_finds_it_too(made: Signed) -> None:
    manifest = Manifest.model_validate_json(files_of(made.data)[MANIFEST])
    assert verified(made, "--head", manifest.journal.head).return_value == 0
    assert verified(made, "--head", "0" * 63 + "1").return_value == 1


# --- who signed --------------------------------------------------------------------------------


def test_whose_signature_it_is(signed: Signed, tmp_path: Path) -> None:
    good = verified(signed, "--identity", WHO)
    assert good.return_value == 0, good.output
    assert f"signed by {WHO} (ED25519 SHA256:" in good.output
    assert verified(signed).return_value == 0
    anybody = drbook("journal", "verify", signed.path)
    assert anybody.return_value == 0
    assert "nobody said whose key that is" in anybody.output
    other = key(tmp_path, "other")
    lists = {
        "unknown": (WHO, "", other),
        "expired": (WHO, 'valid-before="20200101"', signed.key),
        "not yet": (WHO, 'valid-after="20990101"', signed.key),
        "for something else": (WHO, 'namespaces="git"', signed.key),
        "empty": None,
    }
    for what, line in lists.items():
        allowed = signers(tmp_path / "list", *([line] if line else []))
        ran = drbook("journal", "verify", signed.path, "--signers", allowed)
        assert ran.return_value == 4, (what, ran.output)
        assert "REFUSED" in ran.output
    assert verified(signed, "--identity", "eve@example.com").return_value == 4


def test_a_signature_for_something_else_is_none(signed: Signed) -> None:
    with signed.path.open("rb") as stream:
        given = sshsign.sign(stream, signed.key, "git")
    signed.path.with_name("shop.zip.sig").write_bytes(given)
    assert verified(signed).return_value == 1
    signed.path.with_name("shop.zip.sig").write_bytes(b"no signature")
    assert verified(signed).return_value == 1


def test_every_byte_of_a_signature(made: Signed) -> None:
    """What is not a digit of it is found here; a sample of its digits by ssh-keygen."""
    given = bytearray(made.path.with_name("shop.zip.sig").read_bytes())
    asked = sshsign.Asked()
    assert sshsign.is_plain(bytes(given))
    digits = [at for at in range(len(given)) if _is_digit(given, at)]
    for at in range(len(given)):
        given[at] ^= 1
        if at not in digits:
            assert not sshsign.is_plain(bytes(given)), at
        elif at in digits[::60] and sshsign.is_plain(bytes(given)):
            with made.path.open("rb") as stream:
                found = sshsign.check(stream, bytes(given), NAMESPACE, asked)
            assert found.code == 1, at
        given[at] ^= 1


def _is_digit(given: bytearray, at: int) -> bool:
    line = given[: at + 1].splitlines()[-1]
    return not line.startswith(b"-") and given[at : at + 1].isalnum()


def test_what_could_not_be_checked_is_not_passed(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verified(signed).return_value == 0
    with pytest.raises(CouldNotVerify, match="list of signers"):
        raise (
            drbook("journal", "verify", signed.path, "--signers", tmp_path / "no").exception
            or OSError
        )
    program = tmp_path / "bin" / "ssh-keygen"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    for script in (None, "#!/bin/sh\necho unknown option -- Y >&2; exit 1\n"):
        if script is not None:
            program.write_text(script)
            program.chmod(0o755)
        ran = verified(signed)
        assert ran.return_value == 5, ran.output
        assert "COULD NOT VERIFY the signature" in ran.output


def test_an_agents_key_signs(
    signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = f"/tmp/drbook-agent-{os.getpid()}"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not Path(socket).exists() and time.monotonic() < until:
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        subprocess.run(["ssh-add", "-q", signed.key], check=True, capture_output=True)
        public = tmp_path / "only.pub"
        shutil.copy(signed.key.with_suffix(".pub"), public)
        write_bundle(signed.folder, tmp_path / "agent.zip", key=public, rows=False)
    finally:
        agent.terminate()
        agent.wait()
        Path(socket).unlink(missing_ok=True)
    ran = drbook("journal", "verify", tmp_path / "agent.zip", "--signers", signed.signers)
    assert ran.return_value == 0, ran.output


def test_options_that_fit_a_bundle_alone(made: Signed, tmp_path: Path) -> None:
    for arguments in (
        (made.folder, "--signers", made.signers),
        (made.path, "--mirrors"),
        (made.path, "--identity", "x"),
    ):
        assert isinstance(drbook("journal", "verify", *arguments).exception, UsageError)


# --- without drbook ----------------------------------------------------------------------------


needs_recipe = pytest.mark.skipif(
    any(shutil.which(one) is None for one in ("unzip", "jq")), reason="unzip or jq is missing"
)


def recipe(folder: Path) -> subprocess.CompletedProcess[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    script = re.search(r"^```bash\n(ssh-keygen -Y verify.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert script is not None
    shutil.rmtree(folder / "evidence", ignore_errors=True)
    return subprocess.run(
        ["bash", "-c", script[1]], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip


def _sign_anew(signed: Signed) -> None:
    with signed.path.open("rb") as stream:
        given = sshsign.sign(stream, signed.key, NAMESPACE)
    signed.path.with_name("shop.zip.sig").write_bytes(given)


@needs_recipe
def test_the_recipe_checks_the_same(signed: Signed) -> None:
    shutil.copy(signed.signers, signed.path.parent / "allowed_signers")
    whole, folder = signed.data, signed.path.parent
    ran = recipe(folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "whole and signed"
    signed.path.write_bytes(whole.replace(b"a note", b"a lie!"))
    assert recipe(folder).returncode != 0
    for change in ("a member removed", "a member added", "a member renamed"):
        signed.path.write_bytes(CHANGES[change][0](whole))
        _sign_anew(signed)
        assert recipe(folder).returncode != 0, change
    for change in ("the chain",):
        REMADE[change][0](signed.path, whole)
        _sign_anew(signed)
        assert recipe(folder).returncode != 0, change
    remade(signed.path, files_of(whole), journal=Chain(records=6, head="1" * 64))
    _sign_anew(signed)
    assert recipe(folder).returncode != 0
    other = files_of(write_other(folder))["timeline.md"]
    remade(signed.path, files_of(whole) | {"timeline.md": other})
    _sign_anew(signed)
    assert recipe(folder).returncode != 0


def test_gathering_twice_is_the_same(made: Signed) -> None:
    assert gathered(made.folder, rows=True)[0] == gathered(made.folder, rows=True)[0]


def test_on_a_file_system_without_links(
    made: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    write_bundle(made.folder, tmp_path / "a.zip", key=None, rows=False)
    assert (tmp_path / "a.zip").read_bytes() == made.data
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]
