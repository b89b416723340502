"""Rule 2 for a folder: what stands where a cluster's folder is to be made, and whether that is fresh.

As in `core.freshness`, what is known comes in, and a proof in words or a refusal comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from drbook.core.baseline import Place
from drbook.core.freshness import shown_place
from drbook.core.ports import ProductionIdentity
from drbook.core.refusals import refused
from drbook.core.values import plain


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What stands where a cluster's folder is to be made; nothing was followed to find out."""

    path: str
    kind: Literal["absent", "empty", "full", "link", "dangling", "file", "unseen"]
    parent: Literal["private", "link", "shared", "unseen"]
    """`private`: a real folder of our own, or root's, where nobody else may replace an entry."""
    place: Place | None = None
    above: tuple[Place, ...] = ()
    """The folders above it, up to the root."""
    clusters: tuple[Place, ...] = ()
    """Those of them that hold a cluster, or may."""
    hidden: tuple[Place, ...] = ()
    """Tops of mounts above which lie folders of the same disk that cannot be seen from here."""
    mounted: bool = False
    server: Literal["none", "runs", "ran"] = "none"
    """What its `postmaster.pid` says; a number that names no process here may run elsewhere."""


def prove_fresh_folder(facts: FolderFacts, production: Sequence[ProductionIdentity]) -> str:
    """The proof, in words, that nothing stands there. Raises Refused.

    An empty folder is refused like a full one: only what was made exclusively is known to be ours.
    """
    path = plain(facts.path, 300)
    for known in production:
        found = _inside(facts, known)
        if found:
            raise refused(
                "target-inside-production",
                f"{path} is production's data directory, or lies inside it.",
                compared=f"{found} ({plain(known.described, 200)})",
            )
        if top := _hidden(facts, known):
            raise refused(
                "target-inside-production",
                f"{path} may lie inside production's data directory: it is on the same disk, and what "
                "lies above the folder that is mounted there cannot be seen from here.",
                compared=f"{shown_place(top)} ({plain(known.described, 200)})",
            )
    if facts.clusters:
        raise refused(
            "target-inside-production",
            f"{path} lies inside a PostgreSQL data directory, or in a folder that may be one.",
            compared=f"`PG_VERSION` in {shown_place(facts.clusters[0])}",
            means="It may be production's, whatever is known of that. Nothing was written to it.",
        )
    if facts.parent in ("link", "shared"):
        word = "is a link" if facts.parent == "link" else "can be written by others"
        raise refused(
            "target-parent", f"The folder that would hold {path} {word}.", compared=facts.parent
        )
    if facts.kind == "unseen" or facts.parent == "unseen":
        raise refused(
            "target-unseen", f"{path} cannot be looked at.", compared="the system refused the look"
        )
    if facts.kind in ("link", "dangling"):
        where = "leads nowhere" if facts.kind == "dangling" else "leads somewhere else"
        raise refused(
            "target-link",
            f"{path} is a symbolic link.",
            compared=f"it {where}; it was not followed",
        )
    if facts.server != "none":
        word = "runs in" if facts.server == "runs" else "ran, or runs in another container, in"
        raise refused(
            "target-has-server",
            f"A PostgreSQL server {word} {path}.",
            compared="its postmaster.pid",
        )
    if facts.mounted:
        raise refused(
            "target-mounted", f"Something is mounted at {path}.", compared=shown_place(facts.place)
        )
    if facts.kind != "absent":
        words = {"file": "is a file", "empty": "is an empty folder", "full": "holds something"}
        raise refused(
            "target-exists",
            f"{path} exists already: it {words[facts.kind]}.",
            compared="what stands there",
            means="It may hold an earlier attempt or somebody's data; it is neither used nor removed.",
        )
    return "nothing stood there, and it was made exclusively"


def _inside(facts: FolderFacts, known: ProductionIdentity) -> str:
    """By what the folder is production's own or lies in it; empty where nothing says so.

    A new folder gets the number of one that is gone: a baseline's number means no folder above by
    itself, and a cluster's is refused anyway. What was read just now means it in any case.
    """
    above = () if known.basis == "baseline" else facts.above
    if known.place is not None and known.place in (facts.place, *above):
        return shown_place(known.place)
    directory = known.identity.data_directory if known.identity is not None else None
    if directory and PurePath(directory) in (PurePath(facts.path), *PurePath(facts.path).parents):
        return f"its path, {plain(directory, 200)}"
    return ""


def _hidden(facts: FolderFacts, known: ProductionIdentity) -> Place | None:
    """The top of a mount that may lie inside production's folder, being on its disk."""
    place = known.place
    if place is None:
        return None
    disk = (place.device, place.boot)
    return next((top for top in facts.hidden if (top.device, top.boot) == disk), None)
