"""What makes a capture suspect: a table of figures, and what an old baseline reads as."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from drbook.core.baseline import Aside, Baseline, Identity, TableCount, TableCounts
from drbook.core.capture import drops

AT = datetime(2026, 11, 20, tzinfo=UTC)


def counts(**rows: int | None) -> TableCounts:
    tables = tuple(TableCount(table=name, rows=n, why_unknown="" if n is not None else "locked") for name, n in rows.items())  # fmt: skip
    identity = Identity(system_identifier="7", database="shop", database_oid=5)
    return TableCounts(identity=identity, taken_at=AT, tables=tables)


CASES = {
    "as before": (counts(a=100), counts(a=100), []),
    "more": (counts(a=900), counts(a=100), []),
    "within the share": (counts(a=95), counts(a=100), []),
    "beyond it": (counts(a=94), counts(a=100), ["a"]),
    "emptied": (counts(a=0), counts(a=1), ["a"]),
    "always empty": (counts(a=0), counts(a=0), []),
    "vanished": (counts(b=5), counts(a=0, b=5), ["a"]),
    "new": (counts(a=1, b=1), counts(a=1), []),
    "not counted now": (counts(a=None), counts(a=100), []),
    "not counted then": (counts(a=1), counts(a=None), []),
    "one of several": (counts(a=10, b=10, c=10), counts(a=10, b=100, c=10), ["b"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_suspect(case: str) -> None:
    now, good, suspect = CASES[case]
    assert [reason.split(":")[0] for reason in drops(now, good, 5)] == suspect


def test_what_a_standby_does_not_hold_has_not_vanished() -> None:
    for kind, suspect in (("unlogged table", []), ("foreign table", ["a"])):
        now = counts(b=5).model_copy(update={"aside": (Aside(name="a", kind=kind, why="so"),)})
        assert [one.split(":")[0] for one in drops(now, counts(a=9, b=5), 5)] == suspect


@pytest.mark.parametrize(("allowed", "suspect"), [(0, True), (9, True), (10, False), (100, False)])
def test_the_share_is_the_operators(allowed: int, suspect: bool) -> None:
    assert bool(drops(counts(a=90), counts(a=100), allowed)) is suspect


def test_a_baseline_of_before_all_this_is_read() -> None:
    body = json.dumps(
        {
            "drbook_baseline": 1,
            "captured_at": "2026-04-22T19:03:00Z",
            "counts": {
                "identity": {"system_identifier": "7", "database": "shop", "database_oid": 5},
                "taken_at": "2026-04-22T19:03:00Z",
                "tables": [{"table": "public.t", "rows": 5}],
            },
        }
    ).encode()
    seal = json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode()
    old = Baseline.unseal(body + b"\n" + seal + b"\n")
    assert old.counts.tables[0].kind == "table"
    assert (old.counts.covers, old.counts.aside, old.suspect, old.accepted) == ((), (), (), "")
