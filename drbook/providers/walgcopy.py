"""One backup of WAL-G: read where it lies, laid down, and the WAL behind it.

WAL-G keeps no digests of what it stores, and has nothing that verifies a backup. So each of its archives is
read to its end through decryption and unpacking (`st cat`), which proves structure and no content.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact
from drbook.core.signals import Progress, Signal, Working
from drbook.core.values import plain
from drbook.core.walnames import segment as segment_of
from drbook.providers.barmantar import NotWhole, read_tar
from drbook.providers.basetar import map_tablespaces
from drbook.providers.scratch import Scratch
from drbook.providers.sources.base import Place, Spoilt, Unreachable
from drbook.providers.tool import Failed
from drbook.providers.toolblob import Reading, ToolBlob
from drbook.providers.walfetch import FetchedWal
from drbook.providers.walglist import (
    Kept,
    Sentinel,
    Stored,
    archives_in,
    bare,
    objects_in,
    restore_spec,
    sentinel_in,
)
from drbook.providers.walgprogram import BACKUPS, NoFile, WalG
from drbook.providers.walgreach import Line

_CONTROL = ("global/pg_control", "backup_label")
_SPEC = "tablespaces.json"


def stored(program: WalG, kept: Kept | None, folder: str) -> tuple[Stored, ...]:
    """What lies in a folder of the store. Raises Failed."""
    local = program.folder
    if local is not None and not (local / folder).is_dir():  # asking WAL-G would make it
        return ()
    text = program.printed("st", "ls", *_target(kept), folder).decode("utf-8", "replace")
    try:
        return objects_in(text)
    except ValueError as error:
        why = f"what `wal-g st ls` prints cannot be read: {error}"
        raise Failed(why, "See which version of WAL-G is installed") from None


def _target(kept: Kept | None) -> list[str]:
    """Which of its stores: `st` looks into the first where nobody says more."""
    return [f"--target={kept.storage}"] if kept and kept.storage not in ("", "default") else []


def sentinel_of(program: WalG, kept: Kept) -> Sentinel:
    """Raises Failed where it cannot be had: without it nobody knows where WAL-G would write."""
    path = f"{BACKUPS}/{kept.name}_backup_stop_sentinel.json"
    try:
        return sentinel_in(program.printed("st", "cat", *_target(kept), path))
    except ValueError as error:
        why = f"its sentinel cannot be read: {plain(str(error), 200)}"
        raise Failed(why, "Take another copy") from None


# --- is it whole? --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Witness:
    """What could be read, and what could not: bytes that nothing opens are damaged, or the key is another's.
    Whatever else opened tells the two apart."""

    opened: int = 0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def settled(self) -> bool:
        return bool(self.broken and self.opened)

    def verdict(self) -> ByteFact | None:
        """None where all of it could be read."""
        if not self.broken:
            return None
        if self.opened:
            return ByteFact(state="damaged", reason=self.broken[0])
        reason = (
            "nothing of it can be decrypted and unpacked: its key is not given or is another one's, or all of "
            f"it is damaged ({self.broken[0]})"
        )
        return ByteFact(state="unknown", reason=reason)


def read_copy(program: WalG, backups: Sequence[Kept], own: Sequence[str]) -> Working[ByteFact]:
    """All archives of these backups (the last is the one that is meant, and those that it needs), and its own
    WAL. Raises Failed where it cannot be read to its end."""
    seen = _Witness()
    yield from _read_wal(program, own, seen)
    for kept in backups:
        fact = yield from _read_backup(program, kept, seen)
        if fact is not None:
            return fact
        if seen.settled():
            break
    found = seen.verdict()
    if found is not None:
        return found
    if not own:
        reason = (
            "which WAL it needs is not told, so that nobody knows whether it can become consistent"
        )
        return ByteFact(state="unknown", reason=reason)
    whole = (
        "its archives and its own WAL read to the end; content unproven, for WAL-G keeps no digests"
    )
    return ByteFact(state="structure", reason="; ".join((whole, *dict.fromkeys(seen.notes))))


def _read_wal(program: WalG, own: Sequence[str], seen: _Witness) -> Working[None]:
    with Scratch("wal") as folder:
        for number, name in enumerate(own):
            yield Progress("read its WAL", number, len(own), "files", name)
            into = Path(folder, name)
            try:
                program.fetch_wal(name, into)
            except NoFile:
                why = f"its WAL {name} is listed and not given: it went, or this WAL-G cannot unpack it"
                raise Failed(
                    why, "Look again, and with which compressions WAL-G was built"
                ) from None
            except Failed as error:
                if error.fact is None:
                    raise
                seen.broken.append(f"its WAL {name} cannot be read: {error.why}")
                continue
            if into.stat().st_size != program.segment:
                size = into.stat().st_size
                seen.broken.append(f"its WAL {name} has {size} bytes, not {program.segment}")
            else:
                seen.opened += 1
            into.unlink()


def _read_backup(program: WalG, kept: Kept, seen: _Witness) -> Working[ByteFact | None]:
    """None where nothing more than what was `seen` speaks against it."""
    folder = f"{BACKUPS}/{kept.name}/tar_partitions"
    parts = stored(program, kept, folder)
    lost = _lost(program, kept, {each.name for each in parts}, seen)
    if lost:
        return ByteFact(state="damaged", reason=f"{kept.name} lacks {lost}")
    names: set[str] = set()
    for part in parts:
        yield Progress("read the copy", 0, None, "bytes", plain(part.name, 100))
        if bare(part.name).rpartition(".")[2] != "tar":
            reason = f"{plain(part.name, 100)} is packed in a way that is not read here"
            return ByteFact(state="unknown", reason=reason)
        found = yield from _read_part(program, kept, f"{folder}/{part.name}", seen)
        names |= found
        if seen.settled():
            return None
    if seen.broken:
        return None
    needed = _CONTROL if kept.upon else ("PG_VERSION", *_CONTROL)
    bare_names = {name.removeprefix(".").lstrip("/") for name in names}
    for name in needed:
        if name not in bare_names:
            return ByteFact(state="damaged", reason=f"{kept.name} holds no {name}")
    return None


def _lost(program: WalG, kept: Kept, there: set[str], seen: _Witness) -> str:
    """An archive that belongs to it and is not there; empty where none is known to be lost."""
    if not there:
        return "all of its archives"
    if not any(bare(name) == "pg_control.tar" for name in there):
        return "pg_control.tar, without which it is no backup"
    path = f"{BACKUPS}/{kept.name}/files_metadata.json"
    try:
        wanted = archives_in(program.printed("st", "cat", *_target(kept), path))
    except (Failed, ValueError):
        wanted = None
    if wanted is None:
        seen.notes.append("nothing tells whether these are all of its archives")
        return ""
    return plain(min(wanted - there, default=""), 100)


def _read_part(program: WalG, kept: Kept, path: str, seen: _Witness) -> Working[set[str]]:
    arguments = ("st", "cat", *_target(kept), "--decrypt", "--decompress", path)
    blob = ToolBlob(program, Reading(lambda _: arguments), 0, plain(path, 200), "")
    name = plain(path.rpartition("/")[2], 100)
    said: list[Signal] = []
    try:
        with blob.read(0) as pieces:
            found = read_tar("part.tar", _bytes(pieces, said, program))
    except NotWhole as error:
        seen.broken.append(f"{kept.name}: {name}: {error}")
        return set()
    except Spoilt as error:
        if error.fact.state != "damaged":
            raise Failed(f"{name}: {error.fact.reason}", "Install one that can") from None
        seen.broken.append(f"{kept.name}: {name}: {error.fact.reason}")
        return set()
    except Unreachable as error:
        raise Failed(f"{name}: {error}", "Look at the store and its network") from None
    except StepFailed as error:
        program.cancel.raise_if_requested()
        raise Failed(error.what.rstrip("."), error.next.rstrip(".")) from None
    seen.opened += 1
    yield from said
    return found


def _bytes(pieces: Iterator[bytes | Signal], said: list[Signal], program: WalG) -> Iterator[bytes]:
    for piece in pieces:
        program.cancel.raise_if_requested()
        if isinstance(piece, bytes):
            yield piece
        elif len(said) < 100:
            said.append(piece)


# --- laid down -----------------------------------------------------------------------------------------


def lay_down(program: WalG, kept: Kept, needs: Sequence[str], place: Place) -> Working[None]:
    """By `backup-fetch`, each tablespace into a folder of the place: on its own WAL-G would write it where it
    was, which is production's disk. Raises Failed."""
    program.there()
    sentinel = sentinel_of(program, kept)
    parent = needs[-1] if needs else None
    if sentinel.upon != parent:
        made = plain(sentinel.upon or "nothing", 100)
        raise Failed(
            f"it says that it was made upon {made}, and its name says {parent or 'nothing'}",
            "Take another copy",
        )
    options = []
    try:
        if sentinel.tablespaces:
            spaces = {name: place.tablespaces / name for name in sentinel.tablespaces}
            for each in spaces.values():
                each.mkdir(mode=0o700)
            text = restore_spec(str(place.data), {name: str(at) for name, at in spaces.items()})
            (place.scratch / _SPEC).write_text(text, encoding="utf-8")
            options = ["--restore-spec", str(place.scratch / _SPEC)]
        yield from program.work("backup-fetch", *options, str(place.data), kept.name)
        if (place.data / "tablespace_map").exists():
            map_tablespaces(place.data, place.tablespaces)
        (place.scratch / _SPEC).unlink(missing_ok=True)
    except OSError as error:
        why = f"the place cannot be written: {error.strerror or error}"
        raise Failed(why, "Make room there") from None


# --- its WAL -------------------------------------------------------------------------------------------


def wal_of(program: WalG, lines: Sequence[Line], segment: int) -> FetchedWal:
    """What was listed and is not given any more is no end of the WAL: WAL-G calls a folder that is gone an archive
    without that file."""

    def fetch(name: str, into: Path) -> bool:
        try:
            program.fetch_wal(name, into)
        except NoFile:
            found = segment_of(name, segment)
            if found is not None and any(
                each.id == found.timeline and each.holds(found.number) for each in lines
            ):
                why = "WAL-G listed it a while ago, and does not give it now"
                raise Failed(why, "Look at the store, and whether its disk is there") from None
            return False
        return True

    return FetchedWal(fetch, segment)
