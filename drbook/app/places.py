"""Where incidents are kept: `$DRBOOK_HOME`, else the platform's state directory."""

import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from platformdirs import user_state_path

from drbook.core.errors import JournalError, Refused, UsageError
from drbook.core.plaintext import INCIDENT_ID, plain
from drbook.providers import private

JOURNAL = "journal.jsonl"
RUNBOOK = "runbook.yaml"


@dataclass(frozen=True, slots=True)
class Home:
    """The state directory."""

    path: Path

    @property
    def incidents(self) -> Path:
        return self.path / "incidents"

    def folder(self, incident: str) -> Path:
        return self.incidents / incident


def home(environment: Mapping[str, str] = os.environ) -> Home:
    """Raises UsageError where nothing says where the home folder is."""
    given = environment.get("DRBOOK_HOME")
    try:
        found = Path(given).expanduser().resolve() if given else user_state_path("drbook")
    except RuntimeError:  # pathlib's, for a `~` that stands for nobody
        found = Path("~")
    if not found.is_absolute():
        raise UsageError(
            "Nobody knows where your home folder is: HOME is not set, and you have no entry among "
            "this machine's users.",
            means="There is no place to keep a record, so nothing was started.",
            next="Set DRBOOK_HOME to a folder of yours on a disk that lasts.",
            code="no-home",
        )
    return Home(found)


def new_incident_id(title: str, at: datetime) -> str:
    """`20260424-211912-production-postgres-7f3a`: sorts by time, says what it is, and is unique."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:24].strip("-") or "incident"
    return f"{at:%Y%m%d-%H%M%S}-{words}-{secrets.token_hex(2)}"


def incident_of(folder: Path) -> str:
    """The incident that a folder's name stands for; empty where somebody gave it a name of their own."""
    return folder.name if INCIDENT_ID.fullmatch(folder.name) else ""


def make_folder(path: Path) -> None:
    """A folder of one's own, mode 0700, two levels under the state directory, on disk with its name.

    Raises JournalError where it cannot be made, Refused where others could put another in its place.
    """
    try:
        missing = [one for one in path.parents if not one.exists()]
        private.folders(path.parent)
        need_private(path.parent)
        path.mkdir(mode=0o700)
        for one in {path, *missing}:
            sync_folder(one.parent)
    except OSError as error:
        raise JournalError(
            f"The incident folder {path} cannot be made: {error.strerror or error}.",
            means="Nothing is done that cannot be recorded.",
            next="Make room or mend the permissions, or point DRBOOK_HOME at another place.",
        ) from None


def sync_folder(folder: Path) -> None:
    """Make durable which names lie in it. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def need_private(folder: Path) -> None:
    """Others must not be able to exchange what lies in it, nor the folder itself, nor one above it.

    A sticky folder, like /tmp, keeps everybody's own. Root is asked by nobody, so what belongs to root
    counts as one's own; not so, for root too, what belongs to somebody else. Raises Refused, OSError.
    """
    real = folder.resolve()
    for one in (real, *real.parents):
        if why := _open_to_others(one):
            raise Refused(
                f"{one} {why}.",
                means="Somebody else could exchange an incident's record there. Nothing was started.",
                next=f"Run `chmod go-w {one}` where it is yours, or point DRBOOK_HOME at a folder of "
                "your own.",
                code="state-dir",
            )


def _open_to_others(folder: Path) -> str:
    found, me = folder.stat(), os.geteuid()
    if found.st_uid not in (me, 0) and folder != folder.parent:
        return f"belongs to uid {found.st_uid}"
    if found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "may be written to by everybody"
    if found.st_mode & stat.S_IWGRP and found.st_gid != os.getegid():
        return f"may be written to by group {found.st_gid}"
    return ""


def find_incident(where: Home, name: str | None) -> Path:
    """The folder of an incident by its id, the start of its id, or its path; the newest for None.

    Raises UsageError where there is none or more than one.
    """
    if name is not None and _holds_journal(Path(name)):
        return Path(name).absolute()  # programs are started in other folders than this one
    folders = listed(where)
    if name is None:
        if folders:
            return folders[-1]
        raise UsageError(
            f"There is no incident in {where.incidents}.", next="`drbook run RUNBOOK` opens one."
        )
    matching = [folder for folder in folders if folder.name == name] or [
        folder for folder in folders if folder.name.startswith(name) or folder.name.endswith(name)
    ]
    if len(matching) == 1:
        return matching[0]
    shown = plain(name, 80)
    if matching:
        names = ", ".join(folder.name for folder in matching[:5])
        raise UsageError(
            f"{shown!r} names {len(matching)} incidents: {names}.", next="Give more of the id."
        )
    raise UsageError(
        f"There is no incident {shown!r} in {where.incidents}.",
        next="`drbook incidents` lists them.",
    )


def listed(where: Home) -> list[Path]:
    """All incident folders, oldest first; those too that cannot be looked into, for nobody knows that
    they are none. Raises JournalError where their folder itself cannot be read.
    """
    try:
        return sorted(path for path in where.incidents.iterdir() if _holds_journal(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise JournalError(
            f"{where.incidents} cannot be read: {error.strerror or error}.",
            means="Which incidents there are is not known.",
            next="Mend its permissions; nothing was started.",
            code="journal-missing",
        ) from None


def _holds_journal(folder: Path) -> bool:
    try:
        return stat.S_ISREG((folder / JOURNAL).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return not folder.name.startswith(".")
