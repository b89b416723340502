"""One rehearsal of a runbook at a time on this machine.

A lock of the kernel on a file in the state directory, by the runbook's title. The system gives it up with
the process that holds it, however that ends: what a dead one left written is nobody's lock. The file says
who holds it; only the lock decides.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from drbook.app.places import Home, need_private
from drbook.core.errors import JournalError, Rehearsed
from drbook.core.values import format_time, plain
from drbook.providers import private

_LONGEST = 4096


@contextmanager
def one_rehearsal(home: Home, title: str) -> Iterator[None]:
    """Held for the block. Raises Rehearsed where another process has it, with who, since when and its pid;
    JournalError where no lock can be taken, Refused where others could take it away."""
    handle = _taken(home, title)
    try:
        told = {"pid": os.getpid(), "user": os.geteuid(), "since": format_time(datetime.now(UTC))}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(told).encode(), 0)
        yield
    finally:
        os.close(handle)


def _taken(home: Home, title: str) -> int:
    name = hashlib.sha256(title.encode()).hexdigest()
    path = home.path / "rehearsing" / name
    try:
        private.folders(path.parent)
        need_private(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _no_lock(str(path), error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = os.pread(handle, _LONGEST, 0)
        os.close(handle)
        raise _held(title, held) from None
    except OSError as error:
        os.close(handle)
        raise _no_lock(str(path), error) from None
    return handle


def _held(title: str, told: bytes) -> Rehearsed:
    try:
        found = json.loads(told)
        who = f"process {int(found['pid'])} of uid {int(found['user'])}, since {plain(str(found['since']), 40)}"
    except (ValueError, KeyError, TypeError, RecursionError):
        who = "another process, which has not said yet who it is"
    return Rehearsed(
        f"{plain(title, 200)!r} is being rehearsed on this machine already: {who}.",
        means="Nothing was started. Two rehearsals at once would measure each other.",
        next="Wait for it, or look at it with `drbook incidents` and `drbook watch`.",
    )


def _no_lock(path: str, error: OSError) -> JournalError:
    return JournalError(
        f"No lock can be taken in {plain(path, 400)}: {error.strerror or error}.",
        means="Whether this runbook is being rehearsed is not known. Nothing was started.",
        next="Mend the permissions there, or point DRBOOK_HOME at a disk with locks.",
        code="rehearsal-lock",
    )
