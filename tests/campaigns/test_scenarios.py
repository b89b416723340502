"""The short form of `scenarios.py`: one scenario by keys, with something to be done by hand in a shell on the way."""

from campaigns.ended import short_scratch
from campaigns.scenarios import by_keys


def test_a_scenario_by_keys() -> None:
    with short_scratch() as folder:
        came = by_keys("purging-backup-server", folder, rows=1500)
    assert came.unmet == []
