"""The short form of `gobag.py`: packed without wheels, carried away, and shown from there."""

from pathlib import Path

from campaigns.gobag import carried


def test_what_was_carried_away_is_enough(tmp_path: Path) -> None:
    outcome = carried(tmp_path, wheels=False)
    assert outcome.holds
    assert outcome.wheels == 0
    assert outcome.packed == 1, "the shipped runbook's baselines are not on this machine"
