"""What a drill leaves behind, and whether it may be taken away: only what is proven to be its own.

Pure. A place that could not be looked at is not proven, and what is not proven stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from drbook.core import events as ev
from drbook.core.baseline import Identity, Place
from drbook.core.state import IncidentState, Resource, StepState
from drbook.core.values import Json, plain


@dataclass(frozen=True, slots=True)
class FolderSeen:
    """What lies where a cluster was to be made."""

    kind: Literal["absent", "empty", "folder", "link", "other", "unseen"]
    marked: bool = False
    """Its mark names this target with the nonce of this attempt."""
    system_identifier: str = ""
    """Of the data in it; empty where there is none."""
    place: Place | None = None
    """The data directory; None where that is not known."""
    server: int | None = None
    """The number of a server that runs on it."""
    why: str = ""
    """Why it could not be looked at."""
    mode: str = ""
    """That its mark says it was made in; empty where it says none."""


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """What answers where a database was to be made."""

    kind: Literal["absent", "present", "unseen"]
    marked: bool = False
    """Its comment carries the nonce of this attempt."""
    system_identifier: str = ""
    oid: int = 0
    why: str = ""
    mode: str = ""
    """That its comment says it was made in; empty where it says none."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether something may be taken away."""

    may: bool
    words: str
    """Why it is this incident's own, or what is not known of it."""


def prove_folder(seen: FolderSeen, identity: Identity | None, *, moved: bool = False) -> Proof:
    """Whether a cluster's folder is the one that was made there. `identity` is what its server said of itself
    when it was made; `moved`: it was found where the incident's folder lies now, with other inodes."""
    if seen.kind == "absent":
        return Proof(True, "nothing is there")
    if seen.kind == "empty":
        return Proof(True, "an empty folder at the place that is on record")
    if seen.kind != "folder":
        what = {"link": "a link", "other": "no folder", "unseen": "not to be looked at"}[seen.kind]
        return Proof(
            False, f"what lies there is {what}" + (f": {plain(seen.why, 200)}" if seen.why else "")
        )
    if seen.server is not None:
        return Proof(False, f"a server runs on it, as process {seen.server}")
    if not seen.marked:
        return Proof(False, "it does not carry the mark with the nonce of this attempt")
    if why := _not_of_a_drill(seen.mode):
        return Proof(False, f"its mark {why}")
    words = "made exclusively by this incident: its mark carries the nonce that was recorded before"
    if identity is None or not seen.system_identifier:
        return Proof(True, words)
    if seen.system_identifier != identity.system_identifier:
        return Proof(
            False,
            f"its data are those of system {plain(seen.system_identifier, 30)}, and made was "
            f"{identity.system_identifier}",
        )
    words += f"; system {identity.system_identifier}"
    made, found = identity.place, seen.place
    if moved or made is None or found is None or made.boot != found.boot:
        return Proof(True, words)
    if made != found:
        return Proof(
            False,
            f"its data lie at device {found.device} inode {found.inode}, and made were {made.device} "
            f"and {made.inode}: it is a copy, or another",
        )
    return Proof(True, f"{words}, device {found.device} inode {found.inode}")


def _not_of_a_drill(mode: str) -> str:
    """A record can be written anew, mode and all; what it speaks of says for itself what it was made in."""
    if mode == ev.Mode.DRILL:
        return ""
    if not mode:
        return "does not say that it was made in a drill"
    return f"says that it was made in mode {plain(mode, 30)}"


def prove_database(seen: DatabaseSeen, identity: Identity | None) -> Proof:
    """Whether a database on a given server is the one that was made there."""
    if seen.kind == "absent":
        return Proof(True, "no database of that name is there")
    if seen.kind == "unseen":
        return Proof(False, f"its server could not be asked: {plain(seen.why, 300)}")
    if not seen.marked:
        return Proof(False, "its comment does not carry the nonce of this attempt")
    if why := _not_of_a_drill(seen.mode):
        return Proof(False, f"its comment {why}")
    words = "its comment carries the nonce that was recorded before it was made"
    if identity is None:
        return Proof(True, words)
    if (seen.system_identifier, seen.oid) != (identity.system_identifier, identity.database_oid):
        return Proof(
            False,
            f"it is database {seen.oid} of system {plain(seen.system_identifier, 30)}, and made was "
            f"{identity.database_oid} of {identity.system_identifier}",
        )
    return Proof(True, f"{words}; system {seen.system_identifier}, oid {seen.oid}")


def outstanding(state: IncidentState) -> tuple[Resource, ...]:
    """What a drill intended or made and has not taken away, the newest first; nothing of another mode."""
    if state.mode is not ev.Mode.DRILL:
        return ()
    return tuple(one for one in reversed(state.resources) if not one.released)


def stale_without(state: IncidentState, name: str) -> tuple[str, ...]:
    """Steps of an open incident that handed on a target which is not there any more."""
    if state.closed_at is not None:
        return ()
    return tuple(
        run.id
        for run in state.steps.values()
        if run.state is StepState.SUCCEEDED and _target_in(run.result) == name
    )


def _target_in(result: Json) -> Json:
    target = result.get("target") if isinstance(result, Mapping) else None
    return target.get("name") if isinstance(target, Mapping) else None


def removal(event: ev.Removal) -> str:
    """One of these records in words."""
    what = f"{event.kind} {event.name}"
    if isinstance(event, ev.ReleaseIntended):
        return f"{what} is being removed: {event.proof}"
    if isinstance(event, ev.ResourceReleased):
        return f"{what} {'removed' if event.how == 'removed' else 'was not there any more'}"
    return f"{what} {'kept' if event.kept else 'NOT REMOVED'}: {event.reason}"


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that an ended drill, or one whose drbook is gone, left on this machine or on a server."""

    kind: str
    """`cluster`, `database`, `process`, `sockets`, `part`, `scratch` or `lock`."""
    name: str
    place: str
    incident: str = ""
    """Empty where no record says whose it was."""
    size: int | None = None
    """Bytes; None where it was not measured."""
    since: datetime | None = None
    proof: str = ""
    """Why it may be taken away; empty where it may not."""
    reason: str = ""
    """Why it is left alone."""
    look: str = ""
    """A command with which a person looks at it."""
