"""What WAL-G says and does, as its documentation and source have it at v3.0.9: over a folder that is laid out
like a store of its own. It is no WAL-G. Three things are simpler: everything is packed with zstd, a key masks
and signs where libsodium would encrypt, and a delta holds whole files."""

import argparse
import contextlib
import hashlib
import hmac
import io
import json
import os
import re
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import zstandard

BACKUPS, WAL = "basebackups_005", "wal_005"
SENTINEL = "_backup_stop_sentinel.json"
SEGMENT = 16 * 2**20


def say(level: str, words: str) -> None:
    now = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S.%f")
    print(f"{level}: {now} {words}", file=sys.stderr)


def fail(words: str, code: int = 1) -> None:
    say("ERROR", words)
    raise SystemExit(code)


def seal(data: bytes, key: str) -> bytes:
    packed = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)
    if not key:
        return packed
    masked = _masked(packed, key)
    return hmac.digest(key.encode(), masked, "sha256") + masked


def unseal(data: bytes, key: str) -> bytes:
    """Complaints are those of WAL-G's libsodium reader and of the zstd that it is built with."""
    if key:
        if len(data) < 32:
            fail("failed to read libsodium header: unexpected EOF")
        if not hmac.compare_digest(hmac.digest(key.encode(), data[32:], "sha256"), data[:32]):
            fail("download the file: corrupted chunk")
        data = _masked(data[32:], key)
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        magic = "nown frame" in str(error)
        fail("download the file: " + ("invalid magic number" if magic else "CRC check failed"))
        raise


def _masked(data: bytes, key: str) -> bytes:
    stream = hashlib.shake_256(key.encode()).digest(len(data))
    size = len(data)
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


class Store:
    def __init__(self, settings: dict[str, str]) -> None:
        if "WALG_FILE_PREFIX" not in settings:
            fail("Failed to find any configured storage")
        self.root = Path(settings["WALG_FILE_PREFIX"])
        self.key = settings.get("WALG_LIBSODIUM_KEY", "")
        if not self.root.is_dir():
            fail(
                "configure primary storage: create FS storage: FS storage root directory doesn't exist or is "
                f"inaccessible: stat {self.root}: no such file or directory"
            )

    def folder(self, name: str) -> Path:
        found = self.root / name
        found.mkdir(parents=True, exist_ok=True)  # as WAL-G does on a disk
        return found

    def object(self, path: str) -> bytes:
        found = self.root / path
        if not found.is_file():
            fail(f"object '{found}' not found in storage")
        return found.read_bytes()

    def sentinel(self, name: str) -> dict:
        return json.loads(self.object(f"{BACKUPS}/{name}{SENTINEL}"))

    # --- lists ---------------------------------------------------------------------------------

    def backup_list(self, detail: bool, as_json: bool, pretty: bool) -> None:
        say("INFO", "List backups from storages: [default]")
        found = []
        for path in sorted(self.folder(BACKUPS).glob(f"*{SENTINEL}")):
            name = path.name.removesuffix(SENTINEL)
            segment = re.search(r"[0-9A-F]{24}", name)
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            one = {
                "backup_name": name,
                "time": at.isoformat().replace("+00:00", "Z"),
                "wal_file_name": segment[0] if segment else "Z" * 24,
                "storage_name": "default",
            }
            if detail:
                one |= json.loads(self.object(f"{BACKUPS}/{name}/metadata.json"))
            found.append(one)
        found.sort(key=lambda one: one.get("start_time", one["time"]))
        if not found and not as_json:
            say("INFO", "No backups found")
        print(json.dumps(found, indent=4 if pretty else None))

    def wal_show(self) -> None:
        rows: dict[int, set[int]] = {}
        for path in self.folder(WAL).iterdir():
            name = path.name.partition(".")[0]
            if re.fullmatch(r"[0-9A-F]{24}", name):
                number = int(name[8:16], 16) * 256 + int(name[16:], 16)
                rows.setdefault(int(name[:8], 16), set()).add(number)
        print(json.dumps([self.timeline(id, rows[id]) for id in sorted(rows)]), end="")

    def timeline(self, id: int, held: set[int]) -> dict:
        first, last = min(held), max(held)
        missing = [name(id, each) for each in range(first, last) if each not in held]
        history = self.root / WAL / f"{id:08X}.history.zst"
        parent, switch = 0, 0
        if history.is_file():
            line = unseal(history.read_bytes(), self.key).decode().strip().splitlines()[-1].split()
            high, low = line[1].split("/")
            parent, switch = int(line[0]), (int(high, 16) << 32) + int(low, 16)
        return {
            "id": id, "parent_id": parent, "switch_point_lsn": switch,
            "start_segment": name(id, first), "end_segment": name(id, last),
            "segments_count": len(held), "missing_segments": missing,
            "segment_range_size": last - first + 1, "status": "LOST_SEGMENTS" if missing else "OK",
        }  # fmt: skip

    def ls(self, path: str) -> None:
        rows = [("type", "size", "last modified", "name", "", "")]
        for each in sorted(self.folder(path).iterdir()):
            if each.is_dir():
                rows.insert(
                    1, ("dir", "0", "0001-01-01 00:00:00 +0000 UTC", f"{each.name}/", "", "")
                )
                continue
            at = datetime.fromtimestamp(each.stat().st_mtime, UTC)
            shown = f"{at:%Y-%m-%d %H:%M:%S.%f} +0000 UTC"
            rows.append(("obj", str(each.stat().st_size), shown, each.name, "", ""))
        widths = [max(len(row[at]) for row in rows) for at in range(6)]
        for row in rows:
            print(" ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))

    def cat(self, path: str, decrypt: bool) -> None:
        data = self.object(path)
        sys.stdout.buffer.write(unseal(data, self.key) if decrypt else data)

    # --- bytes ---------------------------------------------------------------------------------

    def wal_fetch(self, wanted: str, into: Path) -> None:
        path = self.folder(WAL) / f"{wanted}.zst"
        if not path.is_file():
            fail(f"Archive '{wanted}' does not exist.", 74)
        with into.open("xb") as stream:
            stream.write(unseal(path.read_bytes(), self.key))

    def backup_fetch(self, data: Path, wanted: str, spec: dict | None) -> None:
        if not (self.folder(BACKUPS) / f"{wanted}{SENTINEL}").is_file():
            fail(f"Backup '{wanted}' does not exist.")
        if any(data.iterdir()):
            fail(f"Directory {data} for delta base must be empty")
        files = set(self.metadata(wanted)["Files"])
        self.unwrap(data, wanted, files - {"/tablespace_map"} if spec else files, spec)
        say("INFO", "\nBackup extraction complete.\n")

    def metadata(self, wanted: str) -> dict:
        return json.loads(self.object(f"{BACKUPS}/{wanted}/files_metadata.json"))

    def unwrap(self, data: Path, wanted: str, files: set[str], spec: dict | None) -> None:
        sentinel, described = self.sentinel(wanted), self.metadata(wanted)["Files"]
        spec = spec or sentinel.get("Spec") or {"tablespaces": []}
        if "DeltaFrom" in sentinel:
            skipped = {one for one in files if described.get(one, {}).get("IsSkipped")}
            self.unwrap(data, sentinel["DeltaFrom"], skipped, spec)
        (data / "pg_tblspc").mkdir(exist_ok=True)
        for each in spec["tablespaces"]:
            Path(spec[each]["loc"]).mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (data / "pg_tblspc" / each).symlink_to(spec[each]["loc"])
        for path in sorted(
            (self.root / BACKUPS / wanted / "tar_partitions").iterdir(), reverse=True
        ):
            with tarfile.open(fileobj=io.BytesIO(unseal(path.read_bytes(), self.key))) as archive:
                for member in archive:
                    if member.isfile() and member.name not in files:
                        continue
                    self.put(archive, member, data)

    def put(self, archive: tarfile.TarFile, member: tarfile.TarInfo, data: Path) -> None:
        into = data / member.name.lstrip("/")
        if member.isdir():
            into.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            stream = archive.extractfile(member)
            assert stream is not None
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_bytes(stream.read())


def name(timeline: int, number: int) -> str:
    return f"{timeline:08X}{number // 256:08X}{number % 256:08X}"


def settings(config: str | None) -> dict[str, str]:
    found = {}
    if config:
        try:
            found = json.loads(Path(config).read_text())
        except ValueError as error:
            say("WARNING", f"Failed to parse config file {config}. {error}.")
    return found | {name: value for name, value in os.environ.items() if name.startswith("WALG_")}


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print("wal-g version v3.0.9\tstand-in\t2026.08.21_00:00:00\tPostgreSQL")
        return
    top = argparse.ArgumentParser()
    top.add_argument("--config")
    commands = top.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("backup-list")
    for flag in ("--detail", "--json", "--pretty"):
        listing.add_argument(flag, action="store_true")
    show = commands.add_parser("wal-show")
    show.add_argument("--detailed-json", action="store_true", required=True)
    show.add_argument("--without-backups", action="store_true", required=True)
    fetch = commands.add_parser("wal-fetch")
    fetch.add_argument("wal")
    fetch.add_argument("into", type=Path)
    backup = commands.add_parser("backup-fetch")
    backup.add_argument("--restore-spec", type=Path)
    backup.add_argument("data", type=Path)
    backup.add_argument("backup")
    tools = commands.add_parser("st").add_subparsers(dest="tool", required=True)
    for tool in ("ls", "cat"):
        parser = tools.add_parser(tool)
        parser.add_argument("--target", default="default")
        parser.add_argument("--decrypt", action="store_true")
        parser.add_argument("--decompress", action="store_true")
        parser.add_argument("path")
    given = top.parse_args()
    store = Store(settings(given.config))
    if given.command == "backup-list":
        store.backup_list(given.detail, given.json, given.pretty)
    elif given.command == "wal-show":
        store.wal_show()
    elif given.command == "wal-fetch":
        store.wal_fetch(given.wal, given.into)
    elif given.command == "backup-fetch":
        spec = json.loads(given.restore_spec.read_text()) if given.restore_spec else None
        store.backup_fetch(given.data, given.backup, spec)
    elif given.tool == "ls":
        store.ls(given.path)
    else:
        store.cat(given.path, given.decrypt)


if __name__ == "__main__":
    main()
