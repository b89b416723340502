"""To which moment a physical copy is rolled forward: the last one that is still wanted."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from drbook.core.isolation import Isolation
from drbook.core.values import Frozen, UtcTime, show_time

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


def _lsn(text: str) -> str:
    if not _LSN.fullmatch(text):
        raise ValueError("a place in the WAL like 0/3000148")
    return text.upper()


Lsn = Annotated[str, AfterValidator(_lsn)]

WAYS = "exactly one of time, lsn, xid, name, end or consistent, like {time: 2026-04-24T19:04:00Z}"
_ZONE = re.compile(r"(?:Z|UTC|[+-]\d\d(?::?\d\d)?)$", re.IGNORECASE)


class RecoveryAim(Frozen):
    """Exactly one of the ways in which PostgreSQL can be told where to stop (its manual, "Recovery Target").

    What stands exactly at the aim is left out, so that naming the statement that destroyed the data
    stops right before it; `inclusive` keeps it.
    """

    time: UtcTime | None = None
    """Before the first commit at or after this moment."""
    lsn: Lsn | None = None
    """Before the record that begins here."""
    xid: int | None = Field(default=None, ge=3, lt=2**32)
    """Before this transaction's commit."""
    name: str | None = Field(default=None, min_length=1, max_length=63)
    """At a restore point that was made by this name; there is nothing to leave out."""
    end: bool = False
    """All of the WAL that the archive has, whatever it says."""
    consistent: bool = False
    """No further than the copy's own end."""
    inclusive: bool = False

    @model_validator(mode="before")
    @classmethod
    def _shape(cls, value: object) -> object:
        if isinstance(value, Mapping | RecoveryAim):
            return value
        raise ValueError(WAYS)

    @field_validator("time", mode="before")
    @classmethod
    def _zoned(cls, value: object) -> object:
        """Some hours off, it would stop behind the loss: nobody is to guess a zone here."""
        if isinstance(value, str) and not _ZONE.search(value.strip()):
            raise ValueError("a time with its zone, like 2026-04-24T19:04:00Z")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.time, self.lsn, self.xid, self.name, self.end or None, self.consistent or None]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(WAYS)
        if self.inclusive and (self.end or self.consistent or self.name is not None):
            raise ValueError("`inclusive` beside time, lsn or xid alone")
        return self

    def settings(self) -> Mapping[str, str]:
        """The server's settings that say so."""
        found = {"recovery_target_inclusive": "on" if self.inclusive else "off"}
        if self.time is not None:
            found["recovery_target_time"] = self.time.isoformat(sep=" ")
        elif self.lsn is not None:
            found["recovery_target_lsn"] = self.lsn
        elif self.xid is not None:
            found["recovery_target_xid"] = str(self.xid)
        elif self.name is not None:
            found["recovery_target_name"] = self.name
        elif self.consistent:
            found["recovery_target"] = "immediate"
        return found

    def passes(self, occurred: datetime | None) -> bool:
        """Whether it lies behind the moment that the loss is said to be of, so that the loss is replayed too. A
        place or a transaction is somebody's own answer to where the loss was."""
        if occurred is None:
            return False
        if self.time is not None:
            return self.time > occurred or (self.inclusive and self.time == occurred)
        return self.end

    def show(self) -> str:
        """For people, after *rolled forward to* or *stops*."""
        edge = "up to and with" if self.inclusive else "right before"
        if self.time is not None:
            return f"{edge} {show_time(self.time)}"
        if self.lsn is not None:
            return f"{edge} {self.lsn}"
        if self.xid is not None:
            return f"{edge} transaction {self.xid}"
        if self.name is not None:
            return f"at the restore point {self.name}"
        return "at the copy's own end" if self.consistent else "at the end of the WAL"


class RecoveryReport(Frozen):
    """What rolling a physical copy forward came to, in the server's own words where they are quoted."""

    aim: RecoveryAim
    stopped: str
    """Why and where it stopped, as the server said it; empty where it came to the end of the WAL."""
    stopped_at: UtcTime | None = None
    """The time of the transaction that it stopped before or after."""
    last_commit: UtcTime | None = None
    """Of the last transaction that was replayed; None where none was."""
    ended_before_aim: bool = False
    """The WAL ended before the time that was aimed at. What was committed after `last_commit` and before
    the aim, if anything, is not in it."""
    broken: str = ""
    """Why what was replayed is not all that the archive holds: a file of WAL in between is damaged or missing.
    What came behind it is not in it; another copy or another archive may lose less."""
    past_loss: UtcTime | None = None
    """When the loss is said to have happened, where it was rolled forward behind that: what destroyed the data was
    replayed with it."""
    redo_done: str = ""
    """Where in the WAL it ended."""
    timeline: int | None = None
    wal_files: int
    isolation: Mapping[str, str]
    """Settings that keep the server to itself, as it answered when it was asked afterwards."""
    alone: Isolation | None = None
    """What the server answered of all that could reach outside; None in records of before that was asked."""
    set_aside: tuple[str, ...] = ()
    """Files of the old server that have no say."""
    server_version: int
    seconds: int

    def complete_to(self, copy_end: datetime) -> datetime:
        """The moment up to which everything that was committed is surely in it."""
        if self.broken or self.ended_before_aim or self.stopped_at is None:
            found = self.last_commit or copy_end
        else:
            found = min(self.stopped_at, self.aim.time) if self.aim.time else self.stopped_at
        return max(found, copy_end)

    def held_past(self, aim: RecoveryAim, occurred: datetime | None) -> "RecoveryReport":
        """The same, with whether it came behind the loss."""
        last = self.last_commit or self.stopped_at
        if occurred is None or last is None or last < occurred or not aim.passes(occurred):
            return self
        return self.model_copy(update={"past_loss": occurred})

    @property
    def repeats(self) -> str:
        """That the loss was replayed too, in words; empty where it was not, as far as is known."""
        if self.past_loss is None:
            return ""
        return f"THE LOSS ITSELF WAS REPLAYED: it was rolled forward behind {show_time(self.past_loss)}, when that happened"

    def show(self) -> str:
        return "; ".join(filter(None, (self.repeats, self._shown())))

    def _shown(self) -> str:
        if self.broken:
            last = show_time(self.last_commit) if self.last_commit else "unknown"
            return (
                f"NOT rolled forward to its aim: {self.broken}; the last commit in it is of {last}"
            )
        if self.ended_before_aim:
            last = show_time(self.last_commit) if self.last_commit else "unknown"
            return f"the WAL ended before the aim; the last commit in it is of {last}"
        if self.stopped:
            return self.stopped
        last = f", last commit {show_time(self.last_commit)}" if self.last_commit else ""
        return f"rolled forward to the end of the WAL{last}"


ENDED_EARLY = "recovery ended before configured recovery target was reached"
TOO_EARLY = "requested recovery stop point is before consistent recovery point"

_STOPPING = re.compile(r"LOG: +(recovery stopping (?:before|after|at) .+)")
_TIME = re.compile(r"time (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\+00")
_LAST = re.compile(
    r"last completed transaction was at log time (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\+00"
)
_DONE = re.compile(r"redo done at ([0-9A-F]+/[0-9A-F]+)")
_DAMAGED = re.compile(
    r"(incorrect resource manager data checksum in record at [0-9A-F]+/[0-9A-F]+)"
)
_LINE = re.compile(r"selected new timeline ID: (\d+)")


class LogFacts(Frozen):
    """What a server's log says of its recovery (in English, with times in UTC: both are set)."""

    stopped: str = ""
    stopped_at: UtcTime | None = None
    last_commit: UtcTime | None = None
    redo_done: str = ""
    timeline: int | None = None
    ended_early: bool = False
    damaged: str = ""
    """What the server said of a record that is not as it was written; the end of the WAL looks otherwise."""
    fatal: tuple[str, ...] = ()
    """The last complaints that ended it."""


def read_log(lines: Iterable[str]) -> LogFacts:
    """PostgreSQL's messages of `xlogrecovery.c` and `xlog.c`; of each the last one counts."""
    found: dict[str, object] = {}
    fatal: list[str] = []
    for line in lines:
        if match := _STOPPING.search(line):
            found["stopped"] = match[1]
            found["stopped_at"] = _time(_TIME.search(line))
        elif match := _LAST.search(line):
            found["last_commit"] = _time(match)
        elif match := _DONE.search(line):
            found["redo_done"] = match[1]
        elif match := _LINE.search(line):
            found["timeline"] = int(match[1])
        elif match := _DAMAGED.search(line):
            found["damaged"] = match[1]
        elif "FATAL:" in line or "PANIC:" in line:
            fatal.append(line.partition("FATAL:")[2].strip() or line.partition("PANIC:")[2].strip())
            found["ended_early"] = ENDED_EARLY in line
    return LogFacts.model_validate({**found, "fatal": tuple(fatal[-3:])})


def _time(match: re.Match[str] | None) -> datetime | None:
    return datetime.fromisoformat(match[1]).replace(tzinfo=UTC) if match else None
