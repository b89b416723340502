"""What the home screen shows: incidents and runbooks, read in a thread of their own, and only anew where
a file has changed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drbook.app.history import Histories, Summary
from drbook.app.library import Checked, Entry, check, entries
from drbook.app.places import Home
from drbook.core.errors import DrbookError
from drbook.core.values import plain

LOOK_EVERY = 5.0
"""Seconds between two looks, after the first is done."""
_TELL_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Contents:
    """The shelf at one moment."""

    incidents: tuple[Summary, ...] = ()
    """Those that may be open first, the newest of each first."""
    runbooks: tuple[Checked | Entry, ...] = ()
    """An `Entry` is still being checked."""
    reading: bool = True
    """More is to come."""
    trouble: str = ""
    """Why the incidents could not be listed."""

    @property
    def still_open(self) -> tuple[Summary, ...]:
        """What needs somebody: in doubt first, then what cannot be read, then real ones, the newest
        first of each."""
        found = [one for one in self.incidents if one.outcome in ("open", "damaged", "unread")]
        return tuple(sorted(found, key=_urgency))

    @property
    def ended(self) -> tuple[Summary, ...]:
        found = [one for one in self.incidents if one.outcome not in ("open", "damaged", "unread")]
        return tuple(sorted(found, key=lambda one: one.folder.name, reverse=True))

    @property
    def in_doubt(self) -> tuple[Summary, ...]:
        return tuple(one for one in self.still_open if one.in_doubt)


def _urgency(one: Summary) -> int:
    if one.in_doubt:
        return 0
    if one.outcome != "open":
        return 1
    return 2 if one.mode == "live" else 3


class Shelf:
    """Looks again and again until `stop`. `tell` is called in its thread, with each new picture."""

    def __init__(self, home: Home, here: Path, tell: Callable[[Contents], None]) -> None:
        self._home, self._here, self._tell = home, here, tell
        self._histories = Histories(home)
        self._checked: dict[Path, tuple[tuple[int, int], Checked]] = {}
        self._contents = Contents()
        self._told = 0.0
        self._first = True
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="shelf", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def again(self) -> None:
        """Look now."""
        self._wanted.set()

    def stop(self) -> None:
        """It ends by itself; nobody waits for a slow disk."""
        self._stopping = True
        self._wanted.set()

    def _work(self) -> None:
        while not self._stopping:
            self._wanted.clear()
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the screen stays, and says so
                words = (
                    f"drbook itself failed here: {type(error).__name__}: {plain(str(error), 200)}"
                )
                self._show(Contents(reading=False, trouble=words), force=True)
            self._wanted.wait(LOOK_EVERY)

    def _look(self) -> None:
        """Names first, then what takes time: incidents that may be open, runbooks, the history."""
        books = self._listed()
        trouble = ""
        found: list[Summary] = []
        lagging = {one.folder: one for one in self._contents.incidents}
        checked = False
        try:
            for one in self._histories:
                if self._stopping:
                    return
                if not checked and one.outcome not in ("open", "damaged", "unread"):
                    books, checked = self._check(books, [*found, *lagging.values()]), True
                found.append(one)
                lagging.pop(one.folder, None)
                picture = Contents((*found, *lagging.values()), tuple(books), reading=self._first)
                self._show(picture)
        except DrbookError as error:
            trouble = error.what
        if not checked:
            books = self._check(books, found)
        self._first = False
        self._show(Contents(tuple(found), tuple(books), False, trouble), force=True)

    def _listed(self) -> list[Checked | Entry]:
        """The runbooks as they were checked, where their files are still the same."""
        found: list[Checked | Entry] = []
        for entry in entries(self._home, self._here):
            known = self._checked.get(entry.path)
            same = known is not None and known[0] == _stamp(entry.path)
            found.append(known[1] if known is not None and same else entry)
        return found

    def _check(
        self, books: list[Checked | Entry], incidents: list[Summary]
    ) -> list[Checked | Entry]:
        for index, book in enumerate(books):
            if isinstance(book, Checked) or self._stopping:
                continue
            stamp = _stamp(book.path)
            done = check(book)
            self._checked[book.path] = (stamp, done)
            books[index] = done
            self._show(Contents(tuple(incidents), tuple(books), reading=self._first))
        return books

    def _show(self, contents: Contents, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._stopping or (not force and now - self._told < _TELL_EVERY):
            return
        if contents == self._contents:
            return
        self._told, self._contents = now, contents
        self._tell(contents)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)
