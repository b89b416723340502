"""A base backup in archives: pg_basebackup's tar format, one for the data and one for each tablespace."""

import gzip
import hashlib
import json
import os
import struct
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from drbook.core.basebackups import Contents, Label
from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Working
from drbook.core.values import plain
from drbook.providers.baseverify import verify
from drbook.providers.walfolder import WalFolder

TAR_FORMS = ("", ".gz", ".zst", ".lz4")
_MANIFEST = "backup_manifest"
_PIECE = 1024 * 1024
_MAGIC = {0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18}
"""How each version's pages of WAL begin (PostgreSQL, `XLOG_PAGE_MAGIC` in `xlog_internal.h`)."""
_BROKEN = (tarfile.TarError, OSError, EOFError, zstandard.ZstdError)


class Unpackable(Exception):
    """Nothing here unpacks it."""


@dataclass(frozen=True, slots=True)
class Tars:
    folder: Path

    def _archives(self) -> Mapping[str, Path]:
        """`base`, `pg_wal` and the numbers of tablespaces → their files."""
        found = {}
        for path in sorted(self.folder.iterdir()):
            stem, _, ending = path.name.partition(".tar")
            if ending in TAR_FORMS and (stem in ("base", "pg_wal") or stem.isdecimal()):
                found[stem] = path
        return found

    def size(self) -> int:
        return sum(path.stat().st_size for path in self._archives().values())

    def newest(self) -> Path:
        return max(self._archives().values(), key=lambda path: path.stat().st_mtime)

    def label(self) -> str:
        """It is among the first in the archive. Raises OSError, EOFError."""
        try:
            with _opened(self._archives()["base"]) as tar:
                for number, member in enumerate(tar):
                    if member.name == "backup_label":
                        return _read(tar, member).decode("utf-8", "replace")
                    if number > 20:
                        break
        except (tarfile.TarError, zstandard.ZstdError, Unpackable) as error:
            raise OSError(0, str(error)) from None
        raise FileNotFoundError(0, "no backup_label")

    def major(self, wal: WalFolder | None, label: Label | None) -> int:
        """By how its WAL begins; 0 where nobody says."""
        first = b""
        try:
            with _opened(self._archives()["pg_wal"]) as tar:
                for member in tar:
                    if member.isreg():
                        first = _read(tar, member, 2)
                        break
        except (*_BROKEN, KeyError, Unpackable):
            first = b""
        if not first and wal is not None and label is not None:
            first = wal.first_bytes(label.start_segment, 2)
        return _MAGIC.get(struct.unpack("=H", first[:2])[0], 0) if len(first) >= 2 else 0

    def check(self, contents: Contents | None, cancel: Cancel) -> Working[ByteFact]:
        """Read to the end, and each file held to what the manifest says. Its usual checksum, CRC-32C, is
        compared when it is laid down."""
        try:
            expected = self._expected() if contents is not None else {}
            seen, wrong = yield from self._compare(expected, cancel)
        except Unpackable as error:
            return ByteFact(state="unknown", reason=str(error))
        except _BROKEN as error:
            reason = f"its archives cannot be read to the end: {plain(str(error), 200)}"
            return ByteFact(state="damaged", reason=reason)
        missing = [name for name in expected if name not in seen]
        if wrong or missing:
            first = wrong[0] if wrong else f"{plain(missing[0], 100)} is missing"
            return ByteFact(state="damaged", reason=f"it is not what its manifest says: {first}")
        if contents is None:
            reason = f"{len(seen)} files read to the end; no backup_manifest says what they hold"
            return ByteFact(state="structure", reason=reason)
        if all(each.digest for each in expected.values()):
            return ByteFact(state="intact", reason="every file is as its backup_manifest says")
        reason = (
            f"{len(seen)} files read to the end, of the sizes in its manifest; content unproven"
        )
        return ByteFact(state="structure", reason=reason)

    def _compare(
        self, expected: "Mapping[str, _File]", cancel: Cancel
    ) -> Working[tuple[set[str], list[str]]]:
        seen, wrong, done = set[str](), list[str](), 0
        for stem, path in self._archives().items():
            with _whole(path) as tar:
                for member in tar:
                    if not member.isreg():
                        continue
                    name = _place(stem, member.name)
                    seen.add(name)
                    known = expected.get(name)
                    digest = known.hasher() if known and known.digest else None
                    for piece in _pieces(tar, member, cancel):
                        done += len(piece)
                        if digest is not None:
                            digest.update(piece)
                    yield Progress("read archives", done, None, "bytes", plain(member.name, 100))
                    if known and known.size != member.size:
                        wrong.append(
                            f"{plain(name, 100)} has {member.size} bytes, not {known.size}"
                        )
                    elif known and digest is not None and digest.hexdigest() != known.digest:
                        wrong.append(f"{plain(name, 100)} has another checksum")
        return seen, wrong

    def _expected(self) -> "Mapping[str, _File]":
        found = json.loads((self.folder / _MANIFEST).read_bytes())
        files = {}
        for each in found["Files"]:
            name = each.get("Path") or bytes.fromhex(each["Encoded-Path"]).decode(
                "utf-8", "replace"
            )
            algorithm = str(each.get("Checksum-Algorithm", "")).lower()
            known = algorithm in ("sha224", "sha256", "sha384", "sha512")
            digest = str(each["Checksum"]).lower() if known else ""
            files[name] = _File(int(each["Size"]), digest, algorithm)
        return files

    def lay_down(self, data: Path, tablespaces: Path, cancel: Cancel) -> Working[None]:
        """Unpacked, and compared with its manifest. Raises StepFailed."""
        archives = self._archives()
        try:
            for stem, path in archives.items():
                into = data
                if stem == "pg_wal":
                    into = data / "pg_wal"
                elif stem.isdecimal():
                    into = tablespaces / stem
                    into.mkdir(mode=0o700)
                yield from _unpack(path, into, cancel)
        except Unpackable as error:
            raise _not_unpacked(self.folder, str(error)) from None
        except _BROKEN as error:
            raise _not_unpacked(self.folder, plain(str(error), 200)) from None
        spaces = [stem for stem in archives if stem.isdecimal()]
        for number in spaces:
            (data / "pg_tblspc").mkdir(exist_ok=True)
            (data / "pg_tblspc" / number).symlink_to(tablespaces / number)
        if spaces or (data / "tablespace_map").exists():
            map_tablespaces(data, tablespaces)
        if (self.folder / _MANIFEST).is_file():
            yield from self._proven(data, cancel)

    def _proven(self, data: Path, cancel: Cancel) -> Working[None]:
        """It is verified as files, for which its manifest lies among them for a moment."""
        major = int((data / "PG_VERSION").read_text(encoding="ascii").strip())
        beside = data / _MANIFEST
        beside.write_bytes((self.folder / _MANIFEST).read_bytes())
        # Where tablespaces lie was written anew.
        fact = yield from verify(data, major, cancel, ignore=("tablespace_map",))
        beside.unlink()
        if fact.state == "damaged":
            raise _not_unpacked(self.folder, fact.reason)


def map_tablespaces(data: Path, tablespaces: Path) -> None:
    """Where a recovery will look for them: each by its number in `tablespaces`."""
    numbers = sorted(each.name for each in tablespaces.iterdir())
    lines = "".join(f"{number} {tablespaces / number}\n" for number in numbers)
    (data / "tablespace_map").write_text(lines, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _File:
    size: int
    digest: str
    algorithm: str

    def hasher(self) -> Any:
        return hashlib.new(self.algorithm)


def _place(stem: str, name: str) -> str:
    name = name.removeprefix("./")
    if stem == "pg_wal":
        return f"pg_wal/{name}"
    return f"pg_tblspc/{stem}/{name}" if stem.isdecimal() else name


@contextmanager
def _whole(path: Path) -> Iterator[tarfile.TarFile]:
    """The same, read on to the end behind the last member: what it is packed by ends with a checksum of all."""
    with _opened(path) as tar:
        yield tar
        rest: Any = tar.fileobj
        while rest.read(_PIECE):
            pass


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """Raises Unpackable, and what its packing raises."""
    if path.suffix == ".lz4":
        raise Unpackable(f"{plain(path.name, 100)} is packed by lz4, which nothing here unpacks")
    with path.open("rb") as raw:
        stream: Any = raw
        if path.suffix == ".gz":
            stream = gzip.GzipFile(fileobj=raw)
        elif path.suffix == ".zst":
            stream = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            yield tar


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo, cancel: Cancel) -> Iterator[bytes]:
    stream = tar.extractfile(member)
    assert stream is not None
    while piece := stream.read(_PIECE):
        cancel.raise_if_requested()
        yield piece


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, count: int = 64 * 1024) -> bytes:
    stream = tar.extractfile(member)
    return stream.read(count) if stream is not None else b""


def _unpack(path: Path, into: Path, cancel: Cancel) -> Working[None]:
    """Files and folders alone, and none outside of `into`: links of tablespaces lead to where they lay."""
    done = 0
    with _opened(path) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if ".." in parts or Path(member.name).is_absolute():
                raise tarfile.TarError(f"{plain(member.name, 100)} leads out of the target")
            place = into / member.name
            if member.isdir():
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif member.isreg():
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(handle, "wb") as stream:
                    for piece in _pieces(tar, member, cancel):
                        stream.write(piece)
                        done += len(piece)
                yield Progress("lay down", done, None, "bytes", plain(member.name, 100))
            elif not (member.issym() and parts[0] == "pg_tblspc"):
                raise tarfile.TarError(f"{plain(member.name, 100)} is neither a file nor a folder")


def _not_unpacked(folder: Path, why: str) -> StepFailed:
    return StepFailed(
        f"{plain(str(folder), 300)} could not be laid down: {why}.",
        means="Nothing was started. The target's folder is not used again.",
        next="Choose another copy, and keep this one as it is.",
        code="copy-damaged",
    )
