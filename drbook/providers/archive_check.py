"""Reading a dump to its end: is it whole, how many rows does it hold, and what does it need?

That proves its structure, not its content: a flipped bit inside a row passes. Only a recorded
digest or counts prove more, and the words here claim no more. The rows that it holds are counted in
the same reading, so that a restore can be held to them where nothing else says what to expect.
"""

import re
import tarfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Signal, Working
from drbook.core.values import plain
from drbook.providers.archive import (
    CHUNK,
    Archive,
    Meter,
    Readable,
    Unreadable,
    chunks,
    decompressed,
    feed_of,
    open_archive,
    packed_by,
    why_closed,
)
from drbook.providers.archive_read import ArchiveReader
from drbook.providers.archive_toc import why_not_read
from drbook.providers.pgtools import ENGLISH, PgTools
from drbook.providers.process import Completed, Take, run

END_MARK = re.compile(rb"^-- PostgreSQL database dump complete\s*$", re.MULTILINE)
"""The last comment of a whole plain dump, in its last bytes."""
_TAIL = 4096


def check_structure(path: Path, tools: tuple[PgTools, ...], cancel: Cancel) -> Working[ByteFact]:
    """Read the dump to its end. `structure` where it is whole, `damaged` where it is not what it
    claims, `unknown` where nothing here can read it; where it is whole, `held` is what was read."""
    try:
        archive = open_archive(path)
    except OSError as error:
        return ByteFact(state="unknown", reason=f"it cannot be read: {error.strerror or error}")
    if archive.kind == "empty":
        return ByteFact(state="damaged", reason="it is empty")
    if archive.kind == "unknown" and (by := packed_by(archive.head)):
        return ByteFact(state="unknown", reason=why_closed(by))
    if archive.kind == "unknown":
        shown = plain(archive.head[:40].decode("utf-8", "replace"), 60)
        what = f"begins with {shown!r}" if shown else f"is a broken {archive.compression} stream"
        return ByteFact(state="damaged", reason=f"it is no pg_dump archive: it {what}")
    if kept := why_not_read(archive):
        return ByteFact(state=kept.state, reason=f"it {kept.reason}; it was not read")
    try:
        if archive.kind == "plain":
            return (yield from _check_plain(archive, cancel))
        if archive.kind == "tar" and (short := (yield from _cut_short(archive, cancel))):
            return ByteFact(state="damaged", reason=f"it is cut short: {short}")
        return (yield from _check_with_tools(archive, tools, cancel))
    except Unreadable as error:
        return ByteFact(
            state="damaged", reason=f"its {archive.compression} stream ends early: {error}"
        )
    except OSError as error:
        return ByteFact(state="unknown", reason=f"it cannot be read: {error.strerror or error}")


def _check_plain(archive: Archive, cancel: Cancel) -> Working[ByteFact]:
    meter = Meter("read the dump to its end", archive.path.stat().st_size)
    tail = b""
    reader = ArchiveReader()
    with decompressed(archive.path, archive.compression) as reading:
        for number, chunk in enumerate(chunks(reading, meter)):
            tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (tail + chunk)[-_TAIL:]
            reader.feed(chunk)
            if number % 16 == 0:
                cancel.raise_if_requested()
                yield meter.signal()
    held = reader.facts()
    # Where nobody can say what is a statement and what is a row, a line like it must do.
    if not (reader.ended if reader.ended is not None else END_MARK.search(tail)):
        return ByteFact(
            state="damaged", reason="it is cut short: the line that ends a complete dump is missing"
        )
    if reader.too_long:
        return ByteFact(state="damaged", reason=f"{reader.too_long}, which is never loaded")
    return _whole(reader, held, "read to its end; content unproven")


def _whole(reader: ArchiveReader, held: ArchiveFacts, reason: str) -> ByteFact:
    """Of an archive that has its end: whether anything is missing before it."""
    if reader.lost:
        return ByteFact(state="damaged", reason=f"it {reader.lost}")
    return ByteFact(state="structure", reason=reason, held=held)


_TAR_END = bytes(1024)
_LAST = "restore.sql"
"""What a tar of pg_dump ends with: this file, and two empty blocks (`_CloseArchive` in pg_backup_tar.c)."""


@dataclass(slots=True)
class _Tailed:
    """A stream that remembers its end."""

    stream: Readable
    tail: bytes = b""

    def read(self, size: int = CHUNK) -> bytes:
        piece = self.stream.read(size)
        self.tail = (self.tail + piece)[-len(_TAR_END) :]
        return piece


def _cut_short(archive: Archive, cancel: Cancel) -> Working[str]:
    """Why a tar is not whole, or nothing. pg_restore itself never ends on one that is cut inside a file
    (seen with 18.6), and takes one that is cut between two for whole, so this comes before it."""
    meter = Meter("read the dump to its end", archive.path.stat().st_size)
    with decompressed(archive.path, archive.compression) as reading:
        whole, names = _Tailed(reading), set[str]()
        try:
            with tarfile.open(fileobj=whole, mode="r|") as tar:  # type: ignore[call-overload]
                for member in tar:
                    names.add(member.name.removeprefix("./"))
                    meter.done = reading.source.tell()
                    cancel.raise_if_requested()
                    yield meter.signal()
                    content = tar.extractfile(member)
                    while content is not None and content.read(CHUNK):
                        meter.done = reading.source.tell()
                        yield meter.signal()
        except tarfile.TarError as error:
            return plain(str(error), 200)
        while whole.read():
            cancel.raise_if_requested()
            yield meter.signal()
    if _LAST not in names:
        return f"{_LAST}, with which pg_dump ends, is missing"
    return "" if whole.tail == _TAR_END else "the two empty blocks behind its last file are missing"


def read_needs(
    path: Path, tools: tuple[PgTools, ...], cancel: Cancel
) -> Working[tuple[ArchiveFacts, str]]:
    """What an archive asks of its server, without reading more of it than that takes; and why nothing
    here can read it, where nothing can."""
    try:
        archive = open_archive(path)
        if archive.kind == "plain":
            fact = yield from _check_plain(archive, cancel)
            return fact.held or ArchiveFacts(why_no_rows=fact.reason, complete=False), ""
        reason = "no pg_restore was found"
        for one in sorted(tools, key=lambda each: -each.version):
            reader = ArchiveReader()
            done = yield from pg_restore(
                one, [*WHOLE, "--schema-only"], archive, cancel, reader.feed
            )
            if done.exit_code == 0:
                return reader.facts(data=False), ""
            reason = last_error(done)
    except Unreadable as error:
        reason = f"its {archive.compression} stream ends early: {error}"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror or error}"
    return ArchiveFacts(why_no_rows=reason, complete=False), reason


_TOO_NEW = re.compile(
    r"unsupported version \(|not supported by this installation|not built with"
    r"|this build does not support compression"
)
"""What pg_restore says of an archive that another one may read (compress_io.c, pg_backup_archiver.c)."""


WHOLE = ["-f", "-", "--create"]
"""All of an archive as SQL, with the statement that says how its database writes and sorts text."""


def _check_with_tools(
    archive: Archive, tools: tuple[PgTools, ...], cancel: Cancel
) -> Working[ByteFact]:
    reason = ""
    # The newest first: it reads everything that an older one can. Others may have more compressions.
    for one in sorted(tools, key=lambda each: -each.version):
        reader = ArchiveReader()
        try:
            done = yield from pg_restore(one, WHOLE, archive, cancel, reader.feed)
        except StepFailed as error:
            if error.code != "timeout":
                raise
            return ByteFact(state="unknown", reason=f"it was not read to its end: {error.what}")
        if done.exit_code == 0:
            by = f"pg_restore {one.version // 10000}"
            return _whole(reader, reader.facts(), f"read to its end by {by}; content unproven")
        reason = last_error(done)
        if not _TOO_NEW.search(done.stderr):
            return ByteFact(
                state="damaged", reason=f"pg_restore cannot read it to its end: {reason}"
            )
    return ByteFact(
        state="unknown",
        reason=f"no program here can read it: {reason or 'no pg_restore was found'}",
    )


def pg_restore(
    tools: PgTools,
    options: list[str],
    archive: Archive,
    cancel: Cancel | None,
    take: Take | None = None,
) -> Working[Completed]:
    """Run pg_restore on an archive; files are fed, so that progress is known in bytes. What it prints
    goes to `take`."""
    argv: list[str | Path] = [tools.path("pg_restore"), *options]
    if archive.kind == "directory":
        size = sum(each.stat().st_size for each in archive.path.iterdir())
        return (
            yield from run(
                [*argv, archive.path],
                env=ENGLISH,
                cancel=cancel,
                take=take,
                on_line=_quiet,
                timeout=_bound(size),
            )
        )
    meter = Meter("read the dump to its end", archive.path.stat().st_size)
    kind = "c" if archive.kind == "custom" else "t"
    return (
        yield from run(
            [*argv, f"--format={kind}"],
            env=ENGLISH,
            cancel=cancel,
            feed=feed_of(archive, meter),
            take=take,
            on_line=_quiet,
            tick=meter.signal,
            timeout=_bound(meter.total),
        )
    )


def _bound(size: int) -> timedelta:
    """A tool that takes longer than half a megabyte a second allows is taken for stuck."""
    return timedelta(seconds=300 + size / 500_000)


def _quiet(stream: str, line: str) -> Signal | None:
    return None


def last_error(done: Completed) -> str:
    """The tool's own last complaint, in one line."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line or "ERROR" in line] or lines
    text = errors[-1] if errors else f"exit code {done.exit_code}"
    return plain(re.sub(r"^pg_restore: (error: )?", "", text), 300)
