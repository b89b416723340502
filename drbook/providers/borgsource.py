"""Reading backups from a Borg repository: the dumps in its archives, their manifests and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.points import RecoveryPoint, SourceFacts
from drbook.core.signals import Working
from drbook.providers.borglist import Listing, Repository, piped, repository_in
from drbook.providers.borgprogram import GONE, Borg, verbatim
from drbook.providers.dumptree import Dump, Snapshot, when
from drbook.providers.naming import Taken
from drbook.providers.sources.base import Changed, Opening
from drbook.providers.tool import LISTING, Failed
from drbook.providers.toolblob import Reading
from drbook.providers.toolsource import Pairs, ToolReader, not_understood

if TYPE_CHECKING:
    from drbook.providers.sources.borg import BorgSource


class BorgReader(ToolReader):
    """Implements `Source`. Nothing is written: not to the repository, and no cache stays."""

    kept = "archive"
    lock_unknown = "Borg does not say what locks its place has"

    def __init__(self, config: BorgSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._borg = Borg(config, opening.secrets, opening.cancel)
        super().__init__(config, self._borg)
        self._pattern = config.archives
        self._wanted = config.files
        self._repository: Repository | None = None
        self._dumps: dict[str, list[Dump]] = {}
        """By the archive's id, whose content never changes."""

    def survey(self) -> SourceFacts:
        try:
            self._list()
        except Failed as error:
            source = self._config.id
            return SourceFacts(source=source, reachable=False, why_unreachable=error.show())
        return self._facts_of_place(
            keyed=self._encrypted() is True,
            expires="who runs `borg prune`, and what it keeps, is not stored in the repository",
        )

    def _pairs(self, left: list[str]) -> Working[Pairs]:
        found = self._list()
        return (yield from self._each(found.archives, left, "list archives"))

    def _list(self) -> Repository:
        """All that are meant. Raises Failed."""
        out = bytearray()
        glob = [f"--glob-archives={self._pattern}"] if self._pattern else []
        self._borg.ask("list", "--json", *glob, "::", take=out.extend)
        try:
            self._repository = repository_in(bytes(out))
        except ValueError as error:
            raise not_understood(self._borg, error) from None
        return self._repository

    def _in(self, snapshot: Snapshot, left: list[str]) -> Sequence[Dump]:
        if snapshot.id in self._dumps:
            return self._dumps[snapshot.id]
        listing = Listing(self._wanted)
        try:
            self._borg.ask(
                "list", "--json-lines", _archive(snapshot), take=listing.take, timeout=LISTING
            )
            found = listing.end()
        except ValueError as error:
            raise not_understood(self._borg, error) from None
        left += [f"archive {snapshot.short}: {each}" for each in listing.left]
        self._dumps[snapshot.id] = found
        return found

    def _encrypted(self) -> bool | None:
        return self._repository.encrypted if self._repository is not None else None

    def _look_up(self, point: RecoveryPoint) -> tuple[Snapshot, Dump]:
        """As the archive lists it; a catalogue that was opened anew asks once more."""
        known = self._repository or self._list()
        for archive in known.archives:
            if archive.id == point.version:
                break
        else:
            raise Failed(GONE, "Look again")
        for dump in self._in(archive, []):
            if dump.path == point.id:
                return archive, dump
        raise Failed("its archive holds no such dump", "Look again")

    def _is_gone(self, error: Failed) -> bool:
        return error.why == GONE

    def _reading(self, snapshot: Snapshot, path: str) -> Reading:
        """Borg reads an archive by its name, which another one may have got meanwhile: its id is looked at
        once more when all came."""
        return Reading(
            lambda offset: ("extract", "--stdout", _archive(snapshot), f"pp:{path}"),
            confirm=lambda: self._confirm(snapshot),
        )

    def _confirm(self, snapshot: Snapshot) -> None:
        if all(each.id != snapshot.id for each in self._list().archives):
            raise Changed("its archive is not in the repository any more, or another has its name")

    def _taken(self, snapshot: Snapshot, dump: Dump, manifest: Manifest | None) -> Taken:
        alone = len(self._dumps[snapshot.id]) == 1
        return when(
            dump,
            snapshot,
            manifest,
            piped=piped(snapshot, dump, alone),
            kept=self.kept,
            tool="Borg",
        )


def _archive(archive: Snapshot) -> str:
    return f"::{verbatim(archive.name)}"
