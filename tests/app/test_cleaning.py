"""Which drills are cleaned, which are left alone, and what is told before the next one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drbook.app import onewriter
from drbook.app.cleaning import clean, drill, drills, nobodys, told_before
from drbook.app.hurry import Hurry
from drbook.app.onewriter import claim, claims_left, writer_now
from drbook.app.places import Home, make_folder
from drbook.app.session import open_incident
from drbook.app.teardown import CUT_SHORT, Remover, targets_told
from drbook.app.vocabulary import vocabulary
from drbook.core import events as ev
from drbook.core.errors import JournalError
from drbook.core.events import Event, Mode
from drbook.core.fold import fold
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.providers.targets.pool import MARKER, marker_of

RUNBOOK = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: close, do: manual}]\n"
NONCE = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "writing"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def opened(home: Home, mode: Mode = Mode.DRILL, *, keep: bool = False) -> Path:
    session = open_incident(
        load(RUNBOOK, "r.yaml", vocabulary()), mode, home, {}, environment={}, keep_targets=keep
    )
    session.driver.stop()
    return session.folder


def made(folder: Path, kind: str = "cluster", params: object = None) -> Path:
    """A target that a drbook which is gone had begun to make."""
    target = folder / "targets" / "a-1"
    events: list[Event] = [
        ev.StepPlanned(
            step="a",
            attempt=1,
            action="postgres.restore",
            effect=ev.Effect.IDEMPOTENT,
            params=params or {},  # type: ignore[arg-type]
            plan=ev.Plan(does=("x",)),
            digest="0",
        ),
        ev.StepStarted(step="a", attempt=1),
        ev.ResourceIntended(
            step="a", attempt=1, kind=kind, name="a-1", nonce=NONCE, location=str(target)
        ),
    ]
    mode = fold(read(folder / "journal.jsonl")).mode
    with Writer(folder / "journal.jsonl", mode=mode, host=os.uname().nodename) as writer:
        for event in events:
            writer.append("ops", event)
    if kind == "cluster":
        target.mkdir(parents=True)
        (target / MARKER).write_text(marker_of("a-1", NONCE, "drill"))
        (target / "data").mkdir()
    return target


def test_what_a_dead_drill_made_is_listed_told_and_removed(home: Home) -> None:
    folder = opened(home)
    target = made(folder)
    (found,) = drills(home, None, {})
    assert [(one.kind, one.place) for one in found.leftovers] == [("cluster", str(target))]
    assert "nonce" in found.leftovers[0].proof
    assert target.is_dir()
    (line,) = told_before(home)
    assert f"drbook drill clean {folder.name}" in line
    done = clean(found, {}, lambda _: None, kept_too=False)
    assert [one.kind for one in done.removed] == ["cluster"]
    assert done.stayed == []
    assert not target.exists()
    assert drills(home, None, {}) == []
    assert told_before(home) == []
    events = [type(one.event).__name__ for one in read(folder / "journal.jsonl")]
    assert events[-2:] == ["ReleaseIntended", "ResourceReleased"]


def test_a_half_downloaded_copy_and_a_claim_go_too(home: Home, tmp_path: Path) -> None:
    folder = opened(home)
    (folder / "copies").mkdir()
    (folder / "copies" / "shop.dump").write_text("whole")
    (folder / "copies" / "other.dump.part").write_text("half")
    (tmp_path / "writing").mkdir(mode=0o700, exist_ok=True)
    claimed = claim(folder.name)
    os.close(claimed._handle)  # its process is gone, and left its file
    if claimed.name is not None:
        claimed.name.close()
    (found,) = drills(home, None, {})
    assert sorted(one.kind for one in found.leftovers) == ["lock", "part"]
    clean(found, {}, lambda _: None, kept_too=False)
    assert [one.name for one in (folder / "copies").iterdir()] == ["shop.dump"]
    assert list((tmp_path / "writing").iterdir()) == []


def test_what_is_taken_away_beside_targets_is_on_record(home: Home) -> None:
    folder = opened(home)
    (folder / "copies").mkdir(exist_ok=True)
    (folder / "copies" / "a.dump.part").write_text("x")
    found = drill(folder, {})
    assert found is not None
    clean(found, {}, lambda _: None, kept_too=False)
    notes = [
        one.event.text
        for one in read(folder / "journal.jsonl")
        if isinstance(one.event, ev.NoteAdded)
    ]
    assert [("a.dump.part" in one, "drill clean" in one) for one in notes] == [(True, True)]
    assert not (folder / "copies" / "a.dump.part").exists()


def test_temporary_folders_of_other_incidents_are_nobodys_only_where_no_record_names_them(
    home: Home, tmp_path: Path
) -> None:
    program = "import sys; from drbook.providers.scratch import Scratch; Scratch('one', sys.argv[1]).keep()"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    (stray,) = nobodys(home, [])
    folder = opened(home, Mode.LIVE)
    letters = Path(stray.place).name.split(".")[1]
    life = ev.Life(token=letters + "0" * 24, boot="b", pids="p")
    with Writer(folder / "journal.jsonl", mode=Mode.LIVE, host="h") as writer:
        writer.append("ops", ev.IncidentResumed(head="0" * 64, life=life))
    assert nobodys(home, []) == []


def test_a_claim_that_is_held_is_not_left_though_no_table_says_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onewriter, "written_now", lambda incident: False)
    held = claim("i")
    assert claims_left("i") == []
    assert writer_now("i") == "a process of this user"
    held.release()
    assert (claims_left("i"), writer_now("i")) == ([], "")


def test_a_live_incident_is_not_looked_at(home: Home) -> None:
    folder = opened(home, Mode.LIVE)
    target = made(folder)
    assert drill(folder, {}) is None
    assert told_before(home) == []
    state, put = fold(read(folder / "journal.jsonl")), list[Event]()
    assert Remover(read(folder / "journal.jsonl"), folder, {}).tear_down(state, put.append) == []
    assert put == []
    assert target.is_dir()


def test_one_that_is_led_is_left_alone_and_its_process_named(home: Home) -> None:
    folder = opened(home)
    target = made(folder)
    (listed,) = drills(home, None, {})
    held = claim(folder.name)
    try:
        (found,) = drills(home, None, {})
        assert found.led.startswith(f"process {os.getpid()} of user")
        assert found.leftovers == ()
        assert told_before(home) == []
        with pytest.raises(JournalError):
            clean(listed, {}, lambda _: None, kept_too=True)
    finally:
        held.release()
    assert target.is_dir()


def test_what_is_kept_stays_unless_it_is_named(home: Home) -> None:
    folder = opened(home, keep=True)
    target = made(folder)
    (found,) = drills(home, None, {})
    assert found.kept
    assert told_before(home) == []
    assert clean(found, {}, lambda _: None, kept_too=False).removed == []
    assert target.is_dir()
    assert clean(found, {}, lambda _: None, kept_too=True).stayed == []
    assert not target.exists()


def test_a_damaged_record_is_said_and_nothing_of_it_removed(home: Home) -> None:
    folder = opened(home)
    target = made(folder)
    journal = folder / "journal.jsonl"
    journal.write_bytes(b"x" + journal.read_bytes()[1:])
    (found,) = drills(home, None, {})
    assert found.problem
    assert found.leftovers == ()
    assert target.is_dir()


def test_one_that_was_never_opened_has_left_a_claim_at_most(home: Home, tmp_path: Path) -> None:
    folder = home.folder("20261128-110000-t-0000")
    make_folder(folder)
    (folder / "journal.jsonl").touch()
    assert drills(home, None, {}) == []
    (tmp_path / "writing").mkdir(mode=0o700)
    held = claim(folder.name)
    os.close(held._handle)
    if held.name is not None:
        held.name.close()
    (found,) = drills(home, None, {})
    assert [one.kind for one in found.leftovers] == ["lock"]
    assert len(clean(found, {}, lambda _: None, kept_too=False).removed) == 1
    assert drills(home, None, {}) == []


def test_a_database_s_server_is_reached_as_its_plan_says(home: Home, tmp_path: Path) -> None:
    folder = opened(home)
    server = {"host": str(tmp_path), "user": "restorer", "ignore_environment": True}
    made(folder, "database", {"target": {"kind": "database", "server": server}})
    (found,) = drills(home, None, {})
    (left,) = found.leftovers
    assert left.kind == "database"
    assert left.place.endswith("· a_1")
    assert "could not be asked" in left.reason
    done = clean(found, {}, lambda _: None, kept_too=True)
    assert [one.kind for one in done.stayed] == ["database"]
    before = len(read(folder / "journal.jsonl"))
    clean(found, {}, lambda _: None, kept_too=True)
    assert len(read(folder / "journal.jsonl")) == before  # the same reason is recorded once


def test_a_full_disk_is_said_and_what_is_left_can_be_taken_away_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = opened(home)
    target = made(folder)
    (found,) = drills(home, None, {})

    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("drbook.providers.targets.removal.remove_folder", broken)
        done = clean(found, {}, lambda _: None, kept_too=False)
    assert "Input/output error" in done.stayed[0].reason
    state = fold(read(folder / "journal.jsonl"))
    left = [ev.ResourceLeft(kind="cluster", name="a-1", location="l", reason="r")]
    told = targets_told(state, left, folder.name)
    assert told[0].startswith("NOT REMOVED")
    assert told[-1].startswith("1 target")
    clean(found, {}, lambda _: None, kept_too=False)
    assert not target.exists()


def test_a_removal_that_is_cut_short_is_on_record_and_can_be_gone_on_with(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = opened(home)
    target = made(folder)
    hurry, put = Hurry(), list[Event]()
    records = read(folder / "journal.jsonl")

    def twice(*_: object, **__: object) -> None:
        hurry.ask()
        hurry.ask()

    with monkeypatch.context() as patched:
        patched.setattr("drbook.providers.targets.removal.shutil.rmtree", twice)
        (left,) = Remover(records, folder, {}, hurry).tear_down(fold(records), put.append)
    assert left.reason == CUT_SHORT
    assert [type(one).__name__ for one in put] == ["ReleaseIntended", "ResourceLeft"]
    assert (target / MARKER).is_file()
    hurry.ask()  # nothing is open that could be cut
    (found,) = drills(home, None, {})
    assert clean(found, {}, lambda _: None, kept_too=False).stayed == []
    assert not target.exists()
