"""The crash campaign's short form, and the proof that it finds what it looks for."""

import pytest
from campaigns.crash import Fault, campaign


def test_no_crash_at_any_boundary_makes_the_record_lie() -> None:
    found = campaign(crashes=240, seed=7)
    assert found.crashes >= 240
    assert {"before write", "written, not synced", "before sync", "synced", "open"} <= set(
        found.boundaries
    )
    assert {"before the effect", "after the effect", "before the end"} <= set(found.boundaries)
    assert found.bad == 0, found.details


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("sync does nothing", "done_without_intent"),
        ("effect not done", "done_on_record_only"),
        ("effect done twice", "ran_twice"),
        ("no intent", "done_without_intent"),
        ("failed and was done", "failed_and_done"),
    ],
)
def test_the_campaign_finds_a_planted_fault(fault: Fault, finding: str) -> None:
    found = campaign(crashes=40, seed=3, fault=fault)
    assert getattr(found, finding) > 0, found
