"""A mirror's thread: outages, catching up, what it finds there, and who may write at all."""

import hashlib
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.mirrors import INCIDENT, RUNBOOK, Memory, Recorded, until

from drbook.core import events as ev
from drbook.core.errors import Cancelled, TakenOver
from drbook.mirror.chain import read_copy
from drbook.mirror.compare import Verdict, compare
from drbook.mirror.copier import Copier
from drbook.mirror.dirplace import DirectoryPlace
from drbook.mirror.fence import Fence, lay, newest, supersedes
from drbook.mirror.mirrors import Mirrors
from drbook.mirror.place import MirrorDown, record_name
from drbook.mirror.status import Standing


def end(copier: Copier) -> None:
    copier.close()
    copier.join(time.monotonic() + 20)


def fence(epoch: int = 1, token: str = "t", **more: Any) -> Fence:
    given: dict[str, Any] = {
        "epoch": epoch, "incident": INCIDENT, "token": token, "host": "spare", "actor": "bob",
        "at": "2026-04-24T21:30:00Z", "head": "0" * 64, "records": 5, "reason": "the host is gone",
    }  # fmt: skip
    return Fence.model_validate(given | more)


# --- outages --------------------------------------------------------------------------------------


def test_a_mirror_that_is_down_from_the_start_gets_everything_later(recorded: Recorded) -> None:
    place = Memory()
    place.down = "no route to host"
    copier = recorded.copier(lambda: place)
    until(lambda: copier.state.standing is Standing.DOWN)
    state = copier.state
    assert (state.behind, state.error) == (5, "no route to host")
    assert state.since is not None
    recorded.note(3)
    copier.written(8)
    assert copier.state.behind == 8
    place.down = ""
    until(lambda: copier.state.behind == 0)
    until(lambda: copier.state.since is None)
    end(copier)
    assert copier.state.error == ""
    assert place.records == recorded.lines


def test_a_mirror_that_goes_down_in_the_middle_goes_on_where_it_was(recorded: Recorded) -> None:
    place = Memory()

    def third(name: str) -> None:
        if name == record_name(3):
            place.down = "connection reset"
            raise MirrorDown(place.down)

    place.before = third
    copier = recorded.copier(lambda: place)
    until(lambda: copier.state.standing is Standing.DOWN)
    assert (copier.state.records, copier.state.behind) == (2, 3)
    place.before, place.down = lambda name: None, ""
    until(lambda: copier.state.behind == 0)
    end(copier)
    assert place.records == recorded.lines
    assert place.calls.count(f"create {record_name(1)}") == 1


def test_a_place_that_cannot_even_be_opened_is_tried_again(recorded: Recorded) -> None:
    place, tries = Memory(), []

    def opener() -> Memory:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("a defect in a library")
        return place

    copier = recorded.copier(opener)
    until(lambda: copier.state.behind == 0)
    end(copier)
    assert len(tries) == 3
    assert place.records == recorded.lines


def test_a_slow_mirror_is_not_waited_for_beyond_the_bound(recorded: Recorded) -> None:
    place = Memory()
    place.before = lambda name: time.sleep(0.5)
    mirrors = Mirrors([recorded.copier(lambda: place)])
    before = time.monotonic()
    (state,) = mirrors.close(wait=0.05)
    assert time.monotonic() - before < 0.5
    assert state.behind == 5
    assert "5 records behind" in state.long(state.since)  # type: ignore[arg-type]


def test_the_end_brings_what_is_lacking(recorded: Recorded) -> None:
    place = Memory()
    place.down = "no route to host"
    copier = recorded.copier(lambda: place, first_wait=60)
    until(lambda: copier.state.standing is Standing.DOWN)
    place.down = ""
    (state,) = Mirrors([copier]).close()
    assert state.behind == 0
    assert place.calls[-1] == "close"


def test_nothing_is_queued(recorded: Recorded) -> None:
    """What it holds of the record is a number: a long outage costs no memory."""
    place = Memory()
    place.down = "down"
    copier = recorded.copier(lambda: place)
    recorded.note(300)
    copier.written(305)
    until(lambda: copier.state.standing is Standing.DOWN)
    held = [value for value in vars(copier).values() if isinstance(value, set | list | dict)]
    assert sum(len(value) for value in held) == 0
    place.down = ""
    until(lambda: copier.state.behind == 0)
    end(copier)
    assert place.records == recorded.lines


def test_a_line_that_is_not_synced_yet_is_not_copied(recorded: Recorded) -> None:
    place = Memory()
    copier = recorded.copier(lambda: place)
    with recorded.journal.open("ab") as stream:
        stream.write(b'{"half')
    until(lambda: copier.state.behind == 0)
    time.sleep(0.1)  # several polls
    end(copier)
    assert len(place.records) == 5


# --- going on -------------------------------------------------------------------------------------


def test_what_is_there_already_is_not_sent_again_but_the_newest_is_compared(
    recorded: Recorded,
) -> None:
    place = Memory()
    recorded.mirror_to(place)
    place.calls.clear()
    recorded.note(2)
    assert recorded.mirror_to(place).behind == 0
    sent = [call for call in place.calls if call.startswith("create records/")]
    assert sent == [f"create {record_name(seq)}" for seq in (5, 6, 7)]


def test_a_gap_in_the_mirror_is_filled(recorded: Recorded) -> None:
    place = Memory()
    recorded.mirror_to(place)
    del place.objects[record_name(3)]
    assert recorded.mirror_to(place).behind == 0
    assert place.records == recorded.lines


def test_an_amended_runbook_lies_beside_the_first(recorded: Recorded) -> None:
    place = Memory()
    recorded.mirror_to(place)
    (recorded.folder / "runbook.yaml").write_bytes(RUNBOOK + b"# amended\n")
    recorded.note()
    recorded.mirror_to(place)
    names = [name for name in place.objects if name.startswith("runbook")]
    assert place.objects["runbook.yaml"] == RUNBOOK
    assert len(names) == 2
    assert place.objects[names[1]].endswith(b"# amended\n")


def test_evidence_is_there_before_the_record_that_names_it(recorded: Recorded) -> None:
    folder = recorded.folder / "artifacts"
    folder.mkdir()
    name = hashlib.sha256(b"evidence").hexdigest() + ".txt"
    (folder / name).write_bytes(b"evidence")
    (folder / ("0" * 64)).write_bytes(b"half of it")  # somebody still writes it
    (folder / "link").symlink_to("/etc/passwd")
    place = Memory()
    recorded.mirror_to(place)
    kept = [key for key in place.objects if key.startswith("artifacts/")]
    assert kept == [f"artifacts/{name}"]
    order = [call for call in place.calls if "artifacts/" in call or "records/0" in call]
    assert order[0] == f"create artifacts/{name}"


# --- what differs ---------------------------------------------------------------------------------


def test_other_content_is_said_and_nothing_more_is_copied(recorded: Recorded) -> None:
    place = Memory()
    place.objects[record_name(3)] = b"{}\n"
    state = recorded.mirror_to(place)
    assert state.standing is Standing.DIFFERS
    assert (state.records, state.behind) == (2, 3)
    assert "journal verify" in state.error
    assert place.objects[record_name(3)] == b"{}\n"
    assert record_name(4) not in place.objects


def test_a_store_that_overwrites_is_said(recorded: Recorded) -> None:
    place = Memory()
    place.overwrites = True
    state = recorded.mirror_to(place)
    assert state.behind == 0
    assert "not protected" in state.note
    assert "not protected" in state.long(state.since)  # type: ignore[arg-type]


# --- who may write --------------------------------------------------------------------------------


def test_a_fence_stops_the_writer_at_its_next_look(recorded: Recorded) -> None:
    place = Memory()
    copier = recorded.copier(lambda: place)
    until(lambda: copier.state.behind == 0)
    lay(place, fence())
    until(lambda: bool(copier.taken_by))
    end(copier)
    assert copier.state.standing is Standing.SUPERSEDED
    error = Mirrors([copier]).taken_over
    assert error is not None
    assert error.code == "taken-over"
    assert "bob on spare at 2026-04-24 21:30:00 UTC (the host is gone)" in error.what


def test_the_record_of_a_take_over_stops_the_writer_at_its_next_put(recorded: Recorded) -> None:
    place = Memory()
    copier = recorded.copier(lambda: place, poll=60)  # it will not look at the fence
    until(lambda: copier.state.behind == 0)
    other = Recorded(recorded.folder.with_name("there"), host="spare")
    other.journal.write_bytes(recorded.journal.read_bytes())
    taken = ev.IncidentTakenOver(
        from_host="recovery", head=recorded.digests[-1], records=5, epoch=1, fence="t",
        reason="the host is gone", mirrors=("memory",),
    )  # fmt: skip
    other.put(taken)
    place.objects[record_name(6)] = other.lines[-1]
    recorded.note()
    copier.written(6)
    until(lambda: bool(copier.taken_by))
    end(copier)
    assert "on spare" in copier.taken_by
    assert place.records == other.lines


@pytest.mark.parametrize(
    ("laid", "epoch", "token", "lost"),
    [
        (None, 0, "", False),
        (fence(1), 0, "", True),
        (fence(1), 1, "t", False),
        (fence(1), 1, "another", True),
        (fence(2), 1, "t", True),
        (fence(1), 2, "t", False),
    ],
)
def test_who_is_superseded(laid: Fence | None, epoch: int, token: str, lost: bool) -> None:
    place = Memory()
    if laid is not None:
        lay(place, laid)
    assert supersedes(newest(place), epoch, token) is lost


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"epoch": 7}', b" " * 100_000]
)
def test_a_fence_that_cannot_be_read_counts_all_the_same(data: bytes) -> None:
    place = Memory()
    place.objects["fence/00000007.json"] = data
    place.objects["fence/00000099.txt"] = b"no fence"
    place.objects["fence/x/00000098.json"] = b"no fence"
    held = newest(place)
    assert held is not None
    assert held.epoch == 7
    assert supersedes(held, 6, "")
    assert "cannot be read" in held.show()


def test_what_a_fence_says_is_shown_as_plain_text() -> None:
    place = Memory()
    lay(place, fence(host="\x1b[31mspare", actor="bob\n", reason="x" * 4000))
    held = newest(place)
    assert held is not None
    assert "\x1b" not in held.show()
    assert "\n" not in held.show()
    assert len(held.show()) < 800


def test_a_journal_that_is_gone_is_said(recorded: Recorded, tmp_path: Path) -> None:
    place = Memory()
    recorded.journal.rename(tmp_path / "moved")
    copier = Copier(
        "the mirror", lambda: place, recorded.writing(), lambda: fence().at, first_wait=0.01
    )
    copier.written(5)
    copier.start()
    until(lambda: copier.state.standing is Standing.DOWN)
    assert "cannot be read back" in copier.state.error
    (tmp_path / "moved").rename(recorded.journal)
    until(lambda: copier.state.behind == 0)
    end(copier)
    assert place.records == recorded.lines


# --- a place that is exchanged while it is written to ----------------------------------------------


def test_a_disk_that_is_unmounted_is_down_and_gets_what_it_lacks_when_it_is_back(
    recorded: Recorded, tmp_path: Path
) -> None:
    """Its mount point takes whatever is written into it, and hides nothing that it took."""
    root, away = tmp_path / "mirror", tmp_path / "unmounted"
    root.mkdir()
    copier = recorded.copier(lambda: DirectoryPlace(root, INCIDENT))
    until(lambda: copier.state.behind == 0)
    root.rename(away)
    root.mkdir()  # the bare mount point
    recorded.note(3)
    copier.written(8)
    until(lambda: copier.state.standing is Standing.DOWN)
    until(lambda: "is it mounted?" in copier.state.error)
    assert copier.state.behind == 3
    assert list(root.iterdir()) == []
    root.rmdir()
    away.rename(root)
    until(lambda: copier.state.behind == 0)
    end(copier)
    place = DirectoryPlace(root, INCIDENT)
    assert [place.read(stored) for stored in place.listed("records/")] == recorded.lines
    assert compare(recorded.digests, read_copy(place)).verdict is Verdict.SAME


def test_a_disk_that_came_back_older_gets_all_that_it_lacks(
    recorded: Recorded, tmp_path: Path
) -> None:
    root, older = tmp_path / "mirror", tmp_path / "older"
    root.mkdir()
    copier = recorded.copier(lambda: DirectoryPlace(root, INCIDENT))
    until(lambda: copier.state.behind == 0)
    shutil.copytree(root, older)
    for seq in (4, 5):
        (older / INCIDENT / record_name(seq)).unlink()
    shutil.rmtree(root)
    older.rename(root)
    recorded.note(2)
    copier.written(7)
    until(lambda: copier.state.behind == 0)
    end(copier)
    place = DirectoryPlace(root, INCIDENT)
    assert [place.read(stored) for stored in place.listed("records/")] == recorded.lines


# --- before a step starts ---------------------------------------------------------------------------


def nothing() -> None:
    """Nothing to do meanwhile."""


def test_who_waits_for_a_record_gets_it_and_a_look_at_the_fence(recorded: Recorded) -> None:
    place = Memory()
    place.before = lambda name: time.sleep(0.05)
    copier = recorded.copier(lambda: place, poll=60)
    mirrors = Mirrors([copier])
    mirrors.have(5, nothing)
    assert copier.state.records == 5
    lay(place, fence())
    with pytest.raises(TakenOver):
        mirrors.have(5, nothing)
    end(copier)


def test_a_mirror_that_hangs_is_waited_for_a_bounded_time(recorded: Recorded) -> None:
    place, hangs = Memory(), threading.Event()
    place.before = lambda name: hangs.wait(20) and None
    copier = recorded.copier(lambda: place)
    before = time.monotonic()
    Mirrors([copier]).have(5, nothing, seconds=0.2)
    assert 0.2 <= time.monotonic() - before < 2
    hangs.set()
    end(copier)


def test_a_mirror_that_is_down_is_not_waited_for(recorded: Recorded) -> None:
    place = Memory()
    place.down = "no route to host"
    copier = recorded.copier(lambda: place, first_wait=60)
    until(lambda: copier.state.standing is Standing.DOWN)
    before = time.monotonic()
    Mirrors([copier]).have(5, nothing)
    assert time.monotonic() - before < 1
    end(copier)
    Mirrors([copier]).have(6, nothing)  # one that has ended says nothing either
    assert time.monotonic() - before < 2


def test_what_was_seen_before_a_stall_is_looked_at_again(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine was stopped after its look: both clocks went on, and somebody took over."""
    monkeypatch.setattr("drbook.mirror.mirrors.STALLED", 0.1)
    place, hangs = Memory(), threading.Event()
    copier = recorded.copier(lambda: place, poll=60)
    until(lambda: copier.state.behind == 0)
    slow = Memory()
    slow.before = lambda name: hangs.wait(20) and None
    other = recorded.copier(lambda: slow)
    stalls = iter([0.4])

    def stalled() -> None:
        until(lambda: not copier.may_still_say(5, asked))
        if (seconds := next(stalls, 0)) > 0:
            lay(place, fence())
            time.sleep(seconds)

    asked = time.monotonic()
    with pytest.raises(TakenOver):
        Mirrors([copier, other]).have(5, stalled, seconds=0.2)
    hangs.set()
    end(copier)
    end(other)


def test_what_is_raised_meanwhile_ends_the_wait(recorded: Recorded) -> None:
    place, hangs = Memory(), threading.Event()
    place.before = lambda name: hangs.wait(20) and None
    copier = recorded.copier(lambda: place)

    def cancelled() -> None:
        raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        Mirrors([copier]).have(5, cancelled)
    hangs.set()
    end(copier)
