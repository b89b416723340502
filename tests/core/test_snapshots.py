"""Copies that only their provider reads: never chosen, told with the way back, and judged all the same."""

from datetime import timedelta
from typing import Any

import pytest
from core.test_custody import judged
from core.test_independence import NOW, PROD, point

from drbook.core.holding import KeyFact, SnapshotFact, Stated
from drbook.core.independence import BEGINS, choose
from drbook.core.points import Answer, Criterion, FailureDomain, PointFacts, Verdict
from drbook.core.snapshots import BY_ITS_PROVIDER, MOMENT, way_back

LOST = PROD.resource or ""
HELD_AT_AWS = point().model_copy(
    update={"format": "snapshot", "restored_by": f"aws restore --time {MOMENT}"}
)
ROLLS = HELD_AT_AWS.model_copy(update={"rolls_to": HELD_AT_AWS.taken_at + timedelta(days=3)})


def test_a_snapshot_is_recoverable_and_never_chosen() -> None:
    found = judged(at=HELD_AT_AWS)
    assert found.verdict is Verdict.RECOVERABLE
    assert found.reasons[0].startswith(BEGINS["provider"])
    assert (found.recoverable, found.back) == (HELD_AT_AWS.restored_by, "provider")
    assert choose([found]) is None
    binned = judged(at=HELD_AT_AWS, recoverable="take it out of the bin")
    assert binned.reasons[0] == f"{BEGINS['bin']}take it out of the bin"
    assert judged(at=HELD_AT_AWS, still_there=False).verdict is Verdict.DESTROYED


@pytest.mark.parametrize(
    ("copy", "after", "words"),
    [
        (ROLLS, None, MOMENT),
        (HELD_AT_AWS, timedelta(days=1), MOMENT),
        (ROLLS, timedelta(days=-1), MOMENT),
        (ROLLS, timedelta(days=1), (ROLLS.taken_at + timedelta(days=1, seconds=-1)).isoformat()[:19]),
        (ROLLS, timedelta(days=9), (ROLLS.taken_at + timedelta(days=3)).isoformat()[:19]),
    ],
    ids=["loss unknown", "holds one moment", "loss before it", "a second before it", "its last one"],
)  # fmt: skip
def test_the_moment_to_restore_to(copy: Any, after: timedelta | None, words: str) -> None:
    occurred = None if after is None else ROLLS.taken_at + after
    assert words in way_back(PointFacts(point=copy), occurred)


def test_a_copy_that_can_be_read_needs_no_way_back() -> None:
    assert way_back(PointFacts(point=point()), NOW) == ""
    bare = HELD_AT_AWS.model_copy(update={"restored_by": ""})
    assert way_back(PointFacts(point=bare), NOW) == BY_ITS_PROVIDER


@pytest.mark.parametrize(
    ("kind", "of", "answer"),
    [
        ("automated", LOST, Answer.FAIL),
        ("manual", LOST, Answer.PASS),
        ("retained", LOST, Answer.PASS),
        ("copied", LOST, Answer.PASS),
    ],
)
def test_a_snapshot_of_what_was_destroyed(kind: Any, of: str, answer: Answer) -> None:
    fact = SnapshotFact(kind=kind, of=of, why_unknown="")
    found = judged(at=HELD_AT_AWS, snapshot=fact).finding(Criterion.RESOURCE)
    assert found.answer is answer, found.reason


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        (KeyFact(name="k", state="enabled"), Answer.PASS),
        (KeyFact(name="k", state="disabled"), Answer.FAIL),
        (KeyFact(name="k", state="pending_deletion", deleted_at=NOW), Answer.FAIL),
        (KeyFact(name="k", state="unavailable"), Answer.FAIL),
        (KeyFact(name="k", why_unknown="access is denied"), Answer.UNKNOWN),
        (KeyFact(name="k", state="enabled", account=PROD.account), Answer.UNKNOWN),
    ],
)
def test_the_providers_key_makes_nothing_better(key: KeyFact, answer: Answer) -> None:
    none_needed = judged(at=HELD_AT_AWS, stated=Stated(keys=()), key=key)
    assert none_needed.finding(Criterion.KEY).answer is answer
    unstated = judged(at=HELD_AT_AWS, key=key).finding(Criterion.KEY)
    assert unstated.answer is not Answer.PASS


def test_each_copys_own_account_and_end_count() -> None:
    same = FailureDomain(provider=PROD.provider, account="another")
    ours = judged(at=HELD_AT_AWS, declared=same, owner=PROD.account).finding(Criterion.ACCOUNT)
    assert ours.answer is Answer.FAIL
    for days, answer in ((1, Answer.FAIL), (30, Answer.PASS)):
        ends = judged(at=HELD_AT_AWS, expires_at=NOW + timedelta(days=days))
        assert ends.finding(Criterion.LIFECYCLE).answer is answer
