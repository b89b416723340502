"""Ways back beside each other: what loses least comes first, and what nobody knows comes last."""

from datetime import UTC, datetime, timedelta

import pytest

from drbook.core.points import (
    Answer,
    Basis,
    Criterion,
    Finding,
    Judgement,
    RecoveryPoint,
    Verdict,
)
from drbook.core.proofs import Pace, Proof, Proofs
from drbook.core.way import Way
from drbook.core.ways import ready, ways

LOSS = datetime(2026, 11, 27, 12, tzinfo=UTC)


def point(source: str, hours: float, **more: object) -> RecoveryPoint:
    fields = {
        "source": source, "id": f"{source}-{hours}", "taken_at": LOSS - timedelta(hours=hours),
        "taken_by": "manifest", "size": 1000, "location": f"/{source}/{hours}",
    }  # fmt: skip
    return RecoveryPoint.model_validate(fields | more)


def judged(
    found: RecoveryPoint,
    verdict: Verdict = Verdict.INDEPENDENT,
    *,
    read: bool = True,
    back: str = "",
) -> Judgement:
    findings = tuple(
        Finding(
            criterion=criterion,
            answer=Answer.PASS if read else Answer.UNKNOWN,
            basis=Basis.OBSERVED,
            reason="read",
        )
        for criterion in Criterion
    )
    return Judgement(
        point=found, verdict=verdict, reasons=("so",), findings=findings, recoverable=back
    )


DUMP = judged(point("disk", 10))
OLD = judged(point("disk", 200))
ROLLING = judged(point("base", 30, format="physical", rolls_to=LOSS + timedelta(hours=1)))
BEHIND = judged(point("base", 30, format="physical", rolls_to=LOSS - timedelta(hours=2)))
GONE = judged(
    point("bin", 1), Verdict.RECOVERABLE, back="aws ec2 restore-snapshot-from-recycle-bin"
)
SHARED = judged(point("near", 1), Verdict.SHARED)
PROOF = Proof(
    bytes_key=OLD.point.bytes_key, location=OLD.point.location, verified_at=LOSS, mode="drill"
)


def kinds(found: tuple[Way, ...]) -> list[str]:
    return [way.kind for way in found]


def test_what_loses_least_comes_first() -> None:
    found = ways([DUMP, ROLLING, GONE, SHARED, OLD], Proofs([PROOF], ""), LOSS, standby="replica")
    assert kinds(found) == ["roll forward", "undelete", "restore", "restore, proved", "promote"]
    assert [way.loss_seconds for way in found] == [0, 3600, 36_000, 720_000, None]
    assert "restore-snapshot-from-recycle-bin" in found[1].risk
    assert "restored and verified" in found[3].proof
    assert found[4].loss() == "unknown"


def test_what_an_archive_tier_must_give_first_says_how_long_that_takes() -> None:
    cold = judged(point("deep", 2), Verdict.RECOVERABLE, back="it lies in DEEP_ARCHIVE")
    cold = cold.model_copy(update={"readable_in": 12 * 3600, "back": "tier"})
    found = ways([cold, GONE, DUMP], Proofs([], ""), LOSS)
    assert kinds(found) == ["undelete", "thaw", "restore"]
    assert found[1].ready() == "at least 12 h 00 m"
    assert "DEEP_ARCHIVE" in found[1].risk
    (way,) = ways([cold], Proofs([], "", [Pace(format="pg_dump", bytes=1000, seconds=60)]), LOSS)
    assert way.ready() == "about 12 h 01 m"


def test_wal_that_ends_before_the_loss_loses_what_came_between() -> None:
    (way,) = ways([BEHIND], Proofs([], ""), LOSS)
    assert way.loss_seconds == 7200


def test_shared_damaged_and_unknown_copies_are_no_way() -> None:
    bad = [
        judged(point("x", n), verdict)
        for n, verdict in enumerate(Verdict)
        if verdict not in (Verdict.INDEPENDENT, Verdict.RECOVERABLE)
    ]
    assert ways(bad, Proofs([], ""), LOSS) == ()


def test_without_a_time_of_the_loss_nothing_is_said_of_it() -> None:
    assert {way.loss_seconds for way in ways([DUMP, ROLLING, GONE], Proofs(), None)} == {None}


def test_a_copy_that_is_dated_by_its_storing_loses_at_least_that() -> None:
    (way,) = ways([judged(point("disk", 10, taken_by="store"))], Proofs([], ""), LOSS)
    assert way.loss() == "at least 10 h 00 m"


def test_unread_records_are_said_and_unproven_bytes_too() -> None:
    (way,) = ways([judged(point("disk", 10), read=False)], Proofs([], "3 cannot be read"), LOSS)
    assert "3 cannot be read" in way.proof
    assert "its bytes are not proven" in way.risk


@pytest.mark.parametrize(
    ("paces", "expected"),
    [
        ((), None),
        ((Pace(format="physical", bytes=1000, seconds=9),), None),
        ((Pace(format="pg_dump", bytes=1000, seconds=9),), 9),
        ((Pace(format="pg_dump", bytes=500, seconds=9),), 18),
        ((Pace(format="pg_dump", bytes=9, seconds=9),), None),
        ((Pace(format="pg_dump", bytes=0, seconds=9),), None),
        (tuple(Pace(format="pg_dump", bytes=1000, seconds=each) for each in (1, 5, 90)), 5),
    ],
    ids=["none", "other format", "same", "half", "too few bytes", "no bytes", "the middle"],
)
def test_how_long_it_takes_is_what_earlier_ones_took(
    paces: tuple[Pace, ...], expected: int | None
) -> None:
    assert ready(DUMP.point, paces) == expected
