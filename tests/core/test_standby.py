"""When a loss reaches a standby, and what becomes of it: tables of what a standby says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.independence import judge
from drbook.core.points import (
    Answer,
    Criterion,
    FailureDomain,
    Judgement,
    LockFact,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
    Verdict,
)
from drbook.core.proofs import Proofs
from drbook.core.reach import leaked_credentials
from drbook.core.standby import (
    PAUSE,
    Replay,
    alarm,
    coupling,
    foreign,
    holds_loss,
    promotion,
    to_hold,
    unproven,
    unreadable,
)
from drbook.core.ways import ways

LOSS = datetime(2026, 11, 27, 3, 0, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def replay(**more: object) -> Replay:
    """A standby of an hour's delay, ten minutes after the loss."""
    fields: dict[str, object] = {
        "system_identifier": "77", "timeline": 1, "received": "0/5000", "replayed": "0/4000",
        "transaction_at": LOSS - HOUR, "moment": LOSS - HOUR, "asked_at": LOSS + timedelta(minutes=10),
        "pause": "not paused", "delay_ms": 3_600_000, "receiver": "streaming", "server_version": 180006,
    }  # fmt: skip
    return Replay.model_validate(fields | more)


LATER = {"asked_at": LOSS + 2 * HOUR}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"moment": LOSS}, "what happened is in it"),
        ({"moment": LOSS + HOUR, "pause": "paused"}, "1 h 00 m after the loss"),
        (LATER, "the loss reached it at 2026-11-27 04:00:09"),
        (LATER | {"pause": "paused"}, ""),
        (LATER | {"pause": "pause requested"}, ""),
        (LATER | {"receiver": ""}, ""),
        (LATER | {"receiver": None}, "what happened is in it"),
        ({"delay_ms": 0}, "it replays without delay"),
        ({"delay_ms": 0, "receiver": ""}, ""),
        ({"delay_ms": 0, "pause": "pause requested"}, "it replays without delay"),
        ({"delay_ms": None}, ""),
    ],
)
def test_whether_it_holds_the_loss(more: dict[str, object], words: str) -> None:
    found = holds_loss(replay(**more), LOSS)
    assert (words in found) if words else found == ""
    assert holds_loss(replay(**more), None) == ""


@pytest.mark.parametrize(
    ("more", "occurred", "words"),
    [
        (
            {},
            LOSS,
            "reaches this standby at 2026-11-27 04:00:09 UTC by its own clock, in 50 m 00 s",
        ),
        ({}, None, "a loss reaches it 1 h 00 m after it was committed"),
        ({"delay_ms": 0}, None, "a loss reaches it as soon as it is committed"),
        ({"delay_ms": None}, LOSS, "after a delay that is unknown"),
        ({"receiver": ""}, LOSS, "nothing comes to it now"),
        (LATER, LOSS, "may have reached it"),
        ({"pause": "paused"}, LOSS, ""),
    ],
)
def test_what_is_said_while_it_moves(
    more: dict[str, object], occurred: datetime | None, words: str
) -> None:
    found = alarm(replay(**more), occurred)
    assert (words in found) if words else found == ""
    assert (PAUSE in to_hold(replay(**more), occurred)) is bool(words)


@pytest.mark.parametrize(
    ("more", "held"),
    [
        ({"pause": "paused"}, True),
        ({"pause": "paused", "delay_ms": None}, True),
        ({"pause": "pause requested"}, True),
        ({"pause": "pause requested", "delay_ms": 0}, False),
        ({"pause": "pause requested", "delay_ms": None}, False),
        ({"pause": "not paused"}, False),
        ({"pause": None}, False),
    ],
)
def test_when_it_stands(more: dict[str, object], held: bool) -> None:
    found = replay(**more)
    assert found.held is held
    assert coupling(found)[0] is not held
    assert (to_hold(found, LOSS) == "") is held
    assert ("recovery_target_lsn = '0/4000'" in promotion(found)) is held


def test_a_server_that_does_not_say_whether_it_stands_is_dumped_by_hand() -> None:
    old = replay(pause=None, server_version=130020)
    assert "PostgreSQL 14" in to_hold(old, LOSS)
    assert "does not say" in coupling(old)[1]
    assert "whether it is paused is unknown" in old.show()


@pytest.mark.parametrize(
    ("systems", "identifier", "other", "remark"),
    [
        ({"77"}, "77", False, ""),
        ({"5", "77"}, "77", False, ""),
        ({"5"}, "77", True, ""),
        (set(), "77", False, "nothing here knows"),
        ({"5"}, None, False, "it does not say"),
    ],
)
def test_whose_standby_it_is(
    systems: set[str], identifier: str | None, other: bool, remark: str
) -> None:
    found = replay(system_identifier=identifier)
    assert bool(foreign(found, systems)) is other
    assert remark in unproven(found, systems)


def test_what_is_locked_is_named_and_not_all_of_it() -> None:
    many = replay(locked=tuple(f"public.t{n}" for n in range(7)))
    assert "public.t4 and 2 more locked" in unreadable(many)
    assert "locked by replay: public.t0" in many.show()
    assert unreadable(replay()) == ""


def test_hostile_words_of_a_server_are_plain() -> None:
    evil = replay(
        receiver="str\x1b[2Jeaming", replayed="0/4\u202e000", pause="paused", locked=("\x07a",)
    )
    for text in (evil.show(), promotion(evil), unreadable(evil)):
        assert not any(each in text for each in "\x1b\u202e\x07")


# --- judged as a copy --------------------------------------------------------------------------

PRODUCTION = FailureDomain(provider="here", account="a", resource="vol-1", credentials=("p",))
APART = FailureDomain(provider="there", account="b", resource="late-1", credentials=("s",))


def judged(
    found: Replay | None, *, systems: frozenset[str] = frozenset({"77"}), **more: Any
) -> Judgement:
    moment = found.moment if found else LOSS - HOUR
    point = RecoveryPoint(
        source="late", id="as-replayed", taken_at=moment, taken_by="production", size=0,
        size_is="unknown", location="the standby", standby=True,
    )  # fmt: skip
    facts = PointFacts(
        point=point, lock=LockFact(why_unknown="none"), vault=NO_VAULT, snapshot=NO_SNAPSHOT, replay=found
    )  # fmt: skip
    return judge(
        facts,
        SourceFacts(source="late", reachable=True),
        more.get("domain", APART),
        PRODUCTION,
        leaked_credentials(PRODUCTION, {}, None),
        require=(Criterion.RESOURCE, Criterion.ACCOUNT),
        now=LOSS + HOUR,
        occurred=more.get("occurred", LOSS),
        systems=systems,
    )


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"pause": "paused"}, Verdict.INDEPENDENT),
        ({"pause": "pause requested"}, Verdict.INDEPENDENT),
        ({}, Verdict.RECOVERABLE),
        ({"delay_ms": 0}, Verdict.SHARED),
        ({"delay_ms": 0, "receiver": ""}, Verdict.RECOVERABLE),
        ({"pause": "paused", "moment": LOSS}, Verdict.SHARED),
        (LATER, Verdict.SHARED),
        ({"pause": None}, Verdict.RECOVERABLE),
        ({"pause": "paused", "system_identifier": "5"}, Verdict.SHARED),
        ({"system_identifier": "5"}, Verdict.SHARED),
        ({"pause": "paused", "system_identifier": None}, Verdict.INDEPENDENT),
    ],
)
def test_the_verdict(more: dict[str, object], verdict: Verdict) -> None:
    found = judged(replay(**more))
    assert found.verdict is verdict
    assert bool(found.recoverable) is (verdict is Verdict.RECOVERABLE)
    stands = replay(**more).held
    assert (found.finding(Criterion.REPLICATION).answer is Answer.PASS) is stands


@pytest.mark.parametrize("delay", [None, 0, 1, 3_600_000])
@pytest.mark.parametrize("pause", [None, "not paused"])
@pytest.mark.parametrize("receiver", [None, "", "streaming"])
@pytest.mark.parametrize("occurred", [None, LOSS])
def test_what_replays_is_never_independent(
    delay: int | None, pause: str | None, receiver: str | None, occurred: datetime | None
) -> None:
    found = judged(replay(delay_ms=delay, pause=pause, receiver=receiver), occurred=occurred)
    assert found.verdict in (Verdict.RECOVERABLE, Verdict.SHARED)


def test_promoting_is_a_way_where_the_loss_is_not_in_it() -> None:
    dump = RecoveryPoint(
        source="disk", id="d", taken_at=LOSS - HOUR, taken_by="manifest", size=10, location="/d"
    )  # fmt: skip
    beside = judged(replay(pause="paused")).model_copy(update={"point": dump, "replay": None})
    standing = judged(
        replay(pause="paused"), domain=PRODUCTION.model_copy(update={"resource": "x"})
    )
    assert (
        standing.verdict is Verdict.SHARED
    )  # production's own account, and a way back all the same
    found = ways([beside, standing], Proofs(), LOSS, standby="a replica")
    assert [each.kind for each in found] == ["promote", "restore"]
    assert found[0].loss_seconds == 3600
    assert found[0].ready() == "no transfer: one restart"
    assert "pg_promote() is not the way" in found[0].risk
    assert "recovery_target_inclusive = off" in found[0].risk
    for none in (replay(moment=LOSS), replay(system_identifier="5")):
        assert ways([judged(none)], Proofs(), LOSS) == ()
    (asked,) = ways([judged(replay())], Proofs(), LOSS)
    assert "pause its replay first" in asked.risk
