"""A journal that is followed as it grows."""

from pathlib import Path

import pytest

from drbook.core import events as ev
from drbook.core.errors import JournalError
from drbook.core.events import Mode
from drbook.journal.reader import Tail, read
from drbook.journal.writer import Writer


def _opened(path: Path) -> Writer:
    writer = Writer(path, mode=Mode.DRILL, host="here")
    writer.append(
        "ops",
        ev.IncidentOpened(
            incident="20260424-x-7f3a", mode=Mode.DRILL, title="T", runbook_sha256="ab" * 32,
            runbook_file="r.yaml", drbook_version="0", steps=("a",),
        ),
    )  # fmt: skip
    return writer


def test_each_look_reads_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.jsonl"
    with _opened(path) as writer:
        tail = Tail(path)
        assert [one.seq for one in tail.more()] == [1]
        assert tail.more() == ()
        for text in ("one", "two"):
            writer.append("ops", ev.NoteAdded(text=text))
        came = tail.more()
        assert [one.seq for one in came] == [2, 3]
        assert tail.head == writer.head
    assert (*read(path)[:1], *came) == read(path)


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with _opened(path) as writer:
        tail = Tail(path)
        tail.more()
        before = path.stat().st_size
        # What was read is not looked at again: were it, this would be seen.
        data = bytearray(path.read_bytes())
        data[10] ^= 1
        with path.open("r+b") as stream:
            stream.write(data)
        writer.append("ops", ev.NoteAdded(text="new"))
        assert path.stat().st_size > before
        assert [one.seq for one in tail.more()] == [2]
    with pytest.raises(JournalError):
        read(path)


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with _opened(path) as writer:
        writer.append("ops", ev.NoteAdded(text="whole"))
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:20])
    tail = Tail(path)
    assert [one.seq for one in tail.more()] == [1]
    with path.open("ab") as stream:
        stream.write(lines[1][20:])
    assert [one.seq for one in tail.more()] == [2]


def test_damage_is_told_after_what_came_before_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with _opened(path) as writer:
        writer.append("ops", ev.NoteAdded(text="whole"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"whole", b"other") + lines[1])
    tail = Tail(path)
    assert [one.seq for one in tail.more()] == [1, 2]  # the change shows in the next line's `prev`
    for _ in range(2):
        with pytest.raises(JournalError, match="line 3"):
            tail.more()


@pytest.mark.parametrize("how", ["cut", "replaced", "gone"])
def test_another_file_in_its_place_is_told(tmp_path: Path, how: str) -> None:
    path = tmp_path / "journal.jsonl"
    with _opened(path) as writer:
        writer.append("ops", ev.NoteAdded(text="whole"))
    tail = Tail(path)
    tail.more()
    first = path.read_bytes().splitlines(keepends=True)[0]
    if how == "cut":
        path.write_bytes(first)
    elif how == "replaced":
        (tmp_path / "other").write_bytes(path.read_bytes())
        (tmp_path / "other").replace(path)
    else:
        path.unlink()
    with pytest.raises(JournalError) as caught:
        tail.more()
    assert caught.value.code == ("journal-missing" if how == "gone" else "journal-replaced")
