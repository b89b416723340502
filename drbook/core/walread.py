"""What the WAL says of every transaction: what it wrote, what it destroyed, and when it committed.

Lines go in one by one; only transactions that have not ended are held, and of ended ones the most
destructive and sums.
"""

import heapq
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from drbook.core import wallines
from drbook.core.values import Frozen, UtcTime
from drbook.core.wallines import Commit, Line, is_own, lsn_text

KEPT = 20
"""Transactions that are kept by name."""
NAMED = 20
"""Relations that are named of one of them."""


class RelationRows(Frozen):
    """What one transaction did to the rows of one relation."""

    relation: str
    """`tablespace/database/file`, by number, as the WAL has it."""
    deleted: int = 0
    updated: int = 0
    inserted: int = 0


class Destructive(Frozen):
    """One transaction that committed, and destroyed something."""

    xid: int
    committed_at: UtcTime
    lsn: str
    """Where its commit begins."""
    deleted: int = 0
    """Rows of tables that are no catalog's. Rows of TOAST tables are among them: the WAL does not tell them
    apart."""
    updated: int = 0
    inserted: int = 0
    relations: tuple[RelationRows, ...] = ()
    """Those with the most deleted rows."""
    dropped: tuple[str, ...] = ()
    """Files that went with dropped tables: the table's, its indexes', its TOAST table's."""
    emptied: tuple[str, ...] = ()
    """Files that empty ones took the place of (TRUNCATE), likewise."""
    replaced: tuple[str, ...] = ()
    """Files that filled ones took the place of: VACUUM FULL, CLUSTER, REINDEX and ALTER TABLE do that, and so does
    a DROP with a CREATE of another in one transaction."""
    databases: tuple[str, ...] = ()
    """Dropped databases, by number."""
    stop_lsn: str | None = None
    """Of a dropped database: where the first record of that begins. Its files go before the commit does."""
    commits_to: int
    """Commits that were read up to this one, itself included."""
    rows_to: int
    """Rows that those inserted, updated or deleted."""

    def rank(self) -> tuple[int, int, int]:
        """Larger is worse: databases, then whether whole tables went, then rows; nothing for what may be none."""
        tables = bool(self.dropped or self.emptied)
        return (len(self.databases), int(tables), self.deleted)

    @property
    def certain(self) -> bool:
        """Whether something was destroyed for sure."""
        return any(self.rank())

    @property
    def much(self) -> bool:
        """Whether it is worse than an ordinary DELETE of one row, which any application does all day."""
        databases, tables, rows = self.rank()
        return bool(databases or tables) or rows > 1


Ending = Literal["end", "gap", "unreadable", "broken", "limit"]
"""Why reading stopped. `end`: of the archive. `gap`: later segments are there. `broken`: the archive did
not answer. `limit`: of time or of segments."""


class WalRead(Frozen):
    """What reading an archive of WAL from a copy on came to."""

    segments: int
    first: str
    last: str
    """The last segment that was read; empty where none was."""
    ending: Ending
    why: str = ""
    """In words: where and why reading stopped."""
    begins: UtcTime | None = None
    ends: UtcTime | None = None
    """Of the first and the last commit that was read."""
    commits: int = 0
    rows: int = 0
    destructive: tuple[Destructive, ...] = ()
    """The worst, at most so many as `KEPT`, the worst first."""
    destroying: int = 0
    """All transactions that destroyed something for sure, be it one row."""
    strange: int = 0
    """Ends of transactions that could not be understood."""
    seconds: int = 0


@dataclass(slots=True)
class _Work:
    """What an open transaction, or a part of one, has done so far."""

    first: int
    rows: dict[str, list[int]] = field(default_factory=dict)
    created: dict[str, bool] = field(default_factory=dict)
    """New files, and whether anything was written into them."""
    databases: list[str] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    """Databases that it created: moved to another tablespace, they are dropped from the old one."""
    types: int = 0
    """Rows that went out of pg_type: a table has some, an index has none."""
    types_made: int = 0
    indexes: int = 0
    """The same of pg_index."""
    truncated: int = 0
    prepared: bool = False

    def take_in(self, other: "_Work") -> None:
        self.first = min(self.first, other.first)
        for name, (deleted, updated, inserted) in other.rows.items():
            mine = self.rows.setdefault(name, [0, 0, 0])
            mine[0] += deleted
            mine[1] += updated
            mine[2] += inserted
        for name, filled in other.created.items():
            self.created[name] = self.created.get(name, False) or filled
        self.databases += other.databases
        self.made |= other.made
        self.types += other.types
        self.types_made += other.types_made
        self.indexes += other.indexes
        self.truncated += other.truncated

    def write(self, relation: str, column: int, count: int = 1) -> None:
        self.rows.setdefault(relation, [0, 0, 0])[column] += count
        if relation in self.created:
            self.created[relation] = True


DELETED, UPDATED, INSERTED = 0, 1, 2
_PG_TYPE, _PG_INDEX, _PG_DATABASE = "1247", "2610", "1664/0/1262"


class WalTally:
    """Takes lines in their order; those up to a place that was read before are passed over."""

    def __init__(self) -> None:
        self.lsn = -1
        """Where the last record that was taken begins."""
        self.begins: datetime | None = None
        self.ends: datetime | None = None
        self.commits = self.rows = self.destroying = self.strange = 0
        self._open: dict[int, _Work] = {}
        self._worst: list[tuple[tuple[int, int, int], int, Destructive]] = []
        self._invalidated = self._committed = -1

    def take(self, text: str) -> None:
        line = wallines.parse(text)
        if line is None or line.lsn <= self.lsn:
            return
        self.lsn = line.lsn
        if line.rmgr in ("Heap", "Heap2"):
            self._heap(line)
        elif line.rmgr == "Transaction":
            self._transaction(line)
        elif line.rmgr == "XLOG":
            self._xlog(line)
        elif line.xid and line.rmgr == "Storage" and line.what == "CREATE":
            file = wallines.file_of(line.rest.strip())
            if file is not None:
                self._work(line).created.setdefault(file, False)
        elif line.xid and line.rmgr == "Database":
            work = self._work(line)
            if line.what == "DROP":
                work.databases += wallines.databases(line.rest)
            elif line.what.startswith("CREATE"):
                work.made.update(wallines.databases(line.rest)[-1:])

    def open(self) -> int:
        """Transactions that had begun and not ended."""
        return len(self._open)

    def worst(self) -> tuple[Destructive, ...]:
        return tuple(each for _, _, each in sorted(self._worst, reverse=True))

    def _work(self, line: Line) -> _Work:
        found = self._open.get(line.xid)
        if found is None:
            found = self._open[line.xid] = _Work(line.lsn)
        return found

    def _heap(self, line: Line) -> None:
        relation = wallines.relation(line.rest)
        if relation == _PG_DATABASE and line.what == "INPLACE":
            self._invalidated = line.lsn
        if not line.xid:
            return
        work = self._work(line)
        if line.what == "TRUNCATE":
            work.truncated += wallines.truncated(line.rest)
        if relation is None:
            return
        if line.what == "DELETE":
            flags = wallines.flags(line.rest)
            if flags & wallines.IS_SUPER:
                return
            work.write(relation, UPDATED if flags & wallines.PARTITION_MOVE else DELETED)
            file = relation.rpartition("/")[2]
            work.types += file == _PG_TYPE
            work.indexes += file == _PG_INDEX
        elif line.what in ("UPDATE", "HOT_UPDATE"):
            work.write(relation, UPDATED)
        elif line.what == "INSERT":
            work.write(relation, INSERTED)
            work.types_made += relation.rpartition("/")[2] == _PG_TYPE
        elif line.what == "MULTI_INSERT":
            work.write(relation, INSERTED, wallines.tuples(line.rest))

    def _xlog(self, line: Line) -> None:
        """Pages that are written whole fill a new file; a checkpoint says which transactions still run."""
        if line.what in ("FPI", "FPI_MULTI") and line.xid in self._open:
            created = self._open[line.xid].created
            for relation in wallines.relations(line.rest):
                if relation in created:
                    created[relation] = True
        elif line.what.startswith("CHECKPOINT_") and (found := wallines.running(line)):
            oldest, stopped = found
            gone = [
                xid
                for xid, work in self._open.items()
                if not work.prepared and (stopped or (oldest and _before(xid, oldest)))
            ]
            for xid in gone:
                del self._open[xid]

    def _transaction(self, line: Line) -> None:
        if line.what in ("COMMIT", "COMMIT_PREPARED"):
            commit = wallines.commit(line)
            if commit is None:
                self.strange += 1
                return
            self._commit(commit, line.lsn)
        elif line.what in ("ABORT", "ABORT_PREPARED"):
            for xid in wallines.aborted(line):
                self._open.pop(xid, None)
        elif line.what == "PREPARE" and line.xid in self._open:
            work = self._open[line.xid]
            work.prepared = True
            self._take_in(work, wallines.prepared(line))

    def _take_in(self, work: _Work, children: tuple[int, ...]) -> None:
        for child in children:
            if (done := self._open.pop(child, None)) is not None:
                work.take_in(done)

    def _commit(self, commit: Commit, lsn: int) -> None:
        work = self._open.pop(commit.xid, None) or _Work(lsn)
        self._take_in(work, commit.children)
        own = {name: rows for name, rows in work.rows.items() if is_own(name)}
        self.begins = self.begins or commit.at
        self.ends = commit.at
        self.commits += 1
        self.rows += sum(sum(rows) for rows in own.values())
        found = self._judged(commit, work, own, lsn)
        if found is not None:
            self.destroying += found.certain
            entry = (found.rank(), -self.commits, found)
            if len(self._worst) < KEPT:
                heapq.heappush(self._worst, entry)
            else:
                heapq.heappushpop(self._worst, entry)
        self._committed = lsn

    def _judged(
        self, commit: Commit, work: _Work, own: dict[str, list[int]], lsn: int
    ) -> Destructive | None:
        dropped, emptied, replaced = _files(commit, work)
        databases = [one for one in work.databases if one not in work.made]
        # Rows of a table that went or came within the same transaction are nobody's loss.
        lost = {name: rows for name, rows in own.items() if name not in work.created}
        deleted = sum(rows[DELETED] for rows in lost.values())
        if not (deleted or dropped or emptied or replaced or databases):
            return None
        ranked = sorted(lost.items(), key=lambda each: -each[1][DELETED])[:NAMED]
        return Destructive(
            xid=commit.xid,
            committed_at=commit.at,
            lsn=lsn_text(lsn),
            deleted=deleted,
            updated=sum(rows[UPDATED] for rows in lost.values()),
            inserted=sum(rows[INSERTED] for rows in lost.values()),
            relations=tuple(
                RelationRows(relation=name, deleted=d, updated=u, inserted=i)
                for name, (d, u, i) in ranked
            ),
            dropped=dropped,
            emptied=emptied,
            replaced=replaced,
            databases=tuple(databases),
            stop_lsn=lsn_text(self._before_drop(work)) if databases else None,
            commits_to=self.commits,
            rows_to=self.rows,
        )

    def _before_drop(self, work: _Work) -> int:
        """A database is marked as invalid in place, and that is not undone by stopping before the commit."""
        between = self._committed < self._invalidated < work.first
        return self._invalidated if between else work.first


_Files = tuple[str, ...]


def _files(commit: Commit, work: _Work) -> tuple[_Files, _Files, _Files]:
    """Files that were dropped, emptied, replaced. VACUUM FULL and its like make a table for a while, whose type goes
    again with it, and leave an empty TOAST table empty; a dropped index has no type, and holds nothing
    of its own. A database whose pg_type was itself rewritten is not told apart so well."""
    gone = tuple(each for each in commit.dropped if is_own(each) and each not in work.created)
    if not gone:
        return (), (), ()
    gone = gone[:NAMED]
    came = [filled for name, filled in work.created.items() if is_own(name)]
    if work.truncated or (came and not work.types and not all(came)):
        return (), gone, ()
    if came and work.types <= work.types_made:
        return (), (), gone
    if (came or work.indexes) and not work.types:
        return (), (), gone if came else ()
    return gone, (), ()


def _before(xid: int, other: int) -> bool:
    """Numbers of transactions go round: half of all lie before each."""
    return xid != other and (other - xid) % 2**32 < 2**31
