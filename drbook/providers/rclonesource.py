"""Reading backups from where rclone reaches: the dumps under a remote, their manifests and bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.points import RecoveryPoint, SourceFacts
from drbook.core.signals import Progress, Working
from drbook.core.values import plain
from drbook.providers.dumptree import Dump, Entry, Snapshot, dumps_among
from drbook.providers.naming import MANIFEST, Taken, taken
from drbook.providers.rclonelist import Listing, Place, entry_in, place_in
from drbook.providers.rcloneprogram import GONE, Rclone, undecryptable
from drbook.providers.sources.base import Opening
from drbook.providers.tool import LISTING, Failed
from drbook.providers.toolblob import Reading
from drbook.providers.toolsource import Pairs, ToolReader, not_understood

if TYPE_CHECKING:
    from drbook.providers.sources.rclone import RcloneSource

_ALL = Snapshot("", datetime.min.replace(tzinfo=UTC), "", ())
"""A remote keeps no snapshots: all of it is one."""


class RcloneReader(ToolReader):
    """Implements `Source`. rclone only lists and reads, and has a copy of its config to write to."""

    lock_unknown = "rclone does not say what locks a copy has"

    def __init__(self, config: RcloneSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._rclone = Rclone(config, opening.secrets, opening.cancel)
        super().__init__(config, self._rclone)
        self._wanted = config.files.lstrip("/") if config.files else None

    def survey(self) -> SourceFacts:
        try:
            self._place()
            # Features are told of a place that nobody reached; its first level is a proof.
            self._rclone.ask("lsjson", "--max-depth=1", self._rclone.address(), take=_drop)
        except Failed as error:
            why = _not_there(error).show()
            return SourceFacts(source=self._config.id, reachable=False, why_unreachable=why)
        return self._facts_of_place(
            keyed=False, expires="rclone does not say how long its place keeps what is stored"
        )

    def _place(self) -> Place:
        if self._rclone.place is None:
            out = bytearray()
            self._rclone.ask("backend", "features", self._rclone.address(), take=out.extend)
            try:
                self._rclone.place = place_in(bytes(out))
            except ValueError as error:
                raise not_understood(self._rclone, error) from None
        return self._rclone.place

    def _hashes(self) -> tuple[str, ...]:
        return ("--hash", "--hash-type=sha256") if self._place().digests else ()

    def _pairs(self, left: list[str]) -> Working[Pairs]:
        yield Progress(f"list {plain(self._tool.where, 200)}", 0, None, "copies")
        listing = Listing()
        try:
            options = ("-R", "--files-only", *self._hashes())
            asked = ("lsjson", *options, self._rclone.address())
            text = self._rclone.ask(*asked, take=listing.take, timeout=LISTING)
            dumps = dumps_among(listing.end(), self._wanted)
        except ValueError as error:
            raise not_understood(self._rclone, error) from None
        except Failed as error:
            raise _not_there(error) from None
        closed = undecryptable(text)
        if closed and not dumps:
            raise Failed(
                f"names there cannot be decrypted with this remote's password, and no copy is seen: {closed[0]}",
                "Look at the remote's password and password2 in its config",
            )
        left += listing.left + closed
        yield Progress(f"list {plain(self._tool.where, 200)}", len(dumps), None, "copies")
        return [(_ALL, dump) for dump in dumps]

    def _look_up(self, point: RecoveryPoint) -> tuple[Snapshot, Dump]:
        """It is asked for anew: a remote may hold something else under its name by now."""
        self._place()
        found = self._stat(point.id)
        beside = None
        if point.manifest is not None:
            beside = self._beside(f"{point.id}{MANIFEST}")
        if isinstance(found, Entry):
            return _ALL, Dump(point.id, (found,), False, beside)
        files = tuple(sorted(self._folder(point.id), key=lambda one: one.path))
        if not files:
            raise Failed(GONE, "Look again")
        return _ALL, Dump(point.id, files, True, beside)

    def _beside(self, path: str) -> Entry | None:
        try:
            found = self._stat(path)
        except Failed as error:
            if self._is_gone(error):
                return None
            raise
        return found if isinstance(found, Entry) else None

    def _stat(self, path: str) -> Entry | None:
        """None for a folder. Raises Failed."""
        out = bytearray()
        address = self._rclone.address(path)
        self._rclone.ask("lsjson", "--stat", *self._hashes(), address, take=out.extend)
        try:
            node = json.loads(bytes(out))
            if not isinstance(node, dict):
                raise ValueError("it is no file")
            return None if node.get("IsDir") else entry_in({**node, "Path": path})
        except ValueError as error:
            raise not_understood(self._rclone, error) from None

    def _folder(self, path: str) -> list[Entry]:
        listing = Listing("" if path == "." else path)
        address = self._rclone.address(path)
        self._rclone.ask("lsjson", "--files-only", *self._hashes(), address, take=listing.take)
        try:
            return listing.end()
        except ValueError as error:
            raise not_understood(self._rclone, error) from None

    def _is_gone(self, error: Failed) -> bool:
        return error.why == GONE

    def _reading(self, snapshot: Snapshot, path: str) -> Reading:
        address = self._rclone.address(path)

        def arguments(offset: int) -> tuple[str, ...]:
            return ("cat", *((f"--offset={offset}",) if offset else ()), address)

        return Reading(arguments, seeks=True)

    def _taken(self, snapshot: Snapshot, dump: Dump, manifest: Manifest | None) -> Taken:
        by_store = self._place().bucket
        return taken(dump.path, dump.written, manifest, "store" if by_store else "file")

    def _seen(self, entry: Entry) -> str:
        at = entry.written.timestamp()
        return f"{entry.size} {int(at) if self._place().bucket else int(at * 1_000_000)}"

    def _location(self, snapshot: Snapshot, path: str) -> str:
        return self._rclone.address(path)


def _drop(chunk: bytes) -> None:
    """What is listed does not matter, only that it was."""


def _not_there(error: Failed) -> Failed:
    """A remote that is not there is no copy that is gone."""
    if error.why != GONE:
        return error
    return Failed("there is no such place", "Check the remote's path, and whether it is mounted")
