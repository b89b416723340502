"""An amendment that a full disk or a crash cut short is made again, and leaves nothing half on record."""

from pathlib import Path
from typing import NoReturn

import pytest

from drbook.app import onewriter, stored
from drbook.app.places import Home
from drbook.app.session import open_incident, resume_incident
from drbook.app.stored import amended_name, store_once
from drbook.app.vocabulary import vocabulary
from drbook.core.errors import JournalError
from drbook.core.events import Mode
from drbook.journal.reader import read
from drbook.language.load import load

FIRST = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: close, do: manual}]\n"
SECOND = FIRST.replace(b"id: a,", b"id: b,")


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "writing"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An incident that nobody leads; beside it, the runbook that it shall go on by."""
    (tmp_path / "new.yaml").write_bytes(SECOND)
    session = open_incident(
        load(FIRST, "r.yaml", vocabulary()), Mode.DRILL, Home(tmp_path / "home"), {}
    )
    session.driver.stop()
    return session.folder


def test_who_may_approve_is_taken_by_the_next_life_where_the_first_died_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a typed name would do from then on."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "A"
    text = FIRST + f"approvers: {{lines: ['maria {key}']}}\n".encode()
    with monkeypatch.context() as dying:
        dying.setattr("drbook.app.session.approvers_of", lambda runbook: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_incident(load(text, "r.yaml", vocabulary()), Mode.LIVE, Home(tmp_path / "h"), {})
    (folder,) = (tmp_path / "h" / "incidents").iterdir()
    session = resume_incident(folder, environment={})
    session.driver.stop()
    assert session.driver.state.approvers is not None
    kinds = [type(one.event).__name__ for one in read(folder / "journal.jsonl")]
    assert kinds == ["IncidentOpened", "IncidentResumed", "ApproversTaken"]


def amend(folder: Path) -> None:
    new = folder.parents[2] / "new.yaml"
    resume_incident(folder, environment={}, amend=new).driver.stop()


def names(folder: Path) -> list[str]:
    return [type(record.event).__name__ for record in read(folder / "journal.jsonl")]


def kept_in(folder: Path) -> Path:
    return folder / amended_name(load(SECOND, "new.yaml", vocabulary()).sha256)


def full(path: Path, data: bytes) -> NoReturn:
    path.write_bytes(data[:20])
    raise JournalError(f"{path} cannot be written: No space left on device.")


def test_an_amendment_that_a_full_disk_cut_short_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(stored, "store", full)
            with pytest.raises(JournalError, match="No space left"):
                amend(folder)
        assert names(folder) == ["IncidentOpened"]
        assert sorted(path.name for path in folder.iterdir()) == ["journal.jsonl", "runbook.yaml"]
    amend(folder)
    assert names(folder) == ["IncidentOpened", "IncidentResumed", "RunbookAmended"]
    assert kept_in(folder).read_bytes() == SECOND


@pytest.mark.parametrize("left", [b"", SECOND[:20], SECOND])
def test_what_a_crash_left_under_its_name_is_no_obstacle(folder: Path, left: bytes) -> None:
    kept_in(folder).write_bytes(left)
    amend(folder)
    assert kept_in(folder).read_bytes() == SECOND
    assert names(folder)[-1] == "RunbookAmended"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"same")
    (tmp_path / "file").symlink_to(tmp_path / "theirs")
    store_once(tmp_path / "file", b"same")
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "theirs").read_bytes() == b"same"


def test_its_name_is_on_disk_before_it_is_on_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, int]] = []
    monkeypatch.setattr(
        stored, "sync_folder", lambda path: synced.append((path, len(read(journal))))
    )
    journal = folder / "journal.jsonl"
    amend(folder)
    assert synced == [(folder, 1)]
