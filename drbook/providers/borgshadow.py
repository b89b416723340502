"""A private look-alike of a Borg repository, so that reading it cannot change it.

Borg writes to a repository that it only lists, with `--bypass-lock` too: where the index is missing, cut
or flipped it makes a new one, and commits (seen with Borg 1.2.4). So it is shown a folder of our own, in
which each file is a link to the repository's; what it makes anew stays here and goes away. Only segments
up to the last commit are in it: what lies behind belongs to a backup that runs or was broken off, and Borg
drops that; on a full disk by cutting the file first, which would go through a link.
"""

import os
import struct
import zlib
from pathlib import Path

from drbook.providers.tool import Failed

_ENTRY = struct.pack("<IB", 9, 2)
COMMIT = struct.pack("<I", zlib.crc32(_ENTRY)) + _ENTRY
"""The last bytes of a segment that ends a transaction (Borg's manual, "Internals: Segments")."""


def shadow(repository: Path, at: Path) -> int:
    """Make it at `at`, which does not exist; the number of the last segment in it. Raises Failed."""
    try:
        segments, last = committed(repository)
        at.mkdir(mode=0o700)
        (at / "data").mkdir(mode=0o700)
        for entry in os.scandir(repository):
            if entry.is_file() and not entry.name.startswith("lock."):
                (at / entry.name).symlink_to(os.path.abspath(entry.path))
        for number, path in segments.items():
            if number <= last:
                folder = at / "data" / path.parent.name
                folder.mkdir(mode=0o700, exist_ok=True)
                (folder / path.name).symlink_to(path.absolute())
    except OSError as error:
        advice = "Check that its disk is mounted here and readable for this user"
        raise Failed(f"it cannot be read: {error.strerror or error}", advice) from None
    return last


def committed(repository: Path) -> tuple[dict[int, Path], int]:
    """All segments by number, and the number of the last that ends a transaction. Raises Failed, OSError."""
    if not (repository / "config").is_file():
        raise Failed(
            "there is no repository: it has no config",
            "Check its place, and whether it is mounted",
        )
    if not (repository / "data").is_dir():
        raise Failed("its folder of segments is gone", "Keep what is left of it as it is")
    found = {
        int(path.name): path
        for path in (repository / "data").glob("*/*")
        if path.name.isdecimal() and path.parent.name.isdecimal()
    }
    for number in sorted(found, reverse=True):
        if _ends_with_commit(found[number]):
            return found, number
    # Nothing is committed: Borg says so itself, of what it is shown.
    return found, -1


def _ends_with_commit(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) < len(COMMIT):
            return False
        stream.seek(-len(COMMIT), os.SEEK_END)
        return stream.read() == COMMIT
