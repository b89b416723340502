"""One writer of an incident on this machine, wherever its folder lies.

The journal's own lock is on its file, so a copy of an incident's folder has a lock of its own. This
one goes by the incident's id, in a folder of the user's that no setting of drbook's moves (HOME and
XDG_STATE_HOME do); the system gives it up with the process. A second machine is the mirrors' to find.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_state_path

from drbook.core.errors import JournalError, JournalLocked
from drbook.core.values import plain
from drbook.providers import private


class Claim:
    """Held until `release`, or the process's end."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    def release(self) -> None:
        """Give it up; what was made for it goes too, which only its holder may take away."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return  # an empty file stays; it is the lock on it that counts
        finally:
            os.close(handle)


def places() -> Iterator[Path]:
    """Where the claims lie: beside the user's own state, or where no home can be written."""
    try:
        own = user_state_path("drbook")
    except RuntimeError:  # pathlib's, for a `~` that stands for nobody
        own = Path("~")
    if own.is_absolute():
        yield own / "writing"
    yield Path("/tmp") / f"drbook-{os.geteuid()}"


def claim(incident: str) -> Claim:
    """Claim the incident for this process. Raises JournalLocked where another one has it, JournalError
    where nobody could know."""
    name = hashlib.sha256(incident.encode()).hexdigest()
    problems = []
    for place in places():
        try:
            _need_own(place)
            return _locked(place / name, incident)
        except OSError as error:
            problems.append(f"{place}: {error.strerror or error}")
    raise JournalError(
        f"No lock can be taken for incident {plain(incident, 100)} ({'; '.join(problems)}).",
        means="Nobody could keep a second drbook from writing it, from a copy of its folder, so nothing "
        "is done.",
        next="Make one of these folders a private one of yours (chmod 700), on a disk with locks.",
        code="journal-no-lock",
    )


def _need_own(place: Path) -> None:
    """Raises OSError where others could take a lock away there."""
    private.folders(place)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(0, "it is not a private folder of yours")


def _locked(path: Path, incident: str) -> Claim:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands(handle, path):
                return Claim(path, handle)
        except BlockingIOError:
            os.close(handle)
            raise _held(incident) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder gave it up in between, and took the file away


def _stands(handle: int, path: Path) -> bool:
    opened = os.fstat(handle)
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino)


def _held(incident: str) -> JournalLocked:
    return JournalLocked(
        f"Another drbook on this machine writes incident {plain(incident, 100)}, in another folder.",
        means="One incident has one writer: two could each do what the other did.",
        next="Go on there, or end that one first. A copy of an incident's folder is gone on with once "
        "the first one is left for good.",
    )
