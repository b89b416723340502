"""Faults that a record sets off, done to real processes; one that finds nothing to hurt says so."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from drbook.core import events as ev
from drbook.demo.faults import Injector, Prey, bound
from drbook.demo.shelf import counted_rows
from drbook.demo.surprises import AtRecord, Fault, Plan, Surprise
from drbook.journal.codec import FIRST, digest, encode
from drbook.journal.reader import read

DRILL = Path(__file__).parents[1] / "pictures" / "drill" / "journal.jsonl"


def written(home: Path, events: list[ev.Event]) -> None:
    """A record below that state directory."""
    like = read(DRILL)[0]
    folder = home / "incidents" / "20260101-000000-x-0000"
    folder.mkdir(parents=True)
    previous, lines = FIRST, b""
    for number, event in enumerate(events, 1):
        record = like.model_copy(update={"seq": number, "event": event, "prev": previous})
        previous = digest(encode(record))
        lines += encode(record) + b"\n"
    (folder / "journal.jsonl").write_bytes(lines)


class _Shelf:
    def __init__(self) -> None:
        self.done: list[str] = []

    def delete(self) -> str:
        self.done.append("delete")
        return "deleted"


@contextlib.contextmanager
def injecting(home: Path, faults: list[Fault], prey: Prey) -> Iterator[tuple[Injector, _Shelf]]:
    shelf = _Shelf()
    injector = Injector(
        Plan(0, tuple(faults)), home, cast("Any", None), cast("Any", shelf), prey, lambda line: None
    )
    with injector:
        yield injector, shelf


def sleeping() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", "60"])


def test_drbook_is_killed_behind_its_record(tmp_path: Path) -> None:
    written(tmp_path, [ev.StepStarted(step="restore", attempt=1)])
    fault = Fault(Surprise.KILL, AtRecord("StepStarted", "restore"))
    with sleeping() as process:
        prey = Prey(lambda: [process.pid])
        with injecting(tmp_path, [fault], prey) as (injector, _):
            assert process.wait(timeout=10) == -signal.SIGKILL
        (one,) = injector.all
    assert prey.killed
    assert one.done
    assert one.where.startswith("behind record 1 (StepStarted restore)")


def test_what_finds_nothing_to_hurt_was_not_done(tmp_path: Path) -> None:
    written(tmp_path, [ev.StepStarted(step="restore", attempt=1)])
    faults = [
        Fault(Surprise.KILL, AtRecord("StepStarted", "restore")),
        Fault(Surprise.SERVER, AtRecord("StepStarted", "restore")),
        Fault(Surprise.DELETE, AtRecord("StepStarted", "verify")),
    ]
    with injecting(tmp_path, faults, Prey()) as (injector, shelf):
        pass
    said = {one.fault.surprise: one for one in injector.all}
    assert not any(one.done for one in said.values())
    assert "drbook does not run" in said[Surprise.KILL].where
    assert "no restored server is on record" in said[Surprise.SERVER].where
    assert said[Surprise.DELETE].where == "its moment never came"
    assert shelf.done == []


def test_whoever_ended_by_itself_was_not_killed(tmp_path: Path) -> None:
    written(tmp_path, [ev.StepStarted(step="restore", attempt=1)])
    fault = Fault(Surprise.KILL, AtRecord("StepStarted", "restore"))
    prey = Prey(lambda: [2**22 + 7])
    with injecting(tmp_path, [fault], prey) as (injector, _):
        pass
    (one,) = injector.all
    assert not one.done
    assert "does not run any more" in one.where
    assert not prey.killed


def test_of_several_processes_those_that_are_left_are_killed() -> None:
    with sleeping() as process:
        prey = Prey(lambda: [2**22 + 7, process.pid])
        assert prey.kill() == [process.pid]
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert prey.killed
    prey.begins()
    assert not prey.killed


def test_a_restored_server_that_has_gone_cannot_be_killed(tmp_path: Path) -> None:
    started = ev.ProcessStarted(
        step="restore", attempt=1, pid=2**22 + 7, started=1, argv=("/x/postgres",)
    )
    written(tmp_path, [started, ev.StepStarted(step="verify", attempt=1)])
    with injecting(
        tmp_path, [Fault(Surprise.SERVER, AtRecord("StepStarted", "verify"))], Prey()
    ) as (
        injector,
        _,
    ):
        pass
    (one,) = injector.all
    assert not one.done
    assert "does not run any more" in one.where


def test_a_fault_of_the_store_is_done_once(tmp_path: Path) -> None:
    step = ev.StepStarted(step="loss", attempt=1)
    written(tmp_path, [step, step, step])
    with injecting(tmp_path, [Fault(Surprise.DELETE, AtRecord("StepStarted"))], Prey()) as (
        injector,
        shelf,
    ):
        pass
    assert shelf.done == ["delete"]
    assert [one.done for one in injector.all] == [True]


_REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no\x1b[2J"}}, "DeleteObject")


@pytest.mark.parametrize("error", [_REFUSED, EndpointConnectionError(endpoint_url="http://store")])
def test_a_store_that_refuses_a_fault_spoils_no_later_one(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> str:
        raise error

    monkeypatch.setattr(_Shelf, "corrupt", refused, raising=False)
    written(tmp_path, [ev.StepStarted(step="restore", attempt=1)])
    behind = AtRecord("StepStarted", "restore")
    faults = [Fault(Surprise.CORRUPT, behind), Fault(Surprise.DELETE, behind)]
    with injecting(tmp_path, faults, Prey()) as (injector, shelf):
        pass
    assert shelf.done == ["delete"]
    said = {one.fault.surprise: one for one in injector.all}
    assert not said[Surprise.CORRUPT].done
    assert "could not be done: " in said[Surprise.CORRUPT].where
    assert "\x1b" not in said[Surprise.CORRUPT].where


_WRITES = """
import sys
sys.stdin.readline()
try:
    with open(sys.argv[1], "wb") as stream:
        stream.write(bytes(100_000))
except OSError as error:
    print(error.strerror)
"""


def test_a_file_of_a_bound_process_does_not_grow_further(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITES, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        bound(process.pid, 5000)
        said = process.communicate("\n", timeout=20)[0]
    assert said == "File too large\n"
    assert path.stat().st_size == 5000


def test_rows_are_counted_in_a_script() -> None:
    script = (
        "SET x;\nCOPY public.a (id, text) FROM stdin;\n1\tCOPY b FROM stdin;\n2\tx\n\\.\n\n"
        'COPY public."b" (id) FROM stdin;\n\\.\nSELECT 1;\n'
    )
    assert counted_rows(script) == {"public.a": 2, "public.b": 0}
