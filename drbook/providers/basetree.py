"""A base backup as files: pg_basebackup's plain format."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drbook.core.basebackups import Contents, Label
from drbook.core.points import ByteFact
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Working
from drbook.providers.baseverify import verify
from drbook.providers.walfolder import WalFolder

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tree:
    folder: Path

    def size(self) -> int:
        """Bytes of its files and its tablespaces'."""
        return sum(path.stat().st_size for path, _ in self._files())

    def label(self) -> str:
        """Raises OSError."""
        return (self.folder / "backup_label").read_text(encoding="utf-8", errors="replace")

    def newest(self) -> Path:
        """The file that dates it where it has no manifest."""
        return self.folder / "PG_VERSION"

    def major(self, wal: WalFolder | None, label: Label | None) -> int:
        """0 where it does not say."""
        try:
            return int((self.folder / "PG_VERSION").read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return 0

    def check(self, contents: Contents | None, cancel: Cancel) -> Working[ByteFact]:
        if contents is not None:
            return (yield from verify(self.folder, self.major(None, None), cancel))
        count = 0
        try:
            for path, _ in self._files():
                cancel.raise_if_requested()
                count += 1
                with path.open("rb") as stream:
                    while stream.read(_PIECE):
                        cancel.raise_if_requested()
        except OSError as error:
            return ByteFact(state="damaged", reason=f"{error.filename}: {error.strerror}")
        reason = f"its {count} files could be read; no backup_manifest says what they should hold"
        return ByteFact(state="structure", reason=reason)

    def tablespaces(self) -> dict[str, Path]:
        """Number → where its files lie. Raises OSError."""
        with os.scandir(self.folder / "pg_tblspc") as entries:
            return {
                each.name: Path(os.path.realpath(each.path))
                for each in entries
                if each.name.isdecimal()
            }

    def lay_down(self, data: Path, tablespaces: Path, cancel: Cancel) -> Working[None]:
        """Copied, with its tablespaces beside it. Links other than theirs are copied as they are."""
        for number in self.tablespaces():
            (tablespaces / number).mkdir(mode=0o700)
            (data / "pg_tblspc").mkdir(exist_ok=True)
            (data / "pg_tblspc" / number).symlink_to(tablespaces / number)
        done = 0
        for path, inside in self._files(links=True):
            cancel.raise_if_requested()
            into = data / inside
            into.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                os.symlink(os.readlink(path), into)
                continue
            if path.is_dir():
                into.mkdir(exist_ok=True)
                continue
            shutil.copyfile(path, into)
            done += path.stat().st_size
            yield Progress("lay down", done, None, "bytes", path.name)

    def _files(self, *, links: bool = False) -> Iterator[tuple[Path, Path]]:
        """Each file and its place in the data directory; with `links` also folders and what is no file."""
        tops = [(self.folder, Path())]
        try:
            tops += [(at, Path("pg_tblspc", name)) for name, at in self.tablespaces().items()]
        except FileNotFoundError:
            tops = tops[:1]
        wal = self.folder / "pg_wal"
        if wal.is_symlink():
            tops.append((Path(os.path.realpath(wal)), Path("pg_wal")))
        handled = {inside for _, inside in tops}
        for top, prefix in tops:
            for folder, folders, names in os.walk(top):
                for name in (*folders, *names):
                    path = Path(folder, name)
                    inside = prefix / path.relative_to(top)
                    if path.is_symlink() and inside in handled:
                        continue
                    if links or path.is_file():
                        yield path, inside
