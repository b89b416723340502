"""One writer of an incident on this machine, wherever its folder lies.

The journal's own lock is on its file, so a copy of an incident's folder has a lock of its own. This
one goes by the incident's id: a file beside the user's own state, and on Linux a name in the kernel's
table of sockets, which is one for all users of a machine whatever HOME and XDG_STATE_HOME say to each.
The system gives both up with the process. A second machine is the mirrors' to find.
"""

import errno
import fcntl
import hashlib
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_state_path

from drbook.core.errors import JournalError, JournalLocked
from drbook.core.values import plain
from drbook.providers import private

PREFIX = "drbook-writes-"
"""Of the socket's name; behind it comes the SHA-256 of the incident's id."""

_CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: process, user, group."""


class ClaimedElsewhere(JournalLocked):
    """Somebody writes the incident in another folder: no message left in this one would be read."""


class Claim:
    """Held until `release`, or the process's end."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle
        self.name: socket.socket | None = None
        """The kernel's name for it, where there is such a thing."""

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
            if self.name is not None:
                self.name.close()


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
    held = _in_a_folder(name, incident)
    try:
        held.name = _named(name, incident)
    except BaseException:
        held.release()
        raise
    return held


def written_now(incident: str) -> bool:
    """Whether some process of this machine writes it, by the kernel's table of names; False where there
    is no such table. Nobody is disturbed by the question, and nothing may rest on the answer."""
    name = f"@{PREFIX}{hashlib.sha256(incident.encode()).hexdigest()}"
    try:
        table = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(line.endswith(name) for line in table.splitlines())


def writer_now(incident: str) -> str:
    """Who writes it on this machine, like `process 4711 of user 0`; empty where nobody does, or the system does
    not say. Nothing may rest on the answer."""
    name = hashlib.sha256(incident.encode()).hexdigest()
    if not written_now(incident):
        # Where no table of names says it, the kernel's lock does, for this user's claims.
        held = any(_is_held(one / name) for one in places())
        return "a process of this user" if held else ""
    return _holder(f"\0{PREFIX}{name}").strip(" ()") or "a process of this machine"


def claims_left(incident: str) -> list[Path]:
    """Files of claims on it that nobody holds; whoever takes it next takes them away."""
    name = hashlib.sha256(incident.encode()).hexdigest()
    found = [one / name for one in places() if (one / name).exists()]
    return [one for one in found if not _is_held(one)]


def _is_held(path: Path) -> bool:
    """By the kernel's lock on it. False for what cannot be looked at: taking the claim is what decides."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _in_a_folder(name: str, incident: str) -> Claim:
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


def _named(name: str, incident: str) -> socket.socket | None:
    """A name in the kernel's table (unix(7), "abstract"): one of this machine, or of this network
    namespace, for every user. None where there is no such table, or a sandbox allows no sockets."""
    if not sys.platform.startswith("linux"):
        return None
    address = f"\0{PREFIX}{name}"
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(address)
        held.listen(8)  # for those who ask who holds it; nobody is answered
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            raise _held(incident, _holder(address)) from None
        return None
    return held


def _holder(address: str) -> str:
    """Who holds a name, by the kernel's account (unix(7), SO_PEERCRED); empty where it does not say."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(address)
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return ""
    pid, user, _ = _CREDENTIALS.unpack(told)
    return f" (process {pid} of user {user})" if pid else ""


def by_whom(error: JournalLocked, incident: str, host: str) -> JournalLocked:
    """The same refusal with who writes, as far as the kernel or the last record's `host` says."""
    address = f"\0{PREFIX}{hashlib.sha256(incident.encode()).hexdigest()}"
    holder = _holder(address).strip(" ()") if sys.platform.startswith("linux") else ""
    if holder:
        whom, leave = f"{holder} on this machine", f"kill {holder.split()[1]}"
    elif host:
        whom, leave = f"on host {plain(host, 100)}, by its last record", "end it there"
    else:
        return error
    return JournalLocked(
        f"{error.what.removesuffix('.')}: {whom}.",
        means=error.means,
        next=f"Go on where it runs, or leave it there (q). Where nobody can reach it any more: {leave}, "
        f"then resume. {error.next}",
        code=error.code,
    )


def _held(incident: str, holder: str = "") -> ClaimedElsewhere:
    return ClaimedElsewhere(
        f"Another drbook on this machine{holder} writes incident {plain(incident, 100)}, in another "
        "folder.",
        means="One incident has one writer: two could each do what the other did.",
        next="Go on there, or end that one first. A copy of an incident's folder is gone on with once "
        "the first one is left for good.",
    )
