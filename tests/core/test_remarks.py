"""Remarks: the worst first, what is alike said once, and nothing lost from the verdict."""

from drbook.core.remarks import MOST, Question, Remark, TableVerdict, gathered, worst

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


def remark(subject: str, verdict: TableVerdict = GOOD, words: str = "another owner") -> Remark:
    return Remark(
        question=Question.FIDELITY, check="owner", subject=subject, verdict=verdict, words=words
    )


def test_what_is_only_worth_knowing_is_said_once() -> None:
    found = gathered([remark(f"t{n}") for n in range(9)])
    assert [one.subject for one in found] == ["t0, t1 and 7 more"]
    few = gathered([remark("a"), remark("b"), remark("c")])
    assert [one.subject for one in few] == ["a", "b", "c"]
    apart = gathered([remark("a"), remark("b", words="something else")])
    assert len(apart) == 2


def test_what_speaks_against_it_comes_first_and_is_named() -> None:
    found = gathered(
        [remark("good"), remark("unsure", UNSURE), *(remark(f"bad{n}", FAIL) for n in range(9))]
    )
    assert [one.subject for one in found] == [*(f"bad{n}" for n in range(9)), "unsure", "good"]


def test_of_very_many_the_first_are_named_and_the_others_counted() -> None:
    found = gathered([remark(f"t{n:04}", FAIL) for n in range(MOST + 5)])
    assert len(found) == MOST + 1
    assert found[-1].words == "5 more of its kind"
    assert found[-1].verdict is FAIL
    assert len(gathered([remark(f"t{n:04}", FAIL) for n in range(MOST)])) == MOST


def test_of_nothing_nobody_can_say_that_it_passed() -> None:
    assert worst([]) is UNSURE
    assert worst([GOOD, UNSURE]) is UNSURE
    assert worst([GOOD, UNSURE, FAIL]) is FAIL
    assert worst([GOOD]) is GOOD
