"""What an ended life of drbook left behind: processes that are still ending."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from drbook.core import events as ev
from drbook.core.errors import Refused
from drbook.core.events import Life, Record, StepEnd
from drbook.core.values import counted, plain
from drbook.providers.life import this_life
from drbook.providers.pids import Table, end_left, names, still_runs

LONGEST = 60.0
"""Seconds. A launcher ends its program within 20 s at most, then kills it."""
LOOK_EVERY = 0.1

_LIVES = (ev.IncidentOpened, ev.IncidentResumed, ev.IncidentTakenOver)
_TELLING = frozenset({*_LIVES, ev.ProcessStarted, ev.StepFinished})
"""The events of a long record that say something of processes."""
_CUT_SHORT = frozenset({"timeout", "launcher-killed", "did-not-stop", "internal", "interrupted"})


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What there was to wait for, in words."""

    outlived: tuple[str, ...] = ()
    """Processes that still ran, and have ended by now."""
    unseen: str = ""
    """Why what the life before had started cannot be looked for here."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A launcher on record."""

    event: ev.ProcessStarted
    number_holds: bool
    """Its process number means here what it meant there."""
    service: bool
    """What it left behind is none of ours: it ended by itself, or under another boot."""

    @property
    def words(self) -> str:
        return f"{self.event.pid} ({plain(' '.join(self.event.argv), 120)})"


@dataclass(slots=True)
class _Past:
    """What the record says of earlier lives."""

    here: Life
    host: str
    lives: list[str] = field(default_factory=list)
    """Their tokens, which nobody else has; our own is left out."""
    known: list[_Known] = field(default_factory=list)
    unseen: str = ""


def wait_for_children(
    records: Iterable[Record],
    host: str,
    tell: Callable[[str], None],
    *,
    here: Life | None = None,
    longest: float = LONGEST,
) -> Aftermath:
    """Wait until everything is gone that earlier lives had started, on record or not.

    It dies with the drbook that started it, but a server takes its time to shut down, and nothing
    may be started beside it. What ran on another machine, or before this one was started again, is
    not looked for. Raises Refused where something does not end.
    """
    past = _past(tuple(records), here or this_life(), host)
    if past.unseen:
        tell(past.unseen)
    outlived = left = _left_of(past)
    if left:
        tell(f"{counted(len(left), 'process', 'processes')} of the life before must end first …")
    until = time.monotonic() + longest
    while left and (left := _left_of(past)):
        if time.monotonic() > until:
            raise Refused(
                f"A process of this incident still runs: {', '.join(left)}.",
                means="It may still change what it was started for. Nothing was resumed.",
                next="Look at it, end it by its number (kill), then resume.",
                code="still-running",
            )
        time.sleep(LOOK_EVERY)
    return Aftermath(outlived, past.unseen)


def left_running(records: Iterable[Record], host: str) -> tuple[str, ...]:
    """What still runs of earlier lives, in words. Changes nothing."""
    return _left_of(_past(tuple(records), this_life(), host))


def end_children(records: Iterable[Record], host: str, tell: Callable[[str], None]) -> Aftermath:
    """End what outlived a launcher that was killed, told by the token in its environment or by the session that it
    began, and wait for everything else. Raises Refused where something does not end."""
    known = tuple(records)
    past = _past(known, this_life(), host)
    for each in past.known:
        event = each.event
        if each.service or (each.number_holds and still_runs(event.pid, event.started)):
            continue
        end_left(event.pid if each.number_holds else 0, event.started, event.token)
    return wait_for_children(known, host, tell)


def _past(records: tuple[Record, ...], here: Life, host: str) -> _Past:
    past, life = _Past(here, host), None
    last = records[-1:]
    records = tuple(record for record in records if type(record.event) in _TELLING)
    ended = {
        (event.step, event.attempt)
        for event in (record.event for record in records)
        if isinstance(event, ev.StepFinished) and _by_itself(event)
    }
    for record in records:
        event = record.event
        if isinstance(event, _LIVES):
            life = event.life
            if life is not None and life.token != here.token and not _other_boot(life, here):
                past.lives.append(life.token)
        elif isinstance(event, ev.ProcessStarted):
            left_alone = (event.step, event.attempt) in ended or _other_boot(life, here)
            past.known.append(_Known(event, _number_holds(life, record, past), left_alone))
    if last:
        past.unseen = _why_unseen(life, last[0].host, past)
    return past


def _by_itself(event: ev.StepFinished) -> bool:
    cut = event.state in (StepEnd.CANCELLED, StepEnd.IN_DOUBT) or event.code in _CUT_SHORT
    return not cut


def _other_boot(life: Life | None, here: Life) -> bool:
    """Known to be another machine, or this one before it was started again: nothing of it runs here."""
    return life is not None and bool(life.boot and here.boot) and life.boot != here.boot


def _same_boot(life: Life | None, here: Life) -> bool:
    return life is not None and bool(life.boot) and life.boot == here.boot


def _number_holds(life: Life | None, record: Record, past: _Past) -> bool:
    """By boot and namespace; where one of them does not say its boot, as in old records, by the name."""
    if life is None or not life.boot or not past.here.boot:
        return record.host == past.host
    return _same_boot(life, past.here) and life.pids == past.here.pids


def _why_unseen(life: Life | None, host: str, past: _Past) -> str:
    """Of the life that wrote the last record; each one before has its own answer on record."""
    if _same_boot(life, past.here):
        if life is None or life.pids == past.here.pids:
            return ""
        where = "in another container of this machine (another process namespace)"
    elif host == past.host:
        return ""  # this machine, started again since; or one that does not say
    else:
        where = f"on {plain(host, 100)}"
    return f"The life before ran {where}: whether all that it had started has ended cannot be seen here."


def _left_of(past: _Past) -> tuple[str, ...]:
    """What still runs, in words: launchers on record, what outlived one that was killed, and
    launchers of those lives that are on no record."""
    table = Table.now()
    found = dict(_on_record(table, past.known))
    for life in past.lives:
        for pid, name in names(table.launchers(life) - found.keys()).items():
            found[pid] = f"{pid} ({plain(name, 60)}, on no record)"
    return tuple(found.values())


def _on_record(table: Table, known: Iterable[_Known]) -> Iterator[tuple[int, str]]:
    for each in known:
        event = each.event
        if each.number_holds and still_runs(event.pid, event.started):
            yield event.pid, each.words
            continue
        if each.service:
            continue
        left = table.session(event.pid, event.started) if each.number_holds else set[int]()
        left |= table.carrying(event.token)
        for pid, name in names(left).items():
            yield pid, f"{pid} ({plain(name, 60)}) of {each.words}"
