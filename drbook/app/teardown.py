"""A drill's targets are disposable: what it made is taken away at its end, each on record before and after.

What it handed on stays on record, and the end of a server's log stays in the incident's folder. What is not
proven to be this incident's own stays as well, and that is recorded too.
"""

import os
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from drbook.app.hurry import Cut, Hurry
from drbook.core import events as ev
from drbook.core.baseline import Identity
from drbook.core.events import Event, Record
from drbook.core.leftovers import (
    DatabaseSeen,
    FolderSeen,
    Proof,
    outstanding,
    prove_database,
    prove_folder,
    stale_without,
)
from drbook.core.state import IncidentState, Resource
from drbook.core.targets import DatabaseRef
from drbook.core.values import counted, plain
from drbook.providers import private, scratch
from drbook.providers.targets import removal

KEPT = "--keep was given"
CUT_SHORT = "its removal was ended by a signal"
LOGS = "logs"
"""In the incident's folder: the ends of the logs of servers whose folders are gone."""
_MOST_OF_A_LOG = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on record that is not recorded as taken away, and what lies there."""

    resource: Resource
    place: str
    proof: Proof
    there: bool
    """False where nothing lies there any more."""
    look: str
    """A command with which a person looks at it."""
    folder: Path | None = None
    database: DatabaseSeen | None = None
    server: DatabaseRef | None = None


class Remover:
    """What one drill made, looked at and taken away."""

    def __init__(
        self,
        records: Sequence[Record],
        folder: Path,
        environment: Mapping[str, str],
        hurry: Hurry | None = None,
    ) -> None:
        """`hurry` is asked before and while each is taken away; absent, nobody cuts it short."""
        self._hurry = hurry or Hurry()
        self._records = records
        self._folder = folder
        self._environment = environment
        self._host = socket.gethostname()

    def found(self, state: IncidentState) -> list[Found]:
        """Everything that is not recorded as gone. Changes nothing."""
        return [self._look(state, one) for one in outstanding(state)]

    def tear_down(
        self, state: IncidentState, put: Callable[[Event], object]
    ) -> list[ev.ResourceLeft]:
        """Take away what is proven, the newest first; `put` has each record on disk before it returns. Returns
        what stays. Raises what `put` raises."""
        left = []
        for found in self.found(state):
            event = self._remove(found, put)
            if isinstance(event, ev.ResourceLeft):
                left.append(event)
                if event.reason != found.resource.left:  # said once
                    put(event)
                continue
            put(event)
            for step in stale_without(state, found.resource.name):
                because = f"its target {found.resource.name} was removed when the drill was left"
                put(ev.StepInvalidated(step=step, because=because))
        return left

    def _remove(
        self, found: Found, put: Callable[[Event], object]
    ) -> ev.ResourceReleased | ev.ResourceLeft:
        one = found.resource
        named = {"kind": one.kind, "name": one.name, "location": found.place}
        if not found.proof.may:
            return ev.ResourceLeft(**named, reason=found.proof.words, next=found.look)
        if found.there:
            put(ev.ReleaseIntended(**named, proof=found.proof.words))
        try:
            with self._hurry.cut():
                why = self._take_away(found)
        except Cut:
            why = CUT_SHORT
        except OSError as error:
            at = f"{plain(str(error.filename), 200)}: " if error.filename else ""
            why = f"{at}{error.strerror or error}"
        if why:
            return ev.ResourceLeft(**named, reason=plain(why, 400), next=found.look)
        return ev.ResourceReleased(**named, how="removed" if found.there else "absent")

    def _take_away(self, found: Found) -> str:
        """Returns why it is still there; empty where it is gone. Raises OSError, Cut."""
        one = found.resource
        if found.folder is not None:
            if found.there:
                self._keep_log(found.folder, one.name)
                removal.remove_folder(found.folder)
            removal.remove_sockets(one.nonce)
        elif found.there and found.server is not None and found.database is not None:
            from drbook.providers.targets.dropping import drop_database

            return drop_database(
                found.server, self._environment, one.name, one.nonce, found.database
            )
        return ""

    def _keep_log(self, home: Path, name: str) -> None:
        """The end of the server's log, beside the record: what went wrong there is read after the drill too."""
        log, kept = home / "server.log", self._folder / LOGS / f"{name}.log"
        with suppress(FileNotFoundError), log.open("rb") as stream:
            private.folders(kept.parent)
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MOST_OF_A_LOG))
            with private.replace_bytes(kept) as copy:
                copy.write(stream.read(_MOST_OF_A_LOG))

    # --- looking -------------------------------------------------------------------------------

    def _look(self, state: IncidentState, one: Resource) -> Found:
        if one.epoch < state.epoch and one.host != self._host:
            words = f"it was made on {plain(one.host, 100)}, which this machine took over from"
            return Found(one, one.location, Proof(False, words), True, f"look on {one.host}")
        if one.kind == "cluster":
            return self._look_at_cluster(one)
        if one.kind == "database":
            return self._look_at_database(one)
        words = f"nothing here takes a {plain(one.kind, 60)} away"
        return Found(one, one.location, Proof(False, words), True, "")

    def _look_at_cluster(self, one: Resource) -> Found:
        """Where the incident's folder lies now, else where it was made."""
        made, here = Path(one.location), self._folder / "targets" / one.name
        moved = here != made and here.is_dir() and not made.exists()
        place = here if moved else made
        seen: FolderSeen = removal.look_at_folder(place, one.name, one.nonce)
        proof = prove_folder(seen, _identity(one), moved=moved)
        look = f"ls -la {shlex.quote(str(place))}"
        return Found(one, str(place), proof, seen.kind != "absent", look, place)

    def _look_at_database(self, one: Resource) -> Found:
        # Its client loads where a drill made a database, and not before.
        from drbook.providers.targets.database import derived
        from drbook.providers.targets.dropping import look_at_database

        server, dbname = self._server_of(one), derived(one.name)
        if server is None:
            proof = Proof(False, "the record does not say how its server is reached")
            return Found(one, one.location, proof, True, "")
        seen = look_at_database(server, self._environment, one.name, one.nonce)
        proof = prove_database(seen, _identity(one))
        place = f"{server.show()} · {dbname}"
        look = f"psql -c '\\l+ {dbname}'  # on {server.show()}"
        return Found(one, place, proof, seen.kind != "absent", look, None, seen, server)

    def _server_of(self, one: Resource) -> DatabaseRef | None:
        """As the plan of the attempt that made it says."""
        for record in self._records:
            event = record.event
            if isinstance(event, ev.StepPlanned) and (event.step, event.attempt) == (
                one.step,
                one.attempt,
            ):
                target = event.params.get("target") if isinstance(event.params, Mapping) else None
                server = target.get("server") if isinstance(target, Mapping) else None
                try:
                    return DatabaseRef.model_validate(server)
                except ValidationError:
                    return None
        return None


def lives_of(records: Sequence[Record]) -> frozenset[str]:
    """The first letters of each life's token, as they stand in the names of its temporary folders."""
    begun = (ev.IncidentOpened, ev.IncidentResumed, ev.IncidentTakenOver)
    lives = (one.event.life for one in records if isinstance(one.event, begun))
    return frozenset(life.token[: scratch.LETTERS] for life in lives if life is not None)


def forget_scratch(records: Sequence[Record]) -> None:
    """Take away temporary folders of this incident's earlier lives, which are gone. What cannot be taken away is
    listed by `drbook drill clean`."""
    lives = lives_of(records)
    for each in scratch.left():
        if each.life in lives and not each.why_not:
            with suppress(OSError):
                scratch.remove(each.path)


def _identity(one: Resource) -> Identity | None:
    try:
        return Identity.model_validate(one.identity) if one.created else None
    except ValidationError:
        return None


def keep(state: IncidentState, put: Callable[[Event], object]) -> list[ev.ResourceLeft]:
    """Record of everything that it stays, because that was asked for; once."""
    left = []
    for one in outstanding(state):
        event = ev.ResourceLeft(
            kind=one.kind, name=one.name, location=one.location, reason=KEPT, kept=True
        )
        left.append(event)
        if one.left != KEPT:
            put(event)
    return left


def targets_told(state: IncidentState, left: Sequence[ev.ResourceLeft], incident: str) -> list[str]:
    """What became of a drill's targets when it ended, one thought a line; nothing for another mode."""
    if state.mode is not ev.Mode.DRILL:
        return []
    lines = []
    gone = sum(one.released for one in state.resources)
    if gone:
        lines.append(f"Removed at the end of the drill: {counted(gone, 'target')}.")
    for one in left:
        what = f"{one.kind} {plain(one.name, 120)} in {plain(one.location, 300)}"
        lines.append(f"{'Kept' if one.kept else 'NOT REMOVED'}: {what}: {plain(one.reason, 400)}.")
    if waiting := len(outstanding(state)) or len(left):
        lines.append(
            f"{counted(waiting, 'target')} of this drill still there: drbook drill clean {incident}"
        )
    return lines
