"""Files of one's own: their mode under any umask, and links and pipes that lie in their place."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drbook.app import places
from drbook.app.mailbox import Letter, leave, waiting
from drbook.app.places import make_folder
from drbook.app.work import keep_traceback
from drbook.core.errors import JournalError, Refused
from drbook.core.events import Mode
from drbook.journal.writer import Writer
from drbook.providers import private
from drbook.providers.artifacts import ArtifactFolder
from drbook.providers.hiding import MASK, Secret

VALUE = "hunter2hunter2-7f3a9c51"


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_is_written_is_private_under_any_umask(tmp_path: Path, umask: None) -> None:
    incident = tmp_path / "state" / "incidents" / "one"
    make_folder(incident)
    for write in (private.append, private.replace):
        with write(incident / write.__name__) as stream:
            stream.write("x")
    keep_traceback(incident / "errors.log", "here", ValueError("x"))
    leave(incident, Letter("bob", "x"))
    ArtifactFolder(incident).keep(b"x", ".txt")
    Writer(incident / "journal.jsonl", mode=Mode.DRILL, host="h").close()
    made = [incident.parent, incident, *incident.rglob("*")]
    assert len(made) == 10
    assert {mode(path) for path in made if path.is_dir()} == {0o700}
    assert {mode(path) for path in made if path.is_file()} == {0o600}


def test_a_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "last-error.log"
    path.write_text("before")
    path.chmod(0o644)
    with private.append(path) as stream:
        stream.write(" and after")
    assert mode(path) == 0o600
    assert path.read_text() == "before and after"


def test_planted_links_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    link = tmp_path / "errors.log"
    link.symlink_to(victim)
    for write in (private.append, private.replace):
        with pytest.raises(OSError, match="symbolic links"):
            write(link)
    keep_traceback(link, "here", ValueError("x"))
    with pytest.raises(JournalError):
        Writer(link, mode=Mode.DRILL, host="h")
    assert victim.read_text() == "untouched"


def test_a_letter_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text('{"actor": "root", "text": "somebody else\'s words"}')
    box = tmp_path / "inbox"
    box.mkdir()
    (box / "1.json").symlink_to(victim)
    os.mkfifo(box / "2.json")
    letters = [letter for _, letter in waiting(tmp_path)]
    assert [letter.actor for letter in letters] == ["unknown", "unknown"]
    assert all("could not be read" in letter.text for letter in letters)


def test_a_torn_tail_is_not_put_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(b'{"seq": 1, "torn')
    (tmp_path / "torn-after-0.bin").symlink_to(victim)
    with Writer(journal, mode=Mode.DRILL, host="h"):
        assert victim.read_text() == "untouched"
    kept = [path for path in tmp_path.glob("torn-after-*.bin") if not path.is_symlink()]
    assert [path.read_bytes() for path in kept] == [b'{"seq": 1, "torn']


def test_letters_and_tracebacks_hold_no_known_secret(tmp_path: Path) -> None:
    Secret(VALUE)
    leave(tmp_path, Letter("bob", f"it is {VALUE}"))
    assert [letter.text for _, letter in waiting(tmp_path)] == [f"it is {MASK}"]
    try:
        raise KeyError(VALUE)
    except KeyError as error:
        keep_traceback(tmp_path / "errors.log", "here", error)
    assert f"KeyError: '{MASK}'" in (tmp_path / "errors.log").read_text()


@pytest.mark.parametrize("which", [".", "state", "state/incidents"])
@pytest.mark.parametrize(("mode", "group"), [(0o777, None), (0o775, 12345)])
def test_a_state_directory_that_others_may_write_to_is_refused(
    tmp_path: Path, which: str, mode: int, group: int | None
) -> None:
    incident = tmp_path / "state" / "incidents" / "one"
    incident.parent.mkdir(parents=True)
    _given_to(tmp_path / which, -1, group)
    (tmp_path / which).chmod(mode)
    with pytest.raises(Refused) as caught:
        make_folder(incident)
    assert caught.value.code == "state-dir"
    assert str((tmp_path / which).resolve()) in caught.value.what
    assert not incident.exists()
    (tmp_path / which).chmod(mode | 0o1000)  # as /tmp: everybody's own stays everybody's own
    make_folder(incident)


def test_ones_own_group_may_write_to_a_state_directory(tmp_path: Path) -> None:
    """Where each user has a group of their own, folders are made so."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o775)
    make_folder(tmp_path / "state" / "incidents" / "one")


def _given_to(folder: Path, owner: int, group: int | None) -> None:
    if group is not None:
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(folder, owner, group)


@pytest.mark.parametrize("which", [".", "state", "state/incidents"])
@pytest.mark.parametrize("root", [True, False])
def test_a_state_directory_of_somebody_else_is_refused(
    tmp_path: Path, which: str, root: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For root as well: who owns a folder can put another record there."""
    incident = tmp_path / "state" / "incidents" / "one"
    incident.parent.mkdir(parents=True)
    _given_to(tmp_path / which, 12345, -1)
    if not root:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(Refused) as caught:
        make_folder(incident)
    assert caught.value.code == "state-dir"
    assert "uid 12345" in caught.value.what


def test_a_link_leads_to_what_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "open" / "state").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "own").symlink_to(tmp_path / "open" / "state")
    with pytest.raises(Refused):
        make_folder(tmp_path / "own" / "incidents" / "one")


def test_the_names_of_an_incidents_folders_are_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(places, "sync_folder", synced.append)
    state = tmp_path / "state"
    make_folder(state / "incidents" / "one")
    assert set(synced) == {tmp_path, state, state / "incidents"}
    synced.clear()
    make_folder(state / "incidents" / "two")
    assert synced == [state / "incidents"]


@pytest.mark.parametrize("limits", [(0, 0), (4096, 4096), (-1, -1)])
def test_no_core_dump_whatever_was_allowed(limits: tuple[int, int]) -> None:
    """Each in a process of its own: a limit that was lowered cannot be raised again."""
    child = (
        "import resource, sys; from drbook.cli.main import main;"
        f"resource.setrlimit(resource.RLIMIT_CORE, {limits});"
        "main(['runbooks']); print(resource.getrlimit(resource.RLIMIT_CORE), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() in ("(0, 0)", "(1, 1)")
