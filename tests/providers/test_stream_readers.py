"""How a child's streams are read: line by line, whole for whoever takes them, and never left to block."""

import errno
import fcntl
import itertools
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import IO, Any

import pytest
from support.pg import drain
from support.waiting import eventually

from drbook.core.errors import StepFailed
from drbook.providers import process
from drbook.providers.cancel import CancelToken
from drbook.providers.child import Child, environment, program_folders
from drbook.providers.pids import Ended
from drbook.providers.process import TAIL, _empty, _killed, _Stream, run


@contextmanager
def reading(
    take: Callable[[bytes], None] | None = None, *, deaf: bool = False
) -> Iterator[tuple[_Stream, IO[bytes]]]:
    """A stream that is read, and the end to write to; read to its end when that is closed."""
    reader, writer = os.pipe()
    stream = _Stream("out", os.fdopen(reader, "rb"), queue.Queue(), take=take, deaf=deaf)
    thread = threading.Thread(target=stream.run)
    with os.fdopen(writer, "wb", buffering=0) as end:
        thread.start()
        yield stream, end
    thread.join(20)
    assert not thread.is_alive()
    assert stream.source.closed == deaf  # else whoever made it closes it
    stream.source.close()


def told(stream: _Stream) -> list[Any]:
    return [item and item[1] for item in list(stream.lines.queue)]


def test_a_line_that_comes_in_pieces_is_one() -> None:
    with reading() as (stream, end):
        end.write(b"a\xffb")
        assert eventually(lambda: stream.tail == b"a\xffb")
        assert told(stream) == []
        end.write(b"c\n\nrest \xff")
    assert told(stream) == ["a\ufffdbc", "", "rest \ufffd", None]
    assert stream.text() == "a\ufffdbc\n\nrest \ufffd"


def test_a_line_without_an_end_is_told_in_parts() -> None:
    with reading() as (stream, end):
        end.write(b"\xff" + b"x" * TAIL)
        end.write(b"y" * 70000)
    *parts, last = told(stream)
    assert last is None
    assert len(parts) >= 2
    assert parts[0].startswith("\ufffdx")
    assert len("".join(parts)) == TAIL + 70001
    assert stream.text() == "y" * TAIL


def test_one_that_nobody_listens_to_is_read_on_and_closed() -> None:
    with reading(deaf=True) as (stream, end):
        for _ in range(4):
            end.write(b"x" * 65536)
        end.write(b"last")
    assert told(stream) == []
    assert stream.text().endswith("xlast")


def test_what_takes_it_is_given_everything_and_asked_no_more_after_an_error() -> None:
    taken: list[bytes] = []
    with reading(taken.append) as (stream, end):
        end.write(b"x" * 100_000)
        assert fcntl.fcntl(stream.source.fileno(), fcntl.F_GETPIPE_SZ) == 1024 * 1024
        end.write(b"y" * 2_000_000)
    assert b"".join(taken) == b"x" * 100_000 + b"y" * 2_000_000
    assert told(stream) == [None]

    asked: list[bytes] = []

    def broken(chunk: bytes) -> None:
        asked.append(chunk)
        raise RuntimeError("no place for it")

    with reading(broken) as (stream, end):
        for _ in range(4):
            end.write(b"x" * 1_000_000)
    assert len(asked) == 1
    assert isinstance(stream.error, RuntimeError)

    with reading(taken.append, deaf=True) as (stream, end):
        end.write(b"lost")
    assert b"lost" not in b"".join(taken)


def test_a_feed_does_not_keep_the_program_from_its_end_and_nothing_is_left_to_cancel() -> None:
    token = CancelToken()
    daemons: list[bool] = []

    def feed(stream: IO[bytes]) -> None:
        daemons.append(threading.current_thread().daemon)
        stream.write(b"fed")

    done = drain(run(["/bin/cat"], feed=feed, cancel=token))
    assert (done.stdout, daemons, token._callbacks) == ("fed", [True], {})


def test_who_takes_it_does_not_keep_the_program_from_its_end_either() -> None:
    daemons: list[bool] = []
    drain(run(["/bin/echo"], take=lambda _: daemons.append(threading.current_thread().daemon)))
    assert daemons == [True]


def test_the_streams_of_a_program_that_ended_are_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Child] = []
    monkeypatch.setattr(Child, "leave_streams", left.append)
    assert drain(run(["/bin/sh", "-c", "echo a; echo b >&2"])).stdout == "a\n"
    assert left == []


def test_readers_are_let_go_until_each_has_ended() -> None:
    lines: queue.Queue[Any] = queue.Queue()
    for item in (("out", "a"), None, ("err", "b")):
        lines.put(item)
    threading.Timer(0.4, lines.put, args=(None,)).start()
    begun = time.monotonic()
    _empty(lines, 2)
    assert lines.empty()
    assert 0.2 < time.monotonic() - begun < 4  # it gives up after five
    lines.put(None)
    _empty(lines, 0)
    assert lines.qsize() == 1


def test_a_reader_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    _empty(queue.Queue(), 1)
    assert next(clock) > 5


def test_a_name_from_outside_is_harmless_in_what_a_killed_launcher_leaves() -> None:
    child = SimpleNamespace(
        argv=("/x/a\x1bb",), leavings=Ended(), popen=SimpleNamespace(returncode=-9)
    )
    assert "The launcher of a\\x1bb was killed" in _killed(child).what  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "folders"),
    [
        ("/usr/bin:/bin", ["/usr/bin", "/bin"]),
        (":.:bin:/bin", ["/bin"]),
        ("", os.defpath.split(os.pathsep)),
        (".", os.defpath.split(os.pathsep)),
    ],
)
def test_programs_are_looked_for_in_folders_that_are_somewhere(
    path: str, folders: list[str]
) -> None:
    assert program_folders(path) == folders
    assert environment({"PATH": path})["PATH"].split(os.pathsep) == folders


def test_a_child_that_nobody_killed_left_nothing() -> None:
    child = Child(["/bin/true"])
    assert child.leavings == Ended()
    child.close()


def test_why_a_program_could_not_be_started_is_told_once_it_is_known() -> None:
    with closing(Child(["/nonexistent/program"])) as child:
        child.go()
        assert child.popen.wait(20) == 127
        assert child.why_not_started() == os.strerror(errno.ENOENT)
        assert child.popen.stderr is not None
        assert child.popen.stderr.read() == b""
        assert child.why_not_started() == ""
    with closing(Child(["/bin/sleep", "600"])) as child:
        child.go()
        assert child.why_not_started() == ""  # it runs, and nobody waits for a word
        child.ask_to_stop()
        assert child.why_not_started() == ""
        child.go()  # nothing happens any more


def test_what_a_child_held_is_given_back() -> None:
    child = Child(["/bin/cat"], stdin=subprocess.PIPE)
    child.go()
    streams = (child.popen.stdin, child.popen.stdout, child.popen.stderr)
    assert not any(stream is None or stream.closed for stream in streams)
    child.close()
    assert all(stream is not None and stream.closed for stream in streams)


@pytest.mark.parametrize(
    "given", [{"argv": ["/bin/echo", "a\0b"]}, {"argv": ["/bin/echo"], "env": {"A=B": "c"}}]
)
def test_what_no_system_takes_is_no_program(given: dict[str, Any]) -> None:
    with pytest.raises(StepFailed, match="an argument or a variable's name is none"):
        Child(**given)
