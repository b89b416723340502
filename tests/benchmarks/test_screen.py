"""The short form of `screen.py`: a small incident, and counts in the place of times."""

import pytest
from benchmarks.screen import first_cells, measure, percentile


def test_every_key_shows_what_it_has_to() -> None:
    outcome = measure(steps=60, records=600, starts=1, keys=10, incidents=6)
    counts = {name: len(times) for name, times in outcome.keys.items()}
    assert counts == {
        "step": 10,
        "backups": 2,
        "row counts": 2,
        "timeline": 2,
        "page": 6,
        "back": 6,
    }
    assert len(outcome.hanging) == 28
    assert len(outcome.home) == 10
    assert (len(outcome.empty), len(outcome.first), len(outcome.content)) == (1, 3, 3)
    assert outcome.peak > 0


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([5.0], 95, 5.0), ([float(n) for n in range(1, 101)], 95, 95.0), ([1.0, 2.0, 3.0], 50, 2.0)],
)
def test_percentiles(values: list[float], share: int, found: float) -> None:
    assert percentile(values, share) == found


def test_a_first_frame_is_more_than_a_word() -> None:
    assert not first_cells("drbook")
    assert first_cells(" " * 120)
