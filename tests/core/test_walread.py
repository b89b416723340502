"""What lines of pg_waldump say, in the forms of all versions, and which transaction is taken for the loss."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from support.identities import who

from drbook.core.baseline import Baseline, TableCount, TableCounts
from drbook.core.losing import doubt, drops, judge
from drbook.core.recovery import RecoveryAim
from drbook.core.wallines import lsn_text
from drbook.core.walnames import timelines
from drbook.core.walread import KEPT, Destructive, WalRead, WalTally

NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD = {
    "DELETE": "DELETE off 3 flags 0x00 KEYS_UPDATED , blkref #0: rel {rel} blk 0",
    "MOVE": "DELETE off 3 flags 0x10 KEYS_UPDATED , blkref #0: rel {rel} blk 0",
    "SUPER": "DELETE off 3 flags 0x08 KEYS_UPDATED , blkref #0: rel {rel} blk 0",
    "UPDATE": "HOT_UPDATE off 4 xmax 9 flags 0x20 ; new off 5 xmax 0, blkref #0: rel {rel} blk 0",
    "INSERT": "INSERT+INIT off 1 flags 0x08, blkref #0: rel {rel} blk 0 FPW",
    "MULTI": "MULTI_INSERT 7 tuples flags 0x02, blkref #0: rel {rel} blk 0",
    "TRUNCATE": "TRUNCATE nrelids 2 relids 16385 16390",
}
"""PostgreSQL 13 to 15."""
NEW = {
    "DELETE": "DELETE xmax: 9, off: 3, infobits: [KEYS_UPDATED], flags: 0x00, blkref #0: rel {rel} blk 0",
    "MOVE": "DELETE xmax: 9, off: 3, infobits: [KEYS_UPDATED], flags: 0x10, blkref #0: rel {rel} blk 0",
    "SUPER": "DELETE xmax: 9, off: 3, infobits: [], flags: 0x08, blkref #0: rel {rel} blk 0",
    "UPDATE": "UPDATE old_xmax: 9, old_off: 4, old_infobits: [], flags: 0x20, new_xmax: 0, new_off: 5, "
    "blkref #0: rel {rel} blk 1, blkref #1: rel {rel} blk 0",
    "INSERT": "INSERT off: 1, flags: 0x08, blkref #0: rel {rel} blk 0",
    "MULTI": "MULTI_INSERT ntuples: 7, flags: 0x02, offsets: [1, 2, 3, 4, 5, 6, 7], blkref #0: rel {rel} blk 0",
    "TRUNCATE": "TRUNCATE flags: 0x00, nrelids: 2, relids: [16385, 16390]",
}
"""PostgreSQL 16 to 18."""
TABLE = "1663/16384/16385"


class Log:
    """A WAL that is made line by line."""

    def __init__(self, forms: dict[str, str] = NEW) -> None:
        self.tally = WalTally()
        self.lines: list[str] = []
        self._forms = forms

    def add(self, rmgr: str, xid: int, desc: str) -> "Log":
        at = lsn_text(0x3000000 + 64 * len(self.lines))
        high, low = at.split("/")
        lsn = f"{high}/{int(low, 16):08X}"
        line = f"rmgr: {rmgr:<11} len (rec/tot):     54/    54, tx: {xid:>10}, lsn: {lsn}, prev 0/02FFFFC0, desc: {desc}"
        self.lines.append(line)
        self.tally.take(line)
        return self

    def heap(self, xid: int, what: str, times: int = 1, rel: str = TABLE) -> "Log":
        for _ in range(times):
            self.add("Heap2" if what == "MULTI" else "Heap", xid, self._forms[what].format(rel=rel))
        return self

    def commit(self, xid: int, more: str = "", minute: int = 0, prepared: int = 0) -> "Log":
        at = f"2026-04-24 12:{minute:02}:00.5 UTC"
        what = f"COMMIT_PREPARED {prepared}: {at}" if prepared else f"COMMIT {at}"
        return self.add("Transaction", xid, what + more)

    def worst(self) -> tuple[Destructive, ...]:
        return self.tally.worst()


@pytest.mark.parametrize("forms", [OLD, NEW], ids=["13 to 15", "16 to 18"])
def test_rows_are_counted_in_both_forms(forms: dict[str, str]) -> None:
    log = Log(forms).heap(9, "DELETE", 3).heap(9, "MOVE", 2).heap(9, "SUPER").heap(9, "UPDATE", 4)
    (found,) = log.heap(9, "INSERT", 2).heap(9, "MULTI").commit(9).worst()
    assert (found.deleted, found.updated, found.inserted) == (3, 6, 9)
    assert found.committed_at == NOON + timedelta(seconds=0.5)
    assert log.tally.rows == 18


@pytest.mark.parametrize("forms", [OLD, NEW], ids=["13 to 15", "16 to 18"])
def test_a_truncate_of_logical_wal_is_one(forms: dict[str, str]) -> None:
    log = Log(forms).heap(9, "TRUNCATE").add("Storage", 9, "CREATE base/16384/16500")
    log.heap(9, "INSERT", rel="1663/16384/16500")
    (found,) = log.commit(9, "; rels: base/16384/16385; sync").worst()
    assert found.emptied == (TABLE,)


def _ends(log: Log, more: Iterable[tuple[str, int, str]]) -> Log:
    for rmgr, xid, desc in more:
        log.add(rmgr, xid, desc)
    return log


@pytest.mark.parametrize(
    ("ends", "deleted"),
    [
        ([("Transaction", 9, "COMMIT 2026-04-24 12:00:00 UTC; subxacts: 10 11")], 6),
        ([("Transaction", 9, "ABORT 2026-04-24 12:00:00 UTC; subxacts: 10 11")], None),
        (
            [
                ("Transaction", 11, "ABORT 2026-04-24 12:00:00 UTC"),
                ("Transaction", 9, "COMMIT 2026-04-24 12:00:00 UTC; subxacts: 10"),
            ],
            3,
        ),
        ([], None),
        (
            [
                (
                    "Transaction",
                    9,
                    "PREPARE gid x UTC; subxacts: 7: 2026-04-24 12:00:00 UTC; subxacts: 10 11",
                ),
                (
                    "XLOG",
                    0,
                    "CHECKPOINT_SHUTDOWN redo 0/1; tli 1; oldest running xid 0; shutdown",
                ),
                ("Transaction", 0, "COMMIT_PREPARED 9: 2026-04-24 12:00:00 UTC; subxacts: 10 11"),
            ],
            6,
        ),
        (
            [
                ("Transaction", 9, "PREPARE gid x: 2026-04-24 12:00:00 UTC; subxacts: 10 11"),
                ("Transaction", 0, "COMMIT_PREPARED 9: 2026-04-24 12:00:00 UTC; subxacts: 10 11"),
            ],
            6,
        ),
        (
            [
                ("Transaction", 9, "PREPARE gid x: 2026-04-24 12:00:00 UTC"),
                ("Transaction", 0, "ABORT_PREPARED 9: 2026-04-24 12:00:00 UTC; subxacts: 10 11"),
            ],
            None,
        ),
        (
            [
                ("XLOG", 0, "CHECKPOINT_ONLINE redo 0/1; tli 1; oldest running xid 12; online"),
                ("Transaction", 9, "COMMIT 2026-04-24 12:00:00 UTC; subxacts: 10 11"),
            ],
            None,
        ),
    ],
    ids=[
        "commit",
        "abort",
        "savepoint taken back",
        "open",
        "prepared over a restart",
        "prepared",
        "prepared and aborted",
        "crashed before a checkpoint",
    ],
)
def test_what_counts_is_what_committed(
    ends: list[tuple[str, int, str]], deleted: int | None
) -> None:
    log = Log().heap(9, "DELETE").heap(10, "DELETE", 2).heap(11, "DELETE", 3)
    worst = _ends(log, ends).worst()
    assert [each.deleted for each in worst] == ([] if deleted is None else [deleted])
    assert not worst or worst[0].xid == 9


DROPPED = "; rels: base/16384/16385 pg_tblspc/17000/PG_15_202209061/16384/16390; sync"
CREATED = ("Storage", 9, "CREATE base/16384/16500")
FILLED = ("XLOG", 9, "FPI , blkref #0: rel 1663/16384/16500 blk 0 FPW")
TYPE = ("Heap", 9, NEW["DELETE"].format(rel="1663/16384/1247"))
MADE = ("Heap", 9, NEW["INSERT"].format(rel="1663/16384/1247"))
INDEX = ("Heap", 9, NEW["DELETE"].format(rel="1663/16384/2610"))


@pytest.mark.parametrize(
    ("done", "what"),
    [
        ([TYPE, TYPE, INDEX], "dropped"),
        ([], "dropped"),
        ([INDEX], ""),
        ([CREATED], "emptied"),
        ([CREATED, FILLED], "replaced"),
        ([MADE, CREATED, TYPE], "replaced"),
        ([TYPE, TYPE, CREATED, FILLED], "dropped"),
    ],
    ids=[
        "drop",
        "drop unseen",
        "drop index",
        "truncate",
        "reindex",
        "vacuum full",
        "drop, truncate",
    ],
)
def test_files_that_go_are_told_apart(done: list[tuple[str, int, str]], what: str) -> None:
    worst = _ends(Log(), done).commit(9, DROPPED).worst()
    files = (TABLE, "17000/16384/16390")
    assert {
        name: getattr(each, name)
        for each in worst
        for name in ("dropped", "emptied", "replaced")
        if getattr(each, name)
    } == ({what: files} if what else {})


def test_a_table_that_came_and_went_within_a_transaction_is_no_loss() -> None:
    log = Log().add("Storage", 9, "CREATE base/16384/16385").heap(9, "INSERT").heap(9, "DELETE")
    assert log.commit(9, "; rels: base/16384/16385").worst() == ()


def test_a_dropped_database_is_stopped_at_before_it_is_marked() -> None:
    log = Log().commit(8).add("Heap", 0, "INPLACE off: 7, blkref #0: rel 1664/0/1262 blk 0")
    log.heap(9, "DELETE", rel="1664/0/1262").add("Database", 9, "DROP dir 1663/16409")
    (found,) = log.commit(9).worst()
    assert found.databases == ("16409",)
    assert found.stop_lsn == "0/3000040"
    (candidate,) = judge(reading(log), None, HOUR).candidates
    assert candidate.aim == RecoveryAim(lsn="0/3000040")


def test_a_database_that_moves_is_not_dropped() -> None:
    log = Log().add("Database", 9, "CREATE_FILE_COPY copy dir 1663/16409 to 17000/16409")
    assert log.add("Database", 9, "DROP dir 1663/16409").commit(9).worst() == ()


def test_lines_that_were_read_before_do_not_count_twice() -> None:
    log = Log().heap(9, "DELETE", 5)
    for line in log.lines[2:]:
        log.tally.take(line)
    assert log.commit(9).worst()[0].deleted == 5


def test_a_commit_that_is_not_understood_is_never_passed_over() -> None:
    log = Log().heap(9, "DELETE").add("Transaction", 9, "COMMIT 24.04.2026 12:00 CEST")
    assert log.tally.strange == 1
    assert "could not be understood" in doubt(judge(reading(log), None, HOUR), HOUR)


def test_only_the_worst_are_held() -> None:
    log = Log()
    for xid in range(10, 10 + 3 * KEPT):
        log.heap(xid, "DELETE", xid % 7 + 1).commit(xid)
    worst = log.worst()
    assert len(worst) == KEPT
    assert [each.deleted for each in worst] == sorted((x.deleted for x in worst), reverse=True)
    assert worst[0].deleted == 7
    assert log.tally.destroying == 3 * KEPT
    assert log.tally.open() == 0


def test_a_history_says_which_segment_is_of_which_timeline() -> None:
    text = "1\t0/3000148\tno recovery target specified\n\n2\t0/7000000\tbefore x\n"
    assert timelines(text) == ((1, 3), (2, 7))


# --- the decision --------------------------------------------------------------------------------


def reading(log: Log, ending: str = "end", why: str = "the archive ends with X") -> WalRead:
    tally = log.tally
    return WalRead.model_validate(
        {
            "segments": 1,
            "first": "000000010000000000000003",
            "last": "000000010000000000000003",
            "ending": ending,
            "why": why,
            "begins": tally.begins,
            "ends": tally.ends,
            "commits": tally.commits,
            "rows": tally.rows,
            "destructive": tally.worst(),
            "destroying": tally.destroying,
            "strange": tally.strange,
        }
    )


def day() -> Log:
    """A small delete, at ten past the worst, a large one at a quarter past, and what came later."""
    log = Log().heap(9, "DELETE").commit(9, minute=1)
    log.heap(10, "DELETE", 50).commit(10, minute=10)
    log.heap(11, "INSERT", 3).commit(11, minute=11)
    log.heap(12, "DELETE", 2).heap(12, "INSERT", 2).commit(12, minute=40)
    return log


def test_the_worst_is_proposed_with_what_stopping_there_costs() -> None:
    found = judge(reading(day()), NOON + timedelta(minutes=12), timedelta(minutes=5))
    assert found.aim == RecoveryAim(xid=10)
    assert found.chosen is not None
    assert (found.chosen.commits_lost, found.chosen.rows_lost) == (2, 7)
    assert found.chosen.from_occurred == -119
    assert found.chosen.costs() == "2 later commits, 7 rows"
    assert found.chosen.destroyed() == f"deleted 50 rows: {TABLE}"
    assert doubt(found, timedelta(minutes=5)) == ""


@pytest.mark.parametrize(
    ("minute", "within", "xid", "said"),
    [
        (40, 5, 12, "a far worse one than any within 5 m"),
        (1, 5, None, "there is none within 5 m"),
        (25, 5, None, "there is none within 5 m"),
        (25, 20, 10, ""),
        (None, 5, 10, ""),
    ],
)
def test_where_people_and_the_wal_differ_it_is_said(
    minute: int | None, within: int, xid: int | None, said: str
) -> None:
    occurred = None if minute is None else NOON + timedelta(minutes=minute)
    found = judge(reading(day()), occurred, timedelta(minutes=within))
    assert found.aim == (RecoveryAim(xid=xid) if xid else None)
    assert found.disagreement.startswith(said)
    assert bool(found.disagreement) == bool(said)
    assert bool(doubt(found, timedelta(minutes=within))) == (xid is None)


@pytest.mark.parametrize("ending", ["gap", "unreadable", "broken", "limit"])
@pytest.mark.parametrize(("within", "sure"), [(10, True), (60, False)])
def test_what_was_not_read_may_be_worse(ending: str, within: int, sure: bool) -> None:
    """Unless it was read past all that is near."""
    occurred, near = NOON + timedelta(minutes=12), timedelta(minutes=within)
    found = judge(reading(day(), ending, "X is missing"), occurred, near)
    assert found.aim == RecoveryAim(xid=10)
    assert (doubt(found, near) == "") is sure


@pytest.mark.parametrize(
    ("log", "occurred", "why"),
    [
        (Log(), None, "no transaction of the 0"),
        (Log().heap(9, "INSERT").commit(9), None, "leaves no trace in the WAL"),
        (Log().heap(9, "INSERT").commit(9), NOON + HOUR, "may never have been archived"),
    ],
)
def test_that_nothing_was_found_is_not_that_nothing_was_lost(
    log: Log, occurred: datetime | None, why: str
) -> None:
    found = judge(reading(log), occurred, HOUR)
    assert found.aim is None
    assert why in doubt(found, HOUR)


def test_what_may_be_a_rewriting_is_shown_and_not_proposed() -> None:
    log = _ends(Log(), [CREATED, FILLED]).commit(9, DROPPED)
    found = judge(reading(log), None, HOUR)
    assert found.aim is None
    assert "replaced 2 files by filled ones" in found.candidates[0].destroyed()


def baseline(hour: int, oid: int = 16384, **rows: int | None) -> Baseline:
    at = NOON + timedelta(hours=hour)
    tables = tuple(
        TableCount(table=name, rows=count, why_unknown="" if count is not None else "locked")
        for name, count in rows.items()
    )
    identity = who().model_copy(update={"database_oid": oid})
    counts = TableCounts(identity=identity, taken_at=at, tables=tables)
    return Baseline(captured_at=at, counts=counts)


def test_baselines_say_between_which_captures_rows_went() -> None:
    found = drops(
        [baseline(2, a=5, b=9, c=None), baseline(0, a=100, b=8, c=3, d=4), baseline(3, 1, a=0)]
    )
    assert [(each.table, each.before, each.after) for each in found] == [
        ("a", 100, 5),
        ("d", 4, None),
    ]
    assert found[0].show() == (
        "a had 100 rows at 2026-04-24 12:00:00 UTC and had 5 rows at 2026-04-24 14:00:00 UTC"
    )
