"""Repositories made by the real restic, ways to damage them, and programs that only pretend to be it."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.resticinit import init

PASSWORD = "correct horse 7f3a9c51 battery"
needs_restic = pytest.mark.skipif(
    shutil.which("restic") is None, reason="restic is not installed (apt-get install restic)"
)


class Repository:
    """A repository in a folder, opened at once, or as restic makes it wherever these variables reach."""

    def __init__(
        self,
        place: Path | str,
        environment: Mapping[str, str] | None = None,
        *,
        password: str = PASSWORD,
    ) -> None:
        self.place = str(place)
        self._environment = {**(environment or {}), "RESTIC_PASSWORD": password}
        if isinstance(place, Path):
            init(place, password)
        else:
            self.run("init")

    def run(self, *arguments: str, cwd: Path | None = None, feed: bytes = b"") -> str:
        done = subprocess.run(
            ["restic", "--no-cache", f"--repo={self.place}", *arguments],
            env={**os.environ, **self._environment},
            cwd=cwd,
            input=feed,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()

    def backup(self, path: Path, *options: str) -> str:
        """The full id of the new snapshot; of one that lies elsewhere its beginning."""
        return self._newest(self.run("backup", "--json", *options, path.name, cwd=path.parent))

    def pipe(self, data: bytes, name: str, *options: str) -> str:
        named = ("--stdin", f"--stdin-filename={name}")
        return self._newest(self.run("backup", "--json", *named, *options, feed=data))

    def _newest(self, said: str) -> str:
        short = json.loads(said.splitlines()[-1])["snapshot_id"]
        if not Path(self.place).is_dir():
            return str(short)
        return next(path.name for path in Path(self.place, "snapshots").glob(f"{short}*"))

    def packs(self) -> set[Path]:
        return {path for path in Path(self.place, "data").rglob("*") if path.is_file()}

    def files(self, name: str) -> list[Path]:
        return sorted(path for path in Path(self.place, name).rglob("*") if path.is_file())


def largest(packs: set[Path]) -> Path:
    """Where the data are, and not the trees."""
    return max(packs, key=lambda path: path.stat().st_size)


def cut(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(data)


def snapshot_of(folder: Path) -> dict[str, str]:
    """Every file below with its digest and its mode, to see that nothing was changed."""
    return {
        str(path.relative_to(folder)): (
            f"{path.stat().st_mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def pretend(folder: Path, script: str) -> Path:
    """A program called restic in a folder of its own; the script is for sh."""
    folder.mkdir(exist_ok=True)
    program = folder / "restic"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert not program.stat().st_mode & stat.S_IWOTH
    return folder
