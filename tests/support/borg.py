"""Repositories made by the real Borg."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PASSPHRASE = "correct horse 51c9a37f staple"
needs_borg = pytest.mark.skipif(
    shutil.which("borg") is None, reason="borg is not installed (apt-get install borgbackup)"
)


class Repository:
    """A repository in a folder, with a home of its own for Borg's caches and keys."""

    def __init__(
        self,
        place: Path,
        *,
        mode: str = "repokey",
        passphrase: str = PASSPHRASE,
        fresh: bool = True,
    ) -> None:
        self.place = place
        self._passphrase = passphrase
        self.base = place.with_name(f"{place.name}-base")
        if fresh:
            self.run("init", f"--encryption={mode}")

    def run(self, *arguments: str, cwd: Path | None = None, feed: bytes = b"") -> str:
        environment = {
            "PATH": os.environ["PATH"], "BORG_BASE_DIR": str(self.base), "TZ": "UTC",
            "BORG_REPO": str(self.place), "BORG_PASSPHRASE": self._passphrase,
            "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES",
        }  # fmt: skip
        done = subprocess.run(
            ["borg", *arguments], env=environment, cwd=cwd, input=feed, capture_output=True
        )
        assert done.returncode in (0, 1), done.stderr.decode()
        return done.stdout.decode()

    def backup(self, name: str, path: Path) -> None:
        self.run("create", f"::{name}", path.name, cwd=path.parent)

    def pipe(self, name: str, data: bytes, file: str = "shop.dump") -> None:
        self.run("create", f"--stdin-name={file}", f"::{name}", "-", feed=data)

    def key(self) -> Path:
        (found,) = (each for each in (self.base / ".config/borg/keys").iterdir() if each.is_file())
        return found

    def segments(self) -> set[Path]:
        return {path for path in (self.place / "data").rglob("*") if path.is_file()}
