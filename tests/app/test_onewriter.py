"""One writer of an incident on this machine, however many copies of its folder there are."""

import errno
import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import Drbook

from drbook.app import onewriter
from drbook.app.onewriter import by_whom, claim
from drbook.app.session import resume_incident
from drbook.core.errors import JournalError, JournalLocked

ID = "20260424-211912-x-7f3a"
BY_HAND = """
drbook: 1
title: By hand
steps:
  - {id: revoke, phase: contain, do: manual, with: {instructions: "Revoke the token."}}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "state" / "writing"
    monkeypatch.setattr(onewriter, "places", lambda: [made])
    return made


def test_one_at_a_time_and_another_incident_beside_it(place: Path) -> None:
    held = claim(ID)
    with pytest.raises(JournalLocked) as caught:
        claim(ID)
    assert ID in caught.value.what
    assert caught.value.exit_code == 4
    claim("another").release()
    held.release()
    held.release()
    claim(ID).release()
    assert list(place.iterdir()) == []
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_it_goes_with_the_process(place: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom drbook.app import onewriter\n"
        "onewriter.places = lambda: [Path(sys.argv[1])]\nonewriter.claim(sys.argv[2])\n"
        "print('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place), ID],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(JournalLocked):
            claim(ID)
        other.kill()
    claim(ID).release()


def test_a_lock_that_was_given_up_in_between_is_taken_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder took the file away after it was opened here: the lock on it would be nobody's."""
    first = claim(ID)
    real: Callable[[int, int], None] = fcntl.flock
    tries: list[int] = []

    def flock(handle: int, how: int) -> None:
        tries.append(handle)
        if len(tries) == 1:
            first.release()
        real(handle, how)

    monkeypatch.setattr(onewriter.fcntl, "flock", flock)
    held = claim(ID)
    assert len(tries) == 2
    with pytest.raises(JournalLocked):
        claim(ID)
    held.release()


def _link(place: Path) -> None:
    place.symlink_to(place.parent)


def _shared(place: Path) -> None:
    place.mkdir()
    place.chmod(0o770)


@pytest.mark.parametrize("bad", [Path.touch, _link, _shared])
def test_a_place_that_is_not_ones_own_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Callable[[Path], None]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    bad(first)
    monkeypatch.setattr(onewriter, "places", lambda: [first, second])
    held = claim(ID)
    assert len(list(second.iterdir())) == 1
    held.release()
    monkeypatch.setattr(onewriter, "places", lambda: [first])
    with pytest.raises(JournalError) as caught:
        claim(ID)
    assert caught.value.code == "journal-no-lock"
    assert str(first) in caught.value.what


def test_a_disk_without_locks_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(onewriter.fcntl, "flock", none)
    with pytest.raises(JournalError, match="No locks available"):
        claim(ID)


def test_where_no_home_is_known_there_is_a_place_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(*_: object) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(onewriter, "user_state_path", nobody)
    assert list(onewriter.places()) == [Path(f"/tmp/drbook-{os.geteuid()}")]
    monkeypatch.undo()
    first, _ = onewriter.places()
    assert first.name == "writing"


def test_a_lock_that_cannot_be_taken_away_is_given_up(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = claim(ID)

    def kept(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", kept)
        held.release()
    assert len(list(place.iterdir())) == 1
    claim(ID).release()


@pytest.fixture
def led(tmp_path: Path) -> tuple[Drbook, Path, Path]:
    """An incident that nobody leads, and a copy of its folder in another state directory."""
    runbook = tmp_path / "r.yaml"
    runbook.write_text(BY_HAND)
    drbook = Drbook(tmp_path / "a")
    drbook.environment["HOME"] = str(tmp_path)
    assert drbook("run", str(runbook), "--headless").code == 7
    (folder,) = (drbook.home / "incidents").iterdir()
    copied = tmp_path / "b" / "incidents" / folder.name
    shutil.copytree(folder, copied)
    return drbook, folder, copied


def test_a_copy_of_a_folder_is_not_led_beside_the_first(
    led: tuple[Drbook, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    drbook, folder, copied = led
    monkeypatch.setenv("HOME", drbook.environment["HOME"])
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    held = claim(folder.name)  # as the drbook does that leads it
    before = (copied / "journal.jsonl").read_bytes()
    other = drbook("resume", "--headless", DRBOOK_HOME=str(copied.parent.parent))
    assert other.code == 4, other.err
    assert f"Another drbook on this machine writes incident {folder.name}" in other.err
    assert (copied / "journal.jsonl").read_bytes() == before
    held.release()
    assert drbook("resume", "--headless", DRBOOK_HOME=str(copied.parent.parent)).code == 7


# --- another home, another user ------------------------------------------------------------------

LINUX = sys.platform.startswith("linux")
"""Elsewhere there is no such table, and the file stands alone."""


def test_another_home_makes_no_second_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo`, a service, a container's shell: another HOME, and so another folder of claims."""
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "one"])
    held = claim(ID)
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "two"])
    if LINUX:
        with pytest.raises(JournalLocked, match=ID) as caught:
            claim(ID)
        assert f"(process {os.getpid()} of user {os.geteuid()})" in caught.value.what
        assert list((tmp_path / "two").iterdir()) == []  # what was taken on the way is given up
    held.release()
    claim(ID).release()


def test_who_holds_it_is_not_said_where_the_queue_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers those who ask, so that a few askers fill the queue: refused all the same."""
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "one"])
    held = claim(ID)
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "two"])
    said = set()
    for _ in range(20 * LINUX):
        with pytest.raises(JournalLocked) as caught:
            claim(ID)
        said.add("(process" in caught.value.what)
    assert said == ({True, False} if LINUX else set())
    held.release()


def test_another_user_makes_no_second_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root, the other is really another user; else the same one with another folder."""
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "one"])
    held = claim(ID)
    code = (
        "import os, sys, tempfile\nfrom pathlib import Path\nfrom drbook.app import onewriter\n"
        "from drbook.core.errors import JournalLocked\n"
        "if os.geteuid() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
        "onewriter.PREFIX = sys.argv[1]\n"
        "with tempfile.TemporaryDirectory() as place:\n"
        "    onewriter.places = lambda: [Path(place, 'writing')]\n"
        "    try:\n        onewriter.claim(sys.argv[2]); print('second writer')\n"
        "    except JournalLocked as error:\n        print(error.what)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, onewriter.PREFIX, ID],
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    said = f"(process {os.getpid()} of user {os.geteuid()}) writes incident {ID}"
    assert (said in ran.stdout) is LINUX
    held.release()


def test_a_killed_holder_leaves_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom drbook.app import onewriter\n"
        "onewriter.PREFIX = sys.argv[1]\nonewriter.places = lambda: [Path(sys.argv[2])]\n"
        "held = onewriter.claim(sys.argv[3])\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "two"])
    with subprocess.Popen(
        [sys.executable, "-c", code, onewriter.PREFIX, str(tmp_path / "one"), ID],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        if LINUX:
            with pytest.raises(JournalLocked, match=f"process {other.pid} of user"):
                claim(ID)
        other.kill()
    claim(ID).release()


def test_where_there_are_no_sockets_the_file_stands_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Denied:
        def __init__(self, *_: object) -> None: ...

        def bind(self, _: str) -> None:
            raise PermissionError(errno.EACCES, "sandboxed")

        def close(self) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(onewriter.socket, "socket", Denied)
        held = claim(ID)
        assert held.name is None
        with pytest.raises(JournalLocked):
            claim(ID)
        held.release()
    monkeypatch.setattr(onewriter.sys, "platform", "darwin")
    held = claim(ID)
    assert held.name is None
    held.release()


def test_a_copy_is_not_led_from_another_home(led: tuple[Drbook, Path, Path]) -> None:
    """Two real programs: one leads and waits, the other has another HOME and XDG_STATE_HOME."""
    drbook, folder, copied = led
    elsewhere = str(copied.parent.parent)
    held = subprocess.Popen(
        [sys.executable, "-c",
         "import sys\nfrom drbook.app.onewriter import claim\nheld = claim(sys.argv[1])\n"
         "print('held', flush=True)\nsys.stdin.read()\n", folder.name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=drbook.environment,
    )  # fmt: skip
    with held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        other = drbook(
            "resume", "--headless",
            DRBOOK_HOME=elsewhere, HOME=elsewhere, XDG_STATE_HOME=f"{elsewhere}/state",
        )  # fmt: skip
        assert other.code == (4 if LINUX else 7), other.err
        if LINUX:
            assert f"process {held.pid} of user" in other.err
        held.kill()


def test_who_writes_and_what_to_do_is_said(
    led: tuple[Drbook, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    drbook, folder, _ = led
    monkeypatch.setenv("HOME", drbook.environment["HOME"])
    with resume_incident(folder), pytest.raises(JournalLocked) as refused:
        resume_incident(folder)
    told = refused.value
    if LINUX:
        assert f"process {os.getpid()} of user {os.getuid()} on this machine" in told.what
        assert f"kill {os.getpid()}" in told.next
    else:
        assert f"on host {socket.gethostname()}" in told.what
    assert "drbook watch" in told.next


def test_where_no_process_is_known_the_last_records_host_is_named() -> None:
    told = by_whom(JournalLocked("Another drbook is writing x.", next="Watch."), ID, "ops-7\x1b")
    assert told.what == "Another drbook is writing x: on host ops-7\\x1b, by its last record."
    assert told.next.endswith("end it there, then resume. Watch.")
    unknown = JournalLocked("Another drbook is writing x.")
    assert by_whom(unknown, ID, "") is unknown
