"""Reading backups from a restic repository: the dumps in its snapshots, their manifests and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.points import ByteFact, RecoveryPoint, SourceFacts
from drbook.core.signals import Milestone, Working
from drbook.core.values import counted, plain
from drbook.providers.dumptree import Dump, Snapshot, when
from drbook.providers.naming import Taken
from drbook.providers.resticlist import Listing, snapshots_in
from drbook.providers.resticprogram import Restic
from drbook.providers.sources.base import Opening
from drbook.providers.tool import LISTING, Failed
from drbook.providers.toolblob import Reading
from drbook.providers.toolsource import Pairs, ToolReader, not_understood

if TYPE_CHECKING:
    from drbook.providers.sources.restic import ResticSource

_GONE = "its snapshot is not in the repository any more"


class ResticReader(ToolReader):
    """Implements `Source`. It reads without a lock and without a cache, so that nothing is written."""

    lock_unknown = "restic does not say what locks its place has"

    def __init__(self, config: ResticSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._restic = Restic(config, opening.secrets, opening.cancel)
        super().__init__(config, self._restic)
        self._wanted = config.files
        self._snapshots: dict[str, Snapshot] | None = None
        self._dumps: dict[tuple[str, ...], list[Dump]] = {}
        """By tree and paths: snapshots that share both hold the same."""

    def survey(self) -> SourceFacts:
        try:
            self._restic.ask("cat", "config", take=lambda chunk: None)
        except Failed as error:
            source = self._config.id
            return SourceFacts(source=source, reachable=False, why_unreachable=error.show())
        return self._facts_of_place(
            keyed=True,
            expires="who runs `restic forget`, and what it keeps, is not stored in the repository",
        )

    def _pairs(self, left: list[str]) -> Working[Pairs]:
        snapshots = self._list(left)
        yield from self._say_locks()
        return (yield from self._each(snapshots, left, "list snapshots"))

    def _list(self, left: list[str]) -> list[Snapshot]:
        """All that are meant, newest first. restic ends well where it cannot read one, and where the folder
        that they lie in is gone."""
        out = bytearray()
        said = self._restic.ask("snapshots", "--json", *self._restic.filters(), take=out.extend)
        try:
            found = snapshots_in(bytes(out))
        except ValueError as error:
            raise not_understood(self._restic, error) from None
        if self._restic.local and not Path(self._restic.where, "snapshots").is_dir():
            raise Failed("its folder of snapshots is gone", "Keep what is left of it as it is")
        left += [plain(line, 300) for line in said.splitlines() if line.strip()]
        self._snapshots = {each.id: each for each in found}
        return found

    def _in(self, snapshot: Snapshot, left: list[str]) -> Sequence[Dump]:
        key = (snapshot.tree, *snapshot.paths)
        if key in self._dumps:
            return self._dumps[key]
        listing = Listing(snapshot.paths, self._wanted)
        try:
            self._restic.ask("ls", "--json", snapshot.id, take=listing.take, timeout=LISTING)
            found = listing.end()
        except ValueError as error:
            raise not_understood(self._restic, error) from None
        if not listing.seen:
            raise Failed(_GONE, "Look again", ByteFact(state="unknown", reason=_GONE))
        left += [f"snapshot {snapshot.short}: {each}" for each in listing.left]
        self._dumps[key] = found
        return found

    def _say_locks(self) -> Working[None]:
        """A prune that runs there takes what is being recovered: that is said, and nothing is unlocked."""
        out = bytearray()
        self._restic.ask("list", "locks", take=out.extend)
        if count := len(out.split()):
            yield Milestone(
                f"{self._config.id}: the repository holds {counted(count, 'lock')}: a backup, a check or a "
                "prune runs there, or was broken off. It is read without a lock; see that nothing prunes it."
            )

    def _look_up(self, point: RecoveryPoint) -> tuple[Snapshot, Dump]:
        """As the snapshot lists it; a catalogue that was opened anew asks once more."""
        if self._snapshots is None or point.version not in self._snapshots:
            self._list([])
        snapshot = (self._snapshots or {}).get(point.version or "")
        if snapshot is None:
            raise Failed(_GONE, "Look again")
        for dump in self._in(snapshot, []):
            if dump.path == point.id:
                return snapshot, dump
        raise Failed("its snapshot holds no such dump", "Look again")

    def _is_gone(self, error: Failed) -> bool:
        return error.why == _GONE

    def _reading(self, snapshot: Snapshot, path: str) -> Reading:
        return Reading(lambda offset: ("dump", snapshot.id, path))

    def _taken(self, snapshot: Snapshot, dump: Dump, manifest: Manifest | None) -> Taken:
        piped = dump.written == snapshot.time and snapshot.paths == (dump.path,)
        return when(dump, snapshot, manifest, piped=piped, kept=self.kept, tool="restic")
