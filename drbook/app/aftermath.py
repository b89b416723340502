"""What an ended life of drbook left behind: processes that are still ending."""

import time
from collections.abc import Callable, Iterable, Mapping

from drbook.core import events as ev
from drbook.core.errors import Refused
from drbook.core.events import Record
from drbook.core.values import counted, plain
from drbook.providers.pids import session_of, still_runs

LONGEST = 60.0
"""Seconds. A launcher ends its program within 20 s at most, then kills it."""
LOOK_EVERY = 0.1


def wait_for_children(
    records: Iterable[Record],
    host: str,
    tell: Callable[[str], None],
    *,
    longest: float = LONGEST,
) -> tuple[str, ...]:
    """Wait until every process on record is gone; returns, in words, those that still ran.

    They die with the drbook that started them, but a server takes its time to shut down, and
    nothing may be started beside it. Processes of another host are not looked for. Raises Refused
    where one does not end.
    """
    known = {
        (event.pid, event.started): f"{event.pid} ({plain(' '.join(event.argv), 120)})"
        for event in (record.event for record in records if record.host == host)
        if isinstance(event, ev.ProcessStarted)
    }
    outlived = left = _left_of(known)
    if not left:
        return ()
    tell(f"{counted(len(left), 'process', 'processes')} of the life before must end first …")
    until = time.monotonic() + longest
    while left := _left_of(known):
        if time.monotonic() > until:
            raise Refused(
                f"A process of this incident still runs: {', '.join(left)}.",
                means="It may still change what it was started for. Nothing was resumed.",
                next="Look at it, end it by its number (kill), then resume.",
                code="still-running",
            )
        time.sleep(LOOK_EVERY)
    return outlived


def _left_of(known: Mapping[tuple[int, int], str]) -> tuple[str, ...]:
    """What still runs of them, in words: the launchers, and what outlived one that was killed."""
    found = []
    for key, words in known.items():
        if still_runs(*key):
            found.append(words)
            continue
        members = session_of(*key)
        found += [f"{pid} ({plain(name, 60)}) of {words}" for pid, name in members.items()]
    return tuple(found)
