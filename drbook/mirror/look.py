"""Before an incident is gone on with: has another machine taken over, was the record here cut?

A mirror that does not answer in time says nothing; it never stops an incident.
"""

import threading
import time
from collections.abc import Callable, Sequence

from drbook.core.errors import DrbookError, JournalError
from drbook.core.values import counted
from drbook.mirror.chain import line_of
from drbook.mirror.fence import newest, supersedes
from drbook.mirror.mirrors import superseded
from drbook.mirror.place import RECORDS, MirrorDown, Place, number_in

LOOK_SECONDS = 8.0


def may_go_on(
    openers: Sequence[Callable[[], Place]],
    *,
    records: int,
    head: str,
    epoch: int,
    token: str,
    seconds: float = LOOK_SECONDS,
) -> None:
    """Ask all mirrors at once, and wait at most so long.

    Raises TakenOver where a fence says so, JournalError where a mirror holds a record that follows
    this journal's last one.
    """
    found: list[DrbookError] = []

    def ask(opened: Callable[[], Place]) -> None:
        try:
            place = opened()
        except DrbookError:
            return  # its own thread will try it again, and say why it fails
        try:
            held = newest(place)
            if held is not None and supersedes(held, epoch, token):
                found.append(superseded(held.show(), place.location))
            elif _follows(place, records, head):
                found.append(_cut(place, records))
        except MirrorDown:
            return
        finally:
            place.close()

    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in openers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    if found:
        raise found[0]


def _follows(place: Place, records: int, head: str) -> bool:
    """Whether the place holds a record that hangs on our last one."""
    for stored in place.listed(RECORDS):
        if number_in(stored.name) == records + 1:
            try:
                return line_of(place.read(stored)).prev == head
            except JournalError:
                return False
    return False


def _cut(place: Place, records: int) -> JournalError:
    return JournalError(
        f"The mirror {place.location} holds records that follow the last of the "
        f"{counted(records, 'record')} here.",
        means="Lines were cut off the end of this journal, or an older copy of it was put back. Going "
        "on with it would make a second record of the same incident.",
        next="Move this folder aside as evidence, then take over from the mirror: "
        f"drbook resume --from {place.location} --take-over REASON.",
        code="journal-cut",
    )
