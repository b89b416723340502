"""Which incident is gone on with when nobody says which."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from drbook.app import onewriter


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


NEEDS_A_PERSON = """
drbook: 1
title: Needs a person
steps:
  - {id: revoke, phase: contain, do: manual, with: {instructions: "Revoke the token."}}
"""
ENDS_BY_ITSELF = """
drbook: 1
title: Ends by itself
steps:
  - {id: noted, phase: close, do: note, with: {text: "nothing to do"}}
"""


def test_the_newest_open_one_is_gone_on_with(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    nothing = drbook("resume", "--headless")
    assert nothing.code == 2
    assert "is open" in nothing.err
    for name, text in (("open", NEEDS_A_PERSON), ("ended", ENDS_BY_ITSELF)):
        (tmp_path / f"{name}.yaml").write_text(text)
    opened = drbook("run", str(tmp_path / "open.yaml"), "--headless", "--json")
    assert opened.code == 7, opened.err
    ended = drbook("run", str(tmp_path / "ended.yaml"), "--headless", "--json")
    assert ended.code == 0, ended.err
    rehearsed = drbook("rehearse", str(tmp_path / "open.yaml"), "--headless", "--json")
    assert rehearsed.code == 7, rehearsed.err  # newer, open, and not the real thing
    resumed = drbook("resume", "--headless", "--json")
    assert resumed.code == 7, resumed.err
    assert resumed.json()["incident"] == opened.json()["incident"]
    said = drbook("resume", ended.json()["incident"], "--headless")
    assert said.code == 2, said.err
    assert "ended" in said.err or "closed" in said.err


LED = """
drbook: 1
title: Amended
inputs: {occurred: {type: time, required: false}}
steps:
  - {id: noted, phase: detect, do: note, with: {text: "seen"}}
  - {id: revoke, phase: contain, do: manual, with: {instructions: "Revoke the wrong token."}}
  - {id: sent, phase: close, do: shell, with: {shell: "exit 9", changes: nothing}}
"""


def test_an_amended_runbook_is_gone_on_with(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first, second, third = (tmp_path / name for name in ("1.yaml", "2.yaml", "3.yaml"))
    first.write_text(LED)
    opened = drbook("run", str(first), "--headless", "--json")
    assert opened.code == 7, opened.err
    incident = opened.json()["incident"]
    second.write_text(LED.replace("exit 9", "exit 0").replace('"seen"', '"seen by nobody"'))
    refused = drbook("resume", incident, "--headless", "--amend", str(second))
    assert refused.code == 2
    assert "noted, which the record already speaks of" in refused.err
    third.write_text(
        LED.replace("exit 9", "exit 0").replace(
            'do: manual, with: {instructions: "Revoke the wrong token."}',
            'do: note, with: {text: "revoked by the platform team"}',
        )
    )
    amended = drbook("resume", incident, "--headless", "--json", "--amend", str(third))
    assert amended.code == 0, amended.err
    again = drbook("timeline", incident, "--format", "md")
    assert "runbook amended: changed revoke, sent" in again.out
    folder = drbook.home / "incidents" / incident
    assert drbook("journal", "verify", str(folder / "journal.jsonl")).code == 0
    stored = folder.glob("runbook-*.yaml")
    assert [path.read_bytes() for path in stored] == [third.read_bytes()]


def test_a_note_is_held_against_what_only_an_amendment_refers_to(  # type: ignore[no-untyped-def]
    drbook, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    led = LED.replace("steps:", "hosts: [127.0.0.1]\nsteps:", 1)
    first.write_text(led)
    incident = drbook("run", str(first), "--headless", "--json").json()["incident"]
    second.write_text(
        led.replace(
            'do: manual, with: {instructions: "Revoke the wrong token."}',
            "do: http, with: {method: GET, url: 'http://127.0.0.1:9/',"
            " secret_headers: {X-Token: 'env:NEW_TOKEN'}}",
        )
    )
    token = {"NEW_TOKEN": "hunter2hunter2-7f3a9c51"}
    drbook("resume", incident, "--headless", "--amend", str(second), **token)
    noted = drbook("note", "it was hunter2hunter2-7f3a9c51", "--incident", incident, **token)
    assert noted.code == 2, noted.err
    assert "holds the value of a secret" in noted.err
    journal = drbook.home / "incidents" / incident / "journal.jsonl"
    assert "runbook-" in journal.read_text()
    assert "hunter2" not in journal.read_text()


def test_a_note_is_not_left_in_a_copy_of_an_incident_that_somebody_leads(  # type: ignore[no-untyped-def]
    drbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onewriter, "PREFIX", "drbook-writes-")
    runbook = tmp_path / "r.yaml"
    runbook.write_text(LED)
    incident = drbook("run", str(runbook), "--headless", "--json").json()["incident"]
    folder = drbook.home / "incidents" / incident
    copies = tmp_path / "copies"
    copies.mkdir(mode=0o700)
    shutil.copytree(folder, copies / "incidents" / incident)
    held = onewriter.claim(incident)
    try:
        noted = drbook("note", "lost", "--incident", incident, DRBOOK_HOME=str(copies))
    finally:
        held.release()
    assert noted.code == 4, noted.err
    assert "in another folder" in noted.err
    assert not (copies / "incidents" / incident / "mailbox").exists()
    assert drbook("note", "kept", "--incident", incident).code == 0


def test_a_changed_stored_runbook_is_refused(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    runbook = tmp_path / "r.yaml"
    runbook.write_text(LED)
    incident = drbook("run", str(runbook), "--headless", "--json").json()["incident"]
    stored = drbook.home / "incidents" / incident / "runbook.yaml"
    stored.write_bytes(stored.read_bytes() + b"# one more line\n")
    refused = drbook("resume", incident, "--headless")
    assert refused.code == 70
    assert "does not hold the runbook that this incident runs" in refused.err


DOUBTFUL = """
drbook: 1
title: Doubtful
steps:
  - id: sent
    phase: cutover
    do: shell
    with:
      shell: 'echo begun > "$1/begun"; sleep 30; touch "$1/sent"'
      probe: 'test -e "$1/sent" || test "$(cat "$1/begun")" != begun'
      args: [FOLDER]
"""


@pytest.mark.parametrize("happened", [True, False])
def test_a_killed_step_is_looked_at_by_its_own_probe(
    drbook,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    happened: bool,
) -> None:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(DOUBTFUL.replace("FOLDER", str(tmp_path)))
    with drbook.start("run", str(runbook), "--headless") as process:
        until(lambda: (tmp_path / "begun").exists())
        process.kill()
        process.communicate()
    if happened:
        (tmp_path / "sent").touch()
    resumed = drbook("resume", "--headless", "--json")
    assert resumed.code == 6, resumed.err
    word = "happened" if happened else "did-not-happen"
    assert f"looked whether step sent happened: {word}." in resumed.err
    assert "waited" not in resumed.out
    begun = (tmp_path / "begun").stat().st_mtime_ns
    assert drbook("resume", "--headless").code == 6
    assert (tmp_path / "begun").stat().st_mtime_ns == begun, "it ran again unasked"


def test_a_close_whose_line_end_was_lost_is_a_close(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Opening the record mends that line; nothing may be written behind it then."""
    runbook = tmp_path / "r.yaml"
    runbook.write_text(ENDS_BY_ITSELF)
    journal = Path(drbook("run", str(runbook), "--headless", "--json").json()["journal"]["path"])
    journal.write_bytes(journal.read_bytes()[:-1])
    refused = drbook("resume", str(journal.parent), "--headless")
    assert refused.code == 2
    assert "is closed (pass)" in refused.err
    assert drbook("journal", "verify", str(journal)).code == 0


def test_a_record_that_never_began_is_said(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = drbook.home / "incidents" / "20260424-x-7f3a"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(b'{"seq":1,')
    refused = drbook("resume", str(folder), "--headless")
    assert refused.code == 2
    assert "never opened" in refused.err


DEAF = """
drbook: 1
title: Deaf
steps:
  - id: effect
    phase: contain
    do: shell
    with:
      shell: "trap '' TERM; sleep 3; echo done >> FOLDER/effects"
      probe: "test -s FOLDER/effects"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who started whom")
def test_nothing_is_done_behind_the_back_of_a_resume(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Killed the moment its launcher exists, before its record or a little later: what the probe says
    stays true, for nothing runs any more that does not care for being asked to stop."""
    for number, delay in enumerate((0.0, 0.3)):
        folder = tmp_path / str(number)
        folder.mkdir()
        runbook = folder / "r.yaml"
        runbook.write_text(DEAF.replace("FOLDER", str(folder)))
        with drbook.start("run", str(runbook), "--headless") as process:
            until(lambda folder=folder: launchers(folder))  # type: ignore[misc]
            time.sleep(delay)
            process.kill()
            process.communicate()
        resumed = drbook("resume", "--headless", "--json")
        assert resumed.code == 6, resumed.err
        assert launchers(folder) == []
        word = "happened" if (folder / "effects").exists() else "did-not-happen"
        assert f"looked whether step effect happened: {word}." in resumed.err
        time.sleep(3.2)
        assert (folder / "effects").exists() == (word == "happened")
        shutil.rmtree(drbook.home)


def launchers(folder: Path) -> list[int]:
    """Processes that name this folder, and are not drbook's own."""
    return [
        each.pid
        for each in psutil.process_iter(["cmdline", "status"])
        if f"{folder}/effects" in " ".join(each.info["cmdline"] or [])
        and each.info["status"] != psutil.STATUS_ZOMBIE
    ]
