"""A terminal that goes away under the application: nothing waits for it, and the application is told."""

import asyncio
import errno
import os
import select
import signal
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
from textual.drivers._writer_thread import WriterThread

from drbook.tui.app import IncidentApp
from drbook.tui.terminal import Output, Terminal


@pytest.fixture
def hung_up() -> Iterator[list[int]]:
    """Hang-ups that arrive while the test runs."""
    found: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: found.append(number))
    yield found
    signal.signal(signal.SIGHUP, before)


def gone() -> Output:
    """A terminal whose other end was closed."""
    master, slave = os.openpty()
    file = os.fdopen(slave, "w")
    os.close(master)
    looking = select.poll()
    looking.register(slave, select.POLLHUP)
    assert looking.poll(10_000), "somebody holds the other end; a write might wait for ever"
    return Output(file)


def test_what_is_written_arrives() -> None:
    file = StringIO()
    output = Output(file)
    output.write("seen")
    output.flush()
    assert file.getvalue() == "seen"
    assert not output.gone


def test_what_nobody_sees_is_dropped_and_the_application_is_told_once(hung_up: list[int]) -> None:
    output = gone()
    for _ in range(3):
        output.write("x" * 10_000)
        output.flush()
    assert output.gone
    assert hung_up == [signal.SIGHUP]


def test_a_closed_file_is_a_terminal_that_is_gone(hung_up: list[int]) -> None:
    file = StringIO()
    file.close()
    output = Output(file)
    output.write("x")
    output.flush()
    assert output.gone
    assert hung_up == [signal.SIGHUP]


class Fails(StringIO):
    """Answers as a terminal that is gone. (Of a real one's end a child of another test may hold a copy.)"""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_nobody_waits_for_a_writing_thread_whose_terminal_is_gone(hung_up: list[int]) -> None:
    """Textual's own thread ended at the first error, and its full queue held everybody up."""
    thread = WriterThread(Output(Fails()))  # type: ignore[arg-type]

    def leave() -> None:
        for _ in range(200):
            thread.write("x" * 1000)
        thread.stop()

    leaving = threading.Thread(target=leave, daemon=True)
    thread.start()
    leaving.start()
    leaving.join(20)
    assert not leaving.is_alive()
    assert hung_up == [signal.SIGHUP]


def test_the_application_writes_through_it() -> None:
    async def made() -> Terminal:
        app = IncidentApp(None)  # type: ignore[arg-type]
        assert app.driver_class is Terminal
        return Terminal(app, size=(80, 24))

    assert isinstance(asyncio.run(made())._file, Output)
