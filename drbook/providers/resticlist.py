"""What restic's `snapshots --json` and `ls --json` say: the snapshots, and the dumps within each. Pure.

The shapes are those that restic 0.14 printed (later ones add fields). A snapshot carries no size: the
sizes are the nodes' own. `ls` walks a folder to its end before the next one, so that of a large file
system no more is held than the folders on the way down to where it is.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from drbook.core.baseline import Manifest
from drbook.core.values import plain, show_time
from drbook.providers.naming import MANIFEST, Taken, is_dump, is_manifest, taken, time_in

TOC = "toc.dat"
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Snapshot:
    id: str
    time: datetime
    """When restic began to read, by the clock of the machine that it ran on."""
    tree: str
    """Snapshots of one tree hold the same."""
    paths: tuple[str, ...]

    @property
    def short(self) -> str:
        return self.id[:8]


@dataclass(frozen=True, slots=True)
class Entry:
    """One regular file in a snapshot."""

    path: str
    size: int
    written: datetime


@dataclass(frozen=True, slots=True)
class Dump:
    """A file, or the folder of a dump in directory format with the files in it."""

    path: str
    files: tuple[Entry, ...]
    folder: bool
    manifest: Entry | None = None

    @property
    def size(self) -> int:
        return sum(each.size for each in self.files)

    @property
    def written(self) -> datetime:
        return max(each.written for each in self.files)


def snapshots_in(text: bytes) -> list[Snapshot]:
    """Newest first. Raises ValueError where it is not what restic prints."""
    try:
        found = json.loads(text or b"[]") or []
        listed = [
            Snapshot(
                id=_hexadecimal(one["id"]),
                time=moment(one["time"]),
                tree=str(one["tree"]),
                paths=tuple(map(str, one.get("paths") or ())),
            )
            for one in found
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"restic's list of snapshots lacks {error}") from None
    return sorted(listed, key=lambda one: (one.time, one.id), reverse=True)


def _hexadecimal(id: object) -> str:
    """It becomes an argument, so that it must be one."""
    if not isinstance(id, str) or len(id) != 64 or set(id) - set("0123456789abcdef"):
        raise ValueError("restic names a snapshot by something else than 64 hexadecimal digits")
    return id


def moment(text: str) -> datetime:
    """A time as Go writes it; one that no clock can show is the first that one can."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Folder:
    """A folder that is being walked."""

    path: str
    first: int
    """How many dumps had been found before it."""
    hidden: bool = False
    files: dict[str, Entry] = field(default_factory=dict)
    folders: list[Dump] = field(default_factory=list)
    """Dumps in directory format in it, whose manifests lie beside them."""

    def holds(self, path: str) -> bool:
        return path.startswith(self.path.rstrip("/") + "/")


class Listing:
    """Takes what `restic ls --json SNAPSHOT` prints, piece by piece."""

    def __init__(self, targets: Sequence[str] = (), wanted: str | None = None) -> None:
        """`targets` are the snapshot's own paths, `wanted` a pattern for the paths of dumps."""
        self.dumps: list[Dump] = []
        self.left: list[str] = []
        """What could not be seen, in words."""
        self.seen = False
        """False where the snapshot is not there: restic ends well then, too."""
        self._targets = targets
        self._wanted = wanted
        self._rest = b""
        self._open = [_Folder("/", 0)]

    def take(self, chunk: bytes) -> None:
        """Raises ValueError for what restic does not print."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)

    def end(self) -> list[Dump]:
        """Raises ValueError where it ends in the middle of a line."""
        self._line(self._rest)
        while self._open:
            self._close(self._open.pop())
        return self.dumps

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        node = json.loads(line)
        try:
            if node["struct_type"] == "snapshot":
                self.seen = True
            elif node["struct_type"] == "node" and node["type"] in ("dir", "file"):
                self._node(node["path"], node["type"] == "dir", node)
        except (KeyError, TypeError) as error:
            raise ValueError(f"restic's list of files lacks {error}") from None

    def _node(self, path: str, is_folder: bool, node: dict[str, str | int]) -> None:
        if not path.startswith("/"):
            raise ValueError("restic's list of files holds a path that does not begin with /")
        while not self._open[-1].holds(path):
            self._close(self._open.pop())
        inside = self._open[-1]
        name = path.rpartition("/")[2]
        if is_folder:
            hidden = inside.hidden or (self._left_alone(name) and not self._is_target(path))
            self._open.append(_Folder(path, len(self.dumps), hidden))
        elif "\ufffd" in path:  # what restic writes in the place of bytes that are no UTF-8
            self.left.append(f"{plain(path, 300)}: its name is not UTF-8")
        elif not inside.hidden:
            size, written = int(node.get("size", 0)), moment(str(node["mtime"]))
            inside.files[name] = Entry(path, size, written)

    @staticmethod
    def _left_alone(name: str) -> bool:
        """As in a directory: what is still being written under a dotted name is no backup yet."""
        return name.startswith(".") or name == "lost+found"

    def _is_target(self, path: str) -> bool:
        """Whether somebody asked for this folder, or for one below it, by name."""
        return any(one.startswith(f"{path}/") or one.endswith(path) for one in self._targets)

    def _close(self, folder: _Folder) -> None:
        if TOC in folder.files and not (self._wanted and not self._matches(folder.path)):
            del self.dumps[folder.first :]
            files = tuple(each for _, each in sorted(folder.files.items()))
            dump = Dump(folder.path, files, folder=True)
            if self._open:
                self._open[-1].folders.append(dump)
            else:
                self.dumps.append(dump)
            return
        for dump in folder.folders:
            beside = folder.files.get(dump.path.rpartition("/")[2] + MANIFEST)
            self.dumps.append(Dump(dump.path, dump.files, True, beside))
        for name, entry in sorted(folder.files.items()):
            beside = folder.files.get(name + MANIFEST)
            if is_manifest(name) or not self._is_wanted(name, entry.path, beside):
                continue
            self.dumps.append(Dump(entry.path, (entry,), False, beside))

    def _is_wanted(self, name: str, path: str, beside: Entry | None) -> bool:
        if self._wanted:
            return self._matches(path)
        return is_dump(name) or beside is not None

    def _matches(self, path: str) -> bool:
        return PurePosixPath(path).match(self._wanted or "*")


def when(dump: Dump, snapshot: Snapshot, manifest: Manifest | None) -> Taken:
    """When a dump was taken, and whose clock says so.

    A snapshot's time is its start. Of what was piped into restic, whose file gets that very time, it is
    the best there is beside a manifest. A file was there before: it is dated like one in a directory, by
    its manifest, its name or its last write, for a snapshot of today may hold a dump of last week.
    """
    began = show_time(snapshot.time)
    if manifest is None and dump.written == snapshot.time and snapshot.paths == (dump.path,):
        note = (
            "the time at which its snapshot began: what was piped into restic was made about then"
        )
        named = time_in(dump.path)
        if named is not None and abs(snapshot.time - named.at) > _DAY:
            note += f"; its name says {show_time(named.at)}"
        return Taken(snapshot.time, "tool", note)
    found = taken(dump.path, dump.written, manifest, "file")
    notes = [found.note, f"its snapshot began {began}"]
    if dump.written > snapshot.time:
        notes.append("it was written after that, so that it may be cut")
    return Taken(found.at, found.by, "; ".join(filter(None, notes)))


def newest_first(pairs: Iterable[tuple[Snapshot, Dump]]) -> list[tuple[Snapshot, Dump]]:
    return sorted(pairs, key=lambda one: (one[1].written, one[0].time, one[1].path), reverse=True)
