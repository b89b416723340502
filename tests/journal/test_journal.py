"""The record: its chain checked with hashlib alone, torn tails, every kind of tampering, failures of
the disk, and texts that want to be something else."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drbook.core import events as ev
from drbook.core.errors import JournalError, UsageError
from drbook.core.events import Event, Mode, Record, StepEnd
from drbook.core.fold import fold
from drbook.core.values import Json
from drbook.journal.codec import FIRST, decode, digest, encode, normal
from drbook.journal.disk import OsDisk
from drbook.journal.reader import noted_head, read, torn_tail, verify
from drbook.journal.writer import Writer

OPENED = ev.IncidentOpened(
    incident="20260424-211912-x-7f3a",
    mode=Mode.DRILL,
    title="Volume deleted",
    runbook_sha256="0" * 64,
    runbook_file="r.yaml",
    drbook_version="0",
    steps=("a", "b"),
)


def opened(path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Writer:
    return Writer(path, mode=Mode.DRILL, host="recovery", now=now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def full(path: Path) -> Path:
    """A journal of five records."""
    with opened(path) as writer:
        writer.append("ops", OPENED)
        for number in range(4):
            writer.append("ops", ev.NoteAdded(text=f"note {number}"))
    return path


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# --- the chain ------------------------------------------------------------------------------------


def test_the_chain_holds_by_hashlib_alone(full: Path) -> None:
    previous = "0" * 64
    for number, line in enumerate(lines_of(full), 1):
        document = json.loads(line)
        assert line.endswith(b"\n")
        assert list(document) == [
            "seq", "at", "mono_ns", "mode", "actor", "host", "event", "data", "prev",
        ]  # fmt: skip
        assert document["seq"] == number
        assert document["prev"] == previous
        previous = hashlib.sha256(line[:-1]).hexdigest()
    assert verify(full).head == previous
    assert verify(full).records == 5


def test_the_sha256sum_program_agrees(full: Path, tmp_path: Path) -> None:
    first, second = lines_of(full)[:2]
    (tmp_path / "line").write_bytes(first[:-1])
    done = subprocess.run(
        ["sha256sum", str(tmp_path / "line")], capture_output=True, text=True, check=True
    )
    assert json.loads(second)["prev"] == done.stdout.split()[0]


def test_what_append_returns_is_what_a_reader_sees(path: Path) -> None:
    with opened(path) as writer:
        returned = [
            writer.append("ops", OPENED),
            writer.append("ops", ev.InputChanged(name="n", value={"f": 1.5, "big": 2**60})),
            writer.append("ops", ev.NoteAdded(text="x", happened_at=datetime.now(UTC))),
        ]
        assert read(path) == tuple(returned)
        assert fold(read(path)) == fold(returned)
        assert writer.head == verify(path).head


def test_a_second_opening_goes_on_where_the_first_ended(full: Path) -> None:
    before = full.read_bytes()
    with opened(full) as writer:
        assert writer.repaired == ""
        assert writer.head == verify(full).head
        assert writer.append("ops", ev.IncidentResumed(head=writer.head)).seq == 6
    assert full.read_bytes().startswith(before)
    assert verify(full).intact


def test_time_never_goes_backwards(path: Path) -> None:
    start = datetime(2026, 4, 24, tzinfo=UTC)
    clock = iter([start, start - timedelta(hours=2), start + timedelta(seconds=1)])
    with opened(path, now=lambda: next(clock)) as writer:
        found = [writer.append("ops", OPENED).at]
        found += [writer.append("ops", ev.NoteAdded(text="n")).at for _ in range(2)]
    assert found == [start, start, start + timedelta(seconds=1)]
    with opened(path, now=lambda: start - timedelta(days=1)) as writer:
        assert writer.append("ops", ev.NoteAdded(text="n")).at == start + timedelta(seconds=1)


# --- a torn tail ----------------------------------------------------------------------------------


def test_a_tail_torn_at_any_byte_is_repaired_and_never_called_tampering(full: Path) -> None:
    data = full.read_bytes()
    kept = read(full)
    last = lines_of(full)[-1]
    start = len(data) - len(last)
    for cut in range(start, len(data)):
        aside = full.with_name("torn-after-4.bin")
        aside.unlink(missing_ok=True)
        full.write_bytes(data[:cut])
        looked = verify(full)
        assert (looked.intact, looked.records, looked.torn) == (True, 4, cut - start)
        assert torn_tail(full) == data[start:cut]
        assert read(full) == kept[:4]
        with opened(full) as writer:
            writer.append("ops", ev.NoteAdded(text="after"))
            repaired = writer.repaired
        complete = cut == len(data) - 1
        assert bool(repaired) == (cut > start)
        assert verify(full).intact
        assert read(full)[: 5 if complete else 4] == kept[: 5 if complete else 4]
        assert read(full)[-1].event == ev.NoteAdded(text="after")
        assert aside.exists() == (cut > start and not complete)
        if aside.exists():
            assert aside.read_bytes() == data[start:cut]


def test_a_torn_tail_longer_than_a_block_is_found(path: Path) -> None:
    with opened(path) as writer:
        writer.append("ops", OPENED)
    whole = path.read_bytes()
    tail = b'{"seq":2,' + b"x" * 200_000
    path.write_bytes(whole + tail)
    assert torn_tail(path) == tail
    opened(path).close()
    assert path.read_bytes() == whole


def test_a_whole_record_without_its_line_end_that_is_not_next_is_not_taken(full: Path) -> None:
    foreign = lines_of(full)[1][:-1]
    full.write_bytes(full.read_bytes() + foreign)
    with opened(full) as writer:
        assert "moved to torn-after-5.bin" in writer.repaired
    assert verify(full).records == 5


# --- tampering ------------------------------------------------------------------------------------

MANY = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@MANY
@given(st.data())
def test_any_changed_byte_in_an_earlier_line_is_found(full: Path, data: st.DataObject) -> None:
    whole = full.read_bytes()
    last = len(lines_of(full)[-1])
    position = data.draw(st.integers(0, len(whole) - last - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[position]))
    try:
        full.write_bytes(whole[:position] + bytes([byte]) + whole[position + 1 :])
        found = verify(full)
        assert not found.intact
        assert "journal.jsonl, line" in found.problem
        with pytest.raises(JournalError) as caught:
            read(full)
        assert caught.value.code == "journal-damaged"
        with pytest.raises(JournalError):
            opened(full)
    finally:
        full.write_bytes(whole)


Change = Callable[[list[bytes]], list[bytes]]

CHANGES: list[tuple[str, Change, str]] = [
    ("first removed", lambda ls: ls[1:], "line 1: It is numbered 2."),
    ("middle removed", lambda ls: ls[:2] + ls[3:], "line 3: It is numbered 4."),
    ("two swapped", lambda ls: [ls[0], ls[2], ls[1], *ls[3:]], "line 2: It is numbered 3."),
    ("one twice", lambda ls: [*ls[:2], ls[1], *ls[2:]], "line 3: It is numbered 2."),
    ("all twice", lambda ls: ls + ls, "line 6: It is numbered 1."),
    ("an empty line", lambda ls: [*ls[:2], b"\n", *ls[2:]], "line 3: The line cannot be read"),
    ("a carriage return", lambda ls: [ls[0][:-1] + b"\r\n", *ls[1:]], "line 2: It does not follow"),
    ("a space", lambda ls: [b" " + ls[0], *ls[1:]], "line 2: It does not follow"),
    ("a NUL", lambda ls: [b"\0" + ls[0], *ls[1:]], "line 1: The line cannot be read"),
]


@pytest.mark.parametrize(("name", "change", "problem"), CHANGES, ids=[row[0] for row in CHANGES])
def test_changed_lines_are_found(full: Path, name: str, change: Change, problem: str) -> None:
    full.write_bytes(b"".join(change(lines_of(full))))
    found = verify(full)
    assert not found.intact
    assert problem in found.problem


def test_lines_cut_off_are_found_against_a_known_head_only(full: Path) -> None:
    head = verify(full).head
    full.write_bytes(b"".join(lines_of(full)[:3]))
    assert verify(full).intact
    found = verify(full, head)
    assert not found.intact
    assert "cut off" in found.problem


def _anew(path: Path, text: str) -> None:
    """Write the chain again with another second record, every digest right."""
    previous, written = FIRST, b""
    for record in read(path):
        event: Event = ev.NoteAdded(text=text) if record.seq == 2 else record.event
        line = encode(record.model_copy(update={"event": event, "prev": previous}))
        previous = digest(line)
        written += line + b"\n"
    path.write_bytes(written)


def test_a_chain_that_was_written_anew_is_found_against_a_known_head_only(full: Path) -> None:
    head = verify(full).head
    _anew(full, "never happened")
    assert verify(full).intact
    assert not verify(full, head).intact


def test_records_after_a_known_head_are_counted(full: Path) -> None:
    head = digest(lines_of(full)[2][:-1])
    found = verify(full, head.upper())
    assert (found.intact, found.after_head) == (True, 2)
    begun = verify(full, FIRST)
    assert (begun.intact, begun.after_head) == (False, 0)
    assert "that is no head" in begun.problem
    assert verify(full, verify(full).head).after_head == 0


def test_a_chain_that_holds_with_events_that_cannot_follow_is_found(path: Path) -> None:
    with opened(path) as writer:
        writer.append("ops", OPENED)
        writer.append("ops", ev.StepStarted(step="a", attempt=1))
    found = verify(path)
    assert not found.intact
    assert "StepStarted" in found.problem


def test_an_empty_and_a_missing_journal(path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        verify(path)
    assert caught.value.code == "journal-missing"
    path.write_bytes(b"")
    assert verify(path).problem == "It holds no record."


# --- one writer, any readers ----------------------------------------------------------------------


def test_a_second_process_cannot_write(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from drbook.core.errors import JournalError; from drbook.core.events import Mode\n"
        "from drbook.journal.writer import Writer\n"
        "try:\n    Writer(Path(sys.argv[1]), mode=Mode.DRILL, host='other')\n"
        "except JournalError as error:\n    print(error.code)\nelse:\n    print('opened')\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with opened(path) as writer:
        writer.append("ops", OPENED)
        size = path.stat().st_size
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "journal-locked"
        assert path.stat().st_size == size
        writer.append("ops", ev.NoteAdded(text="still mine"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "opened"


def test_a_second_writer_in_this_process_is_refused(path: Path) -> None:
    with opened(path), pytest.raises(JournalError) as caught:
        opened(path)
    assert caught.value.code == "journal-locked"
    opened(path).close()


def test_readers_see_every_whole_record_while_it_is_written(path: Path) -> None:
    with opened(path) as writer:
        writer.append("ops", OPENED)
        for number in range(2, 30):
            writer.append("ops", ev.NoteAdded(text="n" * number))
            assert len(read(path)) == number
            assert verify(path, writer.head).intact


# --- the disk -------------------------------------------------------------------------------------


def _no_room(handle: int, data: bytes) -> int:
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_the_file_as_it_was(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = full.read_bytes()
    with opened(full) as writer:
        head = writer.head
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", _no_room)
            with pytest.raises(JournalError) as caught:
                writer.append("ops", ev.NoteAdded(text="lost"))
        assert caught.value.code == "journal-write"
        assert "No space left on device" in caught.value.what
        assert full.read_bytes() == before
        assert writer.head == head
        assert writer.append("ops", ev.NoteAdded(text="again")).seq == 6
    assert verify(full).intact


@pytest.mark.parametrize("where", ["fsync", "write"])
def test_half_a_line_on_a_full_disk_is_said_and_kept(
    full: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It cannot be put aside before there is room; trying leaves nothing behind."""
    with full.open("ab") as stream:
        stream.write(b'{"half": ')
    before = full.read_bytes()

    def no_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    for _ in range(2):
        with monkeypatch.context() as patch:
            if where == "fsync":
                patch.setattr(os, "fsync", no_room)
            else:
                patch.setattr(os, "open", _no_new_file)
            with pytest.raises(JournalError) as caught:
                opened(full)
        assert caught.value.code == "journal-open"
        assert "No space left on device" in caught.value.what
        assert "drbook resume FOLDER" in caught.value.next
        assert full.read_bytes() == before
        assert sorted(each.name for each in full.parent.iterdir()) == [full.name]
    with opened(full) as writer:
        assert "9 bytes" in writer.repaired


def _no_new_file(path: object, flags: int, *more: int, real: Callable[..., int] = os.open) -> int:
    if flags & os.O_EXCL:
        raise OSError(28, "No space left on device")
    return real(path, flags, *more)


def test_a_disk_that_fills_in_the_middle_of_a_line(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = full.read_bytes()
    real, calls = os.write, 0

    def some(handle: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        return real(handle, data[:10]) if calls == 1 else _no_room(handle, data)

    with opened(full) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", some)
            with pytest.raises(JournalError):
                writer.append("ops", ev.NoteAdded(text="lost"))
        assert calls == 2
        assert full.read_bytes() == before


def test_short_writes_are_gone_on_with(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with opened(full) as writer:
        monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:7]))
        writer.append("ops", ev.NoteAdded(text="in pieces"))
        monkeypatch.undo()
    assert verify(full).intact
    assert verify(full).records == 6


def test_a_failed_sync_is_a_failed_append(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    before = full.read_bytes()
    with opened(full) as writer:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(JournalError) as caught:
            writer.append("ops", ev.NoteAdded(text="lost"))
        monkeypatch.undo()
    assert "Input/output error" in caught.value.what
    assert full.read_bytes() == before


def test_a_disk_that_cannot_even_be_cut_back_is_still_a_journal_error(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with opened(full) as writer:
        monkeypatch.setattr(os, "write", _no_room)
        monkeypatch.setattr(os, "ftruncate", broken)
        with pytest.raises(JournalError) as caught:
            writer.append("ops", ev.NoteAdded(text="lost"))
        monkeypatch.undo()
        with pytest.raises(JournalError):
            writer.append("ops", ev.NoteAdded(text="after half a line"))
    assert caught.value.code == "journal-write"
    assert verify(full).records == 5


def test_each_line_is_synced_before_append_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_write, real_sync = os.write, os.fsync

    def write(handle: int, data: bytes) -> int:
        calls.append("write")
        return real_write(handle, data)

    def sync(handle: int) -> None:
        calls.append("fsync")
        real_sync(handle)

    with opened(path) as writer:
        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(os, "fsync", sync)
        for event in (OPENED, ev.NoteAdded(text="n")):
            calls.clear()
            writer.append("ops", event)
            assert calls == ["write", "fsync"]
        monkeypatch.undo()


def test_the_folder_is_synced_when_the_file_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    real = os.fsync

    def sync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    opened(path).close()
    monkeypatch.undo()
    assert True in synced


def test_the_file_is_its_owners_alone(full: Path) -> None:
    assert stat.S_IMODE(full.stat().st_mode) == 0o600


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"precious\n")
    path.symlink_to(other)
    with pytest.raises(JournalError):
        opened(path)
    assert other.read_bytes() == b"precious\n"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        opened(tmp_path / "none" / "journal.jsonl")
    assert "cannot be opened" in caught.value.what
    assert caught.value.next


# --- values ---------------------------------------------------------------------------------------

NORMAL: list[tuple[Json, Json]] = [
    (1.5, "1.5"),
    (float("inf"), "inf"),
    (float("nan"), "nan"),
    (2**53 - 1, 2**53 - 1),
    (2**53, "9007199254740992"),
    (-(2**53), "-9007199254740992"),
    (True, True),
    (None, None),
    ({"a": [0.1, {"b": 2**64}]}, {"a": ["0.1", {"b": "18446744073709551616"}]}),
    ((1, 2.0), [1, "2.0"]),
]


@pytest.mark.parametrize(("value", "kept"), NORMAL)
def test_floats_and_large_integers_become_texts(value: Json, kept: Json) -> None:
    found = normal(value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize("text", ["1.5", "1e3", "NaN", "Infinity", "-Infinity"])
def test_a_float_in_a_line_is_refused(text: str) -> None:
    line = encode(_record(ev.InputChanged(name="n", value="VALUE"))).replace(
        b'"VALUE"', text.encode()
    )
    with pytest.raises(JournalError) as caught:
        decode(line)
    assert "a float" in caught.value.what


def _record(event: Event) -> Record:
    return Record(
        seq=1,
        at=datetime(2026, 4, 24, 21, 19, 12, 345678, tzinfo=UTC),
        mono_ns=2**60,
        mode=Mode.LIVE,
        actor="ops",
        host="recovery",
        event=event,
        prev=FIRST,
    )


HOSTILE = [
    "\x1b[2J\x07\x00\x7f",
    "line\nbreak\r\n\u2028\u2029",
    "\u202eevil\u2066",
    "</script>\"'`\\",
    "🙂 ü 漢字 \ufffe",
    "\ud800 lone \udfff",
    "caf\udce9.dump",
    "",
    " ",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_come_back_on_one_line(path: Path, text: str) -> None:
    with opened(path) as writer:
        writer.append("ops", OPENED)
        returned = writer.append("ops", ev.NoteAdded(text=text))
        other = writer.append("ops", ev.InputChanged(name="n", value={"k": [text]}))
    assert len(lines_of(path)) == 3
    assert read(path)[1:] == (returned, other)
    assert isinstance(returned.event, ev.NoteAdded)
    assert returned.event.text == text
    assert verify(path).intact


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@MANY
@given(JSON, st.text(min_size=1))
def test_any_value_survives_a_line(value: Json, text: str) -> None:
    event = ev.StepFinished(
        step="a", attempt=1, state=StepEnd.FAILED, result=value, reason=text, duration_ms=0
    )
    line = encode(_record(event))
    assert b"\n" not in line
    once = decode(line)
    assert encode(once) == line
    assert decode(encode(once)) == once


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_an_error(data: bytes) -> None:
    with pytest.raises(JournalError):
        decode(data)


def test_a_line_nested_without_end_is_an_error() -> None:
    with pytest.raises(JournalError):
        decode(b"[" * 200_000)
    line = encode(_record(ev.InputChanged(name="n", value="VALUE")))
    with pytest.raises(JournalError):
        decode(line.replace(b'"VALUE"', b"[" * 3000 + b"]" * 3000))


def test_a_journal_whose_size_cannot_be_read_takes_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Writer(tmp_path / "journal.jsonl", mode=Mode.DRILL, host="h") as writer:
        writer.append("ops", ev.NoteAdded(text="one"))

        def fails(*_: object) -> int:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(OsDisk, "size", fails)
        with pytest.raises(JournalError, match="Input/output error"):
            writer.append("ops", ev.NoteAdded(text="two"))
    assert len(read(tmp_path / "journal.jsonl")) == 1


def closed(writer: Writer, path: Path) -> None:
    writer.close()


def moved(writer: Writer, path: Path) -> None:
    path.rename(path.with_name("elsewhere.jsonl"))


def replaced(writer: Writer, path: Path) -> None:
    copy = path.read_bytes()
    path.unlink()
    path.write_bytes(copy)


def cut(writer: Writer, path: Path) -> None:
    path.write_bytes(b"".join(lines_of(path)[:3]))


def put_in(writer: Writer, path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(lines_of(path)[-1])


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (closed, "journal-write", "is closed"),
        (moved, "journal-gone", "is not the journal any more"),
        (replaced, "journal-gone", "is not the journal any more"),
        (cut, "journal-changed", "was changed by somebody else"),
        (put_in, "journal-changed", "was changed by somebody else"),
    ],
)
def test_a_journal_that_is_not_as_it_was_left_takes_no_record(
    full: Path, change: Callable[[Writer, Path], None], code: str, words: str
) -> None:
    with opened(full) as writer:
        change(writer, full)
        with pytest.raises(JournalError, match=words) as caught:
            writer.append("ops", ev.NoteAdded(text="one more"))
        assert caught.value.code == code
    for path in full.parent.glob("*.jsonl"):
        assert b"one more" not in path.read_bytes()


@pytest.mark.parametrize("text", ["{}", " {} \n", "\t{}"])
def test_a_head_that_was_copied_is_read(text: str) -> None:
    head = "0123456789abcdef" * 4
    assert noted_head(text.format(head.upper()), means="Nothing.") == head


@pytest.mark.parametrize(
    "text", ["", " ", "0" * 63, "0" * 65, "g" * 64, "latest", "0" * 32 + " " + "0" * 31]
)
def test_what_is_no_head_accuses_nobody(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        noted_head(text, means="Nothing was looked at.")
    assert "64 hexadecimal digits" in caught.value.what
    assert caught.value.means == "Nothing was looked at."
