"""Tables for what attempts on locks prove, of which place, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from drbook.core.lockproofs import (
    PROOF_AGE,
    Attempt,
    LockPlace,
    LockPlan,
    LockProof,
    Outcome,
    interrupted,
    line_of,
    observed,
    unplanned,
)
from drbook.core.points import Answer, Observed

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HERE = LockPlace(name="offsite", bucket="acme", prefix="nightly/")
ALL = ("shorten", "lower", "overwrite", "hide", "delete", "bypass")


def proof(*allowed: str, untold: str = "", **more: object) -> LockProof:
    attempts = tuple(
        Attempt(
            name=name,
            outcome=Outcome.ALLOWED
            if name in allowed
            else Outcome.UNTOLD
            if name == untold
            else Outcome.REFUSED,
            said="",
        )
        for name in ALL
    )
    fields = {"place": HERE, "key": "k", "mode": "COMPLIANCE", "at": NOW, "attempts": attempts}
    return LockProof.model_validate(fields | more)


@pytest.mark.parametrize(
    ("one", "answer"),
    [
        (proof(), Answer.PASS),
        *((proof(name), Answer.FAIL) for name in ALL),
        *((proof(untold=name), Answer.UNKNOWN) for name in ALL),
        (proof("shorten", untold="delete"), Answer.FAIL),
        (proof("bypass", mode="GOVERNANCE"), Answer.PASS),
        (proof("bypass", "shorten", mode="GOVERNANCE"), Answer.FAIL),
        (proof(attempts=()), Answer.UNKNOWN),
        (proof(why="it broke off"), Answer.UNKNOWN),
        (proof("delete", why="it broke off"), Answer.FAIL),
    ],
)
def test_what_attempts_prove(one: LockProof, answer: Answer) -> None:
    assert one.answer is answer
    line = line_of(one)
    assert line.answer is (Answer.FAIL if one.lifted else answer)
    assert ("FOUND OUT" in line.reason) is (answer is Answer.FAIL)


OTHER_PREFIX = LockPlace(name="x", bucket="acme", prefix="weekly/")
OTHER_STORE = LockPlace(name="x", bucket="acme", prefix="nightly/", endpoint="https://s3.example")
EARLIER, LATER = NOW - timedelta(days=2), NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("proofs", "value"),
    [
        ([], None),
        ([proof()], True),
        ([proof(at=NOW - PROOF_AGE)], True),
        ([proof(at=NOW - PROOF_AGE - timedelta(hours=1))], None),
        ([proof(at=NOW + timedelta(hours=1))], None),
        ([proof(mode="GOVERNANCE")], None),
        ([proof(untold="delete")], None),
        ([proof(place=OTHER_PREFIX)], None),
        ([proof(place=OTHER_STORE)], None),
        ([proof("delete")], False),
        ([proof("delete", at=NOW - PROOF_AGE * 5)], False),
        ([proof("delete", mode="GOVERNANCE")], False),
        ([proof("delete", place=OTHER_PREFIX)], False),
        ([proof("delete", place=OTHER_STORE)], None),
        ([proof("delete", at=EARLIER), proof(at=LATER)], True),
        ([proof("delete", at=LATER), proof(at=EARLIER)], False),
        ([proof("delete", at=EARLIER), proof(untold="hide", at=LATER)], False),
        ([proof("delete", at=EARLIER), proof(place=OTHER_PREFIX, at=LATER)], False),
        ([proof(at=EARLIER), proof(attempts=(), why="access is denied", at=LATER)], True),
        ([proof(at=EARLIER), proof(untold="hide", at=LATER)], None),
    ],
)
def test_what_is_known_of_a_place(proofs: list[LockProof], value: bool | None) -> None:
    told = observed(proofs, HERE, NOW)
    assert told == Observed(value=value) if value is not None else not told.known


def test_an_attempt_that_broke_off_is_said() -> None:
    begun = proof(attempts=())
    assert interrupted([begun], [proof()]) == ""
    assert "1 lock proof broke off" in interrupted([begun], [])
    assert "k in s3://acme/nightly/" in interrupted([begun], [proof(place=OTHER_STORE)])


def test_a_place_that_could_not_be_asked_is_unknown() -> None:
    line = unplanned(LockPlan(place=HERE, why="access is denied", unknown=True))
    assert line.answer is Answer.UNKNOWN
    assert "access is denied" in line.reason


def test_a_plan_says_what_it_writes() -> None:
    said = LockPlan(place=HERE, mode="COMPLIANCE", until=NOW).show()
    assert "drbook-lock-proof-… in s3://acme/nightly/" in said
    assert "2026-11-23 12:00:00 UTC" in said
