"""The way from a recovering server to its archive of WAL: it asks for a file by name, drbook brings it.

For every file of WAL that it wants, PostgreSQL runs its `restore_command`: here a script that writes the
name into one pipe and reads the answer from another. So the archive's secrets never reach the server, what
is brought can be shown and stopped, and an archive that cannot be asked is not taken for the end of the
WAL: an exit code above 125 ends the recovery (PostgreSQL's manual, `restore_command`).
"""

import os
import re
import select
import shlex
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from drbook.core.errors import Cancelled, DrbookError, StepFailed
from drbook.core.signals import Progress
from drbook.core.values import plain
from drbook.core.walnames import SEGMENT, USUAL, Segment, segment
from drbook.providers.hiding import scrub
from drbook.providers.sources.base import WAL_DAMAGED, WalArchive

LOOKED_BEHIND = 4
"""Segments behind the last one that are asked for: more than one in a row is seldom missing."""
NAME = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history")
"""What a server asks for: segments, histories of timelines, notes of backups."""

_SCRIPT = """#!/bin/sh
printf '%s\\n' "$1" > {ask} || exit 126
read -r answer < {answer} || exit 126
case "$answer" in
yes) mv {files}/"$1" "$2" || exit 126 ;;
no) exit 1 ;;
*) exit 126 ;;
esac
"""


class WalDoor:
    """Open while a server recovers. `archive` None: everything that there is came with the copy."""

    def __init__(
        self,
        archive: WalArchive | None,
        folder: Path,
        owner: int | None,
        *,
        needed: bool = True,
    ) -> None:
        """`folder` is made here, exclusively; `owner` is the user that the server runs as, where it is not
        our own. Where the archive is not `needed`, one that cannot be asked has nothing: the copy may hold
        all that it needs for its own end, and the server says where it does not."""
        self._needed = needed
        self._segment = ""
        self._bytes = USUAL
        self.served = 0
        """Files that were asked for and brought."""
        self.last = ""
        self.error: DrbookError | None = None
        """Why the archive could not be asked, where it could not: the recovery ends by it."""
        self.damaged = ""
        """Which file of WAL is damaged for sure: all that can be had ends before it, and is taken."""
        self._archive = archive
        self._folder = folder
        self._owner = owner
        self._told = 0
        self._pipes: tuple[int, ...] = ()
        self._over, self._wake = -1, -1
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        files = self._folder / "files"
        ask, answer, script = (self._folder / name for name in ("ask", "answer", "bring"))
        self._folder.mkdir(mode=0o700)
        files.mkdir(mode=0o700)
        for pipe in (ask, answer):
            os.mkfifo(pipe, 0o600)
        quoted = {"ask": ask, "answer": answer, "files": files}
        text = _SCRIPT.format_map({name: shlex.quote(str(each)) for name, each in quoted.items()})
        script.write_text(text, encoding="utf-8")
        script.chmod(0o700)
        if self._owner is not None:
            for each in (self._folder, files, ask, answer, script):
                os.chown(each, self._owner, self._owner)
        # Open for both, so that neither side ever waits for the other to open its end.
        self._pipes = tuple(os.open(each, os.O_RDWR | os.O_CLOEXEC) for each in (ask, answer))
        self._over, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="bring-wal", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._wake, b".")
        assert self._thread is not None
        self._thread.join(timeout=10)
        if not self._thread.is_alive():  # one that hangs in the archive still has them
            for each in (*self._pipes, self._over, self._wake):
                os.close(each)
        if self._archive is not None:
            with suppress(DrbookError):
                self._archive.close()

    @property
    def command(self) -> str:
        """The `restore_command`."""
        script = shlex.quote(str(self._folder / "bring")).replace("%", "%%")
        return f'{script} "%f" "%p"'

    def moved(self) -> Progress | None:
        """What was brought since this was asked last."""
        if self.served == self._told:
            return None
        self._told = self.served
        return Progress("roll forward", self.served, None, "WAL files", self.last)

    def _serve(self) -> None:
        asking, answering = self._pipes
        rest = b""
        while True:
            ready, _, _ = select.select([asking, self._over], [], [])
            if self._over in ready:
                return
            *lines, rest = (rest + os.read(asking, 4096)).split(b"\n")
            for line in lines:
                said = self._bring(line.decode("ascii", "replace"))
                os.write(answering, f"{said}\n".encode())

    def _bring(self, name: str) -> str:
        if not NAME.fullmatch(name):
            self.error = StepFailed(f"The server asked for {plain(name, 100)}, which is no WAL.")
            return "error"
        if self._archive is None:
            return "no"
        into = self._folder / "files" / name
        try:
            into.unlink(missing_ok=True)
            if not self._archive.get(name, into):
                return "no"
            if self._owner is not None:
                os.chown(into, self._owner, self._owner)
        except Cancelled as error:
            self.error = error
            return "error"
        except DrbookError as error:
            if error.code == WAL_DAMAGED:
                self.damaged = error.what
                return "no"
            if not self._needed:
                return "no"
            self.error = error
            return "error"
        except Exception as error:  # noqa: BLE001 - a plug-in's own; it ends the recovery, and says so
            words = f"{type(error).__name__}: {plain(scrub(str(error)), 200)}"
            self.error = StepFailed(f"The archive of WAL failed in a way of its own ({words}).")
            return "error"
        self.served += 1
        self.last = name
        if SEGMENT.fullmatch(name):
            self._segment, self._bytes = name, into.stat().st_size
        return "yes"

    def behind(self) -> str:
        """A segment that the archive holds behind the last one that was brought, to be asked when nothing is
        replayed any more; empty where there is none among the next few. Raises DrbookError."""
        last = segment(self._segment, self._bytes) if self._segment else None
        if last is None or self._archive is None:
            return ""
        into = self._folder / "files" / "behind"
        for number in range(last.number + 1, last.number + 1 + LOOKED_BEHIND):
            name = Segment(number, last.timeline).name(self._bytes)
            into.unlink(missing_ok=True)
            if self._archive.get(name, into):
                into.unlink()
                return name
        return ""

    def raise_error(self) -> None:
        """Raises what kept the archive from answering, in words for whoever waits for the recovery."""
        if self.error is None or isinstance(self.error, Cancelled):
            return
        raise StepFailed(
            f"The archive of WAL could not be asked any more: {self.error.what}",
            means="The recovery was broken off, so that no gap is taken for the end. The target is never "
            "used again.",
            next=self.error.next or "Make the archive reachable, then run the step again.",
            code="wal-archive",
        )
