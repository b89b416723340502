"""What stands out among all copies: damaged ones by name, and a loss that lies before all of them."""

from datetime import UTC, datetime, timedelta

from drbook.core.engine import rolled_wrong
from drbook.core.located import Located
from drbook.core.lookingback import all_late, damaged
from drbook.core.points import Judgement, RecoveryPoint, Verdict
from drbook.core.recovery import RecoveryAim, RecoveryReport

NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)


def copy(hours: int, verdict: Verdict = Verdict.SHARED, **more: object) -> Judgement:
    found = {
        "source": "base",
        "id": f"copy-{hours}",
        "taken_at": NOON + timedelta(hours=hours),
        "taken_by": "tool",
        "size": 1,
        "location": f"/srv/copy-{hours}",
    }
    point = RecoveryPoint.model_validate(found | more)
    return Judgement(point=point, verdict=verdict, reasons=(f"reason {hours}",), findings=())


def located(*judgements: Judgement) -> Located:
    return Located(point=None, judgements=judgements, asked_at=NOON)


def test_the_newest_damaged_copies_are_named_with_their_reason() -> None:
    broken = [copy(hour, Verdict.DAMAGED) for hour in (-5, -1, -3, -2, -4)]
    assert damaged([copy(0), *broken]) == (
        "/srv/copy--1: reason -1",
        "/srv/copy--2: reason -2",
        "/srv/copy--3: reason -3",
        "and 2 older ones",
    )
    assert damaged([copy(0)]) == ()


def test_copies_that_are_all_from_after_the_loss_question_its_time() -> None:
    said = all_late(located(copy(3), copy(1), copy(2)), NOON)
    assert said.startswith(
        "All 3 copies are dated after the loss (occurred 2026-04-24 12:00:00 UTC)"
    )
    assert "is `occurred` right? The oldest is from 2026-04-24 13:00:00 UTC: /srv/copy-1" in said
    assert all_late(located(copy(3), copy(-1)), NOON) == ""
    assert all_late(located(copy(0)), NOON) == ""
    assert all_late(located(), NOON) == ""
    assert all_late(located(copy(1)), NOON).startswith("The only copy is")


def test_up_to_where_a_copy_rolls_forward_is_told_with_whose_word_it_is() -> None:
    gap = copy(-1, rolls_to=NOON, rolls_note="WAL 07 is missing").point
    assert gap.rolls(None) == (
        "rolled forward to at most 2026-04-24 12:00:00 UTC (WAL 07 is missing)"
    )
    assert "to at most 2026-04-24 11:30:00 UTC" in gap.rolls(NOON - timedelta(minutes=30))
    none = copy(-1, rolls_note="the archive cannot be listed").point
    assert none.rolls(None) == "not rolled forward: the archive cannot be listed"
    assert copy(-1).point.rolls(None) == ""


def report(**more: object) -> RecoveryReport:
    found = {
        "aim": {"end": True},
        "stopped": "",
        "last_commit": NOON + timedelta(minutes=1),
        "wal_files": 1,
        "isolation": {},
        "server_version": 150000,
        "seconds": 1,
    }
    return RecoveryReport.model_validate(found | more)


def test_what_was_rolled_forward_behind_the_loss_says_so() -> None:
    end = RecoveryAim(end=True)
    past = report().held_past(end, NOON)
    assert past.show().startswith(
        "THE LOSS ITSELF WAS REPLAYED: it was rolled forward behind 2026-04"
    )
    assert (
        rolled_wrong({"recovery": past.model_dump(mode="json")}) == "the loss itself was replayed"
    )
    before = report(last_commit=NOON - timedelta(minutes=1)).held_past(end, NOON)
    assert before.repeats == ""
    assert rolled_wrong({"recovery": before.model_dump(mode="json")}) == ""
    assert report().held_past(end, None).repeats == ""
    broken = report(broken="a gap")
    assert (
        rolled_wrong({"recovery": broken.model_dump(mode="json")})
        == "NOT rolled forward to its aim"
    )
    for nothing in (None, 3, {}, {"recovery": None}):
        assert rolled_wrong(nothing) == ""


def test_which_aims_lie_behind_the_loss() -> None:
    after = NOON + timedelta(seconds=1)
    assert RecoveryAim(end=True).passes(NOON)
    assert RecoveryAim(time=after).passes(NOON)
    assert RecoveryAim(time=NOON, inclusive=True).passes(NOON)
    assert not RecoveryAim(time=NOON).passes(NOON)
    assert not RecoveryAim(end=True).passes(None)
    assert not RecoveryAim(consistent=True).passes(NOON)
    assert not RecoveryAim(lsn="0/4000148").passes(NOON)
