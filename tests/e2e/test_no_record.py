"""Where the record cannot be written nothing is done; where it was moved, one goes on there."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.incident import World, made_in
from support.program import Drbook, Ran, heeding_permissions

from drbook.app import model as cmd
from drbook.app.mailbox import Letter, leave
from drbook.cli import main
from drbook.core.errors import JournalError
from drbook.core.state import StepState
from drbook.journal.disk import OsDisk
from drbook.journal.reader import read, verify
from drbook.journal.writer import Writer

TWO = """
  - {id: a, phase: detect, do: none}
  - {id: b, phase: restore, do: once}
"""
BY_HAND = """
drbook: 1
title: By hand
steps:
  - {id: noted, phase: detect, do: note, with: {text: "seen"}}
  - {id: revoke, phase: contain, do: manual, with: {instructions: "Revoke the token."}}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "incident"
    folder.mkdir()
    yield from made_in(folder)


def _gone(folder: Path) -> None:
    shutil.rmtree(folder)


def _moved(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _replaced(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    copied = journal.read_bytes()
    journal.unlink()
    journal.write_bytes(copied)


def _cut(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    with journal.open("r+b") as stream:
        stream.truncate(sum(map(len, lines[:-1])))


def _emptied(folder: Path) -> None:
    (folder / "journal.jsonl").write_bytes(b"")


def _added_to(folder: Path) -> None:
    with (folder / "journal.jsonl").open("ab") as stream:
        stream.write(b"{}\n")


@pytest.mark.parametrize("changed", [_cut, _emptied, _added_to])
def test_a_journal_that_somebody_else_changes_stops_everything(world: World, changed) -> None:  # type: ignore[no-untyped-def]
    world.start(TWO)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.SUCCEEDED)
    changed(world.folder)
    left = world.journal.read_bytes()
    with pytest.raises(JournalError) as stopped:
        world.ask(cmd.Run("b"))
    assert stopped.value.code == "journal-changed"
    assert "journal verify" in stopped.value.next
    assert "b" not in world.opener.opened
    assert world.until(lambda s: s.broken).trouble is not None
    with pytest.raises(JournalError):
        world.ask(cmd.WriteNote("is anybody there?"))
    assert world.journal.read_bytes() == left


@pytest.mark.parametrize("lost", [_gone, _moved, _replaced])
def test_a_journal_that_is_not_there_any_more_stops_everything(world: World, lost) -> None:  # type: ignore[no-untyped-def]
    world.start(TWO)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.SUCCEEDED)
    lost(world.folder)
    with pytest.raises(JournalError) as stopped:
        world.ask(cmd.Run("b"))
    assert stopped.value.code == "journal-gone"
    assert "drbook resume" in stopped.value.next
    assert "b" not in world.opener.opened
    assert world.until(lambda s: s.broken).trouble is not None
    with pytest.raises(JournalError):
        world.ask(cmd.WriteNote("is anybody there?"))


def test_a_moved_incident_goes_on_where_it_is(world: World, tmp_path: Path) -> None:
    world.start(TWO)
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.SUCCEEDED)
    world.driver.stop()
    _moved(world.folder)
    world.folder = tmp_path / "elsewhere"
    world.resume()
    world.ask(cmd.Run("b"))
    world.reaches("b", StepState.SUCCEEDED)
    assert verify(world.journal).intact


class NoLocks(OsDisk):
    def lock(self, handle: int) -> None:
        raise OSError(37, "No locks available")  # NFS without a lock daemon answers ENOLCK


def test_a_file_system_without_locks_is_not_written_to(tmp_path: Path) -> None:
    from drbook.core.events import Mode

    with pytest.raises(JournalError, match="cannot be locked") as refused:
        Writer(tmp_path / "journal.jsonl", mode=Mode.LIVE, host="here", disk=NoLocks())
    assert refused.value.code == "journal-no-lock"
    assert "Another drbook" not in str(refused.value)


def test_no_home_at_all_is_said(tmp_path: Path, drbook: Drbook) -> None:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(BY_HAND)
    environment = {
        name: value
        for name, value in drbook.environment.items()
        if name not in ("HOME", "DRBOOK_HOME")
    }
    as_nobody = (
        "import os, sys; os.setgid(65000); os.setuid(65000)\n"
        if os.geteuid() == 0
        else "import sys, pwd; pwd.getpwuid = lambda uid: (_ for _ in ()).throw(KeyError(uid))\n"
    )
    program = as_nobody + "from drbook.cli.main import main; sys.exit(main(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", "import drbook.cli.run, drbook.cli.main, drbook.app.session\n" + program,
         "incidents"],
        env=environment, cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    assert "DRBOOK_HOME" in ran.stderr
    assert "Traceback" not in ran.stderr


def _refused_start(drbook: Drbook, tmp_path: Path, home: Path) -> Ran:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(BY_HAND)
    return drbook("run", str(runbook), "--headless", DRBOOK_HOME=str(home))


@pytest.mark.parametrize("place", ["a file", "below a file", "/proc/1/nowhere"])
def test_a_place_that_takes_no_record_starts_nothing(
    drbook: Drbook, tmp_path: Path, place: str
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    home = {"a file": file, "below a file": file / "x"}.get(place, Path(place))
    ran = _refused_start(drbook, tmp_path, home)
    assert ran.code == 70, ran.err
    assert "incident folder" in ran.err
    assert "Nothing is done that cannot be recorded." in ran.err
    assert "started" not in ran.err


@pytest.mark.parametrize("lost", ["the file's", "the folder's"])
def test_permissions_that_were_lost_keep_a_resume_from_starting(
    drbook: Drbook, tmp_path: Path, lost: str
) -> None:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(BY_HAND)
    opened = drbook("run", str(runbook), "--headless", "--json")
    folder = Path(opened.json()["journal"]["path"]).parent
    subject = folder if lost == "the folder's" else folder / "journal.jsonl"
    before, mode = (folder / "journal.jsonl").read_bytes(), subject.stat().st_mode
    subject.chmod(0o400)
    try:
        ran = heeding_permissions(drbook)("resume", str(folder), "--headless")
    finally:
        subject.chmod(mode)
    assert ran.code in (2, 70), ran.err
    assert "Permission denied" in ran.err
    assert (folder / "journal.jsonl").read_bytes() == before
    moved = tmp_path / "another disk"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    assert drbook("resume", str(moved), "--headless").code == 7
    assert len(read(moved / "journal.jsonl")) > before.count(b"\n")


def test_an_incident_that_cannot_be_looked_into_is_not_said_to_be_none(
    drbook: Drbook, tmp_path: Path
) -> None:
    """A second one would be opened beside it, and a note would go into an older one."""
    runbook = tmp_path / "r.yaml"
    runbook.write_text(BY_HAND)
    first = drbook("run", str(runbook), "--headless", "--json").json()["incident"]
    second = drbook("run", str(runbook), "--headless", "--json").json()["incident"]
    newest = drbook.home / "incidents" / max(first, second)
    older = drbook.home / "incidents" / min(first, second) / "journal.jsonl"
    before = older.read_bytes()
    newest.chmod(0)
    try:
        heeding = heeding_permissions(drbook)
        for command in (["resume", "--headless"], ["resume", newest.name, "--headless"], ["note", "hi"],
                        ["journal", "verify", newest.name], ["timeline"]):  # fmt: skip
            ran = heeding(*command)
            assert ran.code == 70, (command, ran.err)
            assert f"{newest}/journal.jsonl cannot be read: Permission denied" in ran.err
        assert "unread" in heeding("incidents").out
        assert heeding("resume", older.parent.name, "--headless").code == 7
    finally:
        newest.chmod(0o700)
    assert len(older.read_bytes()) > len(before)
    assert b"hi" not in older.read_bytes()[len(before) :]


def test_a_journal_that_is_no_file_is_not_waited_for(drbook: Drbook, tmp_path: Path) -> None:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(BY_HAND)
    opened = drbook("run", str(runbook), "--headless", "--json")
    journal = Path(opened.json()["journal"]["path"])
    journal.unlink()
    os.mkfifo(journal)
    assert drbook("incidents").code == 0
    assert drbook("resume", "--headless").code == 2
    assert drbook("resume", str(journal.parent), "--headless").code == 2


def test_a_note_that_cannot_be_left_is_said(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("no folder")
    with pytest.raises(JournalError) as caught:
        leave(tmp_path, Letter("bob", "x"))
    assert caught.value.code == "note-left"
    assert caught.value.means == "What was to be left is not on record."
    assert [each.name for each in tmp_path.iterdir()] == ["inbox"]


@pytest.mark.parametrize(
    ("number", "means"),
    [(errno.ENOSPC, "a disk takes no more"), (errno.EPERM, "this is a defect of drbook")],
)
def test_a_disk_that_is_full_is_no_defect(
    number: int,
    means: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path))
    error = OSError(number, os.strerror(number))
    assert main._internal(error) == 70
    told = capsys.readouterr().err
    assert f"What it means: {means};" in told
    assert ("Make room" in told) is (number == errno.ENOSPC)


LONG = """
drbook: 1
title: Long
steps:
  - {id: waits, phase: detect, do: shell, with: {shell: "sleep 60", changes: nothing}}
  - {id: sends, phase: cutover, needs: [], do: shell, with: {shell: "sleep 60"}}
"""


def test_a_terminal_that_goes_away_stops_what_runs_and_leaves_it_open(  # type: ignore[no-untyped-def]
    terminal, drbook: Drbook, tmp_path: Path
) -> None:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(LONG)
    seat = terminal("run", str(runbook))
    seat.sees("run step 1")
    seat.press("\r")
    seat.sees("running")
    seat.vanishes()
    _left_open_and_cancelled(drbook)


@pytest.mark.parametrize("hidden", [False, True], ids=["hang-up", "under nohup"])
def test_a_hang_up_of_an_unattended_run(drbook: Drbook, tmp_path: Path, hidden: bool) -> None:
    runbook = tmp_path / "r.yaml"
    runbook.write_text(LONG)
    prefix = "nohup " if hidden else ""
    with subprocess.Popen(
        ["/bin/sh", "-c", f'exec {prefix}"$@"', "sh", *drbook.program, "run", str(runbook), "--headless"],
        env=drbook.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "waits: started" in line:
                break
        process.send_signal(signal.SIGHUP)
        if hidden:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1.5)
            process.send_signal(signal.SIGHUP)
            process.terminate()
        process.communicate(timeout=40)
        if hidden:
            assert process.returncode == 3  # aborted by the SIGTERM, on record
            return
        assert process.returncode == 7
    _left_open_and_cancelled(drbook)


def _left_open_and_cancelled(drbook: Drbook) -> None:
    (folder,) = (drbook.home / "incidents").iterdir()
    records = read(folder / "journal.jsonl")
    kinds = [type(record.event).__name__ for record in records]
    assert "IncidentClosed" not in kinds
    assert kinds[-2:] in (["StepFinished"], ["ProcessStarted", "StepFinished"])
    assert records[-1].event.state.value == "cancelled"  # type: ignore[attr-defined]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
