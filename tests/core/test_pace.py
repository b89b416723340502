"""The order in which tables are counted."""

import pytest

from drbook.core.capture import work_order


@pytest.mark.parametrize(
    ("hints", "order"),
    [([], []), ([5], [0]), ([1, 9, 3], [1, 2, 0]), ([4, 4, 4], [0, 1, 2]), ([0, 7, 7], [1, 2, 0])],
)
def test_the_largest_first_and_then_as_listed(hints: list[int], order: list[int]) -> None:
    assert work_order(hints) == order
