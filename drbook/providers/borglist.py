"""What Borg's `list --json` and `list --json-lines ARCHIVE` say. Pure.

The shapes are those of Borg 1.2.4. Its times name no zone and are the local ones of where it runs, which is
UTC for what drbook starts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from drbook.core.values import plain
from drbook.providers.dumptree import Dump, Entry, Snapshot, dumps_among, moment
from drbook.providers.resticlist import hexadecimal

MAX_FILES = 1_000_000
"""In one archive; a longer list is an error, never a part shown as the whole."""
_NOT_ENCRYPTED = ("none", "authenticated", "authenticated-blake2")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository's archives, newest first."""

    archives: tuple[Snapshot, ...]
    encrypted: bool | None
    """None where Borg names no mode."""


def repository_in(text: bytes) -> Repository:
    """Raises ValueError where it is not what Borg prints."""
    try:
        found = json.loads(text)
        listed = [
            Snapshot(
                id=hexadecimal(one["id"], "Borg names an archive"),
                time=moment(one["start"]),
                tree=one["id"],
                paths=(),
                name=str(one["name"]),
            )
            for one in found["archives"]
        ]
        mode = (found.get("encryption") or {}).get("mode")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Borg's list of archives lacks {error}") from None
    listed.sort(key=lambda one: (one.time, one.id), reverse=True)
    return Repository(
        tuple(listed), None if not isinstance(mode, str) else mode not in _NOT_ENCRYPTED
    )


class Listing:
    """Takes what `borg list --json-lines ARCHIVE` prints, piece by piece. It may come in any order."""

    def __init__(self, wanted: str | None = None) -> None:
        """`wanted` is a pattern for the paths of dumps; archives hold them without a first slash."""
        self.left: list[str] = []
        """What could not be seen, in words."""
        self._wanted = wanted.lstrip("/") if wanted else None
        self._entries: dict[str, Entry] = {}
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        """Raises ValueError for what Borg does not print."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def end(self) -> list[Dump]:
        """Raises ValueError where it ends in the middle of a line."""
        self._line(self._rest)
        return dumps_among(self._entries.values(), self._wanted)

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        item = json.loads(line)
        try:
            if item["type"] == "-":
                self._file(item)
        except (KeyError, TypeError) as error:
            raise ValueError(f"Borg's list of files lacks {error}") from None

    def _file(self, item: Mapping[str, str | int | bool]) -> None:
        path = str(item["path"])
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError("Borg's list of files holds a path that leads out of its archive")
        if str(item.get("mode", "")).startswith("h"):
            # The second name of a file has no bytes of its own: Borg gives none for it, and ends well.
            other = plain(str(item.get("source", "")), 200)
            self.left.append(f"{plain(path, 300)}: it is a hard link to {other}")
            return
        if any("\ud800" <= character <= "\udfff" for character in path):
            self.left.append(f"{plain(path, 300)}: its name is not UTF-8")
            return
        if path in self._entries:
            self.left.append(f"{plain(path, 300)}: the archive holds it more than once")
        if len(self._entries) >= MAX_FILES:
            raise ValueError(f"an archive holds more than {MAX_FILES:,} files")
        healthy = item.get("healthy") is not False
        self._entries[path] = Entry(
            path, int(item["size"]), moment(str(item["mtime"])), healthy=healthy
        )


def piped(archive: Snapshot, dump: Dump, alone: bool) -> bool:
    """Whether it was piped into Borg: the only file of its archive, dated in whole seconds and at the very
    time at which Borg began."""
    near = abs(dump.written - archive.time) <= timedelta(seconds=2)
    return alone and "/" not in dump.path and near and dump.written.microsecond == 0
