"""Tests of one group run in one worker, so that what they share is made once."""

import pytest


@pytest.mark.xdist_group("together")
def test_xdist_hears_of_groups(request: pytest.FixtureRequest) -> None:
    """It tells them by the end of a test's id. Where that is lost, nothing fails: all only takes longer."""
    grouped = request.config.getoption("loadgroup", default=False)
    assert request.node.nodeid.endswith("@together") is bool(grouped)
