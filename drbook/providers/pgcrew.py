"""Counting tables over several connections that share one snapshot.

Each session counts in a daemon thread of its own, the largest tables first, and all of them are guarded
reading sessions. What they find comes back through a queue to the generator, which is the only one that
says anything.
"""

import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from os import dup

import psycopg

from drbook.core.baseline import Identity, TableCount
from drbook.core.capture import work_order
from drbook.core.errors import CouldNotVerify, DrbookError
from drbook.core.ranges import parts_of
from drbook.core.signals import Milestone, Progress, Signal, Working
from drbook.core.values import counted, plain
from drbook.providers.pgcatalog import Catalog, Table
from drbook.providers.pgcount import (
    count_table,
    count_tiny,
    not_counted,
)
from drbook.providers.pgcounting import Counting
from drbook.providers.pgload import Gate
from drbook.providers.pgranges import BACK, MARK
from drbook.providers.pgsession import Connection, broke_off, said

SAY_SECONDS = 0.05
"""Between two words on what is counted now."""
TOGETHER = 32
"""Tiny tables that are counted with one message: of those the way there and back takes longest."""
CANCEL_SECONDS, STOP_SECONDS = 5.0, 10.0
"""How long the end of a count asks for its queries to be cancelled, and then waits for its sessions,
before their connections are cut."""


@dataclass(frozen=True, slots=True)
class _Begun:
    table: Table


@dataclass(frozen=True, slots=True)
class _Counted:
    position: int
    count: TableCount


@dataclass(frozen=True, slots=True)
class _Waits:
    active: int


@dataclass(frozen=True, slots=True)
class _Alone:
    """A further connection that could not be had."""

    why: str


@dataclass(frozen=True, slots=True)
class _Failed:
    error: DrbookError


@dataclass(frozen=True, slots=True)
class _Ended:
    """A thread is over."""


_Message = _Begun | _Counted | _Waits | _Alone | _Failed | _Ended


@dataclass(slots=True)
class _Crew:
    """What the threads share."""

    what: Counting
    who: Identity
    tables: Sequence[Table]
    todo: deque[int]
    box: "queue.SimpleQueue[_Message]" = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    done: int = 0
    started: int = 0
    said: float = 0.0
    sessions: list[tuple[Connection, threading.Thread]] = field(default_factory=list)
    """Those that have begun to count."""

    def start(self, work: Callable[[], None]) -> None:
        self.started += 1
        threading.Thread(
            target=self._guarded, args=(work,), name=f"count-{self.started}", daemon=True
        ).start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except DrbookError as error:
            self.box.put(_Failed(error))
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it; the generator raises this
            why = f"A counting session broke: {plain(repr(error), 300)}."
            self.box.put(_Failed(CouldNotVerify(why, means="Nothing is proven.", code="count")))
        finally:
            self.box.put(_Ended())

    def follow(self, snapshot: str) -> None:
        """A further session: import the snapshot and count. Where it cannot, the others go on."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self.what.session(snapshot))
                self._must_be_the_same(connection)
            except (psycopg.Error, DrbookError) as error:
                self.box.put(
                    _Alone(said(error) if isinstance(error, psycopg.Error) else error.what)
                )
                return
            self.count(connection)

    def _must_be_the_same(self, connection: Connection) -> None:
        """A snapshot's name proves the server only almost: a copy of it may know the same name."""
        row = connection.execute(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()),"
            " pg_postmaster_start_time()"
        ).fetchone()
        if row != (self.who.system_identifier, self.who.started_at):
            raise CouldNotVerify("Another server answered.", code="count")
        connection.execute(MARK)

    def count(self, connection: Connection) -> None:
        """Take tables until there is none left. Raises DrbookError where the session is lost."""
        self.sessions.append((connection, threading.current_thread()))
        gate = Gate(connection, self.what.pace, self.stop, lambda n: self.box.put(_Waits(n)))
        while positions := self._next():
            gate.wait()
            if not self.stop.is_set():
                self._say(self.tables[positions[0]])
                for position, count in self._some(connection, positions):
                    self.box.put(_Counted(position, count))

    def _together(self, table: Table) -> bool:
        """Whether a table may be counted with others: not where its rows are told in stretches."""
        told = self.what.ranges and self.what.content and table.in_stretches
        return table.tiny and not told

    @property
    def ranges(self) -> int:
        return parts_of(len(self.tables)) if self.what.ranges else 0

    def _next(self) -> list[int]:
        """The next table, and where it is tiny some more that are; nothing where there is none left. A
        server that is to be spared is asked for each table by itself."""
        most = TOGETHER if self.what.pace.max_load is None else 1
        found: list[int] = []
        with suppress(IndexError):
            while not self.stop.is_set() and len(found) < most:
                position = self.todo.popleft()
                alone = not self._together(self.tables[position])
                if alone and found:
                    self.todo.appendleft(position)
                else:
                    found.append(position)
                if alone:
                    break
        return found

    def _some(
        self, connection: Connection, positions: Sequence[int]
    ) -> Iterator[tuple[int, TableCount]]:
        tables = [self.tables[position] for position in positions]
        if len(tables) > 1:
            try:
                found = count_tiny(connection, tables, content=self.what.content)
            except psycopg.Error as error:
                self._go_back(connection, error, tables[0])
            else:
                yield from zip(positions, found, strict=True)
                return
        for position, table in zip(positions, tables, strict=True):
            if self.stop.is_set():
                return
            yield position, self._one(connection, table)

    def _say(self, table: Table) -> None:
        """What is counted now, as often as somebody could read it."""
        now = time.monotonic()
        if now - self.said >= SAY_SECONDS:
            self.said = now
            self.box.put(_Begun(table))

    def _one(self, connection: Connection, table: Table) -> TableCount:
        try:
            return count_table(connection, table, content=self.what.content, ranges=self.ranges)
        except psycopg.Error as error:
            self._go_back(connection, error, table)
            return not_counted(table, error)

    def _go_back(self, connection: Connection, error: psycopg.Error, table: Table) -> None:
        """To the mark, behind an error of one table. Raises DrbookError where the session is lost or
        the work is cancelled."""
        cancel = self.what.cancel
        done = f"{self.done} of {counted(len(self.tables), 'table')} were done"
        what = f"counted {plain(table.shown, 100)} ({done})"
        if connection.closed or cancel.requested:
            raise broke_off(connection, error, cancel, what) from None
        try:
            connection.execute(BACK)
        except psycopg.Error as lost:
            raise broke_off(connection, lost, cancel, what) from None

    def finish(self) -> None:
        """Everything is counted. Who still waits for a connection leaves by itself once it has one."""
        self.stop.set()
        self._join(STOP_SECONDS)

    def end(self) -> None:
        """Stop every session, within a bounded time."""
        self.stop.set()
        until = time.monotonic() + CANCEL_SECONDS
        for connection, thread in self.sessions:
            left = until - time.monotonic()
            if thread.is_alive() and not connection.closed and left > 0:
                with suppress(psycopg.Error):  # what cannot be cancelled is cut below
                    connection.cancel_safe(timeout=left)
        self._join(STOP_SECONDS)
        for connection, thread in self.sessions:
            if thread.is_alive():
                _cut(connection)
        self._join(2.0)

    def _join(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for _, thread in self.sessions:
            thread.join(max(0.0, until - time.monotonic()))


def _cut(connection: Connection) -> None:
    """Shut its socket, so that whoever waits for an answer gets an error."""
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)


def count_tables(
    what: Counting, leader: Connection, who: Identity, listed: Catalog, snapshot: str | None
) -> Working[list[TableCount]]:
    tables = listed.tables
    crew = _Crew(what, who, tables, deque(work_order([table.hint for table in tables])))
    yield Progress("count rows", 0, len(tables), "tables")
    what.cancel.raise_if_requested()
    try:
        crew.start(lambda: crew.count(leader))
        if snapshot is not None:
            for _ in range(min(what.pace.jobs, len(tables)) - 1):
                crew.start(lambda: crew.follow(snapshot))
        found = yield from _gather(crew)
    except BaseException:
        crew.end()
        raise
    crew.finish()
    return found


def _gather(crew: _Crew) -> Working[list[TableCount]]:
    """Everything that the sessions find, in the order of the list. Raises what one of them raised."""
    found: dict[int, TableCount] = {}
    total = len(crew.tables)
    running, told = crew.started, False
    while running and len(found) < total:
        try:
            message = crew.box.get(timeout=0.5)
        except queue.Empty:
            crew.what.cancel.raise_if_requested()
            continue
        if isinstance(message, _Failed):
            crew.what.cancel.raise_if_requested()
            raise message.error
        if isinstance(message, _Ended):
            running -= 1
        elif isinstance(message, _Counted):
            found[message.position] = message.count
            crew.done = len(found)
            yield Progress("count rows", len(found), total, "tables", _name(message.count.table))
        elif isinstance(message, _Alone) and told:
            continue
        else:
            told = told or isinstance(message, _Alone)
            yield _told(message, len(found), total)
    crew.what.cancel.raise_if_requested()
    if len(found) != total:
        raise CouldNotVerify(
            f"Only {len(found)} of {counted(total, 'table')} were counted.",
            means="A part of the figures is no result.",
            code="count",
        )
    return [found[position] for position in range(total)]


def _told(message: _Begun | _Waits | _Alone, done: int, total: int) -> Signal:
    if isinstance(message, _Begun):
        return Progress("count rows", done, total, "tables", _name(message.table.shown))
    if isinstance(message, _Waits):
        busy = f"waiting: {counted(message.active, 'other session')} active on the server"
        return Progress("count rows", done, total, "tables", busy)
    return Milestone(f"counting over fewer connections than asked for: {message.why}")


def _name(table: str) -> str:
    return plain(table, 100)
