"""What pgBackRest's `info` and `repo-ls` say as JSON: the backups of a stanza, and its archived WAL. Pure.

The shapes are those that pgBackRest 2.45 printed. A backup is consistent at its *stop*: only then
does the WAL that it needs end. Its `reference` names the backups that hold files of it; `prior` is
merely the one that it was compared with.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drbook.core.values import plain

_LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?")
_SEGMENT = re.compile(
    r"(?P<archive>[\d.]+-\d+)/[0-9A-F]{16}/(?P<name>[0-9A-F]{24})-(?P<sha1>[0-9a-f]{40})(?:\.\w+)?"
)
_HISTORY = re.compile(r"(?P<archive>[\d.]+-\d+)/(?P<name>[0-9A-F]{8})\.history")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that the stanza holds backups of; an upgrade makes another."""

    version: str
    """As pgBackRest writes it: `15`, `9.6`."""
    system_identifier: str

    @property
    def number(self) -> int | None:
        """Like 150000, as far as it is known."""
        major, _, minor = self.version.partition(".")
        if not major.isdecimal() or not (minor or "0").isdecimal():
            return None
        return int(major) * 10000 + (int(minor or 0) * 100 if int(major) < 10 else 0)


@dataclass(frozen=True, slots=True)
class Backup:
    label: str
    start: datetime
    stop: datetime
    """When it became consistent, by the clock of the host that ran pgBackRest."""
    wal_start: str
    wal_stop: str
    """The segments that it cannot be started without; empty where it was taken of a stopped server."""
    lsn_start: str
    lsn_stop: str
    size: int
    """Bytes that the repository holds of all its files, those in its parents too."""
    laid_down: int
    """Bytes of the data directory that it becomes."""
    needs: tuple[str, ...]
    """Oldest first."""
    page_errors: bool
    database: int


@dataclass(frozen=True, slots=True)
class Stanza:
    """One stanza in one repository. `code` is pgBackRest's status: 0 good, 2 without a backup."""

    code: int
    message: str
    encrypted: bool
    backups: tuple[Backup, ...]
    clusters: Mapping[int, Cluster]
    busy: bool
    """Whether a backup or an expire holds the stanza's lock on this machine."""

    def cluster_of(self, backup: Backup) -> Cluster | None:
        return self.clusters.get(backup.database)

    def archive_of(self, backup: Backup) -> str:
        """The folder of its WAL: `15-1`."""
        cluster = self.cluster_of(backup)
        return f"{cluster.version}-{backup.database}" if cluster is not None else ""


@dataclass(frozen=True, slots=True)
class Stored:
    """One segment in the archive."""

    at: datetime
    sha1: str
    """Of the segment as the server wrote it."""
    file: str = ""
    """Its path below the stanza's archive."""


@dataclass(slots=True)
class Archive:
    """The WAL of one cluster."""

    segments: dict[str, Stored] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    """Segments of which two different files lie there: pgBackRest hands out neither."""
    histories: set[int] = field(default_factory=set)
    """Timelines whose history is there."""

    def has(self, name: str) -> bool:
        return name in self.segments and name not in self.twice


def _json(text: bytes) -> Any:
    """pgBackRest quotes bytes that are no text, as of what it could not decrypt."""
    return json.loads(text.decode("utf-8", "replace"), strict=False)


def stanza_in(text: bytes, name: str, repo: int) -> Stanza:
    """What `info --output=json` says of this stanza. Raises ValueError where it is something else."""
    try:
        (found,) = (one for one in _json(text) if one["name"] == name)
        status = next((one["status"] for one in found["repo"] if one["key"] == repo), None)
        status = status or found["status"]
        sizes = {
            str(one["label"]): int(one["info"]["repository"]["delta"]) for one in found["backup"]
        }
        return Stanza(
            code=int(status["code"]),
            message=str(status["message"]),
            encrypted=_cipher(found, repo) != "none",
            backups=tuple(
                _backup(one, sizes)
                for one in found["backup"]
                if one["database"].get("repo-key", repo) == repo
            ),
            clusters={
                int(one["id"]): Cluster(str(one["version"]), str(one["system-id"]))
                for one in found["db"]
                if one.get("repo-key", repo) == repo
            },
            busy=bool(found["status"].get("lock", {}).get("backup", {}).get("held")),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"pgBackRest's list of backups lacks {error}") from None


def _cipher(found: Mapping[str, Any], repo: int) -> str:
    return str(next((one["cipher"] for one in found["repo"] if one["key"] == repo), "none"))


def _backup(one: Mapping[str, Any], sizes: Mapping[str, int]) -> Backup:
    label = str(one["label"])
    needs = tuple(str(each) for each in one.get("reference") or ())
    for each in (label, *needs):
        if not _LABEL.fullmatch(each):  # it becomes an argument
            raise ValueError(f"pgBackRest names a backup {plain(each, 60)!r}")
    archive, lsn = one.get("archive") or {}, one.get("lsn") or {}
    stored = one["info"]["repository"]
    whole = stored.get("size")  # left out for some by later versions
    if whole is None:
        whole = sum(sizes.get(each, 0) for each in (label, *needs))
    return Backup(
        label=label,
        start=_moment(one["timestamp"]["start"]),
        stop=_moment(one["timestamp"]["stop"]),
        wal_start=str(archive.get("start") or ""),
        wal_stop=str(archive.get("stop") or ""),
        lsn_start=str(lsn.get("start") or ""),
        lsn_stop=str(lsn.get("stop") or ""),
        size=int(whole),
        laid_down=int(one["info"]["size"]),
        needs=tuple(sorted(needs, key=lambda each: each[-16:])),
        page_errors=bool(one.get("error")),
        database=int(one["database"]["id"]),
    )


def _moment(seconds: object) -> datetime:
    if not isinstance(seconds, int):
        raise ValueError("pgBackRest gives a time that is no number of seconds")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError("pgBackRest gives a time that no clock can show") from None


@dataclass(frozen=True, slots=True)
class Tablespace:
    oid: int
    name: str


def details_in(text: bytes) -> tuple[tuple[Tablespace, ...], tuple[str, ...]]:
    """The tablespaces of the backup that `info --set` was asked for, and its links that lead out of the
    data directory. Raises ValueError."""
    try:
        (found,) = _json(text)
        (one,) = found["backup"]
        spaces = tuple(
            Tablespace(int(each["oid"]), str(each["name"])) for each in one.get("tablespace") or ()
        )
        return spaces, tuple(str(each["name"]) for each in one.get("link") or ())
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"pgBackRest's account of one backup lacks {error}") from None


def folders_in(text: bytes) -> frozenset[str]:
    """The backups whose folders lie in the repository, of `repo-ls backup/STANZA`. Raises ValueError."""
    return frozenset(
        name
        for name, one in _listed(text).items()
        if _LABEL.fullmatch(name) and one.get("type") == "path"
    )


def archives_in(text: bytes) -> dict[str, Archive]:
    """The WAL by cluster, of `repo-ls archive/STANZA --recurse`. Raises ValueError."""
    found: dict[str, Archive] = {}
    for name, one in _listed(text).items():
        if match := _SEGMENT.fullmatch(name):
            archive = found.setdefault(match["archive"], Archive())
            if archive.segments.get(match["name"], None) is not None:
                archive.twice.add(match["name"])
            archive.segments[match["name"]] = Stored(_moment(one.get("time")), match["sha1"], name)
        elif match := _HISTORY.fullmatch(name):
            found.setdefault(match["archive"], Archive()).histories.add(int(match["name"], 16))
    return found


def _listed(text: bytes) -> Mapping[str, Mapping[str, Any]]:
    found = _json(text or b"{}")
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ValueError("pgBackRest's list of files is no list of files")
    return found


def newest_first(backups: Sequence[Backup]) -> list[Backup]:
    return sorted(backups, key=lambda one: (one.stop, one.label), reverse=True)
