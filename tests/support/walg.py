"""A store as WAL-G would have left it, made of real base backups and real WAL, and a stand-in for WAL-G
(`walgstandin.py`) that reads it."""

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drbook.core.points import RecoveryPoint
from drbook.providers.cancel import CancelToken
from drbook.providers.pgidentity import system_identifier_in
from drbook.providers.pgtools import PgTools
from drbook.providers.secrets import reader
from drbook.providers.sources.base import Opening
from drbook.providers.sources.walg import WalGSource
from drbook.providers.walgsource import WalGReader
from support.physical import Archiving, archiving
from support.walgstandin import BACKUPS, SENTINEL, WAL, seal

KEY = "a key of thirty-two characters 7"
UTILITY = ("pg_control", "backup_label", "tablespace_map")
"""What every backup holds, a delta too."""
ENVIRONMENT = {"WORD": KEY}


def program(folder: Path, script: str = "") -> Path:
    """A folder with a program that is called wal-g: the stand-in, or this script for sh."""
    folder.mkdir(parents=True)
    standin = Path(__file__).with_name("walgstandin.py")
    runs = f'exec {sys.executable} -I {standin} "$@"'
    made = folder / "wal-g"
    made.write_text(f"#!/bin/sh\n{script or runs}\n")
    made.chmod(0o755)
    return folder


@dataclass(frozen=True)
class Store:
    """A folder that WAL-G's programs would read."""

    root: Path

    def source(self, **more: object) -> WalGSource:
        fields = {
            "id": "wal-g",
            "settings": {"WALG_FILE_PREFIX": str(self.root)},
            "environment": {"WALG_LIBSODIUM_KEY": "env:WORD"},
        }
        return WalGSource.model_validate(fields | more)

    def open(self, key: str = KEY, **more: object) -> WalGReader:
        found = self.source(**more).open(Opening(reader({"WORD": key}), CancelToken()))
        assert isinstance(found, WalGReader)
        return found

    def copy(self, folder: Path) -> "Store":
        """The same elsewhere; its files are shared until they are replaced."""
        subprocess.run(["cp", "-al", str(self.root), str(folder)], check=True)
        return Store(folder)

    def wal(self, name: str) -> Path:
        return self.root / WAL / f"{name}.zst"

    def sentinel(self, name: str) -> Path:
        return self.root / BACKUPS / f"{name}{SENTINEL}"

    def parts(self, name: str) -> list[Path]:
        """The largest first."""
        found = (self.root / BACKUPS / name / "tar_partitions").iterdir()
        return sorted(found, key=lambda path: -path.stat().st_size)

    def file(self, name: str, file: str) -> Path:
        return self.root / BACKUPS / name / file


def replaced(path: Path, data: bytes) -> None:
    """Other bytes under a name that other stores share; its time stays."""
    at = path.stat().st_mtime
    path.unlink()
    path.write_bytes(data)
    os.utime(path, (at, at))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    replaced(path, bytes(data))


@dataclass(frozen=True)
class World:
    """What was done on the server whose backups the store has: rows 1 to 3, a full backup, 4, a delta, 5, and
    then all rows are deleted."""

    store: Store
    tools: PgTools
    full: str
    delta: str
    before_delete: datetime
    fast: Path
    """Where a tablespace was on the server."""
    system: str
    last: str
    """The last segment of the archive."""


def a_world(tools: PgTools, folder: Path) -> World:
    passable = stat.S_IXOTH | stat.S_IXGRP
    for each in (
        folder,
        *folder.parents[:1],
    ):  # the parent may be the system's own, and is passable then
        if (mode := each.stat().st_mode) & passable != passable:
            each.chmod(mode | passable)
    fast = folder / "fast"
    fast.mkdir()
    fast.chmod(0o777)
    server = archiving(tools, folder)
    store = Store(folder / "store")
    try:
        server.execute(f"CREATE TABLESPACE fast LOCATION '{fast}'")
        server.execute("CREATE TABLE notes (id int) TABLESPACE fast")
        server.execute("INSERT INTO notes SELECT generate_series(1, 50)")
        server.execute("INSERT INTO bookings SELECT generate_series(1, 3)")
        full = _pushed(server, store, folder / "one")
        server.execute("INSERT INTO bookings VALUES (4)")
        delta = _pushed(server, store, folder / "two", folder / "one", full)
        server.execute("INSERT INTO bookings VALUES (5)")
        before = server.now()
        time.sleep(0.02)
        server.execute("DELETE FROM bookings")
        server.execute("INSERT INTO bookings VALUES (99)")
        server.archived()
    finally:
        server.server.stop()
    (store.root / WAL).mkdir()
    segments = sorted(each for each in server.wal.iterdir() if len(each.name) == 24)
    for each in segments:
        store.wal(each.name).write_bytes(seal(each.read_bytes(), KEY))
        shutil.copystat(each, store.wal(each.name))
    system = system_identifier_in(folder / "one")
    return World(store, tools, full, delta, before, fast, system, segments[-1].name)


def _pushed(
    server: Archiving, store: Store, into: Path, parent: Path | None = None, upon: str = ""
) -> str:
    """Taken and put into the store like `backup-push` does; its name."""
    began = datetime.now(UTC)
    spaces = into.with_name(f"{into.name}-fast")
    moved = f"{into.parent / 'fast'}={spaces}"
    server.base_backup(into, "-X", "none", "--no-manifest", "-T", moved)
    label = (into / "backup_label").read_text()
    segment = label.partition("(file ")[2][:24]
    (note,) = server.wal.glob(f"{segment}.*.backup")
    start, stop = (
        _lsn(re.search(rf"{word} WAL LOCATION: (\S+)", note.read_text()))
        for word in ("START", "STOP")
    )
    name = f"base_{segment}" + (f"_D_{upon[5:29]}" if upon else "")
    backup = store.root / BACKUPS / name
    (backup / "tar_partitions").mkdir(parents=True)
    (space,) = (into / "pg_tblspc").iterdir()
    (into / "tablespace_map").write_text(f"{space.name} {into.parent / 'fast'}\n")
    files = _tapes(into, parent, backup / "tar_partitions")
    system = int(system_identifier_in(into))
    spec = {
        "base_prefix": str(server.server.data), "tablespaces": [space.name],
        space.name: {"loc": str(into.parent / "fast"), "link": f"pg_tblspc/{space.name}"},
    }  # fmt: skip
    version = server.tools.major * 10000
    sizes = [path.stat().st_size for path in (backup / "tar_partitions").iterdir()]
    sentinel = {
        "LSN": start,
        "PgVersion": version,
        "FinishLSN": stop,
        "SystemIdentifier": system,
        "Spec": spec,
    }
    if upon:
        sentinel |= {"DeltaLSN": 1, "DeltaFrom": upon, "DeltaFullName": upon, "DeltaCount": 1}
    detail = {
        "start_time": began.isoformat().replace("+00:00", "Z"),
        "finish_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "date_fmt": "%Y-%m-%dT%H:%M:%S.%fZ", "hostname": "db1", "data_dir": str(server.server.data),
        "pg_version": version, "start_lsn": start, "finish_lsn": stop, "is_permanent": not upon,
        "system_identifier": system, "uncompressed_size": sum(path.stat().st_size for path in into.rglob("*")),
        "compressed_size": sum(sizes),
    }  # fmt: skip
    tapes = {path.name: [] for path in (backup / "tar_partitions").iterdir()}
    (backup / "metadata.json").write_text(json.dumps(detail))
    described = {"Files": files, "TarFileSets": tapes}
    (backup / "files_metadata.json").write_text(json.dumps(described))
    store.sentinel(name).write_text(json.dumps(sentinel))
    return name


def _lsn(found: re.Match[str] | None) -> int:
    assert found is not None
    high, low = found[1].split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _tapes(tree: Path, parent: Path | None, into: Path) -> dict[str, dict[str, bool]]:
    """Two archives like WAL-G's: all but the control file, and that one. What is as in the parent is left out."""
    files: dict[str, dict[str, bool]] = {}
    tapes = {"part_001.tar": io.BytesIO(), "pg_control.tar": io.BytesIO()}
    open_ = {name: tarfile.TarFile(fileobj=tape, mode="w") for name, tape in tapes.items()}
    for path in sorted(_walk(tree)):
        name = "/" + str(path.relative_to(tree))
        if path.is_dir():
            open_["part_001.tar"].addfile(open_["part_001.tar"].gettarinfo(path.resolve(), name))
            continue
        old = parent / path.relative_to(tree) if parent else None
        same = old is not None and old.is_file() and old.read_bytes() == path.read_bytes()
        skipped = same and path.name not in UTILITY
        files[name] = {"IsSkipped": skipped, "IsIncremented": False}
        if not skipped:
            tape = open_["pg_control.tar" if path.name == "pg_control" else "part_001.tar"]
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            with path.open("rb") as stream:
                tape.addfile(entry, stream)
    for name, tape in tapes.items():
        open_[name].close()
        (into / f"{name}.zst").write_bytes(seal(tape.getvalue(), KEY))
    return files


def _walk(tree: Path) -> list[Path]:
    """All below, tablespaces through their links."""
    found = []
    for top, folders, names in os.walk(tree, followlinks=True):
        found += [Path(top, name) for name in (*folders, *names)]
    return found


def point(points: list[RecoveryPoint], id: str) -> RecoveryPoint:
    (found,) = [one for one in points if one.id == id]
    return found
