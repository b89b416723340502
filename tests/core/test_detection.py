"""What a step's result proves about production, and what proves nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from drbook.core.baseline import Identity, TableCount, TableCounts
from drbook.core.detection import proved
from drbook.core.production import compare_production
from drbook.core.results import COMPARE_BASELINE, PROBE, VerifyResult

AT = datetime(2026, 4, 24, tzinfo=UTC)


def figures(rows: int, server: str = "1") -> TableCounts:
    who = Identity(system_identifier=server, database="rental", database_oid=5)
    return TableCounts(identity=who, taken_at=AT, tables=(TableCount(table="t", rows=rows),))


def compared(now: TableCounts, before: TableCounts) -> Any:
    return VerifyResult(comparison=compare_production(now, before)).model_dump(mode="json")


@pytest.mark.parametrize(
    ("action", "result", "words"),
    [
        (COMPARE_BASELINE, compared(figures(1), figures(100)), "a loss"),
        (COMPARE_BASELINE, compared(figures(100), figures(100)), ""),
        (COMPARE_BASELINE, compared(figures(1, "2"), figures(100)), ""),
        (COMPARE_BASELINE, None, ""),
        (PROBE, {"nonsense": 1}, ""),
        ("note", compared(figures(1), figures(100)), ""),
    ],
    ids=["gone", "there", "of another server", "no result", "unreadable", "a note"],
)
def test_what_is_proved(action: str, result: Any, words: str) -> None:
    assert proved(action, result) == words
