"""Which programs for backups are installed here, and what they say of their version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from drbook.core.errors import DrbookError
from drbook.core.points import SourceConfig
from drbook.core.values import plain
from drbook.providers.hiding import scrub
from drbook.providers.pgtools import ENGLISH, installed
from drbook.providers.process import complete
from drbook.providers.sources.sealed import SealedSource

ASKED: Mapping[str, str] = {
    "restic": "version",
    "pgbackrest": "version",
    "borg": "--version",
    "barman": "--version",
    "barman-cloud-restore": "--version",
    "wal-g": "--version",
    "rclone": "version",
    "age": "--version",
    "gpg": "--version",
}
"""How each program is asked for its version; none of these calls reads a repository."""
_NEEDS: Mapping[str, str] = {
    "restic": "restic",
    "borg": "borg",
    "rclone": "rclone",
    "barman": "barman",
    "pgbackrest": "pgbackrest",
    "wal-g": "wal-g",
}


@dataclass(frozen=True, slots=True)
class Program:
    """One program, where it was found."""

    name: str
    path: str = ""
    """Empty where it is not installed."""
    version: str = ""
    """The first line that it says of itself."""


def look(name: str) -> Program:
    """Never raises: what does not answer has no version."""
    path = installed(name)
    return Program(name) if path is None else Program(name, path, _version(name, path))


@lru_cache(maxsize=64)
def _version(name: str, path: str) -> str:
    try:
        said = complete([path, ASKED[name]], env=ENGLISH, timeout=timedelta(seconds=20))
    except DrbookError as error:
        return plain(error.what, 120)
    lines = [line for line in (said.stdout or said.stderr).splitlines() if line.strip()]
    return plain(scrub(lines[0]), 120) if lines else "says no version"


def needed(sources: Sequence[SourceConfig]) -> dict[str, list[str]]:
    """Program → ids of the sources that are not read without it."""
    found: dict[str, list[str]] = {}
    for source in sources:
        if source.kind in _NEEDS:
            found.setdefault(_NEEDS[source.kind], []).append(source.id)
        if isinstance(source, SealedSource) and source.decrypt is not None:
            found.setdefault(source.decrypt.program, []).append(source.id)
    return found
