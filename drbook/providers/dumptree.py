"""Which files of a tree are dumps, with their manifests, and when each was taken. Pure.

A tool lists a tree folder by folder, each to its end before the next one, so that of a large file system
no more is held than the folders on the way down to where it is; `dumps_among` brings other lists into
that order first.
"""

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
    """What a tool put away at one time: a snapshot of restic's, an archive of Borg's."""

    id: str
    time: datetime
    """When the tool began to read, by the clock of the machine that it ran on."""
    tree: str
    """Snapshots of one tree hold the same."""
    paths: tuple[str, ...]
    name: str = ""
    """What the tool calls it; empty where only its id tells it."""

    @property
    def short(self) -> str:
        return plain(self.name, 100) or self.id[:8]


@dataclass(frozen=True, slots=True)
class Entry:
    """One regular file."""

    path: str
    size: int
    written: datetime
    sha256: str | None = None
    """The place's own digest of it, made when it was stored (hex)."""
    healthy: bool = True
    """False where the tool says that pieces of it are lost."""


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


def moment(text: str) -> datetime:
    """An ISO time, in UTC where it names no zone; one that no clock can show is the first that one can."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
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
        return self.path == "." or path.startswith(self.path.rstrip("/") + "/")


class Tree:
    """Takes the folders and files of a tree, each folder before what is in it."""

    def __init__(
        self, targets: Sequence[str] = (), wanted: str | None = None, root: str = "/"
    ) -> None:
        """`targets` are the folders that somebody asked for by name, `wanted` a pattern for the paths of
        dumps, `root` is `.` where paths begin without a slash."""
        self.dumps: list[Dump] = []
        self._targets = targets
        self._wanted = wanted
        self._open = [_Folder(root, 0)]

    def end(self) -> list[Dump]:
        while self._open:
            self._close(self._open.pop())
        return self.dumps

    def _inside(self, path: str) -> _Folder:
        while not self._open[-1].holds(path):
            self._close(self._open.pop())
        return self._open[-1]

    def folder(self, path: str) -> None:
        inside = self._inside(path)
        name = path.rpartition("/")[2]
        hidden = inside.hidden or (_left_alone(name) and not self._is_target(path))
        self._open.append(_Folder(path, len(self.dumps), hidden))

    def file(self, entry: Entry) -> None:
        inside = self._inside(entry.path)
        if not inside.hidden:
            inside.files[entry.path.rpartition("/")[2]] = entry

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


def _left_alone(name: str) -> bool:
    """As in a directory: what is still being written under a dotted name is no backup yet."""
    return name.startswith(".") or name == "lost+found"


def dumps_among(entries: Iterable[Entry], wanted: str | None = None) -> list[Dump]:
    """The dumps among files that are listed in any order, with paths that begin without a slash."""
    tree = Tree(wanted=wanted, root=".")
    known: set[str] = set()
    for entry in sorted(entries, key=lambda one: one.path.split("/")):
        above = [str(one) for one in PurePosixPath(entry.path).parents][-2::-1]
        for folder in above:
            if folder not in known:
                known.add(folder)
                tree.folder(folder)
        tree.file(entry)
    return tree.end()


def when(
    dump: Dump, snapshot: Snapshot, manifest: Manifest | None, *, piped: bool, kept: str, tool: str
) -> Taken:
    """When a dump was taken, and whose clock says so. `kept` is the tool's word for a snapshot.

    A snapshot's time is its start. Of what was piped into the tool it is the best there is beside a
    manifest. A file was there before: it is dated like one in a directory, by its manifest, its name or
    its last write, for a snapshot of today may hold a dump of last week.
    """
    began = show_time(snapshot.time)
    if manifest is None and piped:
        note = f"the time at which its {kept} began: what was piped into {tool} was made about then"
        named = time_in(dump.path)
        if named is not None and abs(snapshot.time - named.at) > _DAY:
            note += f"; its name says {show_time(named.at)}"
        return Taken(snapshot.time, "tool", note)
    found = taken(dump.path, dump.written, manifest, "file")
    notes = [found.note, f"its {kept} began {began}"]
    if dump.written > snapshot.time:
        notes.append("it was written after that, so that it may be cut")
    return Taken(found.at, found.by, "; ".join(filter(None, notes)))


def newest_first(pairs: Iterable[tuple[Snapshot, Dump]]) -> list[tuple[Snapshot, Dump]]:
    return sorted(pairs, key=lambda one: (one[1].written, one[0].time, one[1].path), reverse=True)
