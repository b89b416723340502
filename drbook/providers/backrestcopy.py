"""Laying down one backup of pgBackRest, and getting single files of its WAL.

`restore` checks every file against the checksum in the backup's manifest as it writes it. It is told
where each tablespace goes, to follow no link out of the data directory, and to recover nothing. What
comes out of the archive is held against the digest that its name carries: a server takes a damaged
record for the end of the WAL.
"""

import bz2
import gzip
import hashlib
import os
import re
import shutil
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from drbook.core.errors import StepFailed, UsageError
from drbook.core.signals import Milestone, Progress, Signal, Working, finish
from drbook.core.values import counted, plain
from drbook.providers.backrestlist import Archive, Backup, details_in
from drbook.providers.backrestprogram import ANSWER, Failed, PgBackRest
from drbook.providers.scratch import Scratch
from drbook.providers.sources.base import WAL_DAMAGED, Place

PROCESSES = 8
"""At most; pgBackRest itself takes one where nobody says more."""
NOT_THERE = 1
"""archive-get's exit code for a file that the archive does not have."""

_SHARE = re.compile(r"restore file (?P<file>.+) \(.*?(?P<share>\d+\.\d+)%\)")
_WAL = re.compile(r"[0-9A-F]{24}|[0-9A-F]{8}\.history")


class ArchivedWal:
    """Implements `WalArchive`."""

    def __init__(self, program: PgBackRest, archive: Archive, control: Path) -> None:
        """`control` is the copy's `pg_control`, by which pgBackRest knows whose WAL is meant. Raises OSError."""
        self._program = program
        self._archive = archive
        self._own = Scratch("wal")
        (Path(self._own.name) / "global").mkdir(mode=0o700)
        shutil.copyfile(control, Path(self._own.name) / "global" / "pg_control")

    def close(self) -> None:
        self._own.cleanup()

    def get(self, name: str, into: Path) -> bool:
        """See `WalArchive`. Raises UsageError for what is no name of a file of WAL, StepFailed."""
        if not _WAL.fullmatch(name):
            raise UsageError(f"{plain(name, 60)!r} is no file of a WAL archive.", code="wal-name")
        try:
            argv = self._program.argv(
                "archive-get",
                "--log-level-stderr=warn",
                f"--pg1-path={self._own.name}",
                name,
                str(into),
                own=Path(self._own.name),  # it may outlive the source that handed it out
            )
            done = finish(self._program.working(argv, timeout=ANSWER, good=(0, NOT_THERE)))
        except Failed as error:
            into.unlink(missing_ok=True)  # it leaves what it had written
            if name not in self._archive.segments:
                raise _no_wal(name, error.why, f"{error.advice}.") from None
            # Its words do not tell a damaged file from a place that does not answer: the bytes do.
            return ReadWal(self._program, "", self._archive).get(name, into)
        if done.exit_code == NOT_THERE:
            return False
        stored = self._archive.segments.get(name)
        if stored is not None and _sha1(into) != stored.sha1:
            into.unlink()
            raise _no_wal(name, _OTHER_BYTES, _BEFORE, code=WAL_DAMAGED)
        return True


class ReadWal:
    """Implements `WalArchive` where no copy is laid down: `archive-get` wants one. pgBackRest gives a file of its
    archive decrypted and packed; what is packed by lz4 cannot be unpacked here."""

    def __init__(self, program: PgBackRest, folder: str, archive: Archive) -> None:
        """`folder` is the cluster's, below the stanza's archive: `15-1`."""
        self._program = program
        self._folder = folder
        self._archive = archive

    def close(self) -> None:
        """Nothing is held open."""

    def get(self, name: str, into: Path) -> bool:
        """See `WalArchive`. Raises UsageError for what is no name of a file of WAL, StepFailed."""
        if not _WAL.fullmatch(name):
            raise UsageError(f"{plain(name, 60)!r} is no file of a WAL archive.", code="wal-name")
        stored = self._archive.segments.get(name)
        file = stored.file if stored is not None else ""
        if name.endswith(".history") and int(name[:8], 16) in self._archive.histories:
            file = f"{self._folder}/{name}"
        if not file:
            return False
        if name in self._archive.twice:
            raise _no_wal(name, "two different files of it lie there", "Look into the repository.")
        path = f"archive/{self._program.stanza}/{file}"
        try:
            self._fetch(path, into)
        except Failed as error:
            into.unlink(missing_ok=True)
            raise _no_wal(name, error.why, f"{error.advice}.") from None
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            into.unlink(missing_ok=True)
            why = f"it cannot be unpacked: {plain(str(error), 200)}"
            raise _no_wal(name, why, _BEFORE, code=WAL_DAMAGED) from None
        if stored is not None and _sha1(into) != stored.sha1:
            into.unlink()
            raise _no_wal(name, _OTHER_BYTES, _BEFORE, code=WAL_DAMAGED)
        return True

    def _fetch(self, path: str, into: Path) -> None:
        unpacked = _UNPACK.get(Path(path).suffix)
        if unpacked is None:
            why = f"what is packed as {plain(Path(path).suffix, 10)} cannot be unpacked here"
            raise Failed(why, "Restore to a time instead of reading the WAL")
        packed = into.with_name(into.name + ".packed")
        try:
            with packed.open("xb") as stream:

                def take(chunk: bytes) -> None:
                    stream.write(chunk)

                argv = self._program.argv("repo-get", "--log-level-stderr=warn", path)
                finish(self._program.working(argv, take=take, timeout=ANSWER))
            with unpacked(packed) as source, into.open("xb") as target:
                shutil.copyfileobj(source, target, 1024 * 1024)
        finally:
            packed.unlink(missing_ok=True)


_UNPACK: dict[str, Callable[[Path], Any]] = {
    "": lambda path: path.open("rb"),
    ".history": lambda path: path.open("rb"),
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".zst": zstandard.open,
}


_OTHER_BYTES = "its bytes are others than when it was archived"
_BEFORE = "Recover to a moment before it, or take a copy that was taken after it."


def _no_wal(name: str, why: str, advice: str, code: str = "wal") -> StepFailed:
    return StepFailed(
        f"The WAL file {name} cannot be had from the archive: {why}.",
        means="This is not the end of the WAL: what is in it and after it is not recovered.",
        next=advice,
        code=code,
    )


def _sha1(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha1").hexdigest()
    except OSError as error:
        raise _no_wal(path.name, error.strerror or str(error), "Look at this disk.") from None


def lay_down(
    program: PgBackRest, backup: Backup, archive: Archive, place: Place
) -> Working[ArchivedWal]:
    """Write it into the place. Raises Failed, StepFailed, Cancelled."""
    owner = os.stat(place.data)
    spaces, links = yield from _details(program, backup)
    argv = program.argv(
        "restore",
        "--log-level-stderr=detail",
        f"--pg1-path={place.data}",
        f"--set={backup.label}",
        "--type=none",
        "--archive-mode=preserve",
        "--no-delta",
        "--no-link-all",
        "--reset-link-map",
        "--reset-recovery-option",
        "--reset-db-include",
        "--reset-db-exclude",
        f"--tablespace-map-all={place.tablespaces}",
        *(
            [f"--tablespace-map={each}={place.tablespaces / str(each)}" for each in spaces]
            or ["--reset-tablespace-map"]
        ),
        f"--process-max={min(os.cpu_count() or 1, PROCESSES)}",
    )
    total = backup.laid_down

    def listen(_: str, line: str) -> Signal | None:
        match = _SHARE.search(line)
        if match is None:
            return None
        file = plain(match["file"].removeprefix(f"{place.data}/"), 200)
        return Progress("lay down", int(total * float(match["share"]) / 100), total, "bytes", file)

    yield from program.working(argv, on_line=listen)
    try:
        _put_in_order(place, owner)
        if links:
            yield Milestone(
                f"{counted(len(links), 'link')} out of the data directory became part of it: "
                f"{plain(', '.join(links), 300)}"
            )
        return ArchivedWal(program, archive, place.data / "global" / "pg_control")
    except OSError as error:
        raise Failed(
            f"{plain(str(error.filename or place.data), 200)}: {error.strerror or error}",
            "Look at the disk and its free space",
        ) from None


def _details(program: PgBackRest, backup: Backup) -> Working[tuple[list[int], tuple[str, ...]]]:
    """The oids of its tablespaces, and its links. Raises Failed."""
    yield Progress("lay down", 0, backup.laid_down, "bytes", "its list of files")
    try:
        spaces, links = details_in(
            program.ask("info", f"--set={backup.label}", "--output=json", timeout=ANSWER)
        )
    except ValueError as error:
        raise Failed(
            f"what pgBackRest says of it cannot be read: {plain(str(error), 200)}",
            "See which version of pgbackrest is installed",
        ) from None
    return [each.oid for each in spaces], links


def _put_in_order(place: Place, owner: os.stat_result) -> None:
    """As root, pgBackRest gives the files to whom they once belonged: they become the place's owner's. Its
    own wish to recover goes, for that is said by who starts the server. Raises OSError, and Failed where
    a link leads out of the place."""
    for name in ("recovery.signal", "standby.signal"):
        (place.data / name).unlink(missing_ok=True)
    spaces = os.path.realpath(place.tablespaces)
    for top in (place.data, place.tablespaces):
        if os.geteuid() == 0:
            os.chown(top, owner.st_uid, owner.st_gid)
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                path = Path(folder, name)
                found = path.lstat()
                if stat.S_ISLNK(found.st_mode):
                    _stays(path, place, spaces)
                if os.geteuid() == 0 and (found.st_uid, found.st_gid) != (
                    owner.st_uid,
                    owner.st_gid,
                ):
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _stays(link: Path, place: Place, spaces: str) -> None:
    leads = os.path.realpath(link)
    if link.parent != place.data / "pg_tblspc" or Path(leads).parent != Path(spaces):
        raise Failed(
            f"its link {plain(str(link), 200)} leads to {plain(leads, 200)}, out of the place",
            "Do not start it; restore it by hand, where you can see what it touches",
        )
