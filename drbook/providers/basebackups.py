"""Reading pg_basebackup's folders: which there are, whether they are whole, and laying them down."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drbook.core.basebackups import Contents, Kin, Label, chain, read_contents, read_label
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Progress, Working
from drbook.core.values import plain, show_time
from drbook.providers.basetar import TAR_FORMS, Tars, map_tablespaces
from drbook.providers.basetree import Tree
from drbook.providers.baseverify import combined
from drbook.providers.dirsource import directory_facts
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.private import read
from drbook.providers.sources.base import Blob, Opening, Place, WalArchive
from drbook.providers.sources.basebackup import BaseBackupSource
from drbook.providers.walfolder import WalFolder

LARGEST_MANIFEST = 512 * 1024 * 1024
"""Bytes; it has a line of some 150 bytes for each file."""
MANIFEST = "backup_manifest"


@dataclass(frozen=True, slots=True)
class Found:
    """One folder, and what it says of itself."""

    folder: Path
    form: Tree | Tars
    label: Label | None
    contents: Contents | None
    system_identifier: str | None
    written: os.stat_result
    """Of what pg_basebackup writes last."""
    why: str = ""
    """What could not be read of it."""


class BaseBackupReader:
    """Implements `PhysicalSource`. Folders are read and never followed out of `path` by links."""

    def __init__(self, config: BaseBackupSource, opening: Opening) -> None:
        self._config = config
        self._cancel = opening.cancel
        self._root = Path(config.path).expanduser()
        self._wal = WalFolder(Path(config.wal).expanduser()) if config.wal else None
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        """Nothing is held open."""

    def survey(self) -> SourceFacts:
        return directory_facts(self._config.id, self._root)

    # --- the list ------------------------------------------------------------------------------

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        left: list[str] = []
        found: list[Found] = []
        for folder in self._folders():
            self._cancel.raise_if_requested()
            yield Progress("list base backups", len(found), None, "copies", plain(folder.name, 100))
            try:
                one = look(folder)
            except OSError as error:
                left.append(f"{plain(str(folder), 300)}: {error.strerror or error}")
                continue
            if one is not None:
                found.append(one)
        rolls_why = ""
        points = []
        for one in found:
            try:
                points.append(self._point(one, found, left))
            except CouldNotVerify as error:
                rolls_why = error.what
                points.append(self._point(one, found, left, rolls_why))
        if rolls_why:
            left.append(rolls_why)
        self.left_out = tuple(left)
        for each in left[:10]:
            yield Output(f"left out: {each}")
        points.sort(key=lambda point: (point.taken_at, point.id), reverse=True)
        return points

    def _folders(self) -> list[Path]:
        try:
            root = self._root.resolve(strict=True)
            with os.scandir(root) as entries:
                return sorted(Path(each.path) for each in entries if _folder(each))
        except (OSError, RuntimeError) as error:
            raise CouldNotVerify(
                f"{plain(str(self._root), 300)} cannot be listed: {plain(str(error), 200)}.",
                means="Recovery points there are unknown; this is not the same as none.",
                next="Check that the disk is mounted here and readable for this user.",
                code="list-failed",
            ) from None

    def _point(
        self, one: Found, all: Sequence[Found], left: list[str], no_wal: str = ""
    ) -> RecoveryPoint:
        name = one.folder.name
        label = one.label
        parents = chain(_kin(one), [_kin(each) for each in all]) if label else ()
        notes = [one.why] if one.why else []
        if label and label.began:
            notes.append(f"it began at {show_time(label.began)} by its server's clock")
        if parents is None:
            notes.append("it is incremental, and a copy that it needs is not there")
        rolls, note = None, no_wal
        if self._wal is not None and label is not None and not no_wal:
            reaching = self._wal.rolls(label.start_segment)
            rolls, note = reaching.to, reaching.note
        needed = [each for each in all if each.folder.name in (parents or ())]
        size = sum(each.form.size() for each in (one, *needed))
        at = datetime.fromtimestamp(one.written.st_mtime, UTC)
        return RecoveryPoint(
            source=self._config.id,
            id=name,
            taken_at=at,
            taken_by="file",
            taken_note="; ".join(notes),
            size=size,
            format="physical",
            seen=f"{one.written.st_size} mtime {int(one.written.st_mtime)}",
            location=plain(str(one.folder)),
            domain=self._config.domain,
            needs=parents or (),
            encrypted=False,
            server_version=one.form.major(self._wal, label) * 10000 or None,
            database_bytes=one.contents.bytes
            if one.contents and not (label and label.based_on)
            else None,
            system_identifier=one.system_identifier,
            rolls_to=rolls,
            rolls_note=note,
            wal_from=label.start_segment if label else None,
        )

    # --- one of them ---------------------------------------------------------------------------

    def facts(self, point: RecoveryPoint) -> PointFacts:
        unlocked = LockFact()
        try:
            one = self._found(point)
        except StepFailed as error:
            gone = not (self._root / point.id).is_dir()
            fact = ByteFact(state="unknown", reason=error.what)
            return PointFacts(
                point=point,
                vault=NO_VAULT,
                snapshot=NO_SNAPSHOT,
                lock=unlocked,
                still_there=not gone,
                bytes=fact,
            )
        fact = ByteFact(state="unread", reason="its files are there; their bytes are unread")
        if one.label is None or "needs is not there" in point.taken_note:
            fact = ByteFact(state="damaged", reason=one.why or "a copy that it needs is not there")
        return PointFacts(
            point=point, vault=NO_VAULT, snapshot=NO_SNAPSHOT, lock=unlocked, bytes=fact
        )

    def manifest(self, point: RecoveryPoint) -> None:
        """drbook's own manifest counts rows; pg_basebackup's names files, and is used by `check`."""
        return

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise StepFailed(
            f"{point.location} is a data directory, and is not fetched as a file.",
            means="Nothing was downloaded.",
            next="Restore it with `postgres.restore` into `{kind: cluster}`.",
            code="physical",
        )

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        """Each copy of its chain against its own `backup_manifest`."""
        facts: list[ByteFact] = []
        for id in (*point.needs, point.id):
            one = self._found(point.model_copy(update={"id": id}))
            if one.contents is None and (one.folder / MANIFEST).exists():
                fact = ByteFact(state="damaged", reason=one.why)
            else:
                fact = yield from one.form.check(one.contents, self._cancel)
            if id != point.id:
                reason = f"{plain(id, 100)}, which it needs: {fact.reason}"
                fact = fact.model_copy(update={"reason": reason})
            if fact.state in ("damaged", "unknown"):
                return fact
            facts.append(fact)
        return next((each for each in facts if each.state != "intact"), facts[-1])

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        chained = [
            self._found(point.model_copy(update={"id": id})) for id in (*point.needs, point.id)
        ]
        if len(chained) == 1:
            yield from chained[0].form.lay_down(place.data, place.tablespaces, self._cancel)
        else:
            yield from _combine(chained, place, self._cancel)
        return self._wal

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        return self._wal

    def _found(self, point: RecoveryPoint) -> Found:
        """Raises StepFailed where it is not there any more, or is no base backup."""
        folder = self._root / point.id
        try:
            inside = Path(point.id).name == point.id and point.id not in (".", "..")
            found = look(folder.resolve(strict=True)) if inside else None
        except OSError as error:
            why = error.strerror or str(error)
        else:
            why = "it is no base backup"
            if found is not None:
                return found
        raise StepFailed(
            f"{plain(str(folder), 300)} cannot be read: {plain(why, 200)}.",
            means="Nothing was laid down.",
            next="Look whether it was moved or cleaned away, and keep what is left.",
            code="download",
        )


def look(folder: Path) -> Found | None:
    """What a folder says of itself; None where pg_basebackup did not write it. Raises OSError."""
    form: Tree | Tars
    if (folder / "PG_VERSION").is_file():
        form = Tree(folder)
    elif any((folder / f"base.tar{ending}").is_file() for ending in TAR_FORMS):
        form = Tars(folder)
    else:
        return None
    contents, why = None, ""
    last = folder / MANIFEST
    try:
        contents = read_contents(read(last, LARGEST_MANIFEST))
    except FileNotFoundError:
        why, last = "it has no backup_manifest", form.newest()
    except ValueError as error:
        why = f"its backup_manifest cannot be read: {plain(str(error), 200)}"
    label = None
    try:
        label = read_label(form.label())
    except FileNotFoundError:
        why = "it has no backup_label: it was not finished, or is no backup"
    except (ValueError, OSError, EOFError) as error:
        why = f"its backup_label cannot be read: {plain(str(error), 200)}"
    identifier = contents.system_identifier if contents else None
    if identifier is None and isinstance(form, Tree):
        try:
            identifier = system_identifier_in(folder)
        except OSError:
            why = why or "its global/pg_control cannot be read"
    return Found(folder, form, label, contents, identifier, last.lstat(), why)


def _combine(chained: Sequence[Found], place: Place, cancel: Cancel) -> Working[None]:
    """A chain of copies put together: archives are unpacked for that, files are read where they lie."""
    folders: list[Path] = []
    moved: list[tuple[str, Path]] = []
    for number, one in enumerate(chained):
        form, folder = one.form, one.folder
        if isinstance(form, Tars):
            folder, spaces = place.scratch / f"{number}", place.scratch / f"{number}-tablespaces"
            folder.mkdir(mode=0o700)
            spaces.mkdir(mode=0o700)
            yield from form.lay_down(folder, spaces, cancel)
            if one.contents is not None:
                shutil.copyfile(one.folder / MANIFEST, folder / MANIFEST)
            form = Tree(folder)
        folders.append(folder)
        moved = [(str(at), place.tablespaces / name) for name, at in form.tablespaces().items()]
    yield from combined(
        folders, place.data, moved, chained[-1].form.major(None, chained[-1].label), cancel
    )
    if (place.data / "tablespace_map").exists():
        map_tablespaces(place.data, place.tablespaces)


def _kin(one: Found) -> Kin:
    label = one.label
    return Kin(
        id=one.folder.name,
        system_identifier=one.system_identifier,
        start_lsn=label.start_lsn if label else "",
        based_on=label.based_on if label else None,
    )


def _folder(entry: "os.DirEntry[str]") -> bool:
    """A folder that is still being written under a dotted name is no backup yet."""
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
