"""The short form of `scale.py`: two hundred tables, one of which runs into the timeout."""

from datetime import timedelta

from campaigns.scale import SLOW, scale
from drbook.core.remarks import TableVerdict


def test_a_timeout_on_one_table_leaves_that_one_unverified() -> None:
    outcome = scale(200, 30, timedelta(seconds=1))
    said = [row for row in outcome.comparison.tables if row.verdict is not TableVerdict.PASS]
    assert [(row.table, row.verdict) for row in said] == [(SLOW, TableVerdict.COULD_NOT_VERIFY)]
    assert "statement timeout" in said[0].reason
    assert outcome.comparison.count(TableVerdict.PASS) == 200
    assert outcome.holds
