"""`drbook audit` on a machine with planted credentials: all found, all powers right, no value anywhere."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.planted import Planted, plant

from drbook.cli.main import cli


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    made = plant(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return made


def audit(planted: Planted, *more: str, deleters: str = "backup-writer, root-key") -> Result:
    runbook = planted.runbook(deleters)
    arguments = ["audit", str(runbook), str(planted.repo), "--quick", *more]
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def powers(document: dict) -> dict[tuple[str, str], tuple[str, ...]]:  # type: ignore[type-arg]
    found = {}
    for one in document["credentials"]:
        where, line = Path(one["found"]["place"]).name, one["found"]["line"]
        where += f":{line}" if line else ""
        assert (one["found"]["kind"], where) not in found
        found[one["found"]["kind"], where] = tuple(power["might"] for power in one["powers"])
    return found


def test_all_are_found_and_all_powers_are_right_or_unknown(planted: Planted) -> None:
    ran = audit(planted, "--json")
    document = json.loads(ran.stdout)
    assert powers(document) == planted.powers
    assert len(planted.powers) >= 22
    assert ran.return_value == document["exit_code"] == 1


def test_no_value_appears_anywhere_in_any_form(planted: Planted, tmp_path: Path) -> None:
    told = audit(planted, "-o", "audit.html")
    assert told.return_value == 1, told.output
    said = [told.output, audit(planted, "--json").output]
    said.append((tmp_path / "here" / "audit.html").read_text())
    assert all("deploy.yml" in each for each in said)
    for name, form in planted.forms():
        assert len(form) > 5
        for each in said:
            assert form not in each, name


def test_a_value_that_was_printed_would_be_found(planted: Planted) -> None:
    value = planted.values["writer"]
    assert any(form in f"x{value}x" for _, form in planted.forms())


def test_the_one_credential_that_takes_all_is_said_first(planted: Planted) -> None:
    ran = audit(planted)
    assert ran.stdout.startswith("!! ONE LOSS TAKES ALL: one credential")
    (kill,) = json.loads(audit(planted, "--json").stdout)["kills"]
    assert "deploy.yml" in kill["where"]
    assert kill["things"] == ["production data", "offsite"]
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_a_machine_that_holds_both_is_one_place(planted: Planted) -> None:
    """No single credential reaches both, but whoever is on this machine has them all."""
    (planted.repo / ".github" / "workflows" / "deploy.yml").unlink()
    document = json.loads(audit(planted, "--json", deleters="backup-writer").stdout)
    (kill,) = document["kills"]
    assert kill["what"] == "this machine"
    assert len(kill["fingerprints"]) == 2


def test_nothing_takes_all_where_the_backup_credential_lies_elsewhere(planted: Planted) -> None:
    (planted.repo / ".github" / "workflows" / "deploy.yml").unlink()
    (planted.home / ".aws" / "credentials").unlink()
    document = json.loads(audit(planted, "--json", deleters="backup-writer").stdout)
    assert document["kills"] == []
    assert any("could not be told" in each for each in document["unknown"])


def test_a_copy_of_a_credential_that_the_runbook_does_not_know_is_said(planted: Planted) -> None:
    document = json.loads(audit(planted, "--json").stdout)
    (said,) = document["unstated"]
    assert said.startswith("deploy-token also lies in ")
    assert ".railway/config.json" in said


def test_who_else_can_read_it(planted: Planted) -> None:
    document = json.loads(audit(planted, "--json").stdout)
    readers = {
        Path(one["found"]["place"]).name: one["found"]["readers"] for one in document["credentials"]
    }
    assert readers[".pgpass"] == "everybody"
    assert readers[".netrc"] == "its owner"


HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\n"


def test_hostile_names_and_contents_are_harmless(planted: Planted, tmp_path: Path) -> None:
    folder = planted.repo / HOSTILE.replace("/", "_")
    planted.put(
        folder / ".env",
        f"{HOSTILE}\nAPI_TOKEN={planted.value('x')}\nA_TOKEN=\x1b[31m{planted.value('y')}\n",
    )
    planted.put(planted.repo / ".env.bytes", "")
    (planted.repo / ".env.bytes").write_bytes(bytes(range(256)) * 50)
    planted.put(planted.repo / ".railway" / "config.json", "[" * 100_000)
    planted.put(planted.home / ".netrc", "machine password password machine password")
    os.mkfifo(planted.repo / ".env.pipe")
    (planted.repo / ".env.link").symlink_to(planted.home / ".pgpass")
    (planted.repo / ".env.loop").symlink_to(planted.repo / ".env.loop")
    ran = audit(planted, "-o", "audit.html")
    assert ran.exception is None
    page = (tmp_path / "here" / "audit.html").read_text()
    for text in (ran.stdout, page):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    unbroken = re.sub(r"\n *", "", ran.stdout)  # a long path is wrapped anywhere
    for name in (".env.pipe", ".env.link", ".env.loop"):
        assert name in unbroken
    for _, form in planted.forms():
        assert form not in ran.output + page


def test_a_value_that_somebody_made_a_folders_name_is_masked(
    planted: Planted, tmp_path: Path
) -> None:
    folder = planted.repo / planted.values["deploy"]
    planted.put(folder / ".env", f"A_TOKEN={planted.value('beside')}\n")
    said = [audit(planted, "-o", "audit.html").output, audit(planted, "--json").output]
    said.append((tmp_path / "here" / "audit.html").read_text())
    for text in said:
        assert "/[secret]/.env" in "".join(line.strip() for line in text.splitlines())
        for name, form in planted.forms():
            assert form not in text, name


def test_a_page_is_not_written_over(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "here" / "audit.html").write_text("mine")
    ran = audit(planted, "-o", "audit.html")
    assert "exists already" in str(ran.exception)
    assert (tmp_path / "here" / "audit.html").read_text() == "mine"


def test_nothing_is_written_to_what_was_read(planted: Planted) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_size)
            for path in planted.root.rglob("*")
            if path.is_file() and path.name != "shop.yaml"
        }

    before = state()
    audit(planted)
    assert state() == before


def test_what_the_runbook_calls_a_secret_is_one_whatever_it_looks_like(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable with an innocent name, and a file outside of every path that was given."""
    planted.put(tmp_path / "elsewhere" / "word", planted.value("whole") + "\n")
    monkeypatch.setenv("INNOCENT", planted.value("innocent"))
    runbook = planted.runbook("backup-writer")
    text = runbook.read_text()
    text = text.replace("[laptops,", f'[laptops, "file:{tmp_path}/x/../elsewhere/word",')
    runbook.write_text(text.replace("[backup-host,", '[backup-host, "env:INNOCENT",'))
    ran = CliRunner().invoke(
        cli, ["audit", str(runbook), "--quick", "--json"], standalone_mode=False
    )
    found = powers(json.loads(ran.stdout))
    assert found["secret of the runbook", "word:1"] == ("destroys", "cannot")
    assert found["secret of the runbook", "environment"] == ("cannot", "destroys")
    for _, form in planted.forms():
        assert form not in ran.output


def test_a_runbook_without_backups_has_nothing_to_lose_twice(planted: Planted) -> None:
    runbook = planted.runbook()
    text = runbook.read_text()
    runbook.write_text(text[: text.index("backups:\n  -")] + text[text.index("steps:") :])
    ran = CliRunner().invoke(cli, ["audit", str(runbook), "--json"], standalone_mode=False)
    document = json.loads(ran.stdout)
    assert document["exit_code"] == 1
    assert "no backup source" in str(document["kills"][0]["reasons"])
    assert document["copies"][0]["answer"] == "fail"


def test_a_key_that_is_tried_or_is_not_there(planted: Planted, tmp_path: Path) -> None:
    """No source here has a key, until one says how its copies are decrypted."""
    document = json.loads(audit(planted, "--json", "--open-sample").stdout)
    assert document["samples"] == []
    assert json.loads(audit(planted, "--json").stdout)["samples"] is None

    runbook = planted.runbook("backup-writer")
    word = f"    path: {planted.root / 'backups'}\n"
    how = "    decrypt: {program: age, identity: env:LOST_KEY}\n"
    runbook.write_text(runbook.read_text().replace(word, word + how))
    arguments = ["audit", str(runbook), "--quick", "--open-sample"]
    ran = CliRunner().invoke(cli, [*arguments, "-o", "audit.html"], standalone_mode=False)
    assert "UNKNOWN  offsite" in ran.stdout
    assert "none of its newest 1 copies is encrypted" in " ".join(ran.stdout.split())
    (planted.root / "backups" / "a.dump").write_bytes(b"age-encryption.org/v1\n-> X" + bytes(2000))
    ran = CliRunner().invoke(cli, [*arguments, "--json"], standalone_mode=False)
    (tried,) = json.loads(ran.stdout)["samples"]
    assert (tried["answer"], tried["outcome"]) == ("fail", "not-opened")
    assert "LOST_KEY is not set" in tried["reason"]
    assert ran.return_value == 1
    assert "Keys, tried on a sample" in (tmp_path / "here" / "audit.html").read_text()


def test_the_page_draws_first_what_takes_all(planted: Planted) -> None:
    assert audit(planted, "-o", "audit.html").exception is None
    graph = Path("audit.html").read_text().split("<svg", 1)[1].split("</svg>")[0]
    names = [line for line in graph.splitlines() if line.startswith("<text")]
    assert "takes all: " in names[0]
    assert 'class="kills"' in names[0]
    assert "root-key" in names[0]
    assert sum("takes all" in name for name in names) == 1
    assert graph.count('class="destroys kills"') == 2, "one line to production, one to its copies"
    assert 'class="production name">production data' in graph
