"""Reading an archive of WAL with pg_waldump: segment after segment, never more than two of them on this disk.

A record may begin in one segment and end in the next, so each is read together with the one before it; a
record that is longer than a segment is not seen. What lies on different timelines is put together under one,
as a recovery reads it.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError, Interrupted, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Progress, Signal, Working
from drbook.core.values import plain, show_duration, show_time
from drbook.core.wallines import RMGRS, lsn_text
from drbook.core.walnames import SEGMENT, Segment, segment, timelines
from drbook.core.walread import Ending, WalRead, WalTally
from drbook.providers.baseverify import programs
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH
from drbook.providers.process import run
from drbook.providers.sources.base import WalArchive

LOOK_AHEAD = 4
"""Segments that are asked for beyond the first that is not there: one of them means a gap."""
SMALLEST, LARGEST = 1024 * 1024, 1024 * 1024 * 1024
"""Bytes of a segment that a server can have."""
ONE_READING = timedelta(minutes=10)
"""For a single segment; nothing takes that long but a program that hangs."""
_END = re.compile(
    r"invalid record length at [0-9A-F/]+: (?:wanted|expected at least) \d+, got 0"
    r"|invalid magic number 0000|unexpected pageaddr|could not find a valid record after"
    r"|incorrect prev-link|there is no contrecord flag"
)
"""What the WAL's own end looks like, in a segment that is not full or was used before."""


@dataclass(slots=True)
class Stopped:
    """Why there is no more."""

    ending: Ending
    why: str


def read_wal(
    archive: WalArchive,
    point: RecoveryPoint,
    folder: Path,
    cancel: Cancel,
    *,
    segments: int,
    longest: timedelta,
) -> Working[WalRead]:
    """Everything from the copy's first segment on, for at most `segments` and `longest`; what was read before it
    broke off is kept. `folder` is the incident's. Raises CouldNotVerify where it cannot begin."""
    waldump = _waldump(point)
    try:
        scratch = Path(tempfile.mkdtemp(prefix="wal-", dir=folder))
        try:
            trail = _Trail(archive, point, scratch, cancel, waldump)
            return (yield from trail.read(segments, longest))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StepFailed(
            f"WAL cannot be put into {plain(str(folder), 200)}: {error.strerror or error}.",
            means="It is read there, two segments at a time. Nothing else was touched.",
            next="Look at the disk and its free space, then run the step again.",
            code="disk",
        ) from error


def _waldump(point: RecoveryPoint) -> Path:
    major = (point.server_version or 0) // 10000
    why = ""
    tools = programs(major) if major else None
    if point.wal_from is None or SEGMENT.fullmatch(point.wal_from) is None:
        why = "its source does not say with which segment its WAL begins"
    elif not major:
        why = "it does not say of which version of PostgreSQL it is"
    elif tools is None or not (tools.bin / "pg_waldump").is_file():
        why = f"pg_waldump of PostgreSQL {major} is not installed here"
    if why or tools is None:
        raise CouldNotVerify(
            f"The WAL behind {plain(point.location, 300)} cannot be read: {why}.",
            means="Which transaction was the loss is unknown; that is not the same as none.",
            next=f"Install postgresql-{major}, then run the step again; or give the time of the loss."
            if "installed" in why
            else "Give the time of the loss (the runbook's input `occurred`) instead.",
            code="pg-tools" if "installed" in why else "no-wal",
        )
    return tools.bin / "pg_waldump"


class _Trail:
    def __init__(
        self,
        archive: WalArchive,
        point: RecoveryPoint,
        scratch: Path,
        cancel: Cancel,
        waldump: Path,
    ) -> None:
        self._archive = archive
        self._point = point
        self._scratch = scratch
        self._cancel = cancel
        self._waldump = waldump
        self._files = scratch / "wal"
        self._files.mkdir(mode=0o700)
        self._tally = WalTally()
        self._size = 0
        self._line = 1
        """The timeline under which all are put together."""
        self._history: Sequence[tuple[int, int]] = ()
        self._read = 0
        self._last = ""

    def read(self, segments: int, longest: timedelta) -> Working[WalRead]:
        begun = time.monotonic()
        until = begun + longest.total_seconds()
        start = self._point.wal_from or ""
        stopped = yield from self._all(start, segments, until, longest)
        tally = self._tally
        return WalRead(
            segments=self._read,
            first=start,
            last=self._last,
            ending=stopped.ending,
            why=stopped.why,
            begins=tally.begins,
            ends=tally.ends,
            commits=tally.commits,
            rows=tally.rows,
            destructive=tally.worst(),
            destroying=tally.destroying,
            strange=tally.strange,
            seconds=int(time.monotonic() - begun),
        )

    def _all(self, start: str, segments: int, until: float, longest: timedelta) -> Working[Stopped]:
        try:
            first = yield from self._begin(start)
        except DrbookError as error:
            return _broken(error, start)
        if first is None:
            return Stopped("gap", f"the archive lacks {start}, which the copy begins with")
        number, complaint = first.number, ""
        while True:
            complaint = yield from self._dump(number, first.number)
            self._read += 1
            self._last = self._name(number)
            self._path(number - 1).unlink(missing_ok=True)
            number += 1
            name = self._name(number)
            try:
                there = self._bring(name, self._path(number))
                beyond = "" if there else self._beyond(number)
            except DrbookError as error:
                return _broken(error, name)
            if complaint and (there or beyond or not _END.search(complaint)):
                return Stopped("unreadable", f"{self._last} cannot be read: {complaint}")
            if not there and beyond:
                return Stopped("gap", f"{name} is missing, and {beyond} is there")
            if not there:
                return Stopped("end", f"the archive ends with {self._last}")
            if self._read >= segments:
                return Stopped("limit", f"{segments} segments were read, up to {self._last}")
            if time.monotonic() > until:
                why = f"{show_duration(longest)} were over after {self._last}"
                return Stopped("limit", why)

    def _begin(self, start: str) -> Working[Segment | None]:
        """The first segment, brought; with it the size of all, and the timelines that a recovery follows."""
        yield Progress("read the WAL", 0, None, "segments", start)
        came = self._scratch / "first"
        if not self._bring(start, came):
            return None
        size = came.stat().st_size
        first = segment(start, size) if SMALLEST <= size <= LARGEST else None
        if first is None or size & (size - 1):
            raise StepFailed(f"{start} has {size} bytes, which no segment has.")
        self._size = size
        self._line = first.timeline
        while self._bring(f"{self._line + 1:08X}.history", self._scratch / "history"):
            self._line += 1
            text = (self._scratch / "history").read_text("utf-8", "replace")
            self._history = timelines(text, size)
            (self._scratch / "history").unlink()
        came.rename(self._path(first.number))
        return first

    def _name(self, number: int) -> str:
        line = next((line for line, last in self._history if number < last), self._line)
        return Segment(number, line).name(self._size)

    def _path(self, number: int) -> Path:
        return self._files / Segment(number, self._line).name(self._size)

    def _bring(self, name: str, into: Path) -> bool:
        self._cancel.raise_if_requested()
        return self._archive.get(name, into)

    def _beyond(self, number: int) -> str:
        """A later segment that is there; empty where none is."""
        for later in range(number + 1, number + 1 + LOOK_AHEAD):
            name, into = self._name(later), self._scratch / "beyond"
            if self._bring(name, into):
                into.unlink()
                return name
        return ""

    def _dump(self, number: int, first: int) -> Working[str]:
        """Read this segment, after the rest of the one before; returns what pg_waldump complained of."""
        begin = (number if number == first else number - 1) * self._size
        argv: list[str | Path] = [self._waldump, "-p", self._files, "-t", str(self._line)]
        argv += ["-s", lsn_text(max(begin, self._tally.lsn)), "-e"]
        argv.append(lsn_text((number + 1) * self._size))
        if (self._point.server_version or 0) >= 150000:  # before, it takes only one kind
            argv += [f"--rmgr={each}" for each in RMGRS]
        lines = _Lines(self._tally)

        def moved() -> Signal | None:
            ends = self._tally.ends
            now = self._name(number) + (f", {show_time(ends)}" if ends else "")
            return Progress("read the WAL", self._read, None, "segments", now)

        def heard(_: str, line: str) -> Signal | None:
            return Output(f"pg_waldump: {plain(scrub(line), 300)}") if line.strip() else None

        yield Progress("read the WAL", self._read, None, "segments", self._name(number))
        done = yield from run(
            argv,
            env=ENGLISH,
            cancel=self._cancel,
            timeout=ONE_READING,
            take=lines.take,
            on_line=heard,
            tick=moved,
        )
        lines.end()
        if done.exit_code == 0:
            return ""
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return plain(scrub((said or [f"exit code {done.exit_code}"])[-1]), 300)


class _Lines:
    """Cuts what a program prints into lines; one without an end is cut short."""

    LONGEST = 64 * 1024 * 1024

    def __init__(self, tally: WalTally) -> None:
        self._tally = tally
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._tally.take(line.decode("utf-8", "replace"))
        if len(self._rest) > self.LONGEST:
            raise StepFailed("pg_waldump printed a line without an end.", code="wal-unreadable")

    def end(self) -> None:
        self._tally.take(self._rest.decode("utf-8", "replace"))


def _broken(error: DrbookError, name: str) -> Stopped:
    if isinstance(error, Cancelled | Interrupted):
        raise error
    return Stopped("broken", f"the archive did not give {name}: {error.what}")
