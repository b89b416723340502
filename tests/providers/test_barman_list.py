"""What Barman says, read without it: tables of lists, WAL names, and complaints."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.points import FailureDomain
from drbook.providers.barmanlist import (
    Catalogue,
    Kept,
    Wal,
    catalogue_of,
    chain,
    kept_in,
    own_segments,
    reach,
    show_reach,
)
from drbook.providers.barmanpoints import listed
from drbook.providers.barmanprogram import explained
from drbook.providers.barmansource import verdict

ID, LATER, LAST = "20261128T021539", "20261128T031539", "20261128T041539"
AT = datetime(2026, 11, 28, 2, 15, tzinfo=UTC)


def raw(id: str = ID, **more: object) -> dict[str, Any]:
    fields = {
        "backup_id": id, "begin_wal": one(2), "end_wal": one(3), "timeline": 1, "version": 170006,
        "systemid": "7713040291659467579", "mode": "postgres", "size": 5000, "status": "DONE",
        "deduplicated_size": 4000, "xlog_segment_size": 16777216, "tablespaces": [["fast", 16384, "/x"]],
        "end_time_iso": f"{id[:4]}-{id[4:6]}-{id[6:8]}T{id[9:11]}:15:45.3+00:00",
    }  # fmt: skip
    return fields | more


def one(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{0:08X}{number:08X}"


def wals(*names: str) -> list[Wal]:
    return [Wal(name, AT + timedelta(minutes=at)) for at, name in enumerate(names)]


def kept(**more: object) -> Kept:
    return kept_in(raw(**more))


@pytest.mark.parametrize(
    ("names", "last", "words"),
    [
        ((one(2), one(3)), one(3), ""),
        ((one(2), one(3), one(4), one(5)), one(5), ""),
        ((one(2), one(3), one(4), one(6), one(7)), one(4), f"WAL {one(5)} is missing"),
        ((one(3), one(4)), None, f"lacks WAL {one(2)}"),
        ((one(2), one(4)), None, f"lacks WAL {one(3)}"),
        ((), None, f"lacks WAL {one(2)}"),
        (
            (one(2), one(3), one(4), "00000002.history", one(4, 2), one(5, 2)),
            one(5, 2),
            "timeline 2",
        ),
        ((one(2), one(3), one(4), "00000002.history", one(5, 2)), one(5, 2), "timeline 2"),
        ((one(2), one(3), one(4), one(5, 2)), one(4), ""),
        ((one(2), one(3), "00000002.history", one(9, 2)), one(3), f"WAL {one(4)} is missing"),
        ((one(2), one(3), f"{one(3)}.00000028.backup", f"{one(4)}.partial"), one(3), ""),
    ],
)
def test_how_far_the_names_reach(names: tuple[str, ...], last: str | None, words: str) -> None:
    found = reach(kept(), wals(*names))
    assert (found.last.name if found.last else None) == last
    assert words in show_reach(found, "by somebody's clock")


@pytest.mark.parametrize(
    ("names", "last", "words"),
    [
        # The old timeline went on beside the new one: a recovery leaves it where that branched off.
        ((one(2), one(3), one(4), one(5), one(6), "00000002.history", one(5, 2)), one(5, 2), "timeline 2"),
        ((one(2), one(3), one(4), "00000002.history", one(3, 2), one(5, 2)), one(3, 2), f"WAL {one(4, 2)} is missing"),
        # PostgreSQL looks for the history of 2 first, and ends its search there.
        ((one(2), one(3), "00000003.history", one(4, 3)), one(3), ""),
        # It branched off before the copy was whole.
        ((one(2), one(3), one(4), "00000002.history", one(2, 2), one(3, 2), one(4, 2), one(5, 2)), one(4), ""),
    ],
    ids=["both went on", "a gap on the new one", "no history between", "before the copy"],
)  # fmt: skip
def test_which_timeline_a_recovery_goes_along(
    names: tuple[str, ...], last: str, words: str
) -> None:
    found = reach(kept(), wals(*names))
    assert found.last is not None
    assert found.last.name == last
    said = show_reach(found, "by somebody's clock")
    assert words in said
    assert words or "missing" not in said + str(found.timelines)


def test_own_segments_are_counted_over_the_end_of_a_log() -> None:
    backup = kept(begin_wal=one(0x3F), end_wal=f"{1:08X}{1:08X}{0:08X}", xlog_segment_size=2**26)
    assert own_segments(backup) == [one(0x3F), f"{1:08X}{1:08X}{0:08X}"]


def _catalogue(*backups: dict[str, Any]) -> Catalogue:
    info = {"backups": {each["backup_id"]: each for each in backups}, "wals": [], "config": {}}
    rows = [{"backup_id": each["backup_id"], "status": each["status"]} for each in backups]
    return catalogue_of(json.dumps({"main": rows}).encode(), json.dumps(info).encode(), "main")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("FAILED", "its status is FAILED"),
        ("STARTED", "its status is STARTED"),
        ("EMPTY", "its status is EMPTY"),
        ("SYNCING", "its status is SYNCING"),
        ("WAITING_FOR_WALS", "it waits for WAL"),
        ("\x1b[2Jodd", "its status is"),
    ],
)
def test_what_is_not_done_is_left_out_aloud(status: str, words: str) -> None:
    found = _catalogue(raw(), raw(LATER, status=status))
    assert list(found.backups) == [ID]
    (left,) = found.left_out
    assert words in left
    assert "\x1b" not in left


def test_an_incremental_copy_needs_its_parents_and_is_left_out_without_them() -> None:
    whole = _catalogue(raw(), raw(LATER, parent_backup_id=ID), raw(LAST, parent_backup_id=LATER))
    assert chain(whole.backups, whole.backups[LAST]) == (ID, LATER)
    points, left = listed(whole, "vault", "Barman", FailureDomain(), "a clock")
    assert [(point.id, point.needs) for point in points] == [
        (LAST, (ID, LATER)), (LATER, (ID,)), (ID, ()),
    ]  # fmt: skip
    assert not left
    torn = _catalogue(raw(status="FAILED"), raw(LATER, parent_backup_id=ID))
    points, left = listed(torn, "vault", "Barman", FailureDomain(), "a clock")
    assert not points
    assert f"it needs backup {ID}, which is not there whole" in left[1]
    loop = _catalogue(raw(parent_backup_id=LATER), raw(LATER, parent_backup_id=ID))
    assert not listed(loop, "vault", "Barman", FailureDomain(), "a clock")[0]


def test_what_a_point_says_of_its_server() -> None:
    (point,), _ = listed(_catalogue(raw(encryption="gpg")), "v", "B", FailureDomain(), "a clock")
    assert (point.server_version, point.system_identifier) == (170006, "7713040291659467579")
    assert point.encrypted is True
    assert point.size == 4000
    _, (left,) = listed(
        _catalogue(raw(snapshots_info={"a": 1})), "v", "B", FailureDomain(), "a clock"
    )
    assert "snapshot of a disk" in left


@pytest.mark.parametrize(
    "more",
    [
        {"backup_id": "--help"}, {"backup_id": "../x"}, {"begin_wal": "x"}, {"end_wal": None}, {"end_wal": one(256)},
        {"xlog_segment_size": 3}, {"end_time_iso": "yesterday"}, {"tablespaces": 7},
        {"parent_backup_id": "-rf"},
    ],
)  # fmt: skip
def test_an_odd_list_is_an_error(more: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        kept_in(raw() | more)


MANIFEST = "pg_verifybackup: error: "


@pytest.mark.parametrize(
    ("printed", "state"),
    [
        ({"_INFO": ["Calling pg_verifybackup", "backup successfully verified"]}, "intact"),
        ({"_INFO": ["backup successfully verified"], "_ERROR": ["odd"]}, "unknown"),
        ({"_INFO": []}, "unknown"),
        ({"_ERROR": ["pg_verifybackup not found"]}, "unknown"),
        ({"_ERROR": [f'{MANIFEST}checksum mismatch for file "base/5/1"']}, "damaged"),
        (
            {"_ERROR": [f'{MANIFEST}"base/5/1" is present in the manifest but not on disk']},
            "damaged",
        ),
        ({"_ERROR": [f'{MANIFEST}"x" has size 1 on disk but size 2 in the manifest']}, "damaged"),
        (
            {"_ERROR": [f'{MANIFEST}could not open file "x/backup_manifest": No such file']},
            "unknown",
        ),
        ({"_ERROR": [f'{MANIFEST}could not open file "base/5/1": Permission denied']}, "unknown"),
        ([], "unknown"),
    ],
)
def test_what_verify_backup_says(printed: object, state: str) -> None:
    assert verdict(ID, json.dumps(printed).encode(), "").state == state
    assert verdict(ID, b"Traceback", "it broke").state == "unknown"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ERROR: please run barman as 'barman' user", "drbook does not run as Barman's user"),
        ("EXCEPTION: /var/lib/barman/.main-archive-wal.lock\nSee log file", "may not be read by this"),
        ("Configuration file '/x' does not exist", "no such configuration"),
        ("2026-11-28 02:18:27,559 [31701] ERROR: it: (NoSuchBucket) when", "there is no such bucket: it"),
        ("", "it ended with exit code 4 and said nothing"),
    ],
)  # fmt: skip
def test_complaints_have_a_meaning(text: str, words: str) -> None:
    assert words in explained(4, text).show()
