"""The short form of `scenarios.py`: one scenario by keys, with something to be done by hand in a shell on the way."""

import pytest

from campaigns.ended import scratch_in
from campaigns.scenarios import by_keys


def test_a_scenario_by_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    came = by_keys("purging-backup-server", scratch_in(tmp_path_factory.getbasetemp()), rows=1500)
    assert came.unmet == []
