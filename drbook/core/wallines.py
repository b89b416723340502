"""Lines of pg_waldump: which record each one shows. PostgreSQL 13 to 18.

Formats of pg_waldump's `XLogDumpDisplayRecord` and of the functions below `src/backend/access/rmgrdesc`; 15 and
18 are run in the tests. Names and times in these lines come from the server: only numbers are taken.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

FIRST_OWN = 16384
"""The first number that the server gives to what users create (`FirstNormalObjectId`); catalogs have
smaller ones, but for those that were rewritten."""
RMGRS = ("Transaction", "Heap", "Heap2", "Storage", "Database", "XLOG")
"""The kinds of record that are read here."""

_LINE = re.compile(
    r"rmgr: (\w+) +len [^,]*, tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), prev [0-9A-F]+/[0-9A-F]+, "
    r"desc: (\S+) ?(.*)"
)
_REL = re.compile(r"blkref #\d+: rel (\d+/\d+/\d+) (?!fork)")
_TUPLES = re.compile(r"(?:ntuples: )?(\d+)")
_FLAGS = re.compile(r"flags:? 0x([0-9A-F]{2})")
_COMMIT = re.compile(r"(?:(\d+): )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (?:UTC|GMT)(?=;|$)")
_ABORTED = re.compile(r"(\d+): ")
_RELS = re.compile(r"; rels:([^;]*)")
_SUBS = re.compile(r"; subxacts:([^;]*)")
_FILE = re.compile(r"(?:base|global|pg_tblspc/\d+/\w+)(?:/\d+){1,2}$")
_DIR = re.compile(r"(\d+)/(\d+)")
_RUNNING = re.compile(r"oldest running xid (\d+); (online|shutdown)")
_RELIDS = re.compile(r"nrelids:? (\d+)")

IS_SUPER, PARTITION_MOVE = 0x08, 0x10
"""Flags of a DELETE (`heapam_xlog.h`): it takes back an INSERT that met a conflict, or moves its row to
another partition."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record, as far as it is needed; `rest` is what its description says."""

    rmgr: str
    xid: int
    lsn: int
    what: str
    rest: str


@dataclass(frozen=True, slots=True)
class Commit:
    xid: int
    at: datetime
    dropped: tuple[str, ...]
    children: tuple[int, ...]


def parse(line: str) -> Line | None:
    """None for a line that shows no record."""
    found = _LINE.match(line)
    if found is None:
        return None
    rmgr, xid, lsn, what, rest = found.groups()
    return Line(rmgr, int(xid), lsn_number(lsn), what.partition("+")[0], rest)


def lsn_number(lsn: str) -> int:
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(number: int) -> str:
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def relation(rest: str) -> str | None:
    """`tablespace/database/file` of the first block of a relation's main file."""
    found = _REL.search(rest)
    return found[1] if found else None


def relations(rest: str) -> Sequence[str]:
    return _REL.findall(rest)


def is_own(relation: str) -> bool:
    """Whether it is of a database, and no catalog."""
    _, database, file = relation.split("/")
    return database != "0" and int(file) >= FIRST_OWN


def tuples(rest: str) -> int:
    found = _TUPLES.match(rest)
    return int(found[1]) if found else 1


def flags(rest: str) -> int:
    found = _FLAGS.search(rest)
    return int(found[1], 16) if found else 0


def commit(line: Line) -> Commit | None:
    """None where the description is of another form than any that is known."""
    found = _COMMIT.match(line.rest)
    if found is None:
        return None
    at = datetime.fromisoformat(found[2]).replace(tzinfo=UTC)
    rels, subs = _RELS.search(line.rest), _SUBS.search(line.rest)
    files = (file_of(each) for each in rels[1].split()) if rels else ()
    return Commit(
        xid=int(found[1] or line.xid),
        at=at,
        dropped=tuple(each for each in files if each is not None),
        children=_numbers(subs),
    )


def aborted(line: Line) -> tuple[int, ...]:
    """The transactions that an abort undoes: its own, or the prepared one's, and their children."""
    found = _ABORTED.match(line.rest)
    return (int(found[1]) if found else line.xid, *_numbers(_SUBS.search(line.rest)))


def prepared(line: Line) -> tuple[int, ...]:
    """The children of a transaction that was prepared. Its name is anybody's, and stands before the time."""
    return _numbers(_SUBS.search(line.rest.rpartition(" UTC")[2]))


def _numbers(found: "re.Match[str] | None") -> tuple[int, ...]:
    return tuple(int(each) for each in found[1].split() if each.isdecimal()) if found else ()


def file_of(path: str) -> str | None:
    """`base/16384/16385` as `1663/16384/16385`; None for a relation's other files (`_vm`, `_fsm`)."""
    if _FILE.match(path) is None:
        return None
    parts = path.split("/")
    if parts[0] == "base":
        return "1663/" + "/".join(parts[1:])
    if parts[0] == "global":
        return f"1664/0/{parts[1]}"
    return f"{parts[1]}/{'/'.join(parts[3:])}"


def databases(rest: str) -> tuple[str, ...]:
    """The databases' numbers in `DROP dir 1663/16384`."""
    return tuple(database for _, database in _DIR.findall(rest))


def running(line: Line) -> tuple[int, bool] | None:
    """Of a checkpoint: the oldest transaction that runs (0: none is known), and whether the server stopped."""
    found = _RUNNING.search(line.rest)
    return (int(found[1]), found[2] == "shutdown") if found else None


def truncated(rest: str) -> int:
    """Of Heap's TRUNCATE, which is written with `wal_level = logical` alone: how many tables."""
    found = _RELIDS.search(rest)
    return int(found[1]) if found else 1
