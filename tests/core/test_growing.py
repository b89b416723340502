"""Sequences that grow by one, and copies of frozen values."""

import dataclasses
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drbook.core.growing import Growing, altered, appended, replace
from drbook.core.state import IncidentState, StepRun, StepState

SLICES = st.slices(8)


@given(st.lists(st.integers()), st.lists(st.integers()), SLICES)
def test_it_is_the_tuple_of_what_was_put_in(first: list[int], more: list[int], part: slice) -> None:
    grown, expected = Growing(first), tuple(first)
    for item in more:
        before, held = grown, expected
        grown, expected = appended(grown, item), (*expected, item)
        assert before == held  # what follows it changes nothing of it
    assert grown == expected
    assert expected == grown
    assert (len(grown), tuple(grown), repr(grown)) == (len(expected), expected, repr(expected))
    assert tuple(reversed(grown)) == tuple(reversed(expected))
    assert grown[part] == expected[part]
    assert [grown[at] for at in range(-len(expected), len(expected))] == [*expected, *expected]
    assert grown.and_all([7, 8]) == (*expected, 7, 8)


@pytest.mark.parametrize("at", [-3, 2, 9])
def test_there_is_nothing_beyond_its_ends(at: int) -> None:
    with pytest.raises(IndexError):
        Growing([1, 2]).and_then(3).__class__([1, 2])[at]


def test_two_that_follow_the_same_one_do_not_meet() -> None:
    one = Growing([1, 2])
    left, right = one.and_then(3), one.and_then(4)
    assert (one, left, right) == ((1, 2), (1, 2, 3), (1, 2, 4))
    assert left.and_then(5) == (1, 2, 3, 5)
    assert right.and_then(6) == (1, 2, 4, 6)


def test_threads_that_follow_the_same_one_do_not_meet() -> None:
    one, ends = Growing(range(100)), {}

    def grow(number: int) -> None:
        mine = one
        for _ in range(200):
            mine = mine.and_then(number)
        ends[number] = mine

    threads = [threading.Thread(target=grow, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ends[number] == (*range(100), *[number] * 200) for number in range(8))


def test_it_shares_what_was_before() -> None:
    """A hundred thousand notes would otherwise be copied a hundred thousand times."""
    one = Growing(range(1000))
    assert one.and_then(1)._items is one._items


def test_a_copy_is_that_of_dataclasses() -> None:
    run = StepRun("a", state=StepState.STARTED, attempt=3, milestones=("x",))
    changes = {"state": StepState.FAILED, "reason": "why"}
    assert replace(run, **changes) == dataclasses.replace(run, **changes)  # type: ignore[arg-type]
    assert run.state is StepState.STARTED
    own = replace(IncidentState(), seq=4)
    assert altered(own, seq=5) is own
    assert own == dataclasses.replace(IncidentState(), seq=5)


def test_what_is_no_field_is_refused() -> None:
    with pytest.raises(KeyError):
        replace(StepRun("a"), nothing=1)
