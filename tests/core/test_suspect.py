"""What makes a capture suspect: a table of figures, and what an old baseline reads as."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from drbook.core.baseline import Aside, Baseline, Identity, TableCount, TableCounts
from drbook.core.capture import BEHIND, behind, blind, drops, not_counted

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


def test_figures_that_hardly_tell_anything_are_suspect_by_themselves() -> None:
    assert blind(counts(a=1, b=None)) == blind(counts()) == ()
    assert blind(counts(a=1, b=None, c=None)) == ("2 of 3 tables could not be counted",)
    emptied = counts(a=1, b=2)
    tables = (emptied.tables[0].model_copy(update={"rows": None, "why_unknown": BEHIND}),)
    assert behind(emptied.model_copy(update={"tables": tables})) == (f"a: {BEHIND}",)
    assert behind(counts(a=None)) == ()


@pytest.mark.parametrize("case", CASES)
def test_what_is_suspect(case: str) -> None:
    now, good, suspect = CASES[case]
    assert [reason.split(":")[0] for reason in drops(now, [good], 5)] == suspect


@pytest.mark.parametrize(
    ("now", "good", "suspect"),
    [
        (counts(a=0), [counts(a=None), counts(a=100)], ["a"]),
        (counts(a=0), [counts(a=None), counts(a=None), counts(a=100)], ["a"]),
        (counts(a=0), [counts(a=None), counts(b=1), counts(a=100)], ["a"]),
        (counts(a=0), [counts(a=0), counts(a=100)], []),
        (counts(b=1), [counts(b=1), counts(a=100, b=1)], []),
        (counts(a=100), [counts(a=None), counts(a=100)], []),
    ],
)
def test_what_was_not_counted_the_last_time_is_held_to_the_time_before(
    now: TableCounts, good: list[TableCounts], suspect: list[str]
) -> None:
    assert [reason.split(":")[0] for reason in drops(now, good, 5)] == suspect


def test_whether_an_older_one_is_needed() -> None:
    assert not not_counted([counts(a=1)])
    assert not_counted([counts(a=None, b=1)])
    assert not_counted([counts(a=None), counts(b=1)])
    assert not not_counted([counts(a=None), counts(a=1)])


def test_another_server_of_the_same_name_is_suspect() -> None:
    other = counts(a=100)
    who = other.identity.model_copy(update={"system_identifier": "8"})
    other = other.model_copy(update={"identity": who})
    assert drops(counts(a=100), [other], 5) == ("it is of server 7, and the newest good one of 8",)
    assert len(drops(counts(a=0), [other], 5)) == 2
    assert drops(counts(a=100), [counts(a=100), other], 5) == ()


def test_what_a_standby_does_not_hold_has_not_vanished() -> None:
    for kind, suspect in (("unlogged table", []), ("foreign table", ["a"])):
        now = counts(b=5).model_copy(update={"aside": (Aside(name="a", kind=kind, why="so"),)})
        assert [one.split(":")[0] for one in drops(now, [counts(a=9, b=5)], 5)] == suspect


@pytest.mark.parametrize(("allowed", "suspect"), [(0, True), (9, True), (10, False), (100, False)])
def test_the_share_is_the_operators(allowed: int, suspect: bool) -> None:
    assert bool(drops(counts(a=90), [counts(a=100)], allowed)) is suspect


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
