"""Where a recovery may stop, what a server's log says of it, and up to when its data is complete."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.preflight import PlaceFacts, PreflightVerdict
from drbook.core.recovery import RecoveryAim, RecoveryReport, read_log
from drbook.core.recoverychecks import aim_of, judge_physical

AT = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)
END = AT - timedelta(hours=3)
GIB = 1024**3


def point(**more: object) -> RecoveryPoint:
    fields = {
        "source": "base", "id": "b", "taken_at": END, "taken_by": "tool", "size": GIB,
        "format": "physical", "location": "/b", "server_version": 150004,
        "rolls_to": AT + timedelta(hours=1),
    }  # fmt: skip
    return RecoveryPoint.model_validate(fields | more)


@pytest.mark.parametrize(
    ("fields", "settings", "shown"),
    [
        ({"time": "2026-11-27T12:00:00Z"}, {"recovery_target_time": "2026-11-27 12:00:00+00:00", "recovery_target_inclusive": "off"}, "right before 2026-11-27 12:00:00 UTC"),
        ({"lsn": "0/3000148", "inclusive": True}, {"recovery_target_lsn": "0/3000148", "recovery_target_inclusive": "on"}, "up to and with 0/3000148"),
        ({"xid": 745}, {"recovery_target_xid": "745", "recovery_target_inclusive": "off"}, "right before transaction 745"),
        ({"name": "release"}, {"recovery_target_name": "release", "recovery_target_inclusive": "off"}, "at the restore point release"),
        ({"end": True}, {"recovery_target_inclusive": "off"}, "at the end of the WAL"),
        ({"consistent": True}, {"recovery_target": "immediate", "recovery_target_inclusive": "off"}, "at the copy's own end"),
    ],
)  # fmt: skip
def test_an_aim_is_one_way_to_say_where_to_stop(fields, settings, shown) -> None:
    aim = RecoveryAim.model_validate(fields)
    assert aim.settings() == settings
    assert aim.show() == shown


@pytest.mark.parametrize(
    "fields",
    [{}, {"end": True, "consistent": True}, {"xid": 7, "name": "x"}, {"lsn": "nonsense"}, {"xid": 2},
     {"end": True, "inclusive": True}, {"name": ""}],
)  # fmt: skip
def test_an_aim_that_is_none_or_two_is_refused(fields) -> None:
    with pytest.raises(ValidationError):
        RecoveryAim.model_validate(fields)


def test_the_default_is_right_before_the_loss() -> None:
    assert aim_of(point(), None, AT) == RecoveryAim(time=AT)
    assert aim_of(point(rolls_to=None), None, AT) == RecoveryAim(consistent=True)
    assert aim_of(point(), RecoveryAim(xid=9), None) == RecoveryAim(xid=9)


def test_nothing_is_rolled_forward_to_a_moment_that_nobody_gave() -> None:
    with pytest.raises(StepFailed) as raised:
        aim_of(point(), None, None)
    assert raised.value.code == "no-aim"


def test_a_copy_goes_nowhere_but_forward() -> None:
    early = RecoveryAim(time=END - timedelta(minutes=1))
    with pytest.raises(StepFailed) as raised:
        aim_of(point(), early, AT)
    assert raised.value.code == "aim-before-copy"
    # One that is dated by its storing ended earlier than that: the server knows, and refuses.
    assert aim_of(point(taken_by="file"), early, AT) == early


LOG = """
2026-11-28 02:00:00.000 UTC [9] LOG:  starting point-in-time recovery to XID 757
2026-11-28 02:00:00.000 UTC [9] LOG:  redo starts at 0/2000028
2026-11-28 02:00:01.000 UTC [9] LOG:  recovery stopping before commit of transaction 757, time 2026-11-27 12:00:03.5+00
2026-11-28 02:00:01.000 UTC [9] LOG:  redo done at 0/30151F8 system usage: CPU: user: 0.00 s
2026-11-28 02:00:01.000 UTC [9] LOG:  last completed transaction was at log time 2026-11-27 11:59:58.25+00
2026-11-28 02:00:01.000 UTC [9] LOG:  selected new timeline ID: 2
""".splitlines()


def test_a_log_says_where_it_stopped() -> None:
    found = read_log(LOG)
    assert found.stopped.startswith("recovery stopping before commit of transaction 757")
    assert found.stopped_at == AT + timedelta(seconds=3.5)
    assert found.last_commit == AT - timedelta(seconds=1.75)
    assert found.redo_done == "0/30151F8"
    assert found.timeline == 2
    assert not found.ended_early


def test_a_log_says_why_it_ended() -> None:
    found = read_log(
        ["x FATAL:  recovery ended before configured recovery target was reached", "x LOG:  bye"]
    )
    assert found.ended_early
    assert found.fatal == ("recovery ended before configured recovery target was reached",)
    assert not read_log(["x FATAL:  could not open file"]).ended_early


def report(**more: object) -> RecoveryReport:
    fields = {
        "aim": RecoveryAim(time=AT), "stopped": "recovery stopping before commit of transaction 7",
        "stopped_at": AT + timedelta(seconds=3), "last_commit": AT - timedelta(seconds=9),
        "wal_files": 3, "isolation": {}, "server_version": 150004, "seconds": 5,
    }  # fmt: skip
    return RecoveryReport.model_validate(fields | more)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, AT),
        ({"aim": RecoveryAim(xid=7)}, AT + timedelta(seconds=3)),
        ({"ended_before_aim": True, "stopped_at": None}, AT - timedelta(seconds=9)),
        ({"aim": RecoveryAim(end=True), "stopped_at": None}, AT - timedelta(seconds=9)),
        ({"stopped_at": None, "last_commit": None}, END),
    ],
    ids=["time", "transaction", "ended before the aim", "end", "nothing replayed"],
)
def test_up_to_when_it_is_complete(more, expected) -> None:
    assert report(**more).complete_to(END) == expected


def test_wal_that_ended_early_is_not_told_as_the_aim() -> None:
    assert "the WAL ended before the aim" in report(ended_before_aim=True).show()


@pytest.mark.parametrize(
    ("more", "place", "servers", "expected"),
    [
        (
            {"database_bytes": 2 * GIB},
            {"free": 10 * GIB},
            (150007,),
            {"server": "ok", "disk": "ok"},
        ),
        ({"database_bytes": 2 * GIB}, {"free": 2 * GIB + 5}, (150007,), {"disk": "differs"}),
        ({"database_bytes": 2 * GIB}, {"free": GIB}, (150007,), {"disk": "stops"}),
        ({}, {"free": 10 * GIB}, (150007,), {"disk": "unknown"}),
        ({}, {"free": GIB // 2}, (150007,), {"disk": "stops"}),
        ({}, {}, (180006,), {"server": "stops", "disk": "unknown"}),
        ({"server_version": None}, {}, (180006,), {"server": "unknown"}),
    ],
)
def test_what_is_known_before_it_is_laid_down(more, place, servers, expected) -> None:
    proof = ByteFact(state="intact", reason="every file")
    page = judge_physical(point(**more), proof, PlaceFacts(**place), servers)
    found = {item.what: item.verdict.value for item in page.items}
    assert found["digest"] == "ok"
    assert expected.items() <= found.items()


def test_bytes_that_are_only_structure_are_unknown() -> None:
    proof = ByteFact(state="structure", reason="read to its end")
    page = judge_physical(point(), proof, PlaceFacts(), (150004,))
    assert page.items[0].verdict is PreflightVerdict.UNKNOWN
