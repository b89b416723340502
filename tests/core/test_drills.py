"""Past rehearsals: what counts as a regression, what is unknown, and what a live restore would take."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drbook.core.drills import (
    Against,
    Drill,
    Restored,
    Verdict,
    estimate,
    together,
    trend,
)
from drbook.core.events import Mode
from drbook.timeline.trend import chart

GIB = 1 << 30


def drill(number: int, rto: float | None, **more: object) -> Drill:
    made = Drill(
        incident=f"i{number}",
        mode=Mode.DRILL,
        opened_at=datetime(2026, 4, 24, tzinfo=UTC) - timedelta(days=number),
        outcome="pass",
        exit_code=0,
        runbook_sha256="a",
        rto=Against(rto, 3600.0),
        restored=Restored(GIB, "pg_dump", 60.0),
        verify_seconds=20.0,
    )
    return replace(made, **more)  # type: ignore[arg-type]


EARLIER = [drill(2, 100.0), drill(3, 120.0), drill(4, 110.0)]
U, R, S = Verdict.UNKNOWN, Verdict.REGRESSED, Verdict.STEADY
TRENDS = [
    ([], U),
    ([drill(1, 100.0)], U),
    ([drill(1, 100.0), drill(2, None, outcome="fail", exit_code=1)], U),
    ([drill(1, 100.0), drill(2, 10.0, mode=Mode.LIVE)], U),
    ([drill(1, 160.0), *EARLIER], S),
    ([drill(1, 166.0), *EARLIER], S),  # a second is noise
    ([drill(1, 167.0), *EARLIER], R),
    ([drill(1, 900.0), drill(2, 100.0, outcome="fail", exit_code=1), *EARLIER[1:]], R),
    ([drill(1, None, outcome="fail", exit_code=1), *EARLIER], R),
    ([drill(1, None, outcome="could-not-verify", exit_code=5), *EARLIER], U),
    ([drill(1, None, outcome="open", exit_code=None), *EARLIER], U),
    ([drill(0, 900.0, mode=Mode.LIVE), drill(1, 100.0), *EARLIER], S),
    ([drill(0, None, mode=Mode.DRY_RUN), drill(1, 900.0), *EARLIER], R),
]


@pytest.mark.parametrize(("drills", "verdict"), TRENDS)
def test_the_newest_against_the_median_of_the_earlier_ones(
    drills: list[Drill], verdict: Verdict
) -> None:
    assert trend(drills, 1.5).verdict is verdict


def test_what_may_be_newer_and_cannot_be_read_makes_it_unknown() -> None:
    found = trend([drill(1, 100.0), *EARLIER], 1.5, "one record cannot be read")
    assert found.verdict is U
    assert found.why == "one record cannot be read"


def test_another_runbook_and_more_data_are_said() -> None:
    newest = drill(1, 100.0, runbook_sha256="b", restored=Restored(3 * GIB, "pg_dump", 60.0))
    digest, size = trend([newest, *EARLIER], 1.5).remarks
    assert "in 3 of the 3 earlier drills" in digest
    assert "3.0 GiB" in size
    assert "1.0 GiB" in size


def test_what_grows_is_taken_at_each_past_rate_and_the_spread_is_the_uncertainty() -> None:
    slow = drill(2, 200.0, restored=Restored(GIB, "pg_dump", 100.0))
    found = estimate([drill(1, 100.0), slow], 2 * GIB, "pg_dump")
    # 100 s: 80 of them grow; 200 s: 120 of them.
    assert (found.least, found.likely, found.most) == (180.0, 250.0, 320.0)
    assert found.runs == 2


UNKNOWN = [
    ([], GIB, ""),
    ([drill(1, 100.0)], GIB, ""),
    ([drill(1, 100.0), drill(2, 100.0)], None, ""),
    ([drill(1, 100.0), drill(2, 100.0)], GIB, "base"),
    ([drill(1, 100.0), drill(2, None)], GIB, ""),
    ([drill(1, 100.0), drill(2, 100.0, exit_code=5)], GIB, ""),
    ([drill(1, 100.0), drill(2, 100.0, restored=None)], GIB, ""),
]


@pytest.mark.parametrize(("drills", "size", "format"), UNKNOWN)
def test_with_fewer_than_two_it_is_unknown(
    drills: list[Drill], size: int | None, format: str
) -> None:
    found = estimate(drills, size, format)
    assert found.likely is None
    assert found.why


def test_what_runs_side_by_side_counts_once() -> None:
    assert together([(0, 10), (5, 12), (20, 21)]) == 13
    assert together([]) == 0


def test_the_picture_fits_80_columns_and_says_what_has_no_figure() -> None:
    runs = [
        drill(0, 5000.0, mode=Mode.LIVE),
        drill(1, None, outcome="could-not-verify\x1b[2J"),
        *EARLIER,
    ]
    lines = list(chart(runs))
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    assert "LIVE" in lines[1]
    assert "#" not in lines[2]
    assert "|" in lines[3]  # the objective of an hour
    assert list(chart([drill(1, None)])) == [
        "No run has a restore that was verified: there is nothing to draw."
    ]
