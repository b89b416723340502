"""What rclone's `lsjson` and `backend features` say. Pure.

The shapes are those of rclone 1.75 (rclone's manual, "rclone lsjson", "rclone backend features").
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from drbook.core.values import plain
from drbook.providers.dumptree import Entry, moment

MAX_FILES = 1_000_000
"""In one remote; a longer list is an error, never a part shown as the whole."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """What rclone knows of a remote."""

    local: bool
    """A directory of this machine, also behind an alias."""
    bucket: bool
    """Its files are objects, dated by their store."""
    wraps: bool
    """It stands for another remote, and says nothing of where that lies."""
    root: str
    digests: bool
    """Whether a list brings SHA-256 from when the files were stored. Where rclone would have to read a file
    for it, it is of the bytes as they are now, and proves nothing; behind a wrapper nobody knows."""

    @property
    def resource(self) -> str | None:
        """The directory, or the bucket; None where its name does not say what holds it."""
        if self.local:
            return self.root or None
        if self.bucket and not self.wraps:
            return self.root.strip("/").partition("/")[0] or None
        return None


def place_in(text: bytes) -> Place:
    """Raises ValueError where it is not what rclone prints."""
    try:
        found = json.loads(text)
        features = found["Features"]
        wraps = features.get("Overlay") is True
        slow = features.get("SlowHash") is not False
        return Place(
            local=features.get("IsLocal") is True,
            bucket=features.get("BucketBased") is True,
            wraps=wraps,
            root=str(found["Root"]),
            digests="sha256" in (found.get("Hashes") or ()) and not slow and not wraps,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"rclone's features lack {error}") from None


def entry_in(node: Mapping[str, object], folder: str = "") -> Entry:
    """One file; `folder` is the one that was listed. Raises ValueError."""
    path, size, written = node.get("Path"), node.get("Size"), node.get("ModTime")
    if not isinstance(path, str) or not isinstance(size, int) or not isinstance(written, str):
        raise ValueError("rclone's list lacks a path, a size or a time")
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("rclone's list holds a path that leads out of its remote")
    hashes = node.get("Hashes")
    digest = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    return Entry(
        f"{folder}/{path}" if folder else path,
        max(size, 0),
        moment(written),
        sha256=digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None,
    )


class Listing:
    """Takes what `rclone lsjson` prints: a list, one entry a line."""

    def __init__(self, folder: str = "") -> None:
        self.entries: list[Entry] = []
        self.left: list[str] = []
        """What could not be seen, in words."""
        self._folder = folder
        self._rest = b""
        self._ended = False

    def take(self, chunk: bytes) -> None:
        """Raises ValueError for what rclone does not print."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def end(self) -> list[Entry]:
        """Raises ValueError where it ends before the list does."""
        self._line(self._rest)
        if not self._ended:
            raise ValueError("rclone's list has no end")
        return self.entries

    def _line(self, line: bytes) -> None:
        text = line.strip().removesuffix(b",")
        if text == b"]":
            self._ended = True
        elif text and text != b"[":
            node = json.loads(text)
            if not isinstance(node, dict):
                raise ValueError("rclone's list holds something else than files")
            if not node.get("IsDir"):
                self._file(node)

    def _file(self, node: Mapping[str, object]) -> None:
        if node.get("Size") == -1:
            self.left.append(
                f"{plain(str(node.get('Path')), 300)}: its place does not say its size"
            )
            return
        entry = entry_in(node, self._folder)
        if any("\ud800" <= each <= "\udfff" or each == "\ufffd" for each in entry.path):
            self.left.append(f"{plain(entry.path, 300)}: its name is not UTF-8")
            return
        if len(self.entries) >= MAX_FILES:
            raise ValueError(f"there are more than {MAX_FILES:,} files")
        self.entries.append(entry)
