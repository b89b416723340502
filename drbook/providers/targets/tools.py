"""PostgreSQL's loading programs: what they are given, what they complain of, what they print."""

import io
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from drbook.core.values import plain
from drbook.providers.archive import Archive, Meter, Unreadable, chunks, decompressed
from drbook.providers.child import Child
from drbook.providers.pgtools import ENGLISH


def advice(kind: str) -> str:
    """What to do about an error of this kind."""
    if kind == "disk full":
        return "The disk of the target is full: make room, then run the step again."
    if kind == "connection lost":
        return "The target's server went away: read its log, then run the step again."
    return "Mend what it says, or choose another recovery point; a new attempt makes a new target."


def size_of(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size


def pieces_of(archive: Archive, meter: Meter) -> Iterator[bytes]:
    with decompressed(archive.path, archive.compression) as reading:
        yield from chunks(reading, meter)


def output_of(
    argv: Sequence[str | Path],
    feed: Callable[[IO[bytes]], None] | None,
    hear: Callable[[str], bool],
) -> Iterator[bytes]:
    """What a program prints, to its end; an exit code other than zero is an error of the reader. Each
    line of what it says beside is told to `hear`."""
    with tempfile.TemporaryFile() as complaints:
        child = Child(
            argv,
            env=ENGLISH,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stderr=complaints,
        )
        try:
            child.go()
            if feed is not None:
                stdin = child.popen.stdin
                assert stdin is not None

                def write() -> None:
                    with stdin:
                        feed(stdin)

                threading.Thread(target=write, daemon=True).start()
            stdout = child.popen.stdout
            assert stdout is not None
            while chunk := stdout.read1(256 * 1024):  # type: ignore[attr-defined]
                yield chunk
            code = child.popen.wait()
            complaints.seek(0)
            errors: list[str] = []
            for line in io.TextIOWrapper(complaints, "utf-8", "replace"):
                if hear(line.rstrip("\n")) and not errors:
                    errors.append(line.rstrip("\n"))
            if code != 0:
                raise Unreadable(plain(errors[-1] if errors else f"exit code {code}", 300))
        finally:
            child.close()
