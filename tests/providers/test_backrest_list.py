"""What pgBackRest says, as tables: backups, rows of WAL, timelines, statuses and findings."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from drbook.providers.backrestlist import (
    Archive,
    Backup,
    Stored,
    archives_in,
    details_in,
    folders_in,
    newest_first,
    stanza_in,
)
from drbook.providers.backrestprogram import complaint, lies_in, status
from drbook.providers.backrestverify import Damage, damage_in, judged, verified
from drbook.providers.backrestwal import (
    USUAL,
    alone,
    missing_of_its_own,
    reach,
    segment_size,
    way_of,
)
from drbook.providers.sources.pgbackrest import PgBackRestSource

FULL = "20260423-010000F"
DIFF = f"{FULL}_20260424-010000D"
INCR = f"{FULL}_20260424-130000I"
MIB = 1024 * 1024
AT = datetime(2026, 4, 24, 12, tzinfo=UTC)


def one(label: str, *needs: str, **more: object) -> dict[str, Any]:
    found: dict[str, Any] = {
        "label": label,
        "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000003"},
        "database": {"id": 1, "repo-key": 1},
        "error": False,
        "info": {"size": 9000, "delta": 400, "repository": {"size": 3000, "delta": 100}},
        "lsn": {"start": "0/2000028", "stop": "0/3000100"},
        "prior": needs[-1] if needs else None,
        "reference": list(needs) or None,
        "timestamp": {"start": 1777000000, "stop": 1777000060},
    }
    return found | more


def info(*backups: dict[str, Any], code: int = 0, **more: object) -> bytes:
    found = {
        "name": "rental",
        "backup": list(backups),
        "archive": [],
        "cipher": "none",
        "db": [{"id": 1, "repo-key": 1, "system-id": 7713039463460038026, "version": "15"}],
        "repo": [{"key": 1, "cipher": "none", "status": {"code": code, "message": "x"}}],
        "status": {"code": code, "message": "x", "lock": {"backup": {"held": False}}},
    }
    return json.dumps([found | more]).encode()


def backup(start: str = "02", stop: str = "03", timeline: str = "00000001") -> Backup:
    wal = {"start": f"{timeline}{start.zfill(16)}", "stop": f"{timeline}{stop.zfill(16)}"}
    lsn = {"start": f"0/{start}000028", "stop": f"0/{stop}000100"}
    return stanza_in(info(one(FULL, archive=wal, lsn=lsn)), "rental", 1).backups[0]


def archive(*names: str, histories: tuple[int, ...] = ()) -> Archive:
    """Segments by the end of their names on timeline 1, or with a timeline like `2:05`."""
    found = Archive(histories=set(histories))
    for name in names:
        timeline, _, rest = name.rpartition(":")
        found.segments[f"{int(timeline or 1):08X}{rest.zfill(16)}"] = Stored(AT, "a" * 40)
    return found


# --- the list ----------------------------------------------------------------------------------------


def test_a_backup_is_what_info_says_of_it() -> None:
    found = stanza_in(info(one(FULL), one(INCR, FULL, DIFF)), "rental", 1)
    second = newest_first(found.backups)[0]
    assert second.needs == (FULL, DIFF)
    assert second.stop == datetime(2026, 4, 24, 3, 7, 40, tzinfo=UTC)
    assert (second.size, second.laid_down) == (3000, 9000)
    cluster = found.cluster_of(second)
    assert cluster is not None
    assert (cluster.number, cluster.system_identifier) == (150000, "7713039463460038026")
    assert found.archive_of(second) == "15-1"


def test_parents_come_oldest_first_whatever_the_order() -> None:
    assert stanza_in(info(one(INCR, DIFF, FULL)), "rental", 1).backups[0].needs == (FULL, DIFF)


def test_a_size_that_a_later_version_leaves_out_is_that_of_the_whole_chain() -> None:
    def stored(delta: int) -> dict[str, Any]:
        return {"size": 9000, "repository": {"delta": delta}}

    text = info(one(FULL, info=stored(700)), one(DIFF, FULL, info=stored(50)))
    assert [each.size for each in stanza_in(text, "rental", 1).backups] == [700, 750]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        info(name="another"),
        info(one("--delta")),
        info(one(FULL, "../../etc")),
        info(one(FULL, timestamp={"start": 1, "stop": "now"})),
        info(one(FULL, timestamp={"start": 1, "stop": 10**20})),
        info(one(FULL, info={})),
        info(repo=[{"key": 1}]),
    ],
)
def test_what_pgbackrest_does_not_print_is_no_list(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        stanza_in(text, "rental", 1)


def test_only_backups_of_the_repository_that_was_asked_count() -> None:
    other = one(DIFF, FULL, database={"id": 1, "repo-key": 2})
    assert [each.label for each in stanza_in(info(one(FULL), other), "rental", 1).backups] == [FULL]


def test_details_are_tablespaces_and_links() -> None:
    given = one(
        FULL,
        tablespace=[{"oid": 16384, "name": "../x", "destination": "/srv"}],
        link=[{"name": "pg_hba.conf", "destination": "/etc/pg_hba.conf"}],
    )
    spaces, links = details_in(info(given))
    assert ([each.oid for each in spaces], links) == ([16384], ("pg_hba.conf",))
    assert details_in(info(one(FULL))) == ((), ())
    for bad in (b"[]", b"[{}]", info(), info(one(FULL, tablespace=[{}]))):
        with pytest.raises(ValueError, match=r".+"):
            details_in(bad)


def test_folders_and_segments_are_known_by_their_names() -> None:
    names = {".": {"type": "path"}, FULL: {"type": "path"}, "backup.info": {"type": "file"}}
    assert folders_in(json.dumps(names).encode()) == {FULL}
    where = "15-1/0000000100000000"
    listed = {
        f"{where}/000000010000000000000004-{'a' * 40}.gz": {"type": "file", "time": 1777000000},
        f"{where}/000000010000000000000005-{'a' * 40}": {"type": "file", "time": 1777000000},
        f"{where}/000000010000000000000005-{'b' * 40}": {"type": "file", "time": 1777000000},
        f"{where}/000000010000000000000006.partial-{'a' * 40}.gz": {"type": "file", "time": 1},
        f"{where}/000000010000000000000004.00000028.backup": {"type": "file", "time": 1},
        "15-1/00000002.history": {"type": "file", "time": 1},
    }
    found = archives_in(json.dumps(listed).encode())["15-1"]
    assert found.histories == {2}
    assert found.has("000000010000000000000004")
    assert not found.has("000000010000000000000005"), "two different ones: neither is handed out"
    assert not found.has("000000010000000000000006"), "a partial one is none"
    for bad in (b"[]", b'{"a": 1}', b"{"):
        with pytest.raises(ValueError, match=r".*"):
            archives_in(bad)


# --- rows of WAL -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "last", "gap", "beyond"),
    [
        (("02", "03"), "", "", 0),
        (("02", "03", "04", "05"), "05", "", 0),
        (("02", "03", "04", "06", "07"), "04", "05", 2),
        (("02", "03", "05"), "", "04", 1),
        (("01", "02", "03", "04"), "04", "", 0),
    ],
)
def test_a_row_ends_before_its_first_gap(
    there: tuple[str, ...], last: str, gap: str, beyond: int
) -> None:
    found = reach(backup(), archive(*there), alone(backup()), USUAL)
    assert found.last[-2:] == last
    assert (found.gap[-2:], found.beyond) == (gap, beyond)
    assert (found.at is None) == (not last)
    assert bool(found.broken()) == bool(gap)


def test_numbers_go_on_where_the_second_part_is_full() -> None:
    small = archive("02", "03", "00000000000000FE", "00000000000000FF", "0000000100000000")
    begun = backup("FD", "FD")
    assert reach(begun, small, alone(begun), USUAL).last == "000000010000000100000000"
    wide = backup("02", "02")
    large = archive("3E", "3F", "0000000100000000")
    text = info(one(FULL, lsn={"start": "0/F4000028"}, archive={"start": f"{1:08X}{0x3D:016X}"}))
    size = segment_size(stanza_in(text, "rental", 1).backups)
    assert size == 64 * MIB
    assert segment_size([wide]) == USUAL
    assert segment_size([]) == USUAL
    begun = stanza_in(
        info(one(FULL, archive={"start": f"{1:08X}{0x3D:016X}", "stop": f"{1:08X}{0x3D:016X}"})),
        "rental",
        1,
    ).backups[0]
    assert reach(begun, large, alone(begun), size).last == "000000010000000100000000"


def test_a_copy_lacks_what_is_missing_of_its_own_range() -> None:
    assert missing_of_its_own(backup(), archive("02", "03"), USUAL) == ()
    assert missing_of_its_own(backup(), archive("03"), USUAL) == ("000000010000000000000002",)
    cold = stanza_in(info(one(FULL, archive=None, lsn=None)), "rental", 1).backups[0]
    assert missing_of_its_own(cold, archive(), USUAL) == ()
    assert reach(cold, archive("04"), alone(cold), USUAL).last == ""


FORKED = "1\t0/5800000\tno recovery target specified\n"


@pytest.mark.parametrize(
    ("there", "history", "last", "gap"),
    [
        (("02", "03", "04", "05", "2:05", "2:06"), FORKED, "0000000200000000" "00000006", ""),
        # The old timeline went on beside the new one: that is not the row of the newest.
        (("02", "03", "04", "05", "06", "2:05"), FORKED, "000000020000000000000005", ""),
        (("02", "03", "2:05", "2:06"), FORKED, "", "000000010000000000000004"),
        (("03", "04", "05", "2:05", "2:07"), FORKED, "000000020000000000000005", "2"),
    ],
)  # fmt: skip
def test_a_row_goes_over_to_the_timeline_that_forked_off(
    there: tuple[str, ...], history: str, last: str, gap: str
) -> None:
    spans = way_of(backup(), 2, history, USUAL)
    assert [each.timeline for each in spans] == [1, 2]
    found = reach(backup(), archive(*there), spans, USUAL)
    assert found.last == last
    assert bool(found.gap) == bool(gap)


@pytest.mark.parametrize(
    "history",
    ["1\t0/2800000\tbefore the end of the copy\n", "7\t0/9000000\tanother's\n", "", "# nothing\n"],
)
def test_a_timeline_that_does_not_lead_on_from_the_copy_is_left(history: str) -> None:
    assert way_of(backup(), 8, history, USUAL) == ()


def test_three_timelines_in_a_row() -> None:
    history = "1\t0/5800000\tx\n2\t0/7800000\ty\n"
    spans = way_of(backup(), 3, history, USUAL)
    there = archive("02", "03", "04", "05", "2:05", "2:06", "2:07", "3:07", "3:08")
    assert reach(backup(), there, spans, USUAL).last == "000000030000000000000008"
    on_two = backup("06", "06", timeline="00000002")
    assert [each.timeline for each in way_of(on_two, 3, history, USUAL)] == [2, 3]


# --- verify ------------------------------------------------------------------------------------------

WELL = f"""stanza: rental
status: ok
  archiveId: 15-1, total WAL checked: 8, total valid WAL: 8
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: {FULL}, status: valid, total files checked: 968, total valid files: 968
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""
OWN = "15-1/0000000100000000/000000010000000000000003-" + "a" * 40 + ".gz"
LATER = OWN.replace("000003-", "000009-")


@pytest.mark.parametrize(
    ("text", "damages", "missing", "state", "says"),
    [
        (WELL, (), (), "intact", "read its 968 files"),
        (WELL, (), ("0" * 24,), "damaged", "is missing: 0000"),
        # 2.45 calls the stanza good here.
        (
            WELL.replace("valid, total files checked: 968, total valid files: 968",
                         "manifest missing, total files checked: 0, total valid files: 0"),
            (), (), "damaged", "manifest missing",
        ),
        (
            WELL.replace("status: valid", "status: invalid").replace("valid files: 968", "valid files: 966"),
            (Damage("file missing", f"{FULL}/pg_data/base/1/12.gz"),), (), "damaged",
            "2 of its 968 files are missing or not what they were: " + FULL,
        ),
        (
            WELL.replace("valid, total files checked: 968, total valid files: 968",
                         "invalid, total files checked: 0, total valid files: 0"),
            (), (), "damaged", "its manifest cannot be read",
        ),
        (WELL.replace(FULL, DIFF), (), (), "unknown", "said nothing of it"),
        (WELL.replace("valid files: 968", "valid files: 967"), (), (), "unknown", "967 of its 968"),
        (WELL.replace("checked: 968", "checked: 0").replace("files: 968", "files: 0"), (), (), "unknown", "0 files"),
        (WELL.replace("status: valid", "status: in-progress"), (), (), "unknown", "verified 968"),
        (WELL.replace("valid WAL: 8", "valid WAL: 7"), (), (), "unknown", "which is not known"),
        (WELL.replace("valid WAL: 8", "valid WAL: 7"), (Damage("invalid checksum", OWN),), (), "damaged", "…03"),
        (WELL.replace("valid WAL: 8", "valid WAL: 7"), (Damage("invalid result", LATER),), (), "intact", "before 0"),
        ("", (), (), "unknown", "said nothing"),
    ],
)  # fmt: skip
def test_what_verify_says_of_one_backup(
    text: str, damages: tuple[Damage, ...], missing: tuple[str, ...], state: str, says: str
) -> None:
    found = verified(text, FULL, "15-1")
    fact = judged(backup(), found, damages, missing=missing, archive="15-1", size=USUAL)
    assert fact.state == state, fact.reason
    assert says.replace("…", "0000000100000000000000") in fact.reason


def test_why_it_verified_nothing_is_kept() -> None:
    text = "stanza: rental\nstatus: error\n  No usable backup.info file\n"
    assert verified(text, FULL, "15-1").stopped == "No usable backup.info file"


def test_damaged_files_are_read_off_the_log() -> None:
    assert damage_in(f"INFO: file missing '{FULL}/pg_data/1.gz'") == Damage(
        "file missing", f"{FULL}/pg_data/1.gz"
    )
    assert damage_in(f"INFO: invalid result {OWN}: [29] raised from") == Damage(
        "invalid result", OWN
    )
    assert damage_in("INFO: verify command begin 2.45") is None


# --- statuses, complaints, places --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "encrypted", "says"),
    [
        (1, "missing stanza path", False, "no such stanza"),
        (3, "missing stanza data", False, "backup.info is not"),
        (4, "mixed", False, "do not agree"),
        (5, "database mismatch", False, "different clusters"),
        (6, "requested backup not found", False, "not there"),
        (99, "[CryptoError] unable to load info file\ncipher header", True, "this password"),
        (99, "[FormatError] x\nkey/value found outside of section", True, "this password"),
        (99, "[FormatError] x\nSalted__\x00\x01", False, "no password is given"),
        (99, "[FileOpenError] x: y\n[13] Permission denied", False, "permission denied"),
        (99, "[HostConnectError] unable to connect\x1b[2J", False, "unable to connect"),
        (99, "", False, "says: nothing"),
        (7, "new", False, "says: new"),
    ],
)
def test_each_status_is_said_in_words(code: int, message: str, encrypted: bool, says: str) -> None:
    found = status(code, message, encrypted=encrypted)
    assert found is not None
    assert says in found.why
    assert "\x1b" not in found.show()
    assert found.advice


def test_a_stanza_without_a_backup_is_an_empty_list() -> None:
    assert status(0, "ok", encrypted=False) is None
    assert status(2, "no valid backups", encrypted=False) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("WARN: x\nERROR: [055]: unable to open missing file 'a'.\n", "unable to open missing"),
        ("something else\n", "something else"),
        ("", "exit code 9"),
    ],
)
def test_a_complaint_is_its_last_words(text: str, says: str) -> None:
    assert says in complaint(9, text).why


def test_a_configuration_says_where_its_repositories_lie() -> None:
    text = """
[global]
repo1-path=/srv/one
repo2-type=s3
repo2-path=/deep
repo2-s3-bucket=vault
repo2-cipher-pass=a % word ; with [signs]
repo3-host=backup.example
[rental]
repo1-path=/srv/own
"""
    assert lies_in(text, "rental", 1).resource == "/srv/own"
    assert lies_in(text, "other", 1).path == "/srv/one"
    assert lies_in(text, "rental", 2).show() == "s3://vault/deep"
    assert (lies_in(text, "rental", 2).folder, lies_in(text, "rental", 2).resource) == (
        None,
        "vault",
    )
    assert lies_in(text, "rental", 3).kind == "host"
    assert lies_in("", "rental", 1).path == "/var/lib/pgbackrest"
    with pytest.raises(ValueError, match="section"):
        lies_in("no section here", "rental", 1)


S3 = {"bucket": "vault", "endpoint": "s3.example.com", "access_key": "env:K", "secret_key": "env:S"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"config": "/etc/pgbackrest.conf", "repository": "/srv"},
        {"repository": "srv"},
        {"repository": "s3://bucket"},
        {"repository": "/srv", "repo": 2},
        {"repository": "/srv", "format": "pg_dump"},
        {"repository": "/srv", "cipher_password": "sesame"},
        {"repository": "/srv", "as_of": "2026-04-24T19:00Z"},
        {"repository": "~/srv", "s3": S3},
        {"config": "/etc/pgbackrest.conf", "s3": S3},
        {"repository": "/srv", "s3": S3 | {"endpoint": "http://s3.example.com"}},
        {"repository": "/srv", "s3": S3 | {"endpoint": "https://user:word@s3.example.com"}},
        {"repository": "/srv", "s3": {"bucket": "vault", "endpoint": "s3.example.com"}},
        {"repository": "/srv", "stanza": "--delta"},
        {"repository": "/srv", "stanza": "a/b"},
    ],
)
def test_what_is_no_entry_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PgBackRestSource.model_validate({"id": "vault", "stanza": "rental"} | fields)


def test_an_entry_is_physical_and_knows_its_endpoint() -> None:
    given = {"id": "vault", "stanza": "rental", "repository": "/srv", "as_of": "2026-04-24T19:00Z"}
    found = PgBackRestSource.model_validate(
        given | {"s3": S3 | {"endpoint": "https://localhost:8443"}}
    )
    assert found.format == "physical"
    assert found.s3 is not None
    assert found.s3.address == ("localhost", 8443)
